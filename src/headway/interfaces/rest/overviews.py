"""`/status`, `/projects`, `/agents`, `/dashboard/stats` and `/changes`: what one looks at to see how things stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from headway.domain.eta import Eta
from headway.interfaces.rest import changing
from headway.interfaces.rest.asking import ActorDep, AskedDep, ServicesDep
from headway.interfaces.rest.forms import form_schema, json_body
from headway.interfaces.rest.queries import Cursor, Limit, PageQuery, SlugOrId, TaskId, ZoneQuery
from headway.interfaces.rest.queries import Query as Parameters
from headway.interfaces.rest.shapes.records import EntryShape
from headway.interfaces.rest.shapes.reports import (
    AgentShape,
    ChangesShape,
    DashboardStatsShape,
    ProgressShape,
    ProjectShape,
    StatusShape,
    TombstoneShape,
)
from headway.interfaces.rest.shapes.shape import Listing, lasted
from headway.interfaces.rest.shapes.task import EtaShape
from headway.services import projects

router = APIRouter(tags=["overviews"])
status_router = APIRouter(tags=["overviews"])
_LAST_LINES = 10


class ChangesQuery(Parameters):
    """Where in the change feed; without `after` the present."""

    after: Cursor | None = None
    limit: Limit = 50


@status_router.get("/status/{task_id}")
async def get_status(task_id: TaskId, actor: ActorDep, services: ServicesDep) -> StatusShape:
    """A task at a glance: state, duration, estimate and last log lines."""
    task = await services.tasks.get(actor, task_id)
    now = datetime.now(UTC)
    found = await services.eta.of(task, now)
    eta = found if isinstance(found, Eta) else None
    logs = await services.tasks.entries(actor, task_id, kinds=("log",), limit=_LAST_LINES, newest=True)
    return StatusShape(
        task_id=task.id,
        task_type=task.task_type,
        status=task.status,  # type: ignore[arg-type]
        progress=task.progress,
        phase=task.phase,
        user_id=task.user_id,
        started_at=task.started_at,
        duration_seconds=lasted(task.started_at, task.finished_at, now),
        estimated_completion=now + timedelta(milliseconds=eta.median_ms) if eta else None,
        eta=EtaShape.of(eta) if eta else None,
        eta_reason=None if isinstance(found, Eta) else found.reason,
        logs=[EntryShape.of(entry) for entry in logs],
    )


@router.get("/projects")
async def list_projects(
    query: Annotated[PageQuery, Query()], actor: ActorDep, services: ServicesDep
) -> Listing[ProjectShape]:
    """One page of projects, newest first."""
    page = await services.projects.page(actor, limit=query.limit, cursor=query.cursor)
    return Listing(items=[ProjectShape.of(project) for project in page.items], next_cursor=page.next_cursor)


@router.post("/projects", status_code=201, openapi_extra=json_body(form_schema(projects.FORM)))
async def create_project(asked: AskedDep, actor: ActorDep, services: ServicesDep) -> ProjectShape:
    """A new project."""
    return ProjectShape.of(await services.projects.create(actor, asked.content))


@router.get("/projects/{project}")
async def get_project(project: SlugOrId, actor: ActorDep, services: ServicesDep) -> ProjectShape:
    """One project."""
    return ProjectShape.of(await services.projects.get(actor, project))


@router.patch("/projects/{project}", openapi_extra=json_body(form_schema(projects.CHANGES)))
async def patch_project(
    project: SlugOrId, asked: AskedDep, actor: ActorDep, services: ServicesDep
) -> ProjectShape:
    """The project after some of its fields changed."""
    return ProjectShape.of(await services.projects.update(actor, project, asked.content))


@router.get("/projects/{project}/progress")
async def get_project_progress(project: SlugOrId, actor: ActorDep, services: ServicesDep) -> ProgressShape:
    """How far the project is."""
    found = await services.projects.get(actor, project)
    return ProgressShape.of(await services.reports.project_progress(actor, found))


@router.get("/agents")
async def list_agents(actor: ActorDep, services: ServicesDep) -> Listing[AgentShape]:
    """Every kind of agent, by name."""
    return Listing(items=[AgentShape.of(agent) for agent in await services.reports.agents(actor)])


@router.get("/dashboard/stats")
async def dashboard_stats(
    query: Annotated[ZoneQuery, Query()], actor: ActorDep, services: ServicesDep
) -> DashboardStatsShape:
    """The dashboard in ten figures; days begin at midnight of `tz`."""
    return DashboardStatsShape.of(await services.reports.dashboard_stats(actor, datetime.now(UTC), query.tz))


@router.get("/changes")
async def list_changes(
    query: Annotated[ChangesQuery, Query()], actor: ActorDep, services: ServicesDep
) -> ChangesShape:
    """Tasks changed after a cursor, each once as it is now; without one the cursor of the present."""
    page = await services.tasks.changes(actor, query.after, limit=query.limit)
    return ChangesShape(
        items=await changing.listed(services, actor, page.tasks),
        deleted=[TombstoneShape(task_id=gone.task_id, deleted_at=gone.deleted_at) for gone in page.deleted],
        cursor=page.cursor,
        next_cursor=page.cursor if page.more else None,
        resync=page.resync,
    )
