"""Each fact takes effect once, however often, however cut and over whichever server it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from headway.domain import ids
from headway.domain.errors import IdempotencyMismatch, SequenceGap
from headway.domain.query import Scope, TaskFilter
from headway.domain.task import Refusal
from headway.store.port import Ingested, Store
from tests.domain.building import fact, moment
from tests.store.conformance.scene import Producer, Scene, about, new_scene

Open = Callable[..., Awaitable[Store]]
CALL, ARTIFACT = ids.uuid7(), ids.uuid7()


def a_run(task_id: str) -> list[Any]:
    """One task from its creation to its end, with a row of every sort."""
    return about(
        task_id,
        fact("created", 0, project="shop", agent="importer", labels={"env": "prod"}),
        fact("started", 1, run=1),
        fact("progress", 2, run=1, progress=40.0),
        fact("log", 3, level="warning"),
        fact("llm_call", 4, id=CALL, input_tokens=512, output_tokens=128, cost_usd="0.25"),
        fact("metric", 5),
        fact("artifact", 6, id=ARTIFACT, content="report"),
        fact("completed", 7, run=1, result={"rows": 1_000}),
    )


async def picture(scene: Scene, task_id: str) -> Any:
    """All that can be seen of a task, and the tenant's figures."""
    ledger, tenant_id = scene.ledger, scene.tenant_id
    return (
        await scene.task(task_id),
        await ledger.task_runs(tenant_id, task_id),
        await ledger.list_entries(tenant_id, task_id),
        await ledger.list_metrics(tenant_id, task_id),
        await ledger.list_artifacts(tenant_id, task_id),
        await ledger.counters(tenant_id, Scope()),
        await ledger.llm_breakdown(tenant_id, Scope()),
        await ledger.head(tenant_id),
    )


async def test_a_batch_sent_again_changes_nothing(scene: Scene) -> None:
    task_id = ids.uuid7()
    batch = scene.producer().batch(*a_run(task_id))
    first = await scene.take(batch)
    before = await picture(scene, task_id)

    second = await scene.take(batch)

    assert first == Ingested(acked_seq=8, applied=8, duplicates=0)
    assert second == Ingested(acked_seq=8, applied=0, duplicates=8)
    assert await picture(scene, task_id) == before
    await scene.audit()


async def test_the_same_batch_twice_in_one_commit_counts_once(scene: Scene) -> None:
    task_id = ids.uuid7()
    batch = scene.producer().batch(*a_run(task_id))

    outcomes = await scene.ingest(batch, batch)

    assert outcomes == [
        Ingested(acked_seq=8, applied=8, duplicates=0),
        Ingested(acked_seq=8, applied=0, duplicates=8),
    ]
    assert (await scene.task(task_id)).llm_calls == 1
    await scene.audit()


async def test_of_an_overlapping_batch_only_what_is_new_counts(scene: Scene) -> None:
    task_id, producer = ids.uuid7(), scene.producer()
    await scene.take(producer.batch(*a_run(task_id)[:5]))
    producer.batch(*a_run(task_id)[5:])

    outcome = await scene.take(producer.again(producer.sent[3:]))

    assert outcome == Ingested(acked_seq=8, applied=3, duplicates=2)
    await scene.audit()


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_it_makes_no_difference_how_facts_are_cut_and_cut_again(scene: Scene, size: int) -> None:
    task_id, producer = ids.uuid7(), scene.producer()
    producer.batch(*a_run(task_id))

    for start in range(0, 8, size):
        await scene.take(producer.again(producer.sent[start : start + size]))
    before = await picture(scene, task_id)
    for start in range(0, 8, 8 - size):
        await scene.take(producer.again(producer.sent[start : start + 8 - size]))

    assert await picture(scene, task_id) == before
    assert (before[0].status, before[0].llm_calls, before[0].entry_seq) == ("completed", 1, 8)
    await scene.audit()


async def test_a_gap_is_answered_with_the_number_expected_and_nothing_of_the_batch_counts(
    scene: Scene,
) -> None:
    task_id, producer, other = ids.uuid7(), scene.producer(), scene.producer()
    await scene.take(producer.batch(*a_run(task_id)[:3]))
    producer.batch(*a_run(task_id)[3:])

    outcomes = await scene.ingest(
        producer.again(producer.sent[5:]), other.batch(*about(task_id, fact("log", 9, message="beside it")))
    )

    [gap, taken] = outcomes
    assert isinstance(gap, SequenceGap)
    assert gap.concerned == {"expected_seq": 4, "got_seq": 6}
    assert taken == Ingested(acked_seq=1, applied=1, duplicates=0)
    assert (await scene.task(task_id)).status == "running"
    assert (await scene.take(producer.again(producer.sent[3:]))).applied == 5
    await scene.audit()


async def test_a_producer_that_was_never_heard_begins_at_one(scene: Scene) -> None:
    producer = scene.producer()
    producer.batch(*a_run(ids.uuid7()))

    [outcome] = await scene.ingest(producer.again(producer.sent[1:]))

    assert isinstance(outcome, SequenceGap)
    assert outcome.expected_seq == 1


async def test_two_producers_tell_of_one_task(scene: Scene) -> None:
    task_id, worker, watcher = ids.uuid7(), scene.producer(), scene.producer()
    run = a_run(task_id)

    await scene.ingest(worker.batch(*run[:3]), watcher.batch(run[3], run[4]), worker.batch(run[5]))
    await scene.ingest(watcher.batch(run[6]), worker.batch(run[7]))

    task = await scene.task(task_id)
    assert (task.status, task.entry_seq, task.llm_calls) == ("completed", 8, 1)
    await scene.audit()


async def test_two_users_may_use_the_same_producer_number_for_themselves(scene: Scene) -> None:
    member = await scene.member()
    mine, theirs = Producer(actor=scene.owner), Producer(actor=member)
    theirs.id = mine.id

    told = a_run(ids.uuid7())[1:]

    outcomes = await scene.ingest(mine.batch(*told), theirs.batch(*about(ids.uuid7(), *told)))

    assert outcomes == [Ingested(acked_seq=7, applied=7, duplicates=0)] * 2


async def test_two_writers_touch_a_task_first_at_once(scene: Scene, opened: Open) -> None:
    ledgers = [scene.ledger, (await opened()).ledger]
    tasks = [ids.uuid7() for _ in range(10)]

    async def touch(ledger: Any, facts: list[Any]) -> None:
        [outcome] = await ledger.ingest(scene.tenant_id, [scene.producer().batch(*facts)])
        assert outcome == Ingested(acked_seq=len(facts), applied=len(facts), duplicates=0)

    for task_id in tasks:
        told = about(task_id, fact("created", 0), fact("log", 1), fact("log", 2))
        await asyncio.gather(touch(ledgers[0], told), touch(ledgers[1], about(task_id, fact("progress", 3))))

    seen = await scene.ledger.get_tasks(scene.owner, tasks)
    assert {(task.name, task.status, task.entry_seq) for task in seen} == {("Import catalogue", "running", 4)}
    assert len(seen) == 10
    await scene.audit()


async def test_the_same_batch_over_two_servers_at_once_counts_once(scene: Scene, opened: Open) -> None:
    ledgers = [scene.ledger, (await opened()).ledger]

    for _ in range(10):
        batch = scene.producer().batch(*a_run(ids.uuid7()))
        outcomes = await asyncio.gather(*(ledger.ingest(scene.tenant_id, [batch]) for ledger in ledgers))
        assert sorted(outcome.applied for [outcome] in outcomes if isinstance(outcome, Ingested)) == [0, 8]

    assert (await scene.ledger.counters(scene.tenant_id, Scope())).runs["completed"] == 10
    await scene.audit()


async def test_the_same_task_id_in_two_tenants_is_two_tasks(scene: Scene) -> None:
    other, task_id = await new_scene(scene.store, "globex"), ids.uuid7()
    await scene.tell(*a_run(task_id))

    await other.tell(*about(task_id, fact("created", 0, name="Theirs"), fact("llm_call", 1, id=CALL)))

    assert ((await scene.task(task_id)).name, (await other.task(task_id)).name) == (
        "Import catalogue",
        "Theirs",
    )
    assert ((await scene.task(task_id)).status, (await other.task(task_id)).status) == (
        "completed",
        "pending",
    )
    await scene.audit()
    await other.audit()


async def test_the_same_call_and_artifact_ids_in_two_tasks_are_two_calls(scene: Scene) -> None:
    first, second = ids.uuid7(), ids.uuid7()

    outcome = await scene.tell(*a_run(first), *a_run(second))

    assert (outcome.applied, outcome.duplicates) == (16, 0)
    await scene.audit()


async def test_a_call_or_artifact_id_that_came_before_in_its_task_is_a_duplicate(scene: Scene) -> None:
    task_id = ids.uuid7()
    await scene.tell(*a_run(task_id))
    again = about(
        task_id, fact("llm_call", 8, id=CALL, cost_usd="9"), fact("artifact", 9, id=ARTIFACT), fact("log", 10)
    )

    outcome = await scene.tell(*again)

    assert outcome == Ingested(acked_seq=3, applied=1, duplicates=2)
    task = await scene.task(task_id)
    assert (task.llm_calls, task.cost_nusd, task.entry_seq) == (1, 250_000_000, 9)
    await scene.audit()


async def test_what_was_sent_before_a_restart_is_known_after_it(scene: Scene, opened: Open) -> None:
    task_id = ids.uuid7()
    batch = scene.producer().batch(*a_run(task_id))
    await scene.take(batch)
    before = await picture(scene, task_id)

    await scene.ledger.close()
    reopened = Scene(store=await opened(), owner=scene.owner)

    assert await reopened.take(batch) == Ingested(acked_seq=8, applied=0, duplicates=8)
    assert await picture(reopened, task_id) == before


async def test_after_a_restored_backup_the_spool_fills_in_what_was_lost(
    scene: Scene, opened: Open, copy: Callable[[str], str], url: str
) -> None:
    task_id, producer = ids.uuid7(), scene.producer()
    await scene.take(producer.batch(*a_run(task_id)[:4]))
    await scene.ledger.close()
    backup = copy(url)
    scene = Scene(store=await opened(), owner=scene.owner)
    await scene.take(producer.batch(*a_run(task_id)[4:]))
    lost = await picture(scene, task_id)

    restored = Scene(store=await opened(backup), owner=scene.owner)
    [gap] = await restored.ingest(producer.batch(*about(task_id, fact("log", 8))))
    assert isinstance(gap, SequenceGap)
    await restored.take(producer.again(producer.sent[gap.expected_seq - 1 : 8]))

    assert gap.expected_seq == 5
    assert without_change_numbers(await picture(restored, task_id)) == without_change_numbers(lost)
    await restored.audit()


def without_change_numbers(shown: Any) -> Any:
    task, *rows, _ = shown
    return replace(task, change_seq=0), rows


async def test_after_a_restored_backup_the_rest_comes_from_a_new_producer(
    scene: Scene, opened: Open, copy: Callable[[str], str], url: str
) -> None:
    task_id, producer = ids.uuid7(), scene.producer()
    await scene.take(producer.batch(*about(task_id, fact("created", 0), fact("failed", 1, run=1))))
    await scene.ledger.close()
    backup = copy(url)
    later = about(task_id, fact("started", 31, run=3), fact("completed", 32, run=3))

    restored = Scene(store=await opened(backup), owner=scene.owner)
    outcome = await restored.tell(*later)  # run 2 was acknowledged, then lost with the database

    assert outcome.refused == ()
    runs = await restored.ledger.task_runs(restored.tenant_id, task_id)
    assert [(run.number, run.status, run.inferred) for run in runs] == [
        (1, "failed", False),
        (2, "timeout", True),
        (3, "completed", False),
    ]
    await restored.audit()


async def test_a_refused_fact_is_refused_once_and_the_rest_counts(scene: Scene) -> None:
    task_id = await scene.make_task(fact("completed", 10))
    unread = Refusal(2, None, None, "unknown-kind", "there is no such kind", None, "kind")
    batch = scene.producer().batch(
        *about(task_id, fact("failed", 11)), unread, *about(task_id, fact("log", 12))
    )

    first, second = await scene.take(batch), await scene.take(batch)

    assert (first.applied, [(one.seq, one.slug, one.status) for one in first.refused]) == (
        1,
        [(2, "unknown-kind", None), (1, "refused-change", "completed")],
    )
    assert second == Ingested(acked_seq=3, applied=0, duplicates=3)
    assert (await scene.ledger.counters(scene.tenant_id, Scope())).runs["refused"] == 2
    await scene.audit()


async def test_a_refused_first_fact_leaves_no_task_behind(scene: Scene) -> None:
    task_id = ids.uuid7()

    outcome = await scene.tell(*about(task_id, fact("retried", 1)))

    assert [(one.slug, one.status) for one in outcome.refused] == [("refused-change", None)]
    assert await scene.ledger.get_task(scene.owner, task_id) is None
    assert (await scene.ledger.list_tasks(scene.owner, TaskFilter())).items == ()
    await scene.audit()


async def test_a_single_write_with_another_body_under_its_key_is_a_mismatch(scene: Scene) -> None:
    producer, task_id = scene.producer(), ids.uuid7()
    batch = producer.batch(*about(task_id, fact("created", 0)), request_hash="one body")
    await scene.take(batch)

    [again] = await scene.ingest(batch)
    [other] = await scene.ingest(replace(batch, request_hash="another body"))

    assert again == Ingested(acked_seq=1, applied=0, duplicates=1)
    assert isinstance(other, IdempotencyMismatch)


async def test_the_answer_to_a_single_write_is_kept(scene: Scene) -> None:
    producer, now = scene.producer(), moment(0).now(moment(0).tzinfo)
    await scene.take(producer.batch(*about(ids.uuid7(), fact("created", 0)), received_at=now))

    await scene.ledger.store_answer(scene.owner, producer.id, {"task_id": "…", "status": "pending"})

    assert await scene.ledger.stored_answer(scene.owner, producer.id) == {"task_id": "…", "status": "pending"}
    assert await scene.ledger.stored_answer(scene.owner, ids.uuid7()) is None
    assert await scene.ledger.stored_answer(await scene.member(), producer.id) is None


async def test_single_writes_that_nobody_sends_again_leave_no_mark(scene: Scene) -> None:
    batch = scene.producer().batch(*about(ids.uuid7(), fact("log", 0)), numbered=False)

    outcomes = [await scene.take(batch), await scene.take(batch)]

    assert [outcome.applied for outcome in outcomes] == [1, 1]
