"""Figures for dashboards: all of them sums of tallies, whose cost does not grow with the number of tasks.

The formulas are those of the domain's table of figures; what is unknown is None and says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headway.domain.access import Actor
from headway.domain.errors import InvalidFact
from headway.domain.limits import FINAL_STATUSES, STATUSES
from headway.domain.query import Scope, TaskFilter
from headway.domain.views import Counters, Project, Task
from headway.store.port import Ledger, Projects

ACTIVITIES = 5
_RUNNING_LOOKED_AT = 200
_VIEWERS = 1_000  # whose newest figures are remembered
_PARALLEL_UNKNOWN = "not known: how many of the remaining tasks will run at the same time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """A start or an ending of a task's newest run."""

    task: Task
    event: str  # started or a final status
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The counters people look at first."""

    tasks: dict[str, int]  # status of the newest run -> tasks
    today: dict[str, int]  # completed, failed, timeout -> runs that ended so today (UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardStats:
    """The dashboard in ten figures."""

    total_projects: int
    active_projects: int
    tasks: dict[str, int]  # status of the newest run -> tasks
    completed_today: int
    failed_today: int
    success_rate: float | None  # 0 to 1, all time
    most_active_agent: str | None
    activities: tuple[Activity, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectProgress:
    """How far a project is."""

    project: Project
    tasks: dict[str, int]
    completion_percent: float | None  # None: no task that is not cancelled
    progress_percent: float | None
    unreported_tasks: int
    success_rate: float | None
    eta_reason: str  # why there is no estimate of the remaining time


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFigures:
    """What one kind of agent has done."""

    kind: str | None  # None: work that named no agent
    tasks: dict[str, int]
    runs: dict[str, int]  # completed, failed, timeout, cancelled, all time
    success_rate: float | None


class ReportsService:
    """Answers with figures."""

    def __init__(self, ledger: Ledger, projects: Projects) -> None:
        """Read from this store."""
        self._ledger = ledger
        self._projects = projects
        self._known: dict[
            tuple[Actor, datetime], tuple[int, DashboardStats]
        ] = {}  # with the change number then

    async def overview(self, viewer: Actor, now: datetime) -> Overview:
        """The counters of what the viewer sees."""
        scope = scope_of(viewer)
        figures = await self._ledger.counters(viewer.tenant_id, scope)
        return Overview(
            tasks=_by_status(figures),
            today=await self._ended_since(viewer, scope, start_of_day(now, "UTC"), now),
        )

    async def dashboard_stats(self, viewer: Actor, now: datetime, zone: str) -> DashboardStats:
        """The dashboard's figures; days begin at midnight of the zone (an IANA name)."""
        midnight = start_of_day(now, zone)
        newest = await self._ledger.head(viewer.tenant_id)
        by_status = await self._projects.count(viewer)
        known = self._known.get((viewer, midnight))
        if known is None or known[0] != newest:
            known = (newest, await self._task_figures(viewer, midnight, now))
            if len(self._known) >= _VIEWERS:
                self._known.clear()
            self._known[viewer, midnight] = known
        total = sum(by_status.values())
        return replace(known[1], total_projects=total, active_projects=by_status.get("active", 0))

    async def _task_figures(self, viewer: Actor, midnight: datetime, now: datetime) -> DashboardStats:
        """The figures that change with tasks only: they hold until the tenant's next change."""
        scope = scope_of(viewer)
        figures, today, agent, activities = await asyncio.gather(
            self._ledger.counters(viewer.tenant_id, scope),
            self._ended_since(viewer, scope, midnight, now),
            self._most_active_agent(viewer, scope),
            self.activities(viewer, ACTIVITIES),
        )
        return DashboardStats(
            total_projects=0,
            active_projects=0,
            tasks=_by_status(figures),
            completed_today=today["completed"],
            failed_today=today["failed"],
            success_rate=success_rate(figures.runs),
            most_active_agent=agent,
            activities=tuple(activities),
        )

    async def project_progress(self, viewer: Actor, project: Project) -> ProjectProgress:
        """How far a project is, from the tasks of it that the viewer sees."""
        figures = await self._ledger.counters(viewer.tenant_id, scope_of(viewer, project.id))
        gauges = figures.gauges
        counted = sum(gauges[status] for status in STATUSES) - gauges["cancelled"]
        return ProjectProgress(
            project=project,
            tasks=_by_status(figures),
            completion_percent=gauges["completed"] / counted * 100 if counted else None,
            progress_percent=gauges["done_weight"] / gauges["weight"] / 100 if gauges["weight"] else None,
            unreported_tasks=gauges["unreported"],
            success_rate=success_rate(figures.runs),
            eta_reason=_PARALLEL_UNKNOWN if counted > gauges["completed"] else "nothing remains to be done",
        )

    async def agents(self, viewer: Actor) -> list[AgentFigures]:
        """Every kind of agent the viewer sees work of, by name; work without one comes last."""
        found = await self._ledger.breakdown(viewer.tenant_id, scope_of(viewer), "agent")
        return [
            AgentFigures(
                kind=kind,
                tasks=_by_status(figures),
                runs={status: figures.runs[status] for status in FINAL_STATUSES},
                success_rate=success_rate(figures.runs),
            )
            for kind, figures in sorted(found.items(), key=lambda item: (item[0] is None, item[0] or ""))
        ]

    async def activities(self, viewer: Actor, limit: int) -> list[Activity]:
        """The newest starts and endings, newest first.

        A start among the newest belongs to a task that still runs or to one whose ending is among the newest, too.
        """
        ended = await self._ledger.newest_endings(viewer, limit)
        running = await self._ledger.list_tasks(
            viewer, TaskFilter(status=("running",)), limit=_RUNNING_LOOKED_AT
        )
        found = [
            Activity(task=task, event="started", at=task.started_at)
            for task in (*ended, *running.items)
            if task.started_at is not None
        ]
        found += [
            Activity(task=task, event=task.status, at=task.finished_at)
            for task in ended
            if task.finished_at is not None
        ]
        found.sort(key=lambda activity: (activity.at, activity.event != "started"), reverse=True)
        return found[:limit]

    async def _ended_since(
        self, viewer: Actor, scope: Scope, start: datetime, now: datetime
    ) -> dict[str, int]:
        points = await self._ledger.series(
            viewer.tenant_id, scope, period="quarter", start=start, end=now + timedelta(minutes=15)
        )
        return {status: sum(point.runs[status] for point in points) for status in FINAL_STATUSES}

    async def _most_active_agent(self, viewer: Actor, scope: Scope) -> str | None:
        found = await self._ledger.breakdown(viewer.tenant_id, scope, "agent")
        ranked = sorted(
            (-figures.runs["completed"], kind) for kind, figures in found.items() if kind is not None
        )
        return ranked[0][1] if ranked and ranked[0][0] < 0 else None


def scope_of(viewer: Actor, project_id: str | None = None) -> Scope:
    """Whose figures a viewer sees: the tenant's, or the viewer's own; a shared project counts as a whole."""
    if viewer.sees_all or (project_id is not None and project_id in viewer.shared_projects):
        return Scope(project_id=project_id)
    return Scope(user_id=viewer.user_id, project_id=project_id)


def success_rate(runs: Mapping[str, int]) -> float | None:
    """Completed / (completed + failed + timed out) runs; None when nothing has finished."""
    finished = runs["completed"] + runs["failed"] + runs["timeout"]
    return runs["completed"] / finished if finished else None


def start_of_day(now: datetime, zone: str) -> datetime:
    """The midnight before `now` in a zone, in UTC.

    Raises:
        InvalidFact: There is no such zone.
    """
    try:
        here = now.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidFact("out-of-range", "tz", "must be a time zone such as Europe/Berlin") from None
    return here.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def _by_status(figures: Counters) -> dict[str, int]:
    return {status: figures.gauges[status] for status in STATUSES}
