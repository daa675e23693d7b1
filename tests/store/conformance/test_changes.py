"""The change feed is the state of things in order of change: nothing is skipped, and what is gone is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from headway.domain import ids
from headway.domain.access import Actor
from headway.domain.errors import InvalidCursor
from headway.domain.views import ChangePage, Task
from headway.store.port import Ledger, Store
from tests.domain.building import fact
from tests.store.conformance.scene import RECEIVED, Producer, Scene, about

Open = Callable[..., Awaitable[Store]]


async def present(scene: Scene, viewer: Actor | None = None) -> str:
    """A cursor at the present."""
    page = await scene.ledger.changes(viewer or scene.owner, None)
    assert (page.tasks, page.deleted, page.more, page.resync) == ((), (), False, False)
    return page.cursor


async def after(scene: Scene, cursor: str, **how: int) -> ChangePage:
    page = await scene.ledger.changes(scene.owner, cursor, **how)
    assert not page.resync
    return page


async def test_a_task_changed_many_times_appears_once_at_its_newest(scene: Scene) -> None:
    cursor = await present(scene)
    task_id = await scene.make_task()
    for percent in range(10):
        await scene.tell(*about(task_id, fact("progress", percent, progress=float(percent))))

    page = await after(scene, cursor)

    [task] = page.tasks
    seen = await scene.task(task_id)
    assert (task.id, task.progress, task.version) == (task_id, 9.0, seen.version)
    assert task == replace(seen, input=None, metadata={}, config={}, origin=None, result=None, error=None)
    assert (page.more, (await after(scene, page.cursor)).tasks) == (False, ())


async def test_tasks_appear_in_order_of_change_page_by_page(scene: Scene) -> None:
    cursor = await present(scene)
    tasks = [await scene.make_task() for _ in range(5)]
    await scene.tell(*about(tasks[1], fact("log", 1)))

    pages = []
    while not pages or pages[-1].more:
        pages.append(await after(scene, cursor, limit=2))
        cursor = pages[-1].cursor

    assert [[task.id for task in page.tasks] for page in pages] == [
        [tasks[0], tasks[2]],
        [tasks[3], tasks[4]],
        [tasks[1]],
    ]


async def test_each_task_of_a_commit_takes_a_number_of_its_own(scene: Scene) -> None:
    before = await scene.ledger.head(scene.tenant_id)
    tasks = [ids.uuid7() for _ in range(4)]

    await scene.tell(*(told for task in tasks for told in about(task, fact("created", 0), fact("log", 1))))

    seen = await scene.ledger.get_tasks(scene.owner, tasks)
    assert sorted(task.change_seq for task in seen) == list(range(before + 1, before + 5))
    assert await scene.ledger.head(scene.tenant_id) == before + 4


@pytest.mark.parametrize("told", ["heartbeat", "started", "created"])
async def test_what_changes_nothing_takes_no_number(scene: Scene, told: str) -> None:
    task_id = await scene.make_task(fact("started", 1))
    before = await scene.ledger.head(scene.tenant_id)

    await scene.tell(*about(task_id, fact(told, 2)), leased=True)

    assert await scene.ledger.head(scene.tenant_id) == before


async def test_a_deleted_task_leaves_a_tombstone(scene: Scene) -> None:
    task_id = await scene.make_task(project="shop")
    task = await scene.task(task_id)
    cursor = await present(scene)

    await scene.ledger.delete_task(scene.owner, task_id, RECEIVED)

    page = await after(scene, cursor)
    [stone] = page.deleted
    assert page.tasks == ()
    assert (stone.task_id, stone.user_id, stone.project_id, stone.deleted_at) == (
        task_id,
        task.user_id,
        task.project_id,
        RECEIVED,
    )


async def test_changes_and_tombstones_share_one_order_and_one_limit(scene: Scene) -> None:
    tasks = [await scene.make_task() for _ in range(4)]
    cursor = await present(scene)
    await scene.ledger.delete_task(scene.owner, tasks[0], RECEIVED)
    await scene.tell(*about(tasks[1], fact("log", 1)))
    await scene.ledger.delete_task(scene.owner, tasks[2], RECEIVED)
    await scene.tell(*about(tasks[3], fact("log", 1)))

    first = await after(scene, cursor, limit=2)
    second = await after(scene, first.cursor, limit=2)

    for page, expected in ((first, (tasks[0], tasks[1])), (second, (tasks[2], tasks[3]))):
        assert ([stone.task_id for stone in page.deleted], [task.id for task in page.tasks]) == (
            [expected[0]],
            [expected[1]],
        )
    assert (first.more, second.more) == (True, False)


async def test_a_cursor_from_before_forgotten_tombstones_must_read_everything_anew(scene: Scene) -> None:
    doomed, kept = await scene.make_task(), await scene.make_task()
    before = await present(scene)
    await scene.ledger.delete_task(scene.owner, doomed, RECEIVED)
    behind = await present(scene)

    month_later = RECEIVED + timedelta(days=31)
    await scene.ledger.retain(scene.tenant_id, RECEIVED - timedelta(days=365), 10, month_later)
    await scene.tell(*about(kept, fact("log", 1)))

    stale = await scene.ledger.changes(scene.owner, before)
    fresh = await after(scene, behind)
    assert (stale.resync, stale.tasks, stale.deleted) == (True, (), ())
    assert [task.id for task in fresh.tasks] == [kept]
    assert [task.id for task in (await after(scene, stale.cursor)).tasks] == []


async def test_tombstones_are_kept_for_thirty_days(scene: Scene) -> None:
    doomed = await scene.make_task()
    before = await present(scene)
    await scene.ledger.delete_task(scene.owner, doomed, RECEIVED)

    await scene.ledger.retain(scene.tenant_id, RECEIVED, 10, RECEIVED + timedelta(days=29))

    assert [stone.task_id for stone in (await after(scene, before)).deleted] == [doomed]


async def test_a_change_of_what_a_viewer_may_see_makes_older_cursors_stale(scene: Scene) -> None:
    cursor = await present(scene)

    page = await scene.ledger.changes(replace(scene.owner, access_epoch=1), cursor)

    assert page.resync


async def test_a_cursor_from_the_future_of_a_restored_backup_is_stale(
    scene: Scene, opened: Open, copy: Callable[[str], str], url: str
) -> None:
    await scene.ledger.close()
    backup = copy(url)
    lived_on = Scene(store=await opened(), owner=scene.owner)
    await lived_on.make_task()
    cursor = await present(lived_on)

    restored = Scene(store=await opened(backup), owner=scene.owner)

    assert (await restored.ledger.changes(scene.owner, cursor)).resync


async def test_only_a_cursor_of_this_viewers_feed_is_taken(scene: Scene) -> None:
    member = await scene.member()
    cursor = await present(scene)

    with pytest.raises(InvalidCursor):
        await scene.ledger.changes(member, cursor)
    for tampered in (cursor[:-3] + "AAA", cursor[1:], "", "é"):
        with pytest.raises(InvalidCursor):
            await scene.ledger.changes(scene.owner, tampered)


async def test_a_reader_skips_nothing_while_two_servers_commit(scene: Scene, opened: Open) -> None:
    ledgers = [scene.ledger, (await opened()).ledger]
    shared = [await scene.make_task() for _ in range(3)]
    cursor = (await scene.ledger.changes(scene.owner, None)).cursor
    writing = asyncio.gather(*(write_some(ledgers[place % 2], scene, shared, place) for place in range(4)))

    seen: dict[str, Task] = {}
    numbers: list[int] = []
    while True:
        done = writing.done()
        page = await after(scene, cursor, limit=7)
        seen.update({task.id: task for task in page.tasks})
        numbers += [task.change_seq for task in page.tasks]
        cursor = page.cursor
        if done and not page.more:
            break
    made = [task_id for tasks in await writing for task_id in tasks]

    assert numbers == sorted(set(numbers))
    assert seen.keys() == {*made, *shared}
    newest = await scene.ledger.get_tasks(scene.owner, list(seen))
    assert {task.id: task.change_seq for task in newest} == {
        task_id: task.change_seq for task_id, task in seen.items()
    }


async def write_some(ledger: Ledger, scene: Scene, shared: list[str], place: int) -> list[str]:
    """Commits of new tasks, each with a fact about a shared one; ids of the new tasks."""
    producer, made = Producer(actor=scene.owner), []
    for number in range(25):
        made.append(ids.uuid7())
        told = [
            *about(made[-1], fact("created", 0)),
            *about(shared[(number + place) % 3], fact("log", number)),
        ]
        await ledger.ingest(scene.tenant_id, [producer.batch(*told)])
    return made
