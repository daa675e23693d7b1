"""The crew at work: an editor hands out the work, others do it side by side, and each reports what it does.

Everything is told through the SDK that any program uses; nothing here knows how it is kept or shown.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import headway
from headway.interfaces.cli.demo import surveyor
from headway.interfaces.cli.demo.archive import Throughput
from headway.interfaces.cli.demo.archivist import Archivist
from headway.interfaces.cli.demo.inspector import inspect, restore_twice
from headway.interfaces.cli.demo.library import Shard
from headway.interfaces.cli.demo.plan import PROJECT, Plan
from headway.interfaces.cli.demo.report import Findings, Unreadable, totals, write_report
from headway.interfaces.cli.demo.survey import FileSurvey
from headway.sdk.task_handle import TaskHandle

SURVEY_SHARE = 95  # percent of the work that the survey is; inspection and report are the rest

Cancel = Callable[[str, str], None]  # (task id, reason)
Watch = Callable[[int], None]  # (files surveyed so far)


@dataclass(slots=True, kw_only=True)
class Found:
    """What the surveyors have told so far; several threads add to it."""

    surveys: list[FileSurvey] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def add(self, told: FileSurvey | tuple[str, str]) -> int:
        """Keeps one answer; how many there are."""
        with self.lock:
            if isinstance(told, FileSurvey):
                self.surveys.append(told)
            else:
                self.unreadable.append(Unreadable(name=told[0], problem=told[1]))
            return len(self.surveys) + len(self.unreadable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the demo leaves behind."""

    task_id: str
    report: Path
    figures: dict[str, int | float | None]


def run(plan: Plan, *, cancel: Cancel, watch: Watch) -> Outcome:
    """Does the work of the plan and reports it.

    Args:
        plan: what to do.
        cancel: asks the server to have a task cancelled.
        watch: is told after every surveyed file.

    Raises:
        RuntimeError: A surveyor's process died.
    """
    plan.output.mkdir(parents=True, exist_ok=True)
    task = headway.task(
        f"Survey the standard library of {plan.version} ({len(plan.sources)} files)",
        project=PROJECT,
        agent="editor",
        task_type=plan.kind("survey-library"),
        labels={"demo": "quick" if plan.quick else "full"},
        input={"files": len(plan.sources), "bytes": plan.size, "shards": len(plan.shards)},
    )
    with task:
        task.log(f"{len(plan.library)} source files found, {len(plan.sources)} of them are surveyed")
        task.run_info(plan=[shard.title for shard in plan.shards])
        findings = _investigate(plan, task, cancel, watch)
        task.progress(phase="writing the report")
        report = plan.output / "report.md"
        report.write_text(write_report(findings), encoding="utf-8", newline="\n")
        task.artifact("report.md", path=report, type="report")
        figures = totals(findings)
        task.set_result(figures)
    return Outcome(task_id=task.id, report=report, figures=figures)


def _investigate(plan: Plan, task: TaskHandle, cancel: Cancel, watch: Watch) -> Findings:
    found = Found()
    archivist = Archivist(plan=plan, parent=task)
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="crew") as pool:
        try:
            surveys = [
                pool.submit(_survey, number, portion, plan, task, found, watch)
                for number, portion in enumerate(plan.portions(), start=1)
            ]
            packing = pool.submit(archivist.pack)
            strongest = pool.submit(archivist.try_strongest)
            restored = [pool.submit(restore_twice, task, plan, damage) for damage in ("truncated", "damaged")]
            _stop_what_does_not_pay(archivist, task, cancel)
            _wait([*surveys, packing, strongest, *restored])
        finally:
            archivist.given_up.set()
    task.progress(SURVEY_SHARE, "all files are surveyed", phase="inspecting")
    inspect(task, plan, found.unreadable)
    return Findings(
        version=plan.version,
        surveys=sorted(found.surveys, key=lambda survey: survey.name),
        unreadable=sorted(found.unreadable, key=lambda file: file.name),
        strongest=archivist.strongest,
        usual=archivist.usual,
    )


def _survey(
    number: int, shards: Sequence[Shard], plan: Plan, task: TaskHandle, found: Found, watch: Watch
) -> None:
    """Starts a surveyor's process and takes in what it tells."""
    told = surveyor.order(
        shards, agent_id=f"surveyor-{number}", task_type=plan.kind("survey"), project=PROJECT
    )
    process = subprocess.Popen(
        [sys.executable, "-m", surveyor.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=task.environ(),
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(told)
        process.stdin.close()
        for line in process.stdout:
            done = found.add(surveyor.understand(line))
            message = f"surveyed {done} of {len(plan.sources)} files"
            task.progress(SURVEY_SHARE * done / len(plan.sources), message, phase="surveying")
            watch(done)
    if process.returncode:
        raise RuntimeError(f"surveyor {number} ended with exit code {process.returncode}")


def _stop_what_does_not_pay(archivist: Archivist, task: TaskHandle, cancel: Cancel) -> None:
    """Once there is evidence, asks for the attempt at the strongest compression to be stopped."""
    archivist.evidence.wait()
    if archivist.attempt is None or archivist.attempt.ended:
        return
    reason = verdict(archivist.strongest, archivist.usual)
    task.log(f"asked for the strongest compression to be cancelled: {reason}")
    cancel(archivist.attempt.id, reason)


def verdict(strongest: Throughput, usual: Throughput) -> str:
    """Why the strongest compression is not worth its time, in measured figures."""
    return (
        f"on the same {usual.size / 1e6:.1f} MB the strongest compression leaves {_percent(strongest.ratio)} "
        f"instead of {_percent(usual.ratio)}, at {_rate(strongest.mb_per_s)} instead of "
        f"{_rate(usual.mb_per_s)}"
    )


def _percent(ratio: float | None) -> str:
    return "an unknown share" if ratio is None else f"{100 * ratio:.0f} %"


def _rate(mb_per_s: float | None) -> str:
    return "an unknown rate" if mb_per_s is None else f"{mb_per_s:.1f} MB/s"


def _wait(work: Sequence[Future[Any]]) -> None:
    for part in work:
        part.result()
