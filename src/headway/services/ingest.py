"""The one way facts get into the ledger: a queue per tenant and a group-commit writer per process.

`submit` returns after the commit. What the facts do is decided in the ledger; leases are in `leases`.
"""

from __future__ import annotations

from headway.store.port import Batch, Ingested, Ledger


class IngestService:
    """Collects batches that arrive within a few milliseconds and commits them together."""

    def __init__(self, ledger: Ledger, *, queue_bytes: int = 64_000_000, commit_facts: int = 4_000) -> None:
        """Use this ledger; at most `queue_bytes` wait, about `commit_facts` go into one commit."""
        self.ledger = ledger
        self.queue_bytes = queue_bytes
        self.commit_facts = commit_facts

    async def start(self) -> None:
        """Begin writing."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Write what waits, then stop."""
        raise NotImplementedError

    async def submit(self, batch: Batch) -> Ingested:
        """Have a batch committed.

        Raises:
            Overloaded: The queue is full; `concerned["retry_after_s"]` says when to try again.
            StoreUnavailable: The database cannot be reached.
            SequenceGap: Facts before these are missing.
            IdempotencyMismatch: The producer's key was used with another body.
        """
        raise NotImplementedError
