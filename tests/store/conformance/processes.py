"""Other processes that write to a ledger: some work to the end, some are killed in the middle of it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from headway.domain.access import Actor
from headway.domain.errors import StoreUnavailable
from headway.store.opening import open_store
from headway.store.port import Batch, Ingested, Store
from tests.domain.building import LEASE, fact
from tests.store.conformance.ledgers import LEDGERS
from tests.store.conformance.scene import Producer, about

# A server process that has the modules loaded forks each worker: clean, unlike a fork of the test process.
FORKING = "forkserver" in multiprocessing.get_all_start_methods()
processes = multiprocessing.get_context("forkserver" if FORKING else "spawn")
if FORKING:
    processes.set_forkserver_preload([__name__])

WAIT_S = 120


def run_all(target: Any, many_args: Sequence[tuple[Any, ...]]) -> list[int | None]:
    """Run workers side by side until all have ended; their exit codes, negative for a signal."""
    workers = [processes.Process(target=target, args=args, daemon=True) for args in many_args]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(WAIT_S)
    return [worker.exitcode for worker in workers]


def ingest_and_die(kind: str, url: str, batches: Sequence[Batch], moment: str) -> None:
    """Ingest batches, and be killed right "before" the commit or "after" it, before anybody was answered."""
    asyncio.run(_ingest_and_die(kind, url, batches, moment))


async def _ingest_and_die(kind: str, url: str, batches: Sequence[Batch], moment: str) -> None:
    store = open_store(url, lease=LEASE, readers=1)
    await store.ledger.open()
    if moment == "before":
        LEDGERS[kind].before_commit(store, die)
    await store.ledger.ingest(batches[0].actor.tenant_id, batches)
    die()


def die() -> None:
    """The end of this process, without a chance to tidy up."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def write_to_shared_tasks(url: str, actor: Actor, tasks: Sequence[str], seed: int, batches: int) -> None:
    """Tell of shared tasks in random order, batch after batch; each batch is sent twice."""
    asyncio.run(_write_to_shared_tasks(url, actor, tasks, random.Random(seed), batches))


async def _write_to_shared_tasks(
    url: str, actor: Actor, tasks: Sequence[str], chance: random.Random, batches: int
) -> None:
    store = open_store(url, lease=LEASE, readers=1)
    await store.ledger.open()
    producer = Producer(actor=actor)
    for number in range(batches):
        facts = [
            told for task in chance.sample(list(tasks), k=3) for told in about(task, *_some(chance, number))
        ]
        batch = producer.batch(*facts)
        first, again = await _taken(store, batch), await _taken(store, batch)
        assert first.applied + len(first.refused) == len(facts)
        assert (again.applied, again.duplicates) == (0, len(facts))
    await store.ledger.close()


def _some(chance: random.Random, number: int) -> list[Any]:
    tokens = chance.randrange(1_000)
    call = fact("llm_call", number, input_tokens=tokens, cost_usd=f"0.{tokens:03d}", template="greet")
    kinds = chance.sample(["created", "progress", "log", "metric", "artifact", "links"], k=2)
    return [call, *(replace(fact(kind, number), run=None) for kind in kinds)]


async def _taken(store: Store, batch: Batch) -> Ingested:
    """The answer to a batch, which is sent again for as long as others are in the way."""
    while True:
        try:
            [outcome] = await store.ledger.ingest(batch.actor.tenant_id, [batch])
        except StoreUnavailable:
            continue
        assert isinstance(outcome, Ingested), outcome
        return outcome
