"""What reading costs with ten million tasks: figures, list pages, words, deep pages, and the audit.

    python -m benchmarks.scale [--tasks N] [--small N] [--database KIND] [--audit] [--keep | --reuse URL]

Builds a small and a large tenant by the bulk path that `bulk` documents, and asks both the same questions through
the ledger, and the dashboard through a real server as well. The audit recounts a tenant of 100,000 tasks made by the
same path (with --audit the large one, too). Where a list page misses its bar, the plan of its query is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import plans, questions, results
from benchmarks.bulk import Built, build, reopened
from benchmarks.databases import KINDS, fresh
from benchmarks.questions import FIGURES, PAGES, Ask, Asked
from benchmarks.results import Figure
from benchmarks.serving import headway_up
from headway.store.opening import open_store

FIGURE_BAR_MS, RATIO_BAR, PAGE_BAR_MS = 10.0, 1.3, 30.0
TIMES, WARM = 200, 5
LONGEST_S = 4.0  # for one question, which is asked less often then
AUDITED = 100_000
OVER_HTTP = "dashboard/stats over HTTP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one question took, many times."""

    p50_ms: float
    p95_ms: float


def _timing(seconds: Sequence[float]) -> Timing:
    ordered = sorted(seconds)
    return Timing(
        p50_ms=ordered[len(ordered) // 2] * 1_000, p95_ms=ordered[int(0.95 * (len(ordered) - 1))] * 1_000
    )


async def _ask_all(tenants: Sequence[Built], asks: dict[str, Ask]) -> list[dict[str, Timing]]:
    """Every question to every tenant in turn, each time about something else; answers by tenant."""
    stores = [open_store(built.url) for built in tenants]
    try:
        for store in stores:
            await store.ledger.open()
        asked = [await questions.prepare(store, built) for store, built in zip(stores, tenants, strict=True)]
        found: list[dict[str, Timing]] = [{} for _ in tenants]
        for name, ask in asks.items():
            for answers, timing in zip(found, await _in_turns(ask, asked, name), strict=True):
                answers[name] = timing
        return found
    finally:
        for store in stores:
            await store.ledger.close()


async def _in_turns(ask: Ask, asked: Sequence[Asked], name: str) -> list[Timing]:
    """The time of one question to each tenant; the turns let both feel the same machine."""
    chances = [random.Random(name) for _ in asked]
    seconds: list[list[float]] = [[] for _ in asked]
    give_up = time.perf_counter() + LONGEST_S
    for number in range(WARM + TIMES):
        if number > WARM and time.perf_counter() > give_up:
            break
        for one, chance, passed in zip(asked, chances, seconds, strict=True):
            began = time.perf_counter()
            await ask(one, chance)
            if number >= WARM:
                passed.append(time.perf_counter() - began)
    return [_timing(passed) for passed in seconds]


def _over_http(tenants: Sequence[Built]) -> list[Timing]:
    """The dashboard's ten figures from real servers, asked in turn."""
    with ExitStack() as stack:
        servers = [stack.enter_context(headway_up(built.url)) for built in tenants]
        connections = [http.client.HTTPConnection(*server.address, timeout=60) for server in servers]
        seconds: list[list[float]] = [[] for _ in servers]
        for number in range(WARM + TIMES):
            for server, connection, passed in zip(servers, connections, seconds, strict=True):
                began = time.perf_counter()
                _get(connection, server.api_key)
                if number >= WARM:
                    passed.append(time.perf_counter() - began)
        for connection in connections:
            connection.close()
    return [_timing(passed) for passed in seconds]


def _get(connection: http.client.HTTPConnection, key: str) -> None:
    connection.request("GET", "/api/v1/dashboard/stats", headers={"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"dashboard/stats: {answer.status} {content[:300]!r}")


async def _audit(url: str, built: Built, database: str) -> Figure:
    store = open_store(url)
    await store.ledger.open()
    try:
        began = time.perf_counter()
        differences = await store.ledger.recount(built.owner.tenant_id)
        seconds = time.perf_counter() - began
    finally:
        await store.ledger.close()
    return Figure(
        name=f"audit of {built.tasks:,} tasks: differences",
        database=database,
        value=len(differences),
        unit="",
        bar=0,
        at_most=True,
        note=f"{seconds:.1f} s, {built.tasks / seconds:,.0f} tasks/s"
        + (f"; {differences[:2]}" if differences else ""),
    )


def _compared(database: str, small: dict[str, Timing], large: dict[str, Timing], sizes: str) -> list[Figure]:
    figures = []
    for name, timing in large.items():
        few = small[name]
        figures.append(
            Figure(
                name=f"{name}, p95",
                database=database,
                value=timing.p95_ms,
                unit="ms",
                bar=FIGURE_BAR_MS,
                at_most=True,
                note=f"median {timing.p50_ms:.2f} ms",
            )
        )
        figures.append(
            Figure(
                name=f"{name}, ratio {sizes}",
                database=database,
                value=timing.p50_ms / few.p50_ms,
                unit="",
                bar=RATIO_BAR,
                at_most=True,
                note=f"of the medians; p95 {timing.p95_ms / few.p95_ms:.2f}",
            )
        )
    return figures


def _pages(database: str, timings: dict[str, Timing]) -> list[Figure]:
    return [
        Figure(
            name=f"tasks page: {name}, p95",
            database=database,
            value=timing.p95_ms,
            unit="ms",
            bar=PAGE_BAR_MS,
            at_most=True,
            note=f"median {timing.p50_ms:.1f} ms",
        )
        for name, timing in timings.items()
    ]


def measure(kind: str, options: argparse.Namespace) -> list[Figure]:
    """All figures of one kind of database."""
    database = KINDS[kind]
    figures = []
    with fresh(kind) as url:
        audited = asyncio.run(build(url, min(AUDITED, options.tasks)))
        figures.append(asyncio.run(_audit(url, audited, database)))
    with fresh(kind) as small_url, _large(kind, options) as built:
        url = built.url
        both = (asyncio.run(build(small_url, options.small)), built)
        figures += _size(database, url, built)
        small, large = asyncio.run(_ask_all(both, FIGURES))
        small[OVER_HTTP], large[OVER_HTTP] = _over_http(both)
        pages = asyncio.run(_ask_all([built], PAGES))[0]
        for name, timing in pages.items():
            if timing.p95_ms > PAGE_BAR_MS:
                print(
                    f"\n{name}: p95 {timing.p95_ms:.1f} ms\n{asyncio.run(plans.plan_of(built, PAGES[name]))}"
                )
        if options.audit:
            figures.append(asyncio.run(_audit(url, built, database)))
    figures += _compared(database, small, large, f"{built.tasks:,} : {both[0].tasks:,}")
    return figures + _pages(database, pages)


@contextmanager
def _large(kind: str, options: argparse.Namespace) -> Iterator[Built]:
    """The large tenant: one that was kept, or a new one."""
    if options.reuse:
        yield asyncio.run(reopened(options.reuse))
        return
    with fresh(kind, keep=options.keep) as url:
        yield asyncio.run(build(url, options.tasks))


def _size(database: str, url: str, built: Built) -> list[Figure]:
    size = plans.bytes_of(url)
    if not built.seconds:
        return []
    return [
        Figure(
            name=f"bulk load of {built.tasks:,} tasks",
            database=database,
            value=built.seconds,
            unit="s",
            note=f"{size / 1e9:.1f} GB, {size / built.tasks:,.0f} bytes a task",
        )
    ]


def main(arguments: list[str] | None = None) -> list[Figure]:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=10_000_000, help="size of the large tenant")
    parser.add_argument("--small", type=int, default=10_000, help="size of the small tenant")
    parser.add_argument("--database", choices=[*KINDS], action="append", help="only this kind")
    parser.add_argument("--audit", action="store_true", help="audit the large tenant, too")
    parser.add_argument("--keep", action="store_true", help="keep the large database and print its URL")
    parser.add_argument(
        "--reuse", metavar="URL", help="a database that --keep left, instead of a new large one"
    )
    options = parser.parse_args(arguments)
    before = results.load_average()
    figures = [figure for kind in options.database or KINDS for figure in measure(kind, options)]
    results.conclude("scale", figures, before)
    return figures


if __name__ == "__main__":
    main()
