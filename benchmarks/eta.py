"""Backtest of the remaining time on recorded work, in time order: what ends later is unknown when asked.

    python benchmarks/eta.py --data <folder>      (or HEADWAY_BENCH_DATA=<folder>)

Each run is asked about at its start and then each time that its elapsed time has doubled (from a fixed first
moment per data set), as long as it still runs, so that the moments don't depend on when it ends. History is
what Headway would read: the newest 200 runs with the same type, agent kind and project, and the newest 200
others with the same type or agent kind, that had ended before the moment of asking.

Data sets (FAILED requests count as ended runs; PENDING ones never ended and are left out):

nasa-ipsc: a run is a batch job; type = executable, agent kind = number of processors, project = user.

genai-requests: a run is a request; type = predict_type, agent kind = checkpoint model, project = groupId.

minibatch-progress: the files give the time of one mini-batch per worker at regular moments. A run is a piece
of work of 10, 15, 25 or 40 consecutive batches of one worker (sizes in turn, each worker starting at another
one, the same for all jobs); its duration is the sum of their times, and after each batch but the last it
reports the share done. A worker does its runs one after the other; all workers start at once. Type and
project = the job, so that its six workers of different speed are one exact group; agent kind = "trainer" for
all. One unit of normalised time is taken as 1 ms. The estimator isn't told how many batches a run has.

The parameters of the estimator were chosen on the first half of each data set (a first choice of the pace by
a look at all of minibatch-progress); the second half is held out. Beside it stand, on the same questions:
"average", the mean duration of the same history (the exact group where there is one) - elapsed;
"elapsed/progress", elapsed x (100 - progress) / progress; and "at report", the same rule taken at the moment
of the newest report and counted down since, which is its strongest form. None goes below zero.
"""

from __future__ import annotations

import argparse
import csv
import heapq
import json
import os
import sys
import time
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean, median

from headway.domain.eta import Eta, FinishedRun, ProgressReport, estimate

RESULTS = Path(__file__).parent / "results" / "eta.json"
BATCHES_PER_RUN = (10, 15, 25, 40)
ENDED = -1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One recorded run, with what is known about it at its start and how it went."""

    start_ms: int
    duration_ms: int
    type: str
    agent_kind: str
    project: str
    reports: tuple[ProgressReport, ...] = ()

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.duration_ms

    @property
    def likeness(self) -> tuple[str, str, str]:
        return (self.type, self.agent_kind, self.project)

    def finished(self, group: str) -> FinishedRun:
        return FinishedRun(
            duration_ms=self.duration_ms,
            finished_at=EPOCH + timedelta(milliseconds=self.end_ms),
            group=group,
            reports=self.reports,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question, the answers to it and the truth, in ms."""

    held_out: bool
    elapsed: int
    true: int
    eta: Eta | None
    average: float | None
    by_progress: float | None
    at_report: float | None


@dataclass(slots=True)
class Past:
    """The ended runs that can still be history, newest first."""

    exact: dict[tuple[str, str, str], deque] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=200))
    )
    by_type: dict[str, deque] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=400)))
    by_kind: dict[str, deque] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=400)))
    ended: int = 0

    def add(self, run: Run) -> None:
        self.ended += 1
        self.exact[run.likeness].appendleft(run.finished("exact"))
        entry = (-self.ended, run.likeness, run.finished("wide"))
        self.by_type[run.type].appendleft(entry)
        self.by_kind[run.agent_kind].appendleft(entry)

    def like(self, run: Run) -> list[FinishedRun]:
        found = list(self.exact[run.likeness])
        last, wide = 0, 0
        for number, likeness, finished in heapq.merge(self.by_type[run.type], self.by_kind[run.agent_kind]):
            if number == last or likeness == run.likeness:
                continue
            found.append(finished)
            last, wide = number, wide + 1
            if wide == 200:
                break
        return found


def nasa_ipsc(folder: Path) -> list[Run]:
    return [
        Run(
            start_ms=int(row["start_s"]) * 1000,
            duration_ms=int(row["run_s"]) * 1000,
            type=row["executable"],
            agent_kind=row["procs"],
            project=row["user"],
        )
        for row in read(folder / "nasa-ipsc" / "jobs.csv")
    ]


def genai_requests(folder: Path) -> list[Run]:
    return [
        Run(
            start_ms=round(datetime.fromisoformat(row["gmt_create"]).replace(tzinfo=UTC).timestamp() * 1000),
            duration_ms=round(float(row["exec_time_seconds"]) * 1000),
            type=row["predict_type"],
            agent_kind=row["checkpoint_model_version_id"],
            project=row["groupId"],
        )
        for row in read(folder / "genai-requests" / "requests.csv")
        if row["predict_status"] != "PENDING"
    ]


def minibatch_progress(folder: Path) -> list[Run]:
    runs = []
    for file in sorted((folder / "minibatch-progress").glob("job_*.csv")):
        times: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for row in read(file):
            times[int(row["worker"])].append((int(row["time"]), int(row["batch_time_norm"])))
        for worker, batches in sorted(times.items()):
            runs += pieces(file.stem, worker, [took for _, took in sorted(batches)])
    return sorted(runs, key=lambda run: run.start_ms)


def pieces(job: str, worker: int, batches: Sequence[int]) -> Iterator[Run]:
    """Cut the batches of one worker into runs; a rest too short for its run is left out."""
    start_ms, first, turn = 0, 0, worker
    while first + (size := BATCHES_PER_RUN[turn % len(BATCHES_PER_RUN)]) <= len(batches):
        at_ms, reports = 0, []
        for done, took in enumerate(batches[first : first + size], 1):
            at_ms += took
            reports.append(ProgressReport(at_ms=at_ms, progress=100 * done / size))
        yield Run(
            start_ms=start_ms,
            duration_ms=at_ms,
            type=job,
            agent_kind="trainer",
            project=job,
            reports=tuple(reports[:-1]),  # the last batch ends the run
        )
        start_ms, first, turn = start_ms + at_ms, first + size, turn + 1


def read(file: Path) -> Iterable[dict[str, str]]:
    with file.open(newline="") as lines:
        yield from csv.DictReader(lines)


# name: (reader, first moment of asking after the start)
DATA_SETS: dict[str, tuple[Callable[[Path], list[Run]], int]] = {
    "nasa-ipsc": (nasa_ipsc, 10_000),
    "genai-requests": (genai_requests, 10_000),
    "minibatch-progress": (minibatch_progress, 500),
}


def backtest(runs: Sequence[Run], first_ms: int, every: int) -> tuple[list[Answer], list[float]]:
    """Replay the runs in time order.

    Returns:
        The answers, and the seconds that each estimate took.
    """
    past, answers, seconds = Past(), [], []
    for _, _, number, elapsed in sorted(moments(runs, first_ms, every)):
        run = runs[number]
        if elapsed is ENDED:
            past.add(run)
            continue
        history = past.like(run)
        reports = run.reports[: bisect_right(run.reports, elapsed, key=lambda report: report.at_ms)]
        started = time.perf_counter()
        answer = estimate(history=history, elapsed_ms=elapsed, reports=reports)
        seconds.append(time.perf_counter() - started)
        answers.append(
            Answer(
                held_out=number >= len(runs) // 2,
                elapsed=elapsed,
                true=run.duration_ms - elapsed,
                eta=answer if isinstance(answer, Eta) else None,
                average=average_duration(history, elapsed),
                by_progress=elapsed_by_progress(reports, elapsed, elapsed),
                at_report=elapsed_by_progress(reports, reports[-1].at_ms if reports else 0, elapsed),
            )
        )
    return answers, seconds


def moments(runs: Sequence[Run], first_ms: int, every: int) -> Iterator[tuple[int, int, int, int]]:
    """When to ask and when a run ends: (time, 0 ask or 1 end, number of the run, elapsed or ENDED)."""
    for number, run in enumerate(runs):
        yield (run.end_ms, 1, number, ENDED)
        if number % every:
            continue
        yield (run.start_ms, 0, number, 0)
        elapsed = first_ms
        while elapsed < run.duration_ms:
            yield (run.start_ms + elapsed, 0, number, elapsed)
            elapsed *= 2


def average_duration(history: Sequence[FinishedRun], elapsed: int) -> float | None:
    exact = [run.duration_ms for run in history if run.group == "exact"]
    known = exact or [run.duration_ms for run in history]
    return max(fmean(known) - elapsed, 0.0) if known else None


def elapsed_by_progress(reports: Sequence[ProgressReport], spent: int, elapsed: int) -> float | None:
    """The rest of the total that the newest progress implies, had it been reached after the time spent."""
    return max(spent * 100 / reports[-1].progress - elapsed, 0.0) if reports else None


def figures(answers: Sequence[Answer]) -> dict[str, object]:
    """Coverage and errors of the answered questions; the baselines beside it on the same questions."""
    answered = [answer for answer in answers if answer.eta]
    with_average = [answer for answer in answered if answer.average is not None]
    with_progress = [answer for answer in answered if answer.by_progress is not None]
    return {
        "questions": len(answers),
        "answered": len(answered),
        "coverage": share(answered, is_inside),
        "sooner": share(answered, lambda a: a.true < a.eta.low_ms),
        "later": share(answered, lambda a: a.true > a.eta.high_ms),
        "methods": {
            method: sum(answer.eta.method == method for answer in answered)
            for method in ("history", "progress", "combined")
        },
        "against_average": {
            "questions": len(with_average),
            "estimate": error(with_average, lambda a: a.eta.median_ms),
            "average_duration": error(with_average, lambda a: a.average),
        },
        "against_progress": {
            "questions": len(with_progress),
            "coverage": share(with_progress, is_inside),
            "estimate": error(with_progress, lambda a: a.eta.median_ms),
            "average_duration": error(with_progress, lambda a: a.average),
            "elapsed_by_progress": error(with_progress, lambda a: a.by_progress),
            "elapsed_by_progress_at_report": error(with_progress, lambda a: a.at_report),
        }
        if with_progress
        else None,
        "coverage_by_elapsed_ms": {
            str(elapsed): share([a for a in answered if a.elapsed == elapsed], is_inside)
            for elapsed in sorted({answer.elapsed for answer in answered})
        },
    }


def is_inside(answer: Answer) -> bool:
    return answer.eta.low_ms <= answer.true <= answer.eta.high_ms


def bars(found: dict[str, dict]) -> dict[str, bool]:
    by = found["against_progress"]
    return {
        "coverage 75-85 %": 0.75 <= found["coverage"] <= 0.85,
        "error below average": is_below(found["against_average"], "average_duration"),
        **({"error below elapsed/progress": is_below(by, "elapsed_by_progress")} if by else {}),
    }


def is_below(errors: dict[str, dict], other: str) -> bool:
    return errors["estimate"]["median_ms"] < errors[other]["median_ms"]


def share(answers: Sequence[Answer], is_so: Callable[[Answer], bool]) -> float | None:
    return round(fmean(map(is_so, answers)), 4) if answers else None


def error(answers: Sequence[Answer], said: Callable[[Answer], float | None]) -> dict[str, float] | None:
    """Median absolute error in ms, and relative to the true remaining time (where that isn't zero)."""
    pairs = [(value, answer.true) for answer in answers if (value := said(answer)) is not None]
    if not pairs:
        return None
    return {
        "median_ms": round(median(abs(value - true) for value, true in pairs), 1),
        "median_relative": round(median(abs(value - true) / true for value, true in pairs if true), 4),
    }


def measure(folder: Path, name: str, every: int) -> dict[str, object]:
    reader, first_ms = DATA_SETS[name]
    runs = reader(folder)
    answers, seconds = backtest(runs, first_ms, every)
    seconds.sort()
    return {
        "runs": len(runs),
        "every": every,
        "estimate_median_ms": round(seconds[len(seconds) // 2] * 1000, 3),
        "estimate_p99_ms": round(seconds[len(seconds) * 99 // 100] * 1000, 3),
        "all": (overall := figures(answers)),
        "bars": bars(overall),
        "first_half": figures([answer for answer in answers if not answer.held_out]),
        "held_out_half": figures([answer for answer in answers if answer.held_out]),
    }


def table(results: dict[str, dict]) -> Iterator[str]:
    yield (
        f"{'data set':19} {'part':9} {'answered':>8} {'of':>6} {'coverage':>8} "
        f"{'error':>15} {'average':>15} {'elapsed/progress':>16} {'at report':>15}"
    )
    for name, result in results.items():
        for part in ("all", "first_half", "held_out_half"):
            found = result[part]
            start = f"{name:19} {part.removesuffix('_half'):9}"
            yield row(
                start, found["answered"], found["questions"], found["coverage"], found["against_average"]
            )
            if by := found["against_progress"]:
                start = f"{'  with progress':19} {part.removesuffix('_half'):9}"
                yield row(start, by["questions"], found["questions"], by["coverage"], by)
        yield (
            f"{'':19} one estimate takes {result['estimate_median_ms']} ms (median), "
            f"{result['estimate_p99_ms']} ms (p99); "
            + "; ".join(
                f"{bar}: {'held' if is_held else 'MISSED'}" for bar, is_held in result["bars"].items()
            )
        )
    yield "error: median of |said - true| remaining time, and of its ratio to the true remaining time"


def row(start: str, answered: int, asked: int, coverage: float, errors: dict[str, dict]) -> str:
    return (
        f"{start} {answered:8} {asked:6} {coverage:8.1%} {cell(errors['estimate']):>15} "
        f"{cell(errors['average_duration']):>15} {cell(errors.get('elapsed_by_progress')):>16} "
        f"{cell(errors.get('elapsed_by_progress_at_report')):>15}"
    )


def cell(figure: dict[str, float] | None) -> str:
    return f"{figure['median_ms'] / 1000:.3f} s {figure['median_relative']:.0%}" if figure else "-"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("HEADWAY_BENCH_DATA"), help="data folder")
    parser.add_argument("--every", type=int, default=1, help="ask about every n-th run only (default 1)")
    parser.add_argument("--only", choices=DATA_SETS, action="append", help="this data set only")
    arguments = parser.parse_args()
    wanted = arguments.only or list(DATA_SETS)
    if arguments.data is None:
        print("eta: skipped, no data folder (--data or HEADWAY_BENCH_DATA)")
        return 0
    results = {}
    for name in wanted:
        if (arguments.data / name).is_dir():
            results[name] = measure(arguments.data, name, arguments.every)
        else:
            print(f"eta: {name} skipped, {arguments.data / name} is missing")
    if results:
        print("\n".join(table(results)))
    if len(results) == len(DATA_SETS) and arguments.every == 1:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
