"""`/tasks/{id}/…` and `/runs`: logs, timeline, LLM calls, metrics, artifacts and runs, read and added one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from starlette.responses import Response

from headway.domain import ids
from headway.domain.access import Actor
from headway.domain.errors import NotFound
from headway.domain.facts import RULES
from headway.domain.forms import checked
from headway.domain.query import CallFilter
from headway.domain.task import MetricRow
from headway.interfaces.rest.asking import ActorDep, Asked, AskedDep, ServicesDep, answer_once
from headway.interfaces.rest.forms import fact_rules, form_schema, json_body
from headway.interfaces.rest.queries import EntryQuery, LogQuery, PageQuery, RunQuery, TaskId
from headway.interfaces.rest.shapes.records import (
    ArtifactShape,
    CallShape,
    EntryShape,
    MetricShape,
    MetricSummaryShape,
    ReceiptShape,
    summaries,
)
from headway.interfaces.rest.shapes.shape import Listing
from headway.interfaces.rest.shapes.task import RunShape
from headway.services.suite import Services
from headway.services.tasks import LIFE_KINDS

router = APIRouter(tags=["records"])
_ADDED = {kind: fact_rules(kind) for kind in ("log", "llm_call", "metric", "artifact", "run")}
_METRICS_AT_ONCE = 1_000


def _form(kind: str) -> dict[str, Any]:
    return json_body(form_schema(_ADDED[kind]))


def _following(items: Sequence[EntryShape | MetricShape | ArtifactShape], limit: int) -> str | None:
    return str(items[-1].entry_seq) if len(items) == limit else None


async def _add(kind: str, asked: Asked, task_id: str, actor: Actor, services: Services) -> Response:
    """Record one fact about a task that exists; calls and artifacts get an id."""
    task = await services.tasks.writable(actor, task_id)
    values = checked(asked.content, _ADDED[kind])

    async def act(producer: str) -> BaseModel:
        identity = None
        if "id" in RULES[kind]:
            made = ids.uuid7() if asked.wish.key is None else ids.uuid5(producer, kind)
            identity = values.get("id") or made
        raw = {**values, "kind": kind, "task_id": task.id, **({"id": identity} if identity else {})}
        done = await services.recording.write(actor, producer, asked.wish, [raw])
        return ReceiptShape(task_id=task.id, id=identity, applied=done.applied, duplicates=done.duplicates)

    return await answer_once(services, actor, asked.wish, 201, act)


@router.get("/tasks/{task_id}/logs")
async def list_logs(
    task_id: TaskId, query: Annotated[LogQuery, Query()], actor: ActorDep, services: ServicesDep
) -> Listing[EntryShape]:
    """Log lines after an entry number, oldest first."""
    found = await services.tasks.entries(
        actor,
        task_id,
        kinds=("log",),
        levels=query.level,
        text=query.q,
        after=query.start,
        limit=query.limit,
        newest=query.newest,
    )
    items = [EntryShape.of(entry) for entry in found]
    return Listing(items=items, next_cursor=None if query.newest else _following(items, query.limit))


@router.post(
    "/tasks/{task_id}/logs", status_code=201, response_model=ReceiptShape, openapi_extra=_form("log")
)
async def add_log(task_id: TaskId, asked: AskedDep, actor: ActorDep, services: ServicesDep) -> Response:
    """One more line in the task's log."""
    return await _add("log", asked, task_id, actor, services)


@router.get("/tasks/{task_id}/timeline")
async def list_timeline(
    task_id: TaskId, query: Annotated[EntryQuery, Query()], actor: ActorDep, services: ServicesDep
) -> Listing[EntryShape]:
    """What happened to the task, its log lines left out, oldest first."""
    found = await services.tasks.entries(
        actor, task_id, kinds=LIFE_KINDS, after=query.start, limit=query.limit
    )
    items = [EntryShape.of(entry) for entry in found]
    return Listing(items=items, next_cursor=_following(items, query.limit))


@router.get("/tasks/{task_id}/llm-calls")
async def list_calls(
    task_id: TaskId, query: Annotated[PageQuery, Query()], actor: ActorDep, services: ServicesDep
) -> Listing[CallShape]:
    """LLM calls of the task, newest first."""
    page = await services.tasks.calls(
        actor, CallFilter(task=(task_id,)), limit=query.limit, cursor=query.cursor
    )
    return Listing(items=[CallShape.of(call) for call in page.items], next_cursor=page.next_cursor)


@router.post(
    "/tasks/{task_id}/llm-calls",
    status_code=201,
    response_model=ReceiptShape,
    openapi_extra=_form("llm_call"),
)
async def add_call(task_id: TaskId, asked: AskedDep, actor: ActorDep, services: ServicesDep) -> Response:
    """One more LLM call; its id makes a repetition a duplicate."""
    return await _add("llm_call", asked, task_id, actor, services)


@router.get("/tasks/{task_id}/metrics")
async def list_metrics(
    task_id: TaskId, query: Annotated[EntryQuery, Query()], actor: ActorDep, services: ServicesDep
) -> Listing[MetricShape]:
    """Measured numbers after an entry number, oldest first."""
    found = await services.tasks.metrics(actor, task_id, after=query.start, limit=query.limit)
    items = [MetricShape.of(metric) for metric in found]
    return Listing(items=items, next_cursor=_following(items, query.limit))


@router.get("/tasks/{task_id}/metrics/summary")
async def summarise_metrics(
    task_id: TaskId, actor: ActorDep, services: ServicesDep
) -> Listing[MetricSummaryShape]:
    """Each metric of the task in one line."""
    found: list[MetricRow] = []
    while True:
        after = found[-1].entry_seq if found else 0
        page = await services.tasks.metrics(actor, task_id, after=after, limit=_METRICS_AT_ONCE)
        found += page
        if len(page) < _METRICS_AT_ONCE:
            return Listing(items=summaries(found))


@router.post(
    "/tasks/{task_id}/metrics", status_code=201, response_model=ReceiptShape, openapi_extra=_form("metric")
)
async def add_metric(task_id: TaskId, asked: AskedDep, actor: ActorDep, services: ServicesDep) -> Response:
    """One more measured number."""
    return await _add("metric", asked, task_id, actor, services)


@router.get("/tasks/{task_id}/artifacts")
async def list_artifacts(
    task_id: TaskId, query: Annotated[EntryQuery, Query()], actor: ActorDep, services: ServicesDep
) -> Listing[ArtifactShape]:
    """Artifacts after an entry number, oldest first, without their bytes."""
    found = await services.tasks.artifacts(actor, task_id, after=query.start, limit=query.limit)
    items = [ArtifactShape.of(artifact) for artifact in found]
    return Listing(items=items, next_cursor=_following(items, query.limit))


@router.post(
    "/tasks/{task_id}/artifacts",
    status_code=201,
    response_model=ReceiptShape,
    openapi_extra=_form("artifact"),
)
async def add_artifact(task_id: TaskId, asked: AskedDep, actor: ActorDep, services: ServicesDep) -> Response:
    """One more artifact; small content comes with it, and its SHA-256 is verified."""
    return await _add("artifact", asked, task_id, actor, services)


_ArtifactId = Annotated[str, Path(max_length=36, description="Id of the artifact.")]


@router.get("/artifacts/{artifact_id}")
async def get_artifact(artifact_id: _ArtifactId, actor: ActorDep, services: ServicesDep) -> ArtifactShape:
    """One artifact without its bytes."""
    return ArtifactShape.of(await services.artifacts.get(actor, artifact_id))


@router.get(
    "/artifacts/{artifact_id}/content",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The bytes."}},
)
async def get_artifact_content(artifact_id: _ArtifactId, actor: ActorDep, services: ServicesDep) -> Response:
    """The bytes of an artifact, always as a download: what it holds must not run as a page of this server."""
    artifact = await services.artifacts.get(actor, artifact_id)
    if artifact.content is None:
        raise NotFound("Headway does not hold the bytes of this artifact", uri=artifact.uri)
    media_type = artifact.content_type or ""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(artifact.name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "ETag": f'"{artifact.sha256}"',
    }
    plain = media_type.isascii() and media_type.isprintable() and "/" in media_type
    return Response(
        artifact.content, headers=headers, media_type=media_type if plain else "application/octet-stream"
    )


def _runs(found: Iterable[Any]) -> list[RunShape]:
    now = datetime.now(UTC)
    return [RunShape.of(run, now) for run in found]


@router.get("/tasks/{task_id}/runs")
async def list_task_runs(task_id: TaskId, actor: ActorDep, services: ServicesDep) -> Listing[RunShape]:
    """All attempts at the task, oldest first."""
    return Listing(items=_runs(await services.tasks.runs(actor, task_id)))


@router.post(
    "/tasks/{task_id}/runs", status_code=201, response_model=ReceiptShape, openapi_extra=_form("run")
)
async def add_run_info(task_id: TaskId, asked: AskedDep, actor: ActorDep, services: ServicesDep) -> Response:
    """What is known of one run beyond its state: plan, memory, rounds, details of its error."""
    return await _add("run", asked, task_id, actor, services)


@router.get("/runs")
async def list_runs(
    query: Annotated[RunQuery, Query()], actor: ActorDep, services: ServicesDep
) -> Listing[RunShape]:
    """One page of runs, newest first; `status` is the run's."""
    page = await services.tasks.list_runs(
        actor, query.wanted(actor), projects=query.project, limit=query.limit, cursor=query.cursor
    )
    return Listing(items=_runs(page.items), next_cursor=page.next_cursor)
