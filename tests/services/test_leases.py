"""The lease sweeper on real databases: who is lost is noticed, and Headway's own absence times nobody out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from headway.domain import facts, ids
from headway.domain.access import Actor, Role
from headway.services.ingest import IngestService
from headway.services.leases import Moment, Sweeper
from headway.services.recording import RecordingService
from headway.store.opening import migrate, open_store
from headway.store.port import Batch, Ingested, Store
from tests.postgres import fresh_database, own_server

LEASE_S = 90.0


class Clocks:
    """Both clocks of a machine, which pass as a test wants."""

    def __init__(self) -> None:
        self.moment = Moment(1_000.0, 50.0)

    def __call__(self) -> Moment:
        return self.moment

    def run(self, seconds: float) -> None:
        """The machine runs for a while."""
        self.moment = Moment(self.moment.wall_s + seconds, self.moment.steady_s + seconds)

    def sleep(self, seconds: float) -> None:
        """The machine is suspended: its steady clock stands still."""
        self.moment = Moment(self.moment.wall_s + seconds, self.moment.steady_s)


@dataclass(frozen=True)
class House:
    """A store with one running task whose lease ended an hour ago."""

    store: Store
    owner: Actor
    task_id: str
    clocks: Clocks
    sweeper: Sweeper

    async def status(self) -> str:
        task = await self.store.ledger.get_task(self.owner, self.task_id)
        assert task is not None
        return task.status

    async def work(self, seconds: float) -> None:
        """Headway works on for a while, its sweeper with it."""
        for _ in range(int(seconds / 5)):
            self.clocks.run(5)
            await self.sweeper.turn()


@asynccontextmanager
async def house_at(database_url: str) -> AsyncIterator[House]:
    migrate(database_url)
    store = open_store(database_url, lease=timedelta(seconds=LEASE_S))
    await store.ledger.open()
    then = datetime.now(UTC) - timedelta(hours=1)
    user = await store.accounts.create_tenant(name="a", owner_email="a@example.test", now=then)
    owner = Actor(tenant_id=user.tenant_id, user_id=user.id, role=Role.OWNER)
    task_id = ids.uuid7()
    told = [
        facts.Created(seq=1, task_id=task_id, at=then, name="a"),
        facts.Started(seq=2, task_id=task_id, at=then),
    ]
    batch = Batch(actor=owner, producer=ids.uuid7(), facts=told, received_at=then, leased=True)
    await store.ledger.ingest(owner.tenant_id, [batch], {})
    clocks = Clocks()
    yield House(store, owner, task_id, clocks, Sweeper(store.ledger, LEASE_S, clocks))
    await store.ledger.close()


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """A store on each kind of database in turn."""
    async with house_at(database_url) as found:
        yield found


async def test_a_silent_run_is_timed_out_once_headway_has_worked_for_a_lease(house: House) -> None:
    await house.work(LEASE_S - 5)
    before = await house.status()
    await house.work(10)

    assert (before, await house.status()) == ("running", "timeout")
    task = await house.store.ledger.get_task(house.owner, house.task_id)
    assert task is not None
    assert task.inferred
    assert task.error is not None
    assert "no word from its process" in task.error["message"]


async def test_a_sign_of_life_within_that_lease_saves_the_run(house: House) -> None:
    await house.work(LEASE_S - 5)
    now = datetime.now(UTC)
    beat = Batch(
        actor=house.owner,
        producer=ids.uuid7(),
        facts=[facts.Heartbeat(seq=1, task_id=house.task_id, at=now)],
        received_at=now,
        leased=True,
    )
    await house.store.ledger.ingest(house.owner.tenant_id, [beat], {})
    await house.work(60)

    assert await house.status() == "running"


@pytest.mark.parametrize("how", ["sleep", "run"])
async def test_a_machine_that_stood_still_gives_every_run_another_lease(house: House, how: str) -> None:
    await house.work(LEASE_S - 10)
    getattr(house.clocks, how)(600)
    await house.sweeper.turn()
    await house.work(LEASE_S - 5)
    before = await house.status()
    await house.work(10)

    assert (before, await house.status()) == ("running", "timeout")


async def test_facts_that_could_not_be_taken_give_every_run_another_lease(house: House) -> None:
    ingest = IngestService(house.store.ledger)  # never started: it turns everything away
    recording = RecordingService(house.store.ledger, ingest, house.sweeper.rest)
    now = datetime.now(UTC)
    log = facts.Log(seq=1, task_id=house.task_id, at=now, message="x")
    await house.work(LEASE_S - 5)

    with pytest.raises(Exception, match="stopping"):
        await recording.receive(
            house.owner, producer=ids.uuid7(), items=[log], offset=None, received_at=now, size=100
        )
    await house.work(LEASE_S - 5)

    assert await house.status() == "running"


async def test_a_database_that_is_away_gives_every_run_another_lease() -> None:
    with own_server() as server, fresh_database(server.url) as database_url:
        async with house_at(database_url) as house:
            await house.work(LEASE_S - 5)
            server.stop()
            await house.work(60)
            server.start()
            away = house.sweeper.resting
            await house.work(LEASE_S - 5)
            before = await house.status()
            await house.work(10)
            after = await house.status()

    assert (away, before, after) == (True, "running", "timeout")


async def test_the_own_ending_replaces_the_guess(house: House) -> None:
    await house.work(LEASE_S + 5)
    now = datetime.now(UTC)
    ending = Batch(
        actor=house.owner,
        producer=ids.uuid7(),
        facts=[facts.Completed(seq=1, task_id=house.task_id, at=now - timedelta(minutes=30))],
        received_at=now,
    )
    (answer,) = await house.store.ledger.ingest(house.owner.tenant_id, [ending], {})

    assert isinstance(answer, Ingested)
    assert (answer.applied, await house.status()) == (1, "completed")
    assert await house.store.ledger.recount(house.owner.tenant_id) == []
