"""An open run of a heartbeating producer lives as long as its lease; what is lost may still come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from headway.domain import ids
from headway.domain.query import Scope
from headway.store.port import Overdue, Store
from tests.domain.building import LEASE, fact, moment
from tests.store.conformance.scene import RECEIVED, Scene, about

ENDED = RECEIVED + LEASE + timedelta(seconds=1)


async def leased_task(scene: Scene, received_at: object = RECEIVED) -> str:
    task_id = ids.uuid7()
    told = about(task_id, fact("created", 0), fact("started", 1))
    await scene.tell(*told, leased=True, received_at=received_at)
    return task_id


async def overdue(scene: Scene, now: object = ENDED) -> list[Overdue]:
    return [one for one in await scene.ledger.overdue(now, 100) if one.tenant_id == scene.tenant_id]


async def test_a_run_is_overdue_once_its_lease_has_ended(scene: Scene) -> None:
    task_id = await leased_task(scene)

    assert await overdue(scene, RECEIVED + LEASE) == []
    assert await overdue(scene) == [
        Overdue(
            tenant_id=scene.tenant_id,
            task_id=task_id,
            user_id=scene.owner.user_id,
            run_number=1,
            lease_ends_at=RECEIVED + LEASE,
        )
    ]


async def test_the_longest_overdue_come_first(scene: Scene, url: str) -> None:
    tasks = [await leased_task(scene, RECEIVED + timedelta(seconds=seconds)) for seconds in (20, 0, 10)]

    found = await scene.ledger.overdue(ENDED + timedelta(seconds=60), 2)

    assert [(one.task_id, one.tenant_id) for one in found] == [
        (tasks[1], scene.tenant_id),
        (tasks[2], scene.tenant_id),
    ]


@pytest.mark.parametrize("ending", ["completed", "failed", "cancelled"])
async def test_what_has_ended_or_holds_no_lease_is_never_overdue(scene: Scene, ending: str) -> None:
    task_id = await leased_task(scene)
    await scene.tell(*about(task_id, fact(ending, 2)))
    await scene.make_task(fact("started", 1))

    assert await overdue(scene, RECEIVED + timedelta(days=365)) == []


async def test_an_expired_run_is_an_inferred_timeout_with_its_evidence(scene: Scene) -> None:
    task_id = await leased_task(scene)
    [lost] = await overdue(scene)

    assert await scene.ledger.expire(lost, ENDED)

    task = await scene.task(task_id)
    assert (task.status, task.inferred, task.finished_at, task.lease_ends_at) == (
        "timeout",
        True,
        RECEIVED + LEASE,
        None,
    )
    [entry] = await scene.ledger.list_entries(scene.tenant_id, task_id, kinds=["timeout"])
    assert entry.data["lease_s"] == LEASE.total_seconds()
    assert entry.data["noticed_at"] == ENDED.isoformat()
    assert task.error is not None
    assert await overdue(scene) == []
    assert not await scene.ledger.expire(lost, ENDED)
    await scene.audit()


async def test_a_run_heard_of_again_before_the_sweeper_came_is_left_alone(scene: Scene) -> None:
    task_id = await leased_task(scene)
    [lost] = await overdue(scene)
    await scene.tell(*about(task_id, fact("heartbeat", 2)), leased=True, received_at=ENDED)

    assert not await scene.ledger.expire(lost, ENDED)

    task = await scene.task(task_id)
    assert (task.status, task.lease_ends_at) == ("running", ENDED + LEASE)


async def test_two_sweepers_time_a_run_out_once(
    scene: Scene, opened: Callable[..., Awaitable[Store]]
) -> None:
    other = (await opened()).ledger
    for _ in range(5):
        await leased_task(scene)
    found = await overdue(scene)

    outcomes = await asyncio.gather(
        *(ledger.expire(lost, ENDED) for lost in found for ledger in (scene.ledger, other))
    )

    assert sum(outcomes) == len(found) == 5
    assert (await scene.ledger.counters(scene.tenant_id, Scope())).runs["timeout"] == 5
    await scene.audit()


async def test_the_own_ending_that_a_spool_brings_replaces_the_guess_in_state_and_tallies(
    scene: Scene,
) -> None:
    task_id = await leased_task(scene)
    [lost] = await overdue(scene)
    await scene.ledger.expire(lost, ENDED)

    await scene.tell(
        *about(task_id, fact("progress", 5, progress=70.0), fact("completed", 9, run=1, result={"rows": 3})),
        received_at=ENDED + timedelta(hours=5),
    )

    task = await scene.task(task_id)
    assert (task.status, task.inferred, task.finished_at, task.result, task.error) == (
        "completed",
        False,
        moment(9),
        {"rows": 3},
        None,
    )
    counters = await scene.ledger.counters(scene.tenant_id, Scope())
    assert (counters.runs["timeout"], counters.runs["completed"], counters.gauges["timeout"]) == (0, 1, 0)
    await scene.audit()


async def test_after_a_retry_the_own_ending_is_kept_beside_the_guess(scene: Scene) -> None:
    task_id = await leased_task(scene)
    [lost] = await overdue(scene)
    await scene.ledger.expire(lost, ENDED)
    later = {"received_at": ENDED + timedelta(hours=1)}
    await scene.tell(*about(task_id, fact("retried", 1_000_200), fact("started", 1_000_201, run=2)), **later)

    await scene.tell(*about(task_id, fact("failed", 9, run=1)), **later)

    runs = await scene.ledger.task_runs(scene.tenant_id, task_id)
    assert [(run.status, run.inferred, run.late_outcome) for run in runs] == [
        ("timeout", True, "failed"),
        ("running", False, None),
    ]
    assert (await scene.task(task_id)).status == "running"
    await scene.audit()


async def test_a_heartbeat_answers_with_the_wish_to_cancel_until_the_run_has_ended(scene: Scene) -> None:
    task_id, worker = ids.uuid7(), scene.producer()
    await scene.take(worker.batch(*about(task_id, fact("started", 1)), leased=True))
    await scene.tell(*about(task_id, fact("cancel_requested", 2, reason="too slow")))

    asked = await scene.take(worker.batch(*about(task_id, fact("heartbeat", 3)), leased=True))
    await scene.take(worker.batch(*about(task_id, fact("completed", 4)), leased=True))
    ended = await scene.take(worker.batch(*about(task_id, fact("log", 5)), leased=True))

    assert (asked.cancel_requested, ended.cancel_requested) == (((task_id, "too slow"),), ())


async def test_a_worker_whose_task_was_cancelled_before_it_began_is_told(scene: Scene) -> None:
    task_id, worker = ids.uuid7(), scene.producer()
    await scene.take(worker.batch(*about(task_id, fact("created", 1)), leased=True))
    await scene.tell(*about(task_id, fact("cancel_requested", 2, reason="not needed")))

    asked = await scene.take(worker.batch(*about(task_id, fact("started", 3)), leased=True))

    assert asked.cancel_requested == ((task_id, "not needed"),)
    assert [refusal.status for refusal in asked.refused] == ["cancelled"]
