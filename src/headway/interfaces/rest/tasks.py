"""`/tasks`: creating, finding, changing, cancelling, retrying and deleting tasks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from headway.domain import limits
from headway.domain.access import Actor
from headway.domain.checks import Rule
from headway.domain.errors import HeadwayError, InvalidFact
from headway.domain.forms import checked
from headway.domain.query import MAX_LIMIT
from headway.domain.views import Task
from headway.interfaces.rest import changing
from headway.interfaces.rest.asking import ActorDep, AskedDep, ServicesDep, answer_once
from headway.interfaces.rest.forms import fact_rules, form_schema, json_body
from headway.interfaces.rest.problems import TYPE_PREFIX
from headway.interfaces.rest.queries import TaskId, TaskQuery
from headway.interfaces.rest.shapes.reports import BulkItemShape, BulkShape, DeletedShape
from headway.interfaces.rest.shapes.shape import CountedListing
from headway.interfaces.rest.shapes.task import TaskDetailShape, TaskShape
from headway.services.suite import Services
from headway.services.tasks import BULK_ACTIONS, BULK_LIMIT, BulkOutcome

router = APIRouter(tags=["tasks"])
_NEW = {"id": Rule("id"), **changing.at_the_edge(fact_rules("created", without=("seq", "task_id", "run")))}
_CANCEL = {"reason": fact_rules("cancel_requested")["reason"]}
_TOO_MANY = f"more than {100_000:,} tasks match"


_BULK = {
    "action": Rule("choice", choices=BULK_ACTIONS, required=True),
    "ids": Rule("json"),
    "filter": Rule("object", high=limits.JSON_BYTES),
    "reason": Rule("text", low=1, high=limits.MESSAGE_LENGTH),
    "dry_run": Rule("flag"),
}
_LISTS = {name for name, field in TaskQuery.model_fields.items() if field.default == []}


async def shown(services: Services, viewer: Actor, task: Task) -> TaskDetailShape:
    """A task as its readers see it."""
    projects = await services.projects.named(viewer, [task.project_id])
    return TaskDetailShape.of(task, projects.get(task.project_id or ""), datetime.now(UTC))


@router.post(
    "/tasks", status_code=201, response_model=TaskDetailShape, openapi_extra=json_body(form_schema(_NEW))
)
async def create_task(asked: AskedDep, actor: ActorDep, services: ServicesDep) -> Response:
    """A new, pending task."""
    fields = changing.inside(asked.content, _NEW)

    async def act(producer: str) -> BaseModel:
        return await shown(services, actor, await services.tasks.create(actor, producer, asked.wish, fields))

    return await answer_once(services, actor, asked.wish, 201, act)


@router.get("/tasks")
async def list_tasks(
    query: Annotated[TaskQuery, Query()], actor: ActorDep, services: ServicesDep
) -> CountedListing[TaskShape]:
    """One page of tasks."""
    page = await services.tasks.page(
        actor,
        query.wanted(actor),
        projects=query.project,
        order=query.order,
        limit=query.limit,
        cursor=query.cursor,
        count=query.count,
    )
    items = await changing.listed(services, actor, page.items)
    uncounted = query.count and page.total is None
    return CountedListing(
        items=items,
        next_cursor=page.next_cursor,
        total=page.total,
        total_reason=_TOO_MANY if uncounted else None,
    )


@router.get("/tasks/{task_id}")
async def get_task(task_id: TaskId, actor: ActorDep, services: ServicesDep) -> TaskDetailShape:
    """One task with everything that is known about it."""
    return await shown(services, actor, await services.tasks.get(actor, task_id))


@router.patch(
    "/tasks/{task_id}",
    response_model=TaskDetailShape,
    openapi_extra=json_body(form_schema(changing.PATCH)),
)
async def patch_task(task_id: TaskId, asked: AskedDep, actor: ActorDep, services: ServicesDep) -> Response:
    """The task after some of its fields changed; a worker without the SDK reports its state this way."""
    await services.tasks.writable(actor, task_id)
    raw_facts = changing.facts_of(asked.content)

    async def act(producer: str) -> BaseModel:
        task = await services.tasks.record(actor, producer, asked.wish, task_id, raw_facts)
        return await shown(services, actor, task)

    return await answer_once(services, actor, asked.wish, 200, act)


@router.delete("/tasks/{task_id}")
async def delete_task(task_id: TaskId, actor: ActorDep, services: ServicesDep) -> DeletedShape:
    """The task and its children are gone; what they counted for stays in the figures."""
    return DeletedShape(deleted=await services.tasks.delete(actor, task_id))


@router.post(
    "/tasks/{task_id}/cancel", response_model=TaskDetailShape, openapi_extra=json_body(form_schema(_CANCEL))
)
async def cancel_task(task_id: TaskId, asked: AskedDep, actor: ActorDep, services: ServicesDep) -> Response:
    """The wish that the task ends is known; it is `cancelled` once its code has really stopped."""
    await services.tasks.writable(actor, task_id)
    raw = {**checked(asked.content, _CANCEL), "kind": "cancel_requested"}

    async def act(producer: str) -> BaseModel:
        task = await services.tasks.record(actor, producer, asked.wish, task_id, [raw])
        return await shown(services, actor, task)

    return await answer_once(services, actor, asked.wish, 200, act)


@router.post("/tasks/{task_id}/retry")
async def retry_task(task_id: TaskId, actor: ActorDep, services: ServicesDep) -> TaskDetailShape:
    """An operation runs again; tracked work can only be run again where it was started."""
    return await shown(services, actor, await services.tasks.retry(actor, task_id))


@router.post("/tasks/bulk", openapi_extra=json_body(form_schema(_BULK)))
async def change_many(asked: AskedDep, actor: ActorDep, services: ServicesDep) -> BulkShape:
    """Many tasks cancelled, retried or deleted, by ids or by filter; unless `dry_run` is false only what would be."""
    actor.require_write()
    values = _bulk(asked.content)
    action, dry_run = values["action"], values.get("dry_run", True)
    tasks, more = await _tasks_of(values, actor, services)
    found = await services.tasks.bulk(actor, action, tasks, reason=values.get("reason"), dry_run=dry_run)
    return BulkShape(
        action=action,
        dry_run=dry_run,
        matched=len(tasks),
        done=sum(outcome.done for outcome in found),
        more=more,
        items=[_outcome(outcome) for outcome in found],
    )


def _bulk(content: Any) -> dict[str, Any]:
    values = checked(content, _BULK)
    if ("ids" in values) == ("filter" in values):
        raise InvalidFact("missing-field", "ids", "either ids or a filter is needed")
    found = values.get("ids", [])
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise InvalidFact("wrong-type", "ids", "must be a list of ids")
    if len(found) > BULK_LIMIT:
        raise InvalidFact("too-long", "ids", f"at most {BULK_LIMIT} tasks at once", limit=BULK_LIMIT)
    if values["action"] == "cancel" and "reason" not in values:
        raise InvalidFact("missing-field", "reason", "a cancellation needs a reason")
    return values


async def _tasks_of(values: Mapping[str, Any], actor: Actor, services: Services) -> tuple[list[Task], bool]:
    """The tasks meant, and whether the filter matches more than one request takes."""
    if "ids" in values:
        return [await services.tasks.get(actor, task_id) for task_id in dict.fromkeys(values["ids"])], False
    query = _query(values["filter"])
    found: list[Task] = []
    cursor = None
    while len(found) < BULK_LIMIT:
        page = await services.tasks.page(
            actor, query.wanted(actor), projects=query.project, limit=MAX_LIMIT, cursor=cursor
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return found, cursor is not None


def _query(given: Mapping[str, Any]) -> TaskQuery:
    """A filter with the names that lists take in their query."""
    listed = {name: [given[name]] for name in given if name in _LISTS and not isinstance(given[name], list)}
    try:
        return TaskQuery.model_validate({**given, **listed})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("filter", *first["loc"]))
        raise InvalidFact("wrong-type", place, first["msg"]) from None


def _outcome(outcome: BulkOutcome) -> BulkItemShape:
    error: HeadwayError | None = outcome.error
    problem = None if error is None else {"type": TYPE_PREFIX + error.slug, "detail": error.detail}
    return BulkItemShape(task_id=outcome.task_id, done=outcome.done, problem=problem)
