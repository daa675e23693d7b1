"""The ingest service on real databases: grouping, turns between tenants, a full queue, and bad values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from headway.domain import facts, ids
from headway.domain.access import Actor, Role
from headway.domain.errors import Overloaded, SequenceGap
from headway.domain.query import Scope, TaskFilter
from headway.services.ingest import IngestService
from headway.store.opening import migrate, open_store
from headway.store.port import Batch, Ingested, Store

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TOO_MANY_TOKENS = 2**63  # more than either database's integers hold; `parse` would refuse it before


@dataclass(frozen=True)
class House:
    """An opened store with its ingest service."""

    store: Store
    ingest: IngestService

    async def owner(self, name: str) -> Actor:
        """The owner of a new tenant."""
        user = await self.store.accounts.create_tenant(name=name, owner_email=f"{name}@example.test", now=AT)
        return Actor(tenant_id=user.tenant_id, user_id=user.id, role=Role.OWNER)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    migrate(database_url)
    store = open_store(database_url)
    await store.ledger.open()
    ingest = IngestService(store.ledger)
    await ingest.start()
    yield House(store, ingest)
    await ingest.stop()
    await store.ledger.close()


def created(seq: int, name: str) -> facts.Created:
    return facts.Created(seq=seq, task_id=ids.uuid7(), at=AT, name=name, project="shop")


def batch(actor: Actor, items: Sequence[facts.Fact], producer: str | None = None, size: int = 0) -> Batch:
    return Batch(actor=actor, producer=producer or ids.uuid7(), facts=items, received_at=AT, size=size)


async def names(store: Store, actor: Actor) -> list[str | None]:
    page = await store.ledger.list_tasks(actor, TaskFilter(), order="created_at", limit=200)
    return sorted(task.name or "" for task in page.items)


async def test_what_arrives_during_a_commit_is_committed_together(house: House) -> None:
    actor = await house.owner("acme")
    commits: list[str] = []
    house.ingest.listeners.append(commits.append)

    answers = await asyncio.gather(
        *(house.ingest.submit(batch(actor, [created(1, f"task {number}")])) for number in range(50))
    )

    assert answers == [Ingested(acked_seq=1, applied=1, duplicates=0)] * 50
    assert len(commits) < 10
    counters = await house.store.ledger.counters(actor.tenant_id, Scope())
    assert counters.gauges["pending"] == 50


async def test_a_gap_is_answered_with_the_expected_number_and_harms_nobody_else(house: House) -> None:
    actor = await house.owner("acme")

    gap, good = await asyncio.gather(
        house.ingest.submit(batch(actor, [created(5, "late")])),
        house.ingest.submit(batch(actor, [created(1, "good")])),
        return_exceptions=True,
    )

    assert isinstance(gap, SequenceGap)
    assert gap.expected_seq == 1
    assert isinstance(good, Ingested)
    assert await names(house.store, actor) == ["good"]


async def test_a_value_no_database_keeps_costs_only_its_own_fact(house: House) -> None:
    actor = await house.owner("acme")
    items: list[facts.Fact] = [created(seq, f"task {seq}") for seq in range(1, 21)]
    items[12] = facts.LlmCall(
        seq=13, task_id=ids.uuid7(), at=AT, provider="openai", model="m", input_tokens=TOO_MANY_TOKENS
    )

    bad, other = await asyncio.gather(
        house.ingest.submit(batch(actor, items)), house.ingest.submit(batch(actor, [created(1, "other")]))
    )

    assert (bad.acked_seq, bad.applied, bad.duplicates) == (20, 19, 0)
    assert [(refusal.seq, refusal.slug) for refusal in bad.refused] == [(13, "data-refused")]
    assert other.applied == 1
    assert len(await names(house.store, actor)) == 20
    assert await house.store.ledger.recount(actor.tenant_id) == []


async def test_a_flood_of_one_tenant_is_turned_away_while_another_is_served(house: House) -> None:
    flooder, quiet = await house.owner("flood"), await house.owner("quiet")
    small = IngestService(house.store.ledger, queue_bytes=1_000, commit_facts=1)
    await small.start()

    flood = [
        asyncio.create_task(small.submit(batch(flooder, [created(1, "f")], size=200))) for _ in range(40)
    ]
    await asyncio.sleep(0)
    served = await small.submit(batch(quiet, [created(1, "q")], size=200))
    waiting = sum(not task.done() for task in flood)
    answers = await asyncio.gather(*flood, return_exceptions=True)
    await small.stop()

    assert served.applied == 1
    refused = [answer for answer in answers if isinstance(answer, Overloaded)]
    assert len(refused) >= 30
    assert {error.concerned["retry_after_s"] for error in refused} == {1}
    assert waiting <= 2
    taken = len(answers) - len(refused)
    assert await names(house.store, flooder) == ["f"] * taken


async def test_stopping_writes_what_waits_and_turns_away_what_comes_later(house: House) -> None:
    actor = await house.owner("acme")
    own = IngestService(house.store.ledger)
    await own.start()

    waiting = [
        asyncio.create_task(own.submit(batch(actor, [created(1, f"t{number}")]))) for number in range(20)
    ]
    await asyncio.sleep(0)
    await own.stop()

    assert all(answer.applied == 1 for answer in await asyncio.gather(*waiting))
    with pytest.raises(Overloaded):
        await own.submit(batch(actor, [created(1, "later")]))


async def test_a_new_task_weighs_what_its_kind_typically_takes(house: House) -> None:
    actor = await house.owner("acme")
    first = facts.Created(seq=1, task_id=ids.uuid7(), at=AT, name="one", task_type="import", agent="importer")
    took = AT.replace(second=7)
    ended = facts.Completed(seq=3, task_id=first.task_id, at=took)
    started = facts.Started(seq=2, task_id=first.task_id, at=AT)
    done = Batch(actor=actor, producer=ids.uuid7(), facts=[first, started, ended], received_at=took)
    await house.ingest.submit(done)
    fresh = IngestService(house.store.ledger)
    await fresh.start()

    second = facts.Created(
        seq=1, task_id=ids.uuid7(), at=took, name="two", task_type="import", agent="importer"
    )
    await fresh.submit(Batch(actor=actor, producer=ids.uuid7(), facts=[second], received_at=took))
    await fresh.stop()

    task = await house.store.ledger.get_task(actor, second.task_id)
    assert task is not None
    assert task.weight_ms == 7_000
