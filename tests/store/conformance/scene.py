"""A tenant on an opened store, and producers that send facts about its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from headway.domain import ids
from headway.domain.access import Actor, Role
from headway.domain.errors import HeadwayError
from headway.domain.task import Refusal
from headway.domain.views import Task
from headway.store.port import Batch, Ingested, Ledger, Store
from tests.domain.building import fact, moment

RECEIVED = moment(1_000_000)


@dataclass(kw_only=True)
class Producer:
    """One sending process: numbers its facts and remembers all it sent."""

    actor: Actor
    id: str = field(default_factory=ids.uuid7)
    sent: list[Any] = field(default_factory=list)

    def batch(self, *facts: Any, **values: Any) -> Batch:
        """The next facts, numbered."""
        numbered = [replace_seq(told, len(self.sent) + place) for place, told in enumerate(facts, 1)]
        self.sent += numbered
        return self.again(numbered, **values)

    def again(self, facts: Sequence[Any], **values: Any) -> Batch:
        """A batch of facts that have their numbers."""
        given = {"actor": self.actor, "producer": self.id, "facts": facts, "received_at": RECEIVED}
        return Batch(**{**given, **values})


def replace_seq(told: Any, seq: int) -> Any:
    """The fact (or the refusal of one that could not be read) with another number."""
    return told._replace(seq=seq) if isinstance(told, Refusal) else replace(told, seq=seq)


@dataclass(kw_only=True)
class Scene:
    """A tenant with its owner."""

    store: Store
    owner: Actor

    @property
    def ledger(self) -> Ledger:
        """The ledger of the store."""
        return self.store.ledger

    @property
    def tenant_id(self) -> str:
        """The tenant."""
        return self.owner.tenant_id

    def producer(self, actor: Actor | None = None) -> Producer:
        """A new sending process."""
        return Producer(actor=actor or self.owner)

    async def member(self, email: str = "member@example.org", role: Role = Role.MEMBER) -> Actor:
        """A further user of the tenant."""
        user = await self.store.accounts.add_user(
            tenant_id=self.tenant_id, email=email, role=role, now=RECEIVED
        )
        return Actor(tenant_id=self.tenant_id, user_id=user.id, role=role)

    async def ingest(self, *batches: Batch) -> list[Ingested | HeadwayError]:
        """Batches in one commit."""
        return await self.ledger.ingest(self.tenant_id, batches)

    async def take(self, batch: Batch) -> Ingested:
        """One batch, which must be taken."""
        [outcome] = await self.ingest(batch)
        assert isinstance(outcome, Ingested), outcome
        return outcome

    async def tell(self, *facts: Any, **values: Any) -> Ingested:
        """Facts from a producer of their own."""
        return await self.take(self.producer().batch(*facts, **values))

    async def make_task(self, *further: Any, name: str = "Import catalogue", **values: Any) -> str:
        """A named task; further facts are about it. Its id."""
        task_id = ids.uuid7()
        facts = [fact("created", 0, name=name, **values), *further]
        outcome = await self.tell(*(replace(told, task_id=task_id) for told in facts))
        assert outcome.refused == ()
        return task_id

    async def task(self, task_id: str) -> Task:
        """A task that must be there."""
        found = await self.ledger.get_task(self.owner, task_id)
        assert found is not None
        return found

    async def audit(self) -> None:
        """Every kept figure agrees with its rows."""
        assert await self.ledger.recount(self.tenant_id) == []


async def new_scene(store: Store, name: str = "acme", now: datetime = RECEIVED) -> Scene:
    """A new tenant."""
    owner = await store.accounts.create_tenant(name=name, owner_email=f"owner@{name}.example", now=now)
    return Scene(
        store=store,
        owner=Actor(tenant_id=owner.tenant_id, user_id=owner.id, role=Role.OWNER, email=owner.email),
    )


def about(task_id: str, *facts: Any) -> list[Any]:
    """The same facts about another task."""
    return [replace(told, task_id=task_id) for told in facts]
