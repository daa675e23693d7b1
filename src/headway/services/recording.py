"""Facts on their way into the ledger: whole batches of producers, and single writes that may be repeated.

What a fact does is decided in the ledger; reading tasks is in `tasks`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from headway.domain import facts, ids
from headway.domain.access import Actor
from headway.domain.errors import (
    HeadwayError,
    IdempotencyMismatch,
    InvalidFact,
    NotFound,
    RefusedChange,
    Unavailable,
)
from headway.domain.facts import Fact
from headway.domain.task import Refusal
from headway.services.ingest import IngestService
from headway.store.port import Batch, Ingested, Ledger

SINGLE_WRITE_BYTES = 1_000  # what a fact takes in the queue, about, where its request was not measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a single write was asked for."""

    key: str | None = None  # Idempotency-Key
    request_hash: str | None = None  # of method, path and body
    size: int = SINGLE_WRITE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The answer to a single write, new or kept."""

    status: int  # of HTTP
    body: Any  # JSON-ready
    replayed: bool


class RecordingService:
    """Hands facts to ingest and makes single writes repeatable."""

    def __init__(self, ledger: Ledger, ingest: IngestService, on_failure: Callable[[], None]) -> None:
        """Keep where facts go; `on_failure` is told when they could not be taken for a while."""
        self._ledger = ledger
        self._ingest = ingest
        self._on_failure = on_failure

    async def receive(
        self,
        actor: Actor,
        *,
        producer: str,
        items: Sequence[Fact | Refusal],
        offset: timedelta | None,
        received_at: datetime,
        size: int,
    ) -> Ingested:
        """A producer's batch is durable, its open runs hold a lease.

        Raises:
            NotAllowed: The actor may only look.
            SequenceGap: Facts before these are missing.
            Unavailable: Nothing was written; try again.
        """
        actor.require_write()
        batch = Batch(
            actor=actor,
            producer=producer,
            facts=items,
            received_at=received_at,
            offset=offset,
            leased=True,
            size=size,
        )
        return await self._submit(batch)

    async def once(
        self, actor: Actor, wish: Wish, status: int, act: Callable[[str], Awaitable[Any]]
    ) -> Written:
        """What `act` answers; for a key that was used before, the answer it had then.

        Args:
            actor: Who asks.
            wish: The key, and the hash of what was asked for.
            status: Of the answer when it is new.
            act: Does it, as the producer it is given; returns something JSON-ready.

        Raises:
            IdempotencyMismatch: The key was used with another request.
        """
        actor.require_write()
        if wish.key is None:
            return Written(status=status, body=await act(ids.uuid7()), replayed=False)
        producer = ids.uuid5(actor.tenant_id, f"{actor.user_id}\n{wish.key}")
        kept = await self._ledger.stored_answer(actor, producer)
        if kept is not None:
            return _replayed(kept, wish)
        kept = {"request_hash": wish.request_hash, "status": status}
        try:
            kept["body"] = await act(producer)
        except RefusedChange as error:
            kept["refused"] = {"detail": error.detail, "concerned": error.concerned}
            await self._ledger.store_answer(actor, producer, kept)
            raise
        await self._ledger.store_answer(actor, producer, kept)
        return Written(status=status, body=kept["body"], replayed=False)

    async def write(
        self, actor: Actor, producer: str, wish: Wish, raw_facts: Sequence[Mapping[str, Any]]
    ) -> Ingested:
        """These facts (without seq) are durable, all of them.

        Raises:
            InvalidFact: One of them breaks a rule; nothing was written.
            RefusedChange: The task's state does not allow it.
            NotFound: The task is not one the actor may see.
        """
        now = datetime.now(UTC)
        items = [single_fact(raw, seq, now) for seq, raw in enumerate(raw_facts, 1)]
        batch = Batch(
            actor=actor,
            producer=producer,
            facts=items,
            received_at=now,
            request_hash=wish.request_hash if wish.key is not None else None,
            numbered=wish.key is not None,
            size=wish.size,
        )
        done = await self._submit(batch)
        if done.refused:
            raise _error_of(done.refused[0])
        return done

    async def _submit(self, batch: Batch) -> Ingested:
        try:
            return await self._ingest.submit(batch)
        except Unavailable:
            self._on_failure()
            raise


def single_fact(raw: Mapping[str, Any], seq: int, now: datetime) -> Fact:
    """A fact of a single write: it happened now unless it says otherwise, and unknown fields are an error.

    Raises:
        InvalidFact: It breaks a rule.
    """
    fact, unknown = facts.parse({"at": now, **raw, "seq": seq})
    if unknown:
        shown = str(unknown[0])[:100].encode("utf-8", "backslashreplace").decode("utf-8")
        raise InvalidFact(
            "unknown-field", shown, f"is not a field of {fact.kind}", limit=list(facts.RULES[fact.kind])
        )
    return fact


def _replayed(kept: Mapping[str, Any], wish: Wish) -> Written:
    if kept["request_hash"] != wish.request_hash:
        raise IdempotencyMismatch
    if "refused" in kept:
        raise RefusedChange(kept["refused"]["detail"], **kept["refused"]["concerned"])
    return Written(status=kept["status"], body=kept["body"], replayed=True)


def _error_of(refusal: Refusal) -> HeadwayError:
    if refusal.field is not None:
        return InvalidFact(refusal.slug, refusal.field, refusal.detail, limit=refusal.limit)
    if refusal.slug == NotFound.slug:
        return NotFound()
    return RefusedChange(refusal.detail, problem=refusal.slug, status=refusal.status)
