"""The one way facts get into the ledger: a queue per tenant and a group-commit writer per process.

`submit` returns after the commit. What the facts do is decided in the ledger; leases are in `leases`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from headway.domain.errors import DataRefused, HeadwayError, Overloaded, StoreUnavailable
from headway.domain.facts import Fact
from headway.domain.task import Refusal
from headway.services.typical import Typical
from headway.store.port import Batch, Ingested, Ledger

_log = logging.getLogger(__name__)
_FACT_BYTES = 300  # queue space counted for a fact of a batch that does not say its size
_RETRY_AFTER_S = 1
_TENANT_SHARE = 0.5  # of the queue one tenant may fill


@dataclass(slots=True, eq=False)
class _Waiting:
    batch: Batch
    answer: asyncio.Future[Ingested]
    size: int  # bytes


class IngestService:
    """Commits together what has arrived while the commit before was under way; tenants take turns."""

    def __init__(
        self, ledger: Ledger, *, queue_bytes: int = 64_000_000, commit_facts: int = 4_000, writers: int = 1
    ) -> None:
        """Use this ledger.

        Args:
            ledger: Where the facts go.
            queue_bytes: How much may wait in all; one tenant may fill half of it.
            commit_facts: About how many facts go into one commit.
            writers: How many tenants are written at the same time; SQLite has one writer.
        """
        self.ledger = ledger
        self.queue_bytes = queue_bytes
        self.commit_facts = commit_facts
        self.listeners: list[
            Callable[[str], None]
        ] = []  # told the tenant after each commit, in the event loop
        self._typical = Typical(ledger)
        self._writers = writers
        self._queues: OrderedDict[str, deque[_Waiting]] = OrderedDict()  # the next tenant first
        self._sizes: dict[str, int] = {}  # bytes waiting by tenant
        self._size = 0
        self._busy: set[str] = set()
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        """Begin writing."""
        self._stopping = False
        self._tasks = [
            asyncio.create_task(self._run(), name=f"ingest-{number}") for number in range(self._writers)
        ]

    async def stop(self) -> None:
        """Write what waits, then stop; what comes later is turned away."""
        self._stopping = True
        self._work.set()
        await asyncio.gather(*self._tasks)
        self._tasks = []

    async def submit(self, batch: Batch) -> Ingested:
        """Have a batch committed.

        Raises:
            Overloaded: The queue is full; `concerned["retry_after_s"]` says when to try again.
            StoreUnavailable: The database cannot be reached.
            SequenceGap: Facts before these are missing.
            IdempotencyMismatch: The producer's key was used with another body.
        """
        if not batch.facts:
            return Ingested(acked_seq=0, applied=0, duplicates=0)
        if self._stopping or not self._tasks:
            raise Overloaded("the server is stopping", retry_after_s=_RETRY_AFTER_S)
        waiting = self._enqueue(batch)
        self._work.set()
        return await waiting.answer

    def _enqueue(self, batch: Batch) -> _Waiting:
        tenant_id = batch.actor.tenant_id
        size = batch.size or _FACT_BYTES * len(batch.facts)
        held = self._sizes.get(tenant_id, 0)
        full = self._size + size > self.queue_bytes or held + size > self.queue_bytes * _TENANT_SHARE
        if full and self._size:
            raise Overloaded(retry_after_s=_RETRY_AFTER_S, limit=self.queue_bytes)
        waiting = _Waiting(batch, asyncio.get_running_loop().create_future(), size)
        self._queues.setdefault(tenant_id, deque()).append(waiting)
        self._sizes[tenant_id] = held + size
        self._size += size
        return waiting

    async def _run(self) -> None:
        while True:
            tenant_id = next((tenant for tenant in self._queues if tenant not in self._busy), None)
            if tenant_id is None:
                if self._stopping:
                    return
                self._work.clear()
                await self._work.wait()
                continue
            await self._write_some(tenant_id)

    async def _write_some(self, tenant_id: str) -> None:
        """Commit up to `commit_facts` of one tenant, who then goes to the end of the line."""
        taken = self._take(tenant_id)
        self._busy.add(tenant_id)
        try:
            await self._commit(tenant_id, taken)
        finally:
            self._busy.discard(tenant_id)
            released = sum(waiting.size for waiting in taken)
            self._size -= released
            self._sizes[tenant_id] -= released
            if tenant_id in self._queues:
                self._queues.move_to_end(tenant_id)
            elif not self._sizes[tenant_id]:
                del self._sizes[tenant_id]
            self._work.set()

    def _take(self, tenant_id: str) -> list[_Waiting]:
        queue = self._queues[tenant_id]
        taken = [queue.popleft()]
        count = len(taken[0].batch.facts)
        while queue and count + len(queue[0].batch.facts) <= self.commit_facts:
            taken.append(queue.popleft())
            count += len(taken[-1].batch.facts)
        if not queue:
            del self._queues[tenant_id]
        return taken

    async def _commit(self, tenant_id: str, taken: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._ingest(tenant_id, [waiting.batch for waiting in taken])
        except StoreUnavailable as error:
            outcomes = [error] * len(taken)
        except DataRefused:
            outcomes = [await self._alone(tenant_id, waiting.batch) for waiting in taken]
        except Exception as error:  # noqa: BLE001 - the outermost loop: the callers get the error, the writer lives on
            _log.exception("a commit failed")
            outcomes = [
                StoreUnavailable(f"the commit failed: {type(error).__name__}", retry_after_s=5)
            ] * len(taken)
        for waiting, outcome in zip(taken, outcomes, strict=True):
            if waiting.answer.done():  # the client has gone; the commit stands
                continue
            if isinstance(outcome, HeadwayError):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)
        for listener in self.listeners:
            listener(tenant_id)

    async def _ingest(self, tenant_id: str, batches: Sequence[Batch]) -> list[Ingested | HeadwayError]:
        typical = await self._typical.of(tenant_id, batches)
        return await self.ledger.ingest(tenant_id, batches, typical)

    async def _alone(self, tenant_id: str, batch: Batch) -> Ingested | HeadwayError:
        """Commit one batch by itself; when the database refuses a value in it, everything but that fact."""
        try:
            return (await self._ingest(tenant_id, [batch]))[0]
        except StoreUnavailable as error:
            return error
        except DataRefused as error:
            if len(batch.facts) > 1:
                return await self._halves(tenant_id, batch)
            fact = batch.facts[0]
            if isinstance(fact, Refusal):
                return error
            return await self._alone(tenant_id, replace(batch, facts=[_refused(fact, error)]))

    async def _halves(self, tenant_id: str, batch: Batch) -> Ingested | HeadwayError:
        middle = len(batch.facts) // 2
        first = await self._alone(tenant_id, replace(batch, facts=batch.facts[:middle]))
        if isinstance(first, HeadwayError):
            return first
        second = await self._alone(tenant_id, replace(batch, facts=batch.facts[middle:]))
        if isinstance(second, HeadwayError):
            return second
        return Ingested(
            acked_seq=second.acked_seq,
            applied=first.applied + second.applied,
            duplicates=first.duplicates + second.duplicates,
            refused=first.refused + second.refused,
            cancel_requested=tuple(dict([*first.cancel_requested, *second.cancel_requested]).items()),
        )


def _refused(fact: Fact, error: DataRefused) -> Refusal:
    return Refusal(fact.seq, fact.task_id, fact.kind, error.slug, error.detail, None)
