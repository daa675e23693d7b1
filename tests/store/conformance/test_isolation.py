"""Nothing crosses from one tenant to another, nor from one user to another who may not see it: method by method."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from headway.domain import ids
from headway.domain.access import Actor, Role
from headway.domain.errors import InvalidCursor, NotFound
from headway.domain.query import CallFilter, Scope, TaskFilter
from headway.domain.task import Refusal
from headway.domain.views import Counters
from headway.store.port import Ingested, Ledger, Projects
from tests.domain.building import fact, moment
from tests.store.conformance.scene import RECEIVED, Producer, Scene, about, new_scene

NOTHING = (0, None, False, [], {}, ())
LATER = RECEIVED + timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Secret:
    """What one tenant has that no other may learn of."""

    scene: Scene
    task_id: str
    artifact_id: str
    project_id: str
    producer: Producer
    cursor: str  # of its list of tasks
    feed_cursor: str


async def make_secret(scene: Scene) -> Secret:
    """A tenant with a task that has a row of every sort."""
    artifact_id, producer = ids.uuid7(), scene.producer()
    feed = await scene.ledger.changes(scene.owner, None)
    task_id = ids.uuid7()
    told = [
        fact("created", 0, project="shop", agent="importer", task_type="import"),
        fact("started", 1),
        fact("llm_call", 2, cost_usd="1"),
        fact("metric", 3),
        fact("artifact", 4, id=artifact_id, content="secret"),
        fact("completed", 5),
    ]
    await scene.take(producer.batch(*about(task_id, *told), leased=True))
    await scene.tell(*about(ids.uuid7(), fact("created", 1)))
    page = await scene.ledger.list_tasks(scene.owner, TaskFilter(), limit=1)
    [project] = (await scene.store.projects.list(scene.owner)).items
    assert page.next_cursor is not None
    return Secret(
        scene=scene,
        task_id=task_id,
        artifact_id=artifact_id,
        project_id=project.id,
        producer=producer,
        cursor=page.next_cursor,
        feed_cursor=feed.cursor,
    )


def is_empty(answer: Any) -> bool:
    """Whether an answer tells nothing: no item, or only zeros."""
    if isinstance(answer, Counters):
        return not any([*answer.runs.values(), *answer.gauges.values(), *answer.archived.values()])
    if hasattr(answer, "items") and not isinstance(answer, dict):
        return answer.items == () and answer.next_cursor is None
    return any(answer == nothing and type(answer) is type(nothing) for nothing in NOTHING)


Attempt = Callable[[Scene, Secret], Awaitable[Any]]


async def _follow(other: Scene, secret: Secret) -> Any:
    with pytest.raises(InvalidCursor):
        await other.ledger.changes(other.owner, secret.feed_cursor)
    page = await other.ledger.changes(other.owner, None)
    return [*page.tasks, *page.deleted]


async def _list(other: Scene, secret: Secret) -> Any:
    with pytest.raises(InvalidCursor):
        await other.ledger.list_tasks(other.owner, TaskFilter(), limit=1, cursor=secret.cursor)
    return await other.ledger.list_tasks(other.owner, TaskFilter(project=(secret.project_id,)))


async def _delete(other: Scene, secret: Secret) -> Any:
    with pytest.raises(NotFound):
        await other.ledger.delete_task(other.owner, secret.task_id, RECEIVED)


async def _ingest(other: Scene, secret: Secret) -> Any:
    """The same ids and the same producer in another tenant are other tasks and another producer."""
    stranger = Producer(actor=other.owner, id=secret.producer.id)
    told = about(
        secret.task_id,
        fact("created", 0, project=secret.project_id),
        fact("artifact", 1, id=secret.artifact_id),
    )
    outcome = await other.take(stranger.batch(*told))
    assert [refusal.slug for refusal in outcome.refused] == ["not-found"]
    assert (outcome.acked_seq, outcome.applied, outcome.duplicates) == (2, 1, 0)


async def _expire(other: Scene, secret: Secret) -> Any:
    stranger = ids.uuid7()
    await secret.scene.take(
        secret.scene.producer().batch(*about(stranger, fact("started", 0)), received_at=RECEIVED, leased=True)
    )
    [overdue] = [one for one in await secret.scene.ledger.overdue(LATER, 100) if one.task_id == stranger]
    assert overdue.tenant_id == secret.scene.tenant_id
    forged = type(overdue)(
        tenant_id=other.tenant_id,
        task_id=overdue.task_id,
        user_id=overdue.user_id,
        run_number=overdue.run_number,
        lease_ends_at=overdue.lease_ends_at,
    )
    return await other.ledger.expire(forged, LATER)


async def _overdue(other: Scene, secret: Secret) -> Any:
    return [one for one in await other.ledger.overdue(LATER, 100) if one.tenant_id == other.tenant_id]


ATTEMPTS: dict[str, Attempt] = {
    "ingest": _ingest,
    "expire": _expire,
    "overdue": _overdue,
    "changes": _follow,
    "list_tasks": _list,
    "delete_task": _delete,
    "get_task": lambda other, secret: other.ledger.get_task(other.owner, secret.task_id),
    "get_tasks": lambda other, secret: other.ledger.get_tasks(other.owner, [secret.task_id]),
    "count_tasks": lambda other, secret: other.ledger.count_tasks(other.owner, TaskFilter()),
    "newest_endings": lambda other, secret: other.ledger.newest_endings(other.owner, 10),
    "list_runs": lambda other, secret: other.ledger.list_runs(other.owner, TaskFilter()),
    "task_runs": lambda other, secret: other.ledger.task_runs(other.tenant_id, secret.task_id),
    "list_entries": lambda other, secret: other.ledger.list_entries(other.tenant_id, secret.task_id),
    "list_llm_calls": lambda other, secret: other.ledger.list_llm_calls(
        other.owner, CallFilter(task=(secret.task_id,))
    ),
    "list_metrics": lambda other, secret: other.ledger.list_metrics(other.tenant_id, secret.task_id),
    "list_artifacts": lambda other, secret: other.ledger.list_artifacts(other.tenant_id, secret.task_id),
    "get_artifact": lambda other, secret: other.ledger.get_artifact(other.tenant_id, secret.artifact_id),
    "counters": lambda other, secret: other.ledger.counters(
        other.tenant_id, Scope(project_id=secret.project_id)
    ),
    "breakdown": lambda other, secret: other.ledger.breakdown(other.tenant_id, Scope(), "agent"),
    "series": lambda other, secret: other.ledger.series(
        other.tenant_id, Scope(), period="day", start=moment(-(10**6)), end=LATER
    ),
    "llm_breakdown": lambda other, secret: other.ledger.llm_breakdown(other.tenant_id, Scope()),
    "similar_runs": lambda other, secret: other.ledger.similar_runs(
        other.tenant_id,
        name="Import catalogue",
        task_type="import",
        agent_kind="importer",
        project_id=secret.project_id,
    ),
    "typical_ms": lambda other, secret: other.ledger.typical_ms(
        other.tenant_id, agent_kind="importer", task_type="import"
    ),
    "head": lambda other, secret: other.ledger.head(other.tenant_id),
    "retain": lambda other, secret: other.ledger.retain(other.tenant_id, LATER, 100, LATER),
    "recount": lambda other, secret: other.ledger.recount(other.tenant_id),
    "stored_answer": lambda other, secret: other.ledger.stored_answer(other.owner, secret.producer.id),
    "store_answer": lambda other, secret: other.ledger.store_answer(
        other.owner, secret.producer.id, {"a": 1}
    ),
}
OF_NO_TENANT = {"open", "close"}


def methods_of(protocol: type) -> set[str]:
    """The names a protocol asks for."""
    return {name for name, _ in inspect.getmembers(protocol, inspect.isfunction) if not name.startswith("_")}


def test_every_method_of_the_port_is_tried() -> None:
    assert ATTEMPTS.keys() == methods_of(Ledger) - OF_NO_TENANT


@pytest.mark.parametrize("method", ATTEMPTS)
async def test_another_tenant_learns_and_changes_nothing(scene: Scene, method: str) -> None:
    secret = await make_secret(scene)
    other = await new_scene(scene.store, "globex")
    before = await everything(secret)

    answer = await ATTEMPTS[method](other, secret)

    assert is_empty(answer), answer
    assert await everything(secret) == before
    await scene.audit()
    await other.audit()


async def everything(secret: Secret) -> Any:
    """What the tenant itself sees of its task and its figures."""
    scene = secret.scene
    return (
        await scene.task(secret.task_id),
        await scene.ledger.task_runs(scene.tenant_id, secret.task_id),
        await scene.ledger.list_entries(scene.tenant_id, secret.task_id),
        await scene.ledger.get_artifact(scene.tenant_id, secret.artifact_id),
        await scene.ledger.llm_breakdown(scene.tenant_id, Scope()),
        await scene.ledger.stored_answer(scene.owner, secret.producer.id),
    )


PROJECT_ATTEMPTS: dict[str, Attempt] = {
    "create": lambda other, secret: _create(other),
    "update": lambda other, secret: other.store.projects.update(
        other.owner, secret.project_id, {"name": "Mine"}, RECEIVED
    ),
    "get": lambda other, secret: other.store.projects.get(other.owner, secret.project_id),
    "list": lambda other, secret: other.store.projects.list(other.owner),
    "count": lambda other, secret: other.store.projects.count(other.owner),
    "named": lambda other, secret: other.store.projects.named(other.owner, [secret.project_id]),
}


async def _create(other: Scene) -> None:
    """The same slug is free in every tenant."""
    await other.store.projects.create(
        other.owner, name="Shop", slug="shop", objective=None, priority=2, status="active", now=RECEIVED
    )


@pytest.mark.parametrize("method", PROJECT_ATTEMPTS)
async def test_projects_of_another_tenant_stay_its_own(scene: Scene, method: str) -> None:
    assert PROJECT_ATTEMPTS.keys() == methods_of(Projects)
    secret = await make_secret(scene)
    other = await new_scene(scene.store, "globex")
    before = await scene.store.projects.get(scene.owner, "shop")

    answer = await PROJECT_ATTEMPTS[method](other, secret)

    assert is_empty(answer), answer
    assert await scene.store.projects.get(scene.owner, "shop") == before


VIEWS: dict[str, Callable[[Scene, Actor, Secret], Awaitable[Any]]] = {
    "get_task": lambda scene, viewer, secret: scene.ledger.get_task(viewer, secret.task_id),
    "get_tasks": lambda scene, viewer, secret: scene.ledger.get_tasks(viewer, [secret.task_id]),
    "list_tasks": lambda scene, viewer, secret: scene.ledger.list_tasks(viewer, TaskFilter()),
    "by_word": lambda scene, viewer, secret: scene.ledger.list_tasks(viewer, TaskFilter(words=("import",))),
    "by_project": lambda scene, viewer, secret: scene.ledger.list_tasks(
        viewer, TaskFilter(project=(secret.project_id,))
    ),
    "by_user": lambda scene, viewer, secret: scene.ledger.list_tasks(
        viewer, TaskFilter(user=(scene.owner.user_id,))
    ),
    "count_tasks": lambda scene, viewer, secret: scene.ledger.count_tasks(viewer, TaskFilter()),
    "newest_endings": lambda scene, viewer, secret: scene.ledger.newest_endings(viewer, 10),
    "list_runs": lambda scene, viewer, secret: scene.ledger.list_runs(viewer, TaskFilter()),
    "list_llm_calls": lambda scene, viewer, secret: scene.ledger.list_llm_calls(viewer, CallFilter()),
    "projects": lambda scene, viewer, secret: scene.store.projects.get(viewer, "shop"),
}


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
@pytest.mark.parametrize("view", VIEWS)
async def test_a_member_sees_of_others_only_what_is_shared(scene: Scene, view: str, role: Role) -> None:
    secret = await make_secret(scene)
    member = await scene.member(role=role)
    shared = Actor(
        tenant_id=member.tenant_id,
        user_id=member.user_id,
        role=role,
        shared_projects=frozenset({secret.project_id}),
    )

    hidden = await VIEWS[view](scene, member, secret)
    visible = await VIEWS[view](scene, shared, secret)

    assert is_empty(hidden), hidden
    assert not is_empty(visible)


async def test_the_feed_of_a_member_holds_own_and_shared_tasks_and_their_deletion(scene: Scene) -> None:
    secret = await make_secret(scene)
    member = await scene.member()
    shared = Actor(
        tenant_id=member.tenant_id,
        user_id=member.user_id,
        role=Role.MEMBER,
        shared_projects=frozenset({secret.project_id}),
    )
    start = await scene.ledger.changes(member, None), await scene.ledger.changes(shared, None)
    mine = ids.uuid7()
    await scene.take(scene.producer(member).batch(*about(mine, fact("created", 0))))
    await scene.tell(*about(secret.task_id, fact("log", 9)))
    await scene.tell(*about(ids.uuid7(), fact("log", 9)))

    pages = [
        await scene.ledger.changes(viewer, page.cursor)
        for viewer, page in zip((member, shared), start, strict=True)
    ]
    assert [[task.id for task in page.tasks] for page in pages] == [[mine], [mine, secret.task_id]]

    await scene.ledger.delete_task(scene.owner, secret.task_id, RECEIVED)
    after = [
        await scene.ledger.changes(viewer, page.cursor)
        for viewer, page in zip((member, shared), pages, strict=True)
    ]
    assert [[stone.task_id for stone in page.deleted] for page in after] == [[], [secret.task_id]]


async def test_a_member_cannot_tell_of_a_task_that_is_not_visible(scene: Scene) -> None:
    secret = await make_secret(scene)
    before = await everything(secret)
    member = await scene.member()

    outcome = await scene.take(
        scene.producer(member).batch(*about(secret.task_id, fact("log", 9), fact("heartbeat")))
    )

    assert outcome == Ingested(
        acked_seq=2,
        applied=1,
        duplicates=0,
        refused=(
            Refusal(
                1, secret.task_id, "log", "not-found", "there is no such task, or you may not see it", None
            ),
        ),
    )
    assert await everything(secret) == before


async def test_a_member_cannot_put_a_task_into_a_project_or_under_a_parent_that_is_not_visible(
    scene: Scene,
) -> None:
    secret = await make_secret(scene)
    producer = scene.producer(await scene.member())
    in_project, by_id, below = ids.uuid7(), ids.uuid7(), ids.uuid7()

    outcome = await scene.take(
        producer.batch(
            *about(in_project, fact("created", 0, project="shop")),
            *about(by_id, fact("created", 0, project=secret.project_id)),
            *about(below, fact("created", 0, parent_id=secret.task_id)),
        )
    )

    assert [(refusal.task_id, refusal.slug) for refusal in outcome.refused] == [
        (in_project, "not-found"),
        (by_id, "not-found"),
        (below, "not-found"),
    ]
    assert outcome.applied == 0
