"""Deletion and retention: rows go, what they counted for stays, and the audit stays exact for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headway.domain import ids
from headway.domain.errors import NotAllowed, NotFound, StillRunning
from headway.domain.query import CallFilter, Scope, TaskFilter
from headway.domain.views import Counters
from headway.store.port import Store
from tests.domain.building import fact, moment
from tests.store.conformance.scene import RECEIVED, Scene, about


async def busy_task(scene: Scene, at: float = 0, **values: Any) -> str:
    """A finished task with two runs and a row of every sort."""
    return await scene.make_task(
        *(
            replace(told, at=told.at + timedelta(seconds=at))
            for told in (
                fact("started", 1),
                fact("llm_call", 2, cost_usd="0.25", template="greet", input_tokens=7),
                fact("metric", 3),
                fact("artifact", 4, content="report"),
                fact("failed", 5),
                fact("retried", 6),
                fact("completed", 7, run=2),
            )
        ),
        **{"agent": "importer", "labels": {"env": "prod"}, **values},
    )


async def figures(scene: Scene) -> tuple[Counters, dict[Any, Any]]:
    return (
        await scene.ledger.counters(scene.tenant_id, Scope()),
        await scene.ledger.llm_breakdown(scene.tenant_id, Scope()),
    )


async def test_what_a_deleted_task_counted_for_stays_and_is_marked_as_archived(scene: Scene) -> None:
    task_id = await busy_task(scene)
    await scene.tell(*about(task_id, fact("failed", 9)))  # refused, and counted
    before, llm = await figures(scene)

    assert await scene.ledger.delete_task(scene.owner, task_id, RECEIVED) == 1

    now, llm_now = await figures(scene)
    assert (now.runs, llm_now) == (before.runs, llm)
    assert now.archived == before.runs
    assert set(now.gauges.values()) == {0}
    assert before.runs["refused"] == 1
    await scene.audit()


async def test_nothing_of_a_deleted_task_can_be_read(scene: Scene) -> None:
    task_id = await busy_task(scene)
    [artifact] = await scene.ledger.list_artifacts(scene.tenant_id, task_id)

    await scene.ledger.delete_task(scene.owner, task_id, RECEIVED)

    ledger, tenant_id = scene.ledger, scene.tenant_id
    assert await ledger.get_task(scene.owner, task_id) is None
    assert await ledger.task_runs(tenant_id, task_id) == []
    assert await ledger.list_entries(tenant_id, task_id) == []
    assert await ledger.list_metrics(tenant_id, task_id) == []
    assert await ledger.get_artifact(tenant_id, artifact.id) is None
    assert (await ledger.list_llm_calls(scene.owner, CallFilter())).items == ()
    for wanted in (TaskFilter(), TaskFilter(words=("import",)), TaskFilter(label=("env=prod",))):
        assert (await ledger.list_tasks(scene.owner, wanted)).items == ()


async def test_a_deleted_task_refuses_later_facts(scene: Scene) -> None:
    task_id = await busy_task(scene)
    await scene.ledger.delete_task(scene.owner, task_id, RECEIVED)

    outcome = await scene.tell(*about(task_id, fact("created", 1), fact("heartbeat", 2), fact("log", 3)))

    assert [(refusal.seq, refusal.slug) for refusal in outcome.refused] == [(1, "deleted"), (3, "deleted")]
    assert await scene.ledger.get_task(scene.owner, task_id) is None
    await scene.audit()


async def test_children_go_with_their_parent(scene: Scene) -> None:
    parent = await busy_task(scene)
    child = await busy_task(scene, parent_id=parent)
    grandchild = await busy_task(scene, parent_id=child)
    other = await busy_task(scene)

    assert await scene.ledger.delete_task(scene.owner, parent, RECEIVED) == 3

    left = (await scene.ledger.list_tasks(scene.owner, TaskFilter())).items
    assert [task.id for task in left] == [other]
    assert grandchild != other
    await scene.audit()


async def test_a_family_that_still_runs_is_left_whole(scene: Scene) -> None:
    parent = await busy_task(scene)
    running = await scene.make_task(fact("started", 1), parent_id=parent)

    with pytest.raises(StillRunning) as refused:
        await scene.ledger.delete_task(scene.owner, parent, RECEIVED)

    assert refused.value.concerned == {"task_id": running}
    assert (await scene.task(parent)).status == "completed"
    await scene.audit()


async def test_only_what_one_may_see_can_be_deleted(scene: Scene) -> None:
    member = await scene.member()
    theirs, mine = await busy_task(scene), ids.uuid7()
    await scene.take(scene.producer(member).batch(*about(mine, fact("created", 0))))
    await busy_task(scene, parent_id=mine)

    with pytest.raises(NotFound):
        await scene.ledger.delete_task(member, theirs, RECEIVED)
    with pytest.raises(NotFound):
        await scene.ledger.delete_task(member, ids.uuid7(), RECEIVED)
    with pytest.raises(NotAllowed):
        await scene.ledger.delete_task(member, mine, RECEIVED)
    assert (await scene.task(theirs)).status == "completed"


async def test_retention_deletes_what_finished_before_a_time_in_small_batches(scene: Scene) -> None:
    old = [await busy_task(scene, at=number) for number in range(5)]
    new = await busy_task(scene, at=1_000)
    await scene.make_task(fact("started", 1))
    before, llm = await figures(scene)
    horizon = moment(500)

    counts = [await scene.ledger.retain(scene.tenant_id, horizon, 2, RECEIVED) for _ in range(4)]

    assert counts == [2, 2, 1, 0]
    now, llm_now = await figures(scene)
    assert (now.runs, llm_now) == (before.runs, llm)
    assert now.archived["completed"] == now.archived["failed"] == len(old)
    assert (now.gauges["completed"], now.gauges["running"]) == (1, 1)
    assert (await scene.task(new)).status == "completed"
    await scene.audit()


async def test_a_task_that_finished_long_ago_but_was_retried_is_kept(scene: Scene) -> None:
    retried = await scene.make_task(fact("failed", 1), fact("retried", 2))

    assert await scene.ledger.retain(scene.tenant_id, moment(500), 10, RECEIVED) == 0

    assert (await scene.task(retried)).run_number == 2


async def test_the_audit_stays_exact_while_tasks_come_and_go(scene: Scene) -> None:
    for round_ in range(4):
        tasks = [await busy_task(scene, at=round_ * 900, agent=f"agent {round_ % 2}") for _ in range(3)]
        await scene.ledger.delete_task(scene.owner, tasks[0], RECEIVED)
        await scene.ledger.retain(scene.tenant_id, moment(round_ * 900), 2, RECEIVED)
        await scene.audit()

    counters = await scene.ledger.counters(scene.tenant_id, Scope())
    by_agent = await scene.ledger.breakdown(scene.tenant_id, Scope(), "agent")
    assert counters.runs["created"] == 4 * 3 * 2
    for name in ("runs", "gauges", "archived"):
        parts = [getattr(one, name) for one in by_agent.values()]
        assert {key: sum(part[key] for part in parts) for key in parts[0]} == getattr(counters, name)


async def test_deleting_while_facts_arrive_loses_no_count(
    scene: Scene, opened: Callable[..., Awaitable[Store]]
) -> None:
    tasks = [await busy_task(scene) for _ in range(8)]
    other = (await opened()).ledger

    async def tell(task_id: str) -> None:
        batch = scene.producer().batch(*about(task_id, fact("llm_call", 10, cost_usd="1"), fact("log", 11)))
        await other.ingest(scene.tenant_id, [batch])

    await asyncio.gather(
        *(
            work
            for task in tasks
            for work in (scene.ledger.delete_task(scene.owner, task, RECEIVED), tell(task))
        ),
        scene.ledger.retain(scene.tenant_id, moment(500), 10, RECEIVED),
        return_exceptions=True,
    )

    await scene.audit()
    assert (await scene.ledger.list_tasks(scene.owner, TaskFilter())).items == ()


async def test_marks_of_producers_are_kept_for_four_hundred_days(scene: Scene) -> None:
    batch = scene.producer().batch(*about(ids.uuid7(), fact("created", 0)))
    await scene.take(batch)

    await scene.ledger.retain(scene.tenant_id, moment(0), 10, RECEIVED + timedelta(days=399))
    kept = await scene.take(batch)
    await scene.ledger.retain(scene.tenant_id, moment(0), 10, RECEIVED + timedelta(days=401))
    forgotten = await scene.take(batch)

    assert (kept.applied, kept.duplicates, forgotten.applied) == (0, 1, 1)
