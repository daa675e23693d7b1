"""What a dashboard asks for costs the same with a hundred tasks and with a hundred thousand: looked-at rows counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from headway.domain import ids
from headway.domain.query import Scope, TaskFilter
from headway.store.port import Ledger, Store
from tests.domain.building import fact, moment
from tests.store.conformance.ledgers import LedgerKind
from tests.store.conformance.scene import RECEIVED, Scene, about

FEW, MANY = 100, 100_000
AT_ONCE = 5_000
AGENTS, QUARTERS = 5, 20
Read = Callable[[Ledger, str], Awaitable[Any]]

READS: dict[str, Read] = {
    "counters of the tenant": lambda ledger, tenant_id: ledger.counters(tenant_id, Scope()),
    "counters of an agent": lambda ledger, tenant_id: ledger.counters(tenant_id, Scope(agent_kind="agent 1")),
    "breakdown by agent": lambda ledger, tenant_id: ledger.breakdown(tenant_id, Scope(), "agent"),
    "series by quarter-hour": lambda ledger, tenant_id: ledger.series(
        tenant_id, Scope(), period="quarter", start=moment(0), end=moment(900 * QUARTERS)
    ),
    "calls by model": lambda ledger, tenant_id: ledger.llm_breakdown(tenant_id, Scope()),
    "head of the feed": lambda ledger, tenant_id: ledger.head(tenant_id),
}


def counting_tasks(scene: Scene) -> Read:
    """What must cost more with more tasks, or nothing was measured."""
    return lambda ledger, _: ledger.count_tasks(scene.owner, TaskFilter())


async def fill(scene: Scene, start: int, end: int) -> None:
    """Tasks of a few agents over a few hours; some have called a model and ended."""
    for first in range(start, end, AT_ONCE):
        told = [one for number in range(first, min(first + AT_ONCE, end)) for one in a_task(number)]
        outcome = await scene.tell(*told)
        assert outcome.refused == ()


def a_task(number: int) -> list[Any]:
    at = 900 * (number % QUARTERS)
    told = [fact("created", at, name=f"task {number}", agent=f"agent {number % AGENTS}")]
    if number % 50 == 0:
        told += [fact("llm_call", at + 1, cost_usd="0.01"), fact("completed", at + 2)]
    return about(ids.uuid7(), *told)


def cost_of(kind: LedgerKind, store: Store, tenant_id: str, read: Read) -> int:
    """How much the ledger looks at for one answer, asked for a second time: caches are warm."""

    def ask() -> None:
        asyncio.run(answer())

    async def answer() -> None:
        await read(store.ledger, tenant_id)

    ask()
    return kind.reading_cost(store, ask)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_what_a_dashboard_asks_for_costs_the_same_whatever_the_number_of_tasks(
    scene: Scene, kind: LedgerKind, url: str
) -> None:
    await fill(scene, 0, FEW)
    kind.settle(url)
    before = await asyncio.to_thread(costs, kind, scene)

    await fill(scene, FEW, MANY)
    kind.settle(url)
    after = await asyncio.to_thread(costs, kind, scene)
    measured = await asyncio.to_thread(cost_of, kind, scene.store, scene.tenant_id, counting_tasks(scene))

    counters = await scene.ledger.counters(scene.tenant_id, Scope())
    assert counters.runs["created"] == sum(counters.gauges[name] for name in ("pending", "completed")) == MANY
    assert after == before
    assert measured >= MANY > max(after.values())
    assert RECEIVED - moment(0) > timedelta(seconds=900 * QUARTERS)  # no time was moved to the receipt


def costs(kind: LedgerKind, scene: Scene) -> dict[str, int]:
    return {name: cost_of(kind, scene.store, scene.tenant_id, read) for name, read in READS.items()}
