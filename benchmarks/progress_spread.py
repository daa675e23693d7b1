"""Progress of very many tasks at once: updates spread at random over a million open tasks, in batches of 1,000.

    python -m benchmarks.progress_spread [--tasks 1000000] [--facts 300000] [--database postgresql]

The tasks come from the bulk path of `bulk`, in crash-safe tables; the updates go over HTTP and are committed with
log entries, states and tallies before the answer. Hardly any two facts of a batch are about the same task.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from datetime import UTC, datetime, timedelta

import msgspec

from benchmarks import load, results
from benchmarks.bulk import build
from benchmarks.databases import KINDS, connect, fresh
from benchmarks.results import Figure
from benchmarks.serving import headway_up
from headway.domain import ids

CONNECTIONS, BATCH = 8, 1_000
BAR, GOAL = 25_000, 35_000


def measure(kind: str, tasks: int, facts: int) -> list[Figure]:
    """The figure of one kind of database."""
    with fresh(kind) as url:
        asyncio.run(build(url, tasks, only_open=True, logged=True))
        bodies = _bodies(_open_tasks(url), facts)
        plan = load.Plan(connections=CONNECTIONS, facts=facts, batch=BATCH, warm_up=2)
        with headway_up(url) as server:
            report = load.run(server, plan, bodies)
            shown = server.get("/api/v1/dashboard/stats")
    barred = kind == "postgresql"
    return [
        Figure(
            name=f"progress spread over {tasks:,} open tasks, batches of {BATCH:,}",
            database=KINDS[kind],
            value=report.facts / report.seconds,
            unit="facts/s",
            bar=BAR if barred else None,
            goal=GOAL if barred else None,
            note=(
                f"{report.facts:,} facts, {CONNECTIONS} connections, answer p50 {report.latency_ms(0.5):.0f} ms,"
                f" p99 {report.latency_ms(0.99):.0f} ms,"
                f" server {report.server_us:.1f} µs of CPU a fact;"
                f" {shown['active_tasks']:,} of {shown['total_tasks']:,} running"
            ),
        )
    ]


def _open_tasks(url: str) -> list[str]:
    query = "SELECT id FROM hw_task_state WHERE status IN ('pending', 'running')"
    if url.startswith("sqlite"):
        import sqlite3

        with sqlite3.connect(url.removeprefix("sqlite:///")) as db:
            return [ids.dashed(row[0].hex()) for row in db.execute(query)]
    with connect(url) as db:
        return [str(row[0]) for row in db.execute(query)]


def _bodies(tasks: list[str], facts: int) -> list[list[bytes]]:
    """Encoded batches for each connection."""
    chance = random.Random(7)
    began = datetime.now(UTC) - timedelta(minutes=2)
    encode = msgspec.json.Encoder().encode
    found: list[list[bytes]] = []
    for _ in range(CONNECTIONS):
        producer, seq, bodies = ids.uuid7(), 0, []
        for _ in range(max(3, facts // CONNECTIONS // BATCH)):
            batch = []
            for task_id in chance.choices(tasks, k=BATCH):
                seq += 1
                percent = round(100 * chance.random(), 1)
                batch.append(
                    {
                        "seq": seq,
                        "task_id": task_id,
                        "kind": "progress",
                        "at": began + timedelta(milliseconds=seq),
                        "run": 1,
                        "progress": percent,
                        "message": f"{percent} % of the rows",
                    }
                )
            bodies.append(encode({"producer": producer, "facts": batch}))
        found.append(bodies)
    return found


def main(arguments: list[str] | None = None) -> list[Figure]:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--facts", type=int, default=300_000)
    parser.add_argument("--database", choices=[*KINDS], action="append", help="PostgreSQL when left out")
    options = parser.parse_args(arguments)
    before = results.load_average()
    kinds = options.database or ["postgresql"]
    figures = [figure for kind in kinds for figure in measure(kind, options.tasks, options.facts)]
    results.conclude("progress_spread", figures, before)
    return figures


if __name__ == "__main__":
    main()
