"""Status, projects, agents and dashboards as clients read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from headway.domain.views import Project
from headway.interfaces.rest.shapes.records import EntryShape
from headway.interfaces.rest.shapes.shape import Shape
from headway.interfaces.rest.shapes.task import EtaShape, Status, TaskShape
from headway.services.reports import Activity, AgentFigures, DashboardStats, Overview, ProjectProgress


class StatusShape(Shape):
    """A task at a glance."""

    task_id: str
    task_type: str | None
    status: Status
    progress: float | None
    phase: str | None
    user_id: str
    started_at: datetime | None
    duration_seconds: float | None
    estimated_completion: datetime | None
    eta: EtaShape | None
    eta_reason: str | None  # why there is no estimate
    logs: list[EntryShape]  # the last ten


class ProjectShape(Shape):
    """A project as people set it up."""

    id: str
    slug: str
    name: str
    objective: str | None
    priority: int
    status: str
    created_at: datetime
    updated_at: datetime
    created_by: str

    @classmethod
    def of(cls, project: Project) -> ProjectShape:
        """The project."""
        return cls(**{name: getattr(project, name) for name in cls.model_fields})


class TaskCounts(Shape):
    """Tasks by the status of their newest run."""

    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    timeout: int


class ProgressShape(Shape):
    """How far a project is."""

    project_id: str
    slug: str
    name: str
    total_tasks: int
    tasks: TaskCounts
    completed_tasks: int
    failed_tasks: int
    completion_percentage: float | None  # null: no task that is not cancelled
    progress_percentage: float | None
    unreported_tasks: int  # never reported progress; they count as 0
    success_rate: float | None
    estimated_time_remaining_seconds: float | None
    eta_reason: str | None

    @classmethod
    def of(cls, found: ProjectProgress) -> ProgressShape:
        """The progress in percent."""
        return cls(
            project_id=found.project.id,
            slug=found.project.slug,
            name=found.project.name,
            total_tasks=sum(found.tasks.values()),
            tasks=TaskCounts(**found.tasks),
            completed_tasks=found.tasks["completed"],
            failed_tasks=found.tasks["failed"] + found.tasks["timeout"],
            completion_percentage=found.completion_percent,
            progress_percentage=found.progress_percent,
            unreported_tasks=found.unreported_tasks,
            success_rate=found.success_rate,
            estimated_time_remaining_seconds=None,
            eta_reason=found.eta_reason,
        )


class AgentShape(Shape):
    """A kind of agent and what it has done."""

    agent: str | None  # null: work that named no agent
    tasks: TaskCounts
    completed_runs: int
    failed_runs: int
    timeout_runs: int
    cancelled_runs: int
    success_rate: float | None
    sample_size: int  # runs behind the success rate

    @classmethod
    def of(cls, found: AgentFigures) -> AgentShape:
        """The figures by name."""
        return cls(
            agent=found.kind,
            tasks=TaskCounts(**found.tasks),
            completed_runs=found.runs["completed"],
            failed_runs=found.runs["failed"],
            timeout_runs=found.runs["timeout"],
            cancelled_runs=found.runs["cancelled"],
            success_rate=found.success_rate,
            sample_size=found.runs["completed"] + found.runs["failed"] + found.runs["timeout"],
        )


class ActivityShape(Shape):
    """A start or an ending."""

    task_id: str
    task_name: str | None
    agent: str | None
    event: str  # started, completed, failed, cancelled or timeout
    at: datetime

    @classmethod
    def of(cls, activity: Activity) -> ActivityShape:
        """What happened to which task."""
        task = activity.task
        return cls(
            task_id=task.id, task_name=task.name, agent=task.agent_kind, event=activity.event, at=activity.at
        )


class DashboardStatsShape(Shape):
    """The dashboard in ten figures."""

    total_projects: int
    active_projects: int
    total_tasks: int
    pending_tasks: int
    active_tasks: int
    completed_tasks_today: int
    failed_tasks_today: int
    average_success_rate: float | None  # 0 to 1, all time
    most_active_agent: str | None
    recent_activities: list[ActivityShape]

    @classmethod
    def of(cls, found: DashboardStats) -> DashboardStatsShape:
        """The figures by name."""
        return cls(
            total_projects=found.total_projects,
            active_projects=found.active_projects,
            total_tasks=sum(found.tasks.values()),
            pending_tasks=found.tasks["pending"],
            active_tasks=found.tasks["running"],
            completed_tasks_today=found.completed_today,
            failed_tasks_today=found.failed_today,
            average_success_rate=found.success_rate,
            most_active_agent=found.most_active_agent,
            recent_activities=[ActivityShape.of(activity) for activity in found.activities],
        )


class OverviewShape(TaskCounts):
    """The counters of the stream: tasks by status, and the runs that ended today (UTC)."""

    completed_today: int
    failed_today: int
    timeout_today: int

    @classmethod
    def of(cls, found: Overview) -> OverviewShape:
        """The counters by name."""
        today = {f"{status}_today": found.today[status] for status in ("completed", "failed", "timeout")}
        return cls(**found.tasks, **today)


class TombstoneShape(Shape):
    """A task that was deleted."""

    task_id: str
    deleted_at: datetime


class ChangesShape(Shape):
    """Changed tasks in order of change, each once as it is now."""

    items: list[TaskShape]
    deleted: list[TombstoneShape]
    cursor: str  # of what follows this page
    next_cursor: str | None  # the same, when more is there already
    resync: bool  # the cursor is too old or from before a change of access: read everything anew


class BulkItemShape(Shape):
    """What became, or in a dry run would become, of one task."""

    task_id: str
    done: bool
    problem: dict[str, Any] | None


class BulkShape(Shape):
    """What a bulk action did, or in a dry run would do."""

    action: str
    dry_run: bool
    matched: int
    done: int
    more: bool  # the filter matches more tasks than one request takes
    items: list[BulkItemShape]


class DeletedShape(Shape):
    """How many tasks are gone."""

    deleted: int
