"""A process killed around its commit, and many processes at once on the same tasks."""

from __future__ import annotations

import asyncio
import signal

import pytest

from headway.domain import ids
from headway.domain.query import Scope
from headway.store.port import Ingested
from tests.domain.building import fact
from tests.store.conformance.ledgers import LedgerKind
from tests.store.conformance.processes import ingest_and_die, run_all, write_to_shared_tasks
from tests.store.conformance.scene import Scene, about

WRITERS, BATCHES, TASKS = 8, 30, 12
KILLED = -getattr(signal, "SIGKILL", signal.SIGTERM)


@pytest.mark.parametrize(("moment", "lost"), [("before", True), ("after", False)])
async def test_killed_before_the_commit_nothing_counts_and_after_it_everything(
    scene: Scene, kind: LedgerKind, url: str, moment: str, lost: bool
) -> None:
    task_id, producer = ids.uuid7(), scene.producer()
    batch = producer.batch(*about(task_id, fact("created", 0), fact("llm_call", 1), fact("completed", 2)))

    exits = await asyncio.to_thread(run_all, ingest_and_die, [(kind.name, url, [batch], moment)])

    found = await scene.ledger.get_task(scene.owner, task_id)
    assert (exits, found is None) == ([KILLED], lost)
    expected = (
        Ingested(acked_seq=3, applied=3, duplicates=0)
        if lost
        else Ingested(acked_seq=3, applied=0, duplicates=3)
    )
    assert await scene.take(batch) == expected
    assert (await scene.task(task_id)).llm_calls == 1
    await scene.audit()


async def test_eight_processes_write_to_the_same_tasks_at_once(scene: Scene, url: str) -> None:
    tasks = [ids.uuid7() for _ in range(TASKS)]

    exits = await asyncio.to_thread(
        run_all, write_to_shared_tasks, [(url, scene.owner, tasks, seed, BATCHES) for seed in range(WRITERS)]
    )

    assert exits == [0] * WRITERS
    seen = await scene.ledger.get_tasks(scene.owner, tasks)
    assert sum(task.llm_calls for task in seen) == WRITERS * BATCHES * 3
    assert sorted(task.change_seq for task in seen) == sorted({task.change_seq for task in seen})
    assert (await scene.ledger.counters(scene.tenant_id, Scope())).runs["created"] == len(seen) == TASKS
    await scene.audit()
