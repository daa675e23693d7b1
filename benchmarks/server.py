"""What a server costs that nobody uses: the time until it answers, its memory, and its share of a core.

    python -m benchmarks.server [--quick] [--database sqlite]

Start-up is the time from the start of `headway up` to the first 200 of /healthz, on an empty database whose schema
it has to make; the first of several starts only fills the caches. Nothing is sent while memory and CPU are read.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import psutil

from benchmarks import results
from benchmarks.databases import KINDS, fresh
from benchmarks.results import Figure
from benchmarks.serving import headway_up

STARTS = 5
SETTLE_S, IDLE_S = 3.0, 20.0
START_BAR_S, MEMORY_BAR_MB, CPU_BAR_PERCENT = 2.0, 150, 2.0


def measure(kind: str, idle_s: float) -> list[Figure]:
    """The figures of one kind of database."""
    starts = []
    for number in range(STARTS + 1):
        with fresh(kind) as url, headway_up(url) as server:
            starts.append(server.ready_s)
            if number == STARTS:
                memory_mb, cpu_percent = _idle(server.pid, idle_s)
    starts = starts[1:]
    database = KINDS[kind]
    return [
        Figure(
            name="first 200 after `headway up`",
            database=database,
            value=median(starts),
            unit="s",
            bar=START_BAR_S,
            at_most=True,
            note=f"median of {len(starts)} starts on an empty database, slowest {max(starts):.2f} s",
        ),
        Figure(
            name="resident memory, idle",
            database=database,
            value=memory_mb,
            unit="MB",
            bar=MEMORY_BAR_MB,
            at_most=True,
        ),
        Figure(
            name="CPU, idle",
            database=database,
            value=cpu_percent,
            unit="% of a core",
            bar=CPU_BAR_PERCENT,
            at_most=True,
            note=f"over {idle_s:.0f} s",
        ),
    ]


def _idle(pid: int, seconds: float) -> tuple[float, float]:
    """Resident megabytes and percent of a core of a process and its children, left alone."""
    time.sleep(SETTLE_S)
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    before = _cpu_s(processes)
    time.sleep(seconds)
    cpu_percent = (_cpu_s(processes) - before) / seconds * 100
    return sum(process.memory_info().rss for process in processes) / 1e6, cpu_percent


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def main(arguments: list[str] | None = None) -> list[Figure]:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="five idle seconds instead of twenty")
    parser.add_argument("--database", choices=[*KINDS], action="append", help="only this kind")
    options = parser.parse_args(arguments)
    before = results.load_average()
    idle_s = IDLE_S / 4 if options.quick else IDLE_S
    figures = [figure for kind in options.database or KINDS for figure in measure(kind, idle_s)]
    results.conclude("server", figures, before)
    return figures


if __name__ == "__main__":
    main()
