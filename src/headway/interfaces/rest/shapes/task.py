"""Tasks and their runs as clients read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from headway.domain.eta import Eta
from headway.domain.task import FINAL
from headway.domain.views import Project, RunRecord, Task
from headway.interfaces.rest.shapes.shape import Shape, cost_of_calls, lasted, seconds

Status = Literal["pending", "running", "completed", "failed", "cancelled", "timeout"]


class EtaShape(Shape):
    """Remaining seconds of a run: a median and an 80 % interval."""

    low: float
    median: float
    high: float
    sample_size: int
    method: Literal["history", "progress", "combined"]

    @classmethod
    def of(cls, eta: Eta) -> EtaShape:
        """The estimate in seconds."""
        return cls(
            low=eta.low_ms / 1000,
            median=eta.median_ms / 1000,
            high=eta.high_ms / 1000,
            sample_size=eta.sample_size,
            method=eta.method,
        )


class TaskShape(Shape):
    """A task as lists and the stream show it, with the state of its newest run."""

    id: str
    name: str | None  # null: a placeholder whose `created` has not arrived
    description: str | None
    status: Status
    phase: str | None
    progress: float | None
    message: str | None
    user_id: str
    project: str | None  # slug
    project_id: str | None
    parent_id: str | None
    agent: str | None
    agent_id: str | None
    task_type: str | None
    priority: int
    labels: dict[str, str]
    links: dict[str, str]
    estimate_seconds: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    duration_seconds: float | None  # so far, while it runs
    run_number: int
    inferred: bool  # the ending is Headway's guess; the run's own may replace it
    lease_ends_at: datetime | None
    reported_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_reason: str | None
    llm_calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: str | None  # null: no call has a price
    unpriced_calls: int
    total_runs: int
    succeeded_runs: int
    failed_runs: int
    success_rate: float | None  # of its finished runs, 0 to 1
    version: int
    entry_seq: int
    change_seq: int

    @classmethod
    def of(cls, task: Task, project: Project | None, now: datetime) -> TaskShape:
        """The task at a moment."""
        return cls(**task_fields(task, project, now))


class TaskDetailShape(TaskShape):
    """A task with everything that is known about it."""

    input: Any
    result: Any
    error: dict[str, Any] | None
    metadata: dict[str, Any]
    config: dict[str, Any]
    origin: dict[str, Any] | None

    @classmethod
    def of(cls, task: Task, project: Project | None, now: datetime) -> TaskDetailShape:
        """The task at a moment."""
        return cls(
            **task_fields(task, project, now),
            input=task.input,
            result=task.result,
            error=task.error,
            metadata=task.metadata,
            config=task.config,
            origin=task.origin,
        )


class RunShape(Shape):
    """One attempt at a task."""

    task_id: str
    number: int
    status: Status
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_seconds: float | None
    inferred: bool
    late_outcome: str | None  # the own ending of a run that had been given up for a newer one
    result: Any
    error: dict[str, Any] | None
    error_details: Any
    plan: Any
    memory_mb: float | None
    rounds: int | None

    @classmethod
    def of(cls, run: RunRecord, now: datetime) -> RunShape:
        """The run at a moment."""
        return cls(
            task_id=run.task_id,
            number=run.number,
            status=run.status,  # type: ignore[arg-type]
            created_at=run.created_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            duration_seconds=lasted(run.started_at, run.finished_at, now),
            inferred=run.inferred,
            late_outcome=run.late_outcome,
            result=run.result,
            error=run.error,
            error_details=run.error_details,
            plan=run.plan,
            memory_mb=run.memory_mb,
            rounds=run.rounds,
        )


_SAME = (
    "id", "name", "description", "status", "phase", "progress", "message", "user_id", "project_id", "parent_id",
    "agent_id", "task_type", "priority", "labels", "links", "created_at", "started_at", "finished_at", "run_number",
    "inferred", "lease_ends_at", "reported_at", "cancel_requested_at", "cancel_reason", "llm_calls", "input_tokens",
    "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "unpriced_calls", "total_runs",
    "succeeded_runs", "failed_runs", "version", "entry_seq", "change_seq",
)  # fmt: skip


def task_fields(task: Task, project: Project | None, now: datetime) -> dict[str, Any]:
    """The fields of `TaskShape`, for those who need no shape around them."""
    fields = {name: getattr(task, name) for name in _SAME}
    finished = task.succeeded_runs + task.failed_runs
    fields["project"] = project.slug if project is not None else None
    fields["agent"] = task.agent_kind
    fields["estimate_seconds"] = seconds(task.estimate_ms)
    fields["updated_at"] = updated_at(task)
    fields["duration_seconds"] = lasted(task.started_at, task.finished_at, now)
    fields["cost_usd"] = cost_of_calls(task.cost_nusd, task.llm_calls, task.unpriced_calls)
    fields["success_rate"] = task.succeeded_runs / finished if finished else None
    return fields


def updated_at(task: Task) -> datetime:
    """The time of the newest thing that happened to a task."""
    times = (
        task.created_at,
        task.started_at,
        task.finished_at,
        task.reported_at,
        task.activity_at,
        task.cancel_requested_at,
    )
    return max(time for time in times if time is not None)


def is_final(task: Task) -> bool:
    """Whether the newest run has ended."""
    return task.status in FINAL
