"""Requests that carry one fact each, from 32 connections at once: how many per second, and how long one takes.

    python -m benchmarks.single_fact [--quick] [--database postgresql]

Each answer comes after a commit; what arrives meanwhile shares the next one.
"""

from __future__ import annotations

import argparse

from benchmarks import load, results
from benchmarks.databases import KINDS, fresh
from benchmarks.results import Figure
from benchmarks.serving import headway_up

CONNECTIONS = 32
REQUESTS = 32_000
PER_SECOND_BAR, P99_BAR_MS = 2_500, 25.0


def measure(kind: str, requests: int) -> list[Figure]:
    """The figures of one kind of database."""
    with fresh(kind) as url, headway_up(url) as server:
        plan = load.Plan(connections=CONNECTIONS, facts=requests, batch=1, warm_up=20)
        report = load.run(server, plan)
    barred = kind == "postgresql"
    name = f"single facts, {CONNECTIONS} connections"
    return [
        Figure(
            name=name,
            database=KINDS[kind],
            value=report.requests / report.seconds,
            unit="requests/s",
            bar=PER_SECOND_BAR if barred else None,
            note=(
                f"{report.requests:,} requests, server {report.server_us:.0f} µs of CPU each,"
                f" generator {report.cpu_s / report.seconds:.0%} of a core"
            ),
        ),
        Figure(
            name=f"{name}: p99",
            database=KINDS[kind],
            value=report.latency_ms(0.99),
            unit="ms",
            bar=P99_BAR_MS if barred else None,
            at_most=True,
            note=f"p50 {report.latency_ms(0.5):.1f} ms",
        ),
    ]


def main(arguments: list[str] | None = None) -> list[Figure]:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the requests")
    parser.add_argument("--database", choices=[*KINDS], action="append", help="only this kind")
    options = parser.parse_args(arguments)
    before = results.load_average()
    requests = REQUESTS // 5 if options.quick else REQUESTS
    figures = [figure for kind in options.database or KINDS for figure in measure(kind, requests)]
    results.conclude("single_fact", figures, before)
    return figures


if __name__ == "__main__":
    main()
