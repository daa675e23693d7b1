"""How many facts per second a server takes over HTTP, with every effect committed before the answer.

    python -m benchmarks.ingest [--quick]

Task rows, log entries, LLM calls, runs, tallies, marks and search terms are all in the commit. One server process,
one generator process, one database per row of the table. "mixed" rows leave 50 tasks of each producer open at once,
so that most facts change a task that is known; the other rows send one task after the other. The raw limit is
measured in the same run with the same rows. Afterwards the counters must equal what was sent and the audit be clean.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import load, raw_limit, results
from benchmarks.databases import KINDS, fresh
from benchmarks.results import Figure
from benchmarks.serving import Server, headway_up
from benchmarks.workload import FACTS_PER_TASK
from headway.domain.query import Scope
from headway.store.opening import open_store

RAW_SHARE = 0.18  # of COPY, PostgreSQL, batches of 1,000
RAW_GOAL = 0.30


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of the table."""

    batch: int
    connections: int
    facts: int
    bar: float | None
    goal: float | None = None
    open_at_once: int = 1


CASES = (
    Case(batch=1_000, connections=8, facts=400_000, bar=40_000, goal=60_000),
    Case(batch=100, connections=16, facts=200_000, bar=20_000),
    Case(batch=10, connections=32, facts=60_000, bar=5_000),
    Case(batch=1_000, connections=8, facts=200_000, bar=None, open_at_once=50),
)


def measure(kind: str, case: Case) -> list[Figure]:
    """The figures of one case on a fresh database of one kind."""
    with fresh(kind) as url:
        with headway_up(url) as server:
            report = load.run(
                server,
                load.Plan(
                    connections=case.connections,
                    facts=case.facts,
                    batch=case.batch,
                    open_at_once=case.open_at_once,
                ),
            )
        checked = asyncio.run(_check(url, server, report.applied))
        raw = raw_limit.rate(url, case.batch, min(case.facts, 200_000))
    return _figures(kind, case, report, raw, checked)


def _figures(kind: str, case: Case, report: load.Report, raw: float, checked: dict[str, Any]) -> list[Figure]:
    per_second = report.facts / report.seconds
    name = f"ingest, batches of {case.batch:,}" + (", mixed" if case.open_at_once > 1 else "")
    how = "COPY" if kind == "postgresql" else "executemany"
    figures = [
        Figure(
            name=name,
            database=KINDS[kind],
            value=per_second,
            unit="facts/s",
            bar=case.bar,
            goal=case.goal,
            note=(
                f"{report.facts:,} facts, {case.connections} connections,"
                f" answer p50 {report.latency_ms(0.5):.0f} ms, p99 {report.latency_ms(0.99):.0f} ms,"
                f" server {report.server_us:.1f} µs of CPU a fact,"
                f" generator {report.cpu_s / report.seconds:.1%} of a core; {checked['audit']}"
            ),
        )
    ]
    barred = kind == "postgresql" and case.batch == 1_000 and case.open_at_once == 1
    figures.append(
        Figure(
            name=f"{name}: share of raw {how}",
            database=KINDS[kind],
            value=per_second / raw,
            unit="",
            bar=RAW_SHARE if barred else None,
            goal=RAW_GOAL if barred else None,
            note=f"raw {how} of the same rows: {raw:,.0f}/s",
        )
    )
    return figures


async def _check(url: str, server: Server, applied: int) -> dict[str, Any]:
    """Counters equal what was sent, and the audit finds nothing.

    Raises:
        AssertionError: They don't, or it does.
    """
    store = open_store(url)
    await store.ledger.open()
    try:
        tasks = applied // FACTS_PER_TASK
        counters = await store.ledger.counters(server.tenant_id, Scope())
        counted = {name: counters.runs[name] for name in ("created", "started", "completed", "refused")}
        assert counted == {"created": tasks, "started": tasks, "completed": tasks, "refused": 0}, counted
        calls = await store.ledger.llm_breakdown(server.tenant_id, Scope())
        assert sum(row["calls"] for row in calls.values()) == tasks, calls
        differences = await store.ledger.recount(server.tenant_id)
        assert differences == [], differences[:5]
    finally:
        await store.ledger.close()
    return {"audit": "counters right, audit clean"}


def main(arguments: list[str] | None = None) -> list[Figure]:
    """Measure, print and write all cases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the facts")
    parser.add_argument("--database", choices=[*KINDS], action="append", help="only this kind")
    parser.add_argument("--batch", type=int, action="append", help="only batches of this size")
    options = parser.parse_args(arguments)
    before = results.load_average()
    figures: list[Figure] = []
    for case in CASES:
        if options.batch and case.batch not in options.batch:
            continue
        sized = replace(case, facts=case.facts // 10) if options.quick else case
        for kind in options.database or KINDS:
            figures += measure(kind, sized)
            print(f"{figures[-2].name}, {KINDS[kind]}: {figures[-2].value:,.0f} facts/s", flush=True)
    results.conclude("ingest", figures, before)
    return figures


if __name__ == "__main__":
    main()
