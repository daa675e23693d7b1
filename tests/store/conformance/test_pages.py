"""Lists page by page: complete, without repeats, and only with a cursor of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from headway.domain import ids
from headway.domain.access import Role
from headway.domain.errors import InvalidCursor
from headway.domain.query import CallFilter, TaskFilter
from headway.domain.views import Task
from tests.domain.building import fact, moment
from tests.store.conformance.scene import Scene, about, new_scene

EVERYTHING = TaskFilter()


async def make_tasks(scene: Scene, count: int, **values: Any) -> list[str]:
    """Tasks of which several were created at the same moment; ids in order of creation, then of id."""
    made = sorted(ids.uuid7() for _ in range(count))
    told = [
        told for place, task in enumerate(made) for told in about(task, fact("created", place // 7, **values))
    ]
    outcome = await scene.tell(*told)
    assert outcome.refused == ()
    return made


async def all_pages(page: Callable[..., Any], limit: int) -> list[Any]:
    """Every item, page by page."""
    items, cursor = [], None
    while True:
        found = await page(limit=limit, cursor=cursor)
        assert len(found.items) <= limit
        items += found.items
        cursor = found.next_cursor
        if cursor is None:
            return items


def tasks_of(scene: Scene, wanted: TaskFilter = EVERYTHING, order: str = "-created_at") -> Callable[..., Any]:
    return lambda **page: scene.ledger.list_tasks(scene.owner, wanted, order=order, **page)


@pytest.mark.parametrize("limit", [1, 3, 7, 20, 200])
async def test_pages_hold_every_task_once_though_many_were_created_at_the_same_moment(
    scene: Scene, limit: int
) -> None:
    made = await make_tasks(scene, 20)

    newest_first = await all_pages(tasks_of(scene), limit)
    oldest_first = await all_pages(tasks_of(scene, order="created_at"), limit)

    assert [task.id for task in oldest_first] == made
    assert [task.id for task in newest_first] == made[::-1]


async def test_what_is_added_while_paging_neither_repeats_nor_hides_anything(scene: Scene) -> None:
    made = await make_tasks(scene, 12)
    seen: list[Task] = []
    cursor = None
    while True:
        page = await scene.ledger.list_tasks(scene.owner, EVERYTHING, limit=5, cursor=cursor)
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
        await scene.tell(*about(ids.uuid7(), fact("created", 100)), *about(ids.uuid7(), fact("created", 0)))

    assert [task.id for task in seen if task.id in made] == made[::-1]
    assert len({task.id for task in seen}) == len(seen)


async def test_the_last_full_page_has_no_cursor(scene: Scene) -> None:
    await make_tasks(scene, 4)

    page = await scene.ledger.list_tasks(scene.owner, EVERYTHING, limit=4)

    assert (len(page.items), page.next_cursor) == (4, None)


async def one_of_each(scene: Scene) -> dict[str, str]:
    """Tasks that differ in one thing each, by what that is."""
    member = await scene.member()
    parent = await scene.make_task(name="Parent")
    made = {
        "parent": parent,
        "child": await scene.make_task(name="Child", parent_id=parent),
        "project": await scene.make_task(project="shop"),
        "agent": await scene.make_task(agent="coder"),
        "agent_id": await scene.make_task(agent_id="c-7"),
        "type": await scene.make_task(task_type="import"),
        "label": await scene.make_task(labels={"env": "prod", "team": "a=b"}),
        "words": await scene.make_task(name="Straße nach Rom, 2. Anlauf"),
        "running": await scene.make_task(fact("started", 50)),
        "failed": await scene.make_task(fact("failed", 60)),
    }
    theirs = ids.uuid7()
    await scene.take(scene.producer(member).batch(*about(theirs, fact("created", 0))))
    return {**made, "user": theirs, "member": member.user_id}


async def test_every_filter_finds_what_it_names_and_counts_it(scene: Scene) -> None:
    made = await one_of_each(scene)
    [project] = (await scene.store.projects.list(scene.owner)).items
    wanted = {
        "child": TaskFilter(parent=(made["parent"],)),
        "project": TaskFilter(project=(project.id,)),
        "agent": TaskFilter(agent=("coder",)),
        "agent_id": TaskFilter(agent_id=("c-7",)),
        "type": TaskFilter(type=("import",)),
        "label": TaskFilter(label=("env=prod", "team=a=b")),
        "words": TaskFilter(words=("strasse", "rom")),
        "running": TaskFilter(status=("running",)),
        "failed": TaskFilter(status=("failed",)),
        "user": TaskFilter(user=(made["member"],)),
    }

    found = {
        name: [task.id for task in await all_pages(tasks_of(scene, one), 2)] for name, one in wanted.items()
    }
    counts = {name: await scene.ledger.count_tasks(scene.owner, one) for name, one in wanted.items()}

    assert found == {name: [made[name]] for name in wanted}
    assert counts == dict.fromkeys(wanted, 1)


async def test_labels_that_read_the_same_find_their_task_once(scene: Scene) -> None:
    task_id = await scene.make_task(labels={"a": "b=c", "a=b": "c"})

    found = (await scene.ledger.list_tasks(scene.owner, TaskFilter(label=("a=b=c",)))).items

    assert [(task.id, task.labels) for task in found] == [(task_id, {"a": "b=c", "a=b": "c"})]
    await scene.audit()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TaskFilter(started_after=moment(50)), {"running", "failed"}),
        (TaskFilter(started_before=moment(60)), {"running"}),
        (TaskFilter(finished_after=moment(60), finished_before=moment(61)), {"failed"}),
        (TaskFilter(status=("running", "failed")), {"running", "failed"}),
        (TaskFilter(status=("running", "running")), {"running"}),
        (TaskFilter(agent_id=("c-7", "c-8")), {"agent_id"}),
        (TaskFilter(agent=("coder", "coder"), status=("pending",)), {"agent"}),
        (TaskFilter(words=("straße",)), set()),  # words come folded, see words_of
        (TaskFilter(label=("env=prod", "env=dev")), set()),
        (TaskFilter(created_before=moment(0)), set()),
    ],
)
async def test_filters_combine(scene: Scene, wanted: TaskFilter, expected: set[str]) -> None:
    made = await one_of_each(scene)
    names = {task_id: name for name, task_id in made.items()}

    found = await all_pages(tasks_of(scene, wanted), 1)

    assert sorted(names[task.id] for task in found) == sorted(expected)
    assert await scene.ledger.count_tasks(scene.owner, wanted) == len(expected)


async def test_a_filter_may_name_many_values_of_several_fields(scene: Scene) -> None:
    made = await make_tasks(scene, 5, agent="coder", task_type="import")
    many = tuple(f"agent {number}" for number in range(100))

    found = await all_pages(tasks_of(scene, TaskFilter(agent=(*many, "coder"), type=("import", "export"))), 2)

    assert [task.id for task in found] == made[::-1]


async def test_runs_come_newest_first_and_are_filtered_by_their_own_status(scene: Scene) -> None:
    first = await scene.make_task(
        fact("failed", 10), fact("retried", 20), fact("completed", 30, run=2), agent="coder"
    )
    second = await scene.make_task(fact("failed", 15))

    def runs(wanted: TaskFilter) -> Callable[..., Any]:
        return lambda **page: scene.ledger.list_runs(scene.owner, wanted, **page)

    every = await all_pages(runs(EVERYTHING), 1)
    failed = await all_pages(runs(TaskFilter(status=("failed",))), 1)
    of_coder = await all_pages(runs(TaskFilter(agent=("coder",), status=("failed",))), 5)

    assert [(run.task_id, run.number) for run in every] == [
        (first, 2),
        *sorted([(first, 1), (second, 1)], reverse=True),
    ]
    assert {(run.task_id, run.number) for run in failed} == {(first, 1), (second, 1)}
    assert [(run.task_id, run.number) for run in of_coder] == [(first, 1)]


async def test_calls_of_all_tasks_come_newest_first(scene: Scene) -> None:
    calls = [
        fact("llm_call", place // 3, model=f"model {place % 2}", ok=place % 5 > 0) for place in range(12)
    ]
    task_id = await scene.make_task(*calls, agent="coder")

    def of(wanted: CallFilter) -> Callable[..., Any]:
        return lambda **page: scene.ledger.list_llm_calls(scene.owner, wanted, **page)

    every = await all_pages(of(CallFilter()), 5)
    some = await all_pages(of(CallFilter(task=(task_id,), model=("model 1",), ok=True, agent=("coder",))), 2)
    late = await all_pages(of(CallFilter(after=moment(1), before=moment(3))), 2)

    assert [call.at for call in every] == sorted((call.at for call in every), reverse=True)
    assert len({call.id for call in every}) == 12
    assert {call.model for call in some} == {"model 1"}
    assert all(call.ok for call in some)
    assert (len(some), len(late)) == (5, 6)


async def test_rows_of_a_task_are_read_on_after_an_entry_number(scene: Scene) -> None:
    told = [fact(kind, place) for place in range(4) for kind in ("log", "metric", "artifact")]
    task_id = await scene.make_task(*told)
    ledger, tenant_id = scene.ledger, scene.tenant_id

    async def numbers(read: Callable[..., Any], **how: Any) -> list[int]:
        return [row.entry_seq for row in await read(tenant_id, task_id, **how)]

    assert await numbers(ledger.list_entries, kinds=["log"]) == [2, 5, 8, 11]
    assert await numbers(ledger.list_entries, after=2, limit=2) == [5, 8]
    assert await numbers(ledger.list_entries, limit=2, newest=True) == [8, 11]
    assert await numbers(ledger.list_metrics, after=3, limit=2) == [6, 9]
    assert await numbers(ledger.list_artifacts, after=4) == [7, 10, 13]


async def test_entries_are_found_by_level_and_text(scene: Scene) -> None:
    task_id = await scene.make_task(
        fact("log", 1, message="100 % of it", level="error"), fact("log", 2, message="1000 of it")
    )

    found = await scene.ledger.list_entries(scene.tenant_id, task_id, text="100 %")
    errors = await scene.ledger.list_entries(scene.tenant_id, task_id, levels=["error", "critical"])
    upper = await scene.ledger.list_entries(scene.tenant_id, task_id, text="OF IT")

    assert [entry.message for entry in found] == [entry.message for entry in errors] == ["100 % of it"]
    assert len(upper) == 2


LISTS: dict[str, Callable[..., Any]] = {
    "tasks": lambda scene, viewer, **page: scene.ledger.list_tasks(viewer, EVERYTHING, **page),
    "runs": lambda scene, viewer, **page: scene.ledger.list_runs(viewer, EVERYTHING, **page),
    "calls": lambda scene, viewer, **page: scene.ledger.list_llm_calls(viewer, CallFilter(), **page),
    "projects": lambda scene, viewer, **page: scene.store.projects.list(viewer, **page),
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_cursor_is_good_only_for_the_list_tenant_viewer_and_filter_it_was_given_for(
    scene: Scene, name: str
) -> None:
    await scene.make_task(fact("llm_call", 1), project="shop")
    await scene.make_task(fact("llm_call", 2), project="office")
    page = await LISTS[name](scene, scene.owner, limit=1)
    assert page.next_cursor is not None
    stranger = (await new_scene(scene.store, "globex")).owner
    member = await scene.member(role=Role.ADMIN)

    strangers = [(other, scene.owner) for other in LISTS if other != name] + [
        (name, stranger),
        (name, member),
    ]
    for other, viewer in strangers:
        with pytest.raises(InvalidCursor):
            await LISTS[other](scene, viewer, limit=1, cursor=page.next_cursor)
    with pytest.raises(InvalidCursor):
        await scene.ledger.list_tasks(scene.owner, TaskFilter(agent=("coder",)), cursor=page.next_cursor)


@pytest.mark.parametrize("name", LISTS)
async def test_a_cursor_that_was_tampered_with_is_refused(scene: Scene, name: str) -> None:
    await scene.make_task(fact("llm_call", 1), project="shop")
    await scene.make_task(fact("llm_call", 2), project="office")
    cursor = (await LISTS[name](scene, scene.owner, limit=1)).next_cursor

    for tampered in (cursor[:-4] + "AAAA", cursor[::-1], "", "AAAA", "#", "é", cursor[:20]):
        with pytest.raises(InvalidCursor):
            await LISTS[name](scene, scene.owner, limit=1, cursor=tampered)


async def test_the_newest_endings_come_first(scene: Scene) -> None:
    tasks = [await scene.make_task(fact("completed", at)) for at in (30, 10, 20)]
    await scene.make_task()

    found = await scene.ledger.newest_endings(scene.owner, 2)

    assert [task.id for task in found] == [tasks[0], tasks[2]]


async def test_similar_runs_are_those_of_the_same_type_agent_and_project_then_of_the_agent(
    scene: Scene,
) -> None:
    like: dict[str, Any] = {"task_type": "import", "agent": "importer", "project": "shop"}
    for seconds in (10, 20, 30):
        await scene.make_task(fact("started", 0), fact("completed", seconds), **like)
    await scene.make_task(fact("started", 0), fact("completed", 99), **like | {"project": "office"})
    await scene.make_task(fact("started", 0), fact("failed", 5), **like)
    await scene.make_task(fact("started", 0), fact("completed", 5), **like | {"agent": "coder"})
    projects = {project.slug: project.id for project in (await scene.store.projects.list(scene.owner)).items}

    found = await scene.ledger.similar_runs(
        scene.tenant_id, name="x", task_type="import", agent_kind="importer", project_id=projects["shop"]
    )
    typical = await scene.ledger.typical_ms(scene.tenant_id, agent_kind="importer", task_type="import")

    assert [(run.duration_ms, run.exact) for run in found] == [
        (99_000, False),
        (30_000, True),
        (20_000, True),
        (10_000, True),
    ]
    assert typical == 25_000
    assert await scene.ledger.typical_ms(scene.tenant_id, agent_kind="nobody", task_type="import") is None


async def test_a_task_that_gets_its_real_creation_time_is_listed_and_found_there(scene: Scene) -> None:
    task_id = ids.uuid7()
    await scene.tell(*about(task_id, fact("updated", 500, name="Rebuild index", labels={"env": "prod"})))
    await scene.tell(*about(task_id, fact("progress", 501)))
    placeholder = ids.uuid7()
    await scene.tell(*about(placeholder, fact("progress", 900)))

    await scene.tell(*about(placeholder, fact("created", 1, name="Rebuild cache", labels={"env": "prod"})))

    by_word = await all_pages(tasks_of(scene, TaskFilter(words=("rebuild",))), 1)
    by_label = await all_pages(tasks_of(scene, TaskFilter(label=("env=prod",))), 1)
    assert [task.id for task in by_word] == [task.id for task in by_label] == [task_id, placeholder]
    assert replace(by_word[1], created_at=moment(1)) == by_word[1]
    await scene.audit()
