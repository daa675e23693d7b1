"""What reading gives back: tasks, runs and figures as frozen values, with all that people may want to see."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task with the state of its newest run. JSON fields are None in lists and in the feed."""

    id: str
    tenant_id: str
    user_id: str
    project_id: str | None
    parent_id: str | None
    name: str | None  # None: a placeholder whose `created` has not arrived
    description: str | None
    task_type: str | None
    agent_kind: str | None
    agent_id: str | None
    priority: int
    labels: dict[str, str] = field(default_factory=dict)
    input: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    estimate_ms: int | None = None
    weight_ms: int
    origin: dict[str, Any] | None = None
    created_at: datetime
    run_number: int
    status: str
    phase: str | None
    progress: float | None
    message: str | None
    result: Any = None
    error: dict[str, Any] | None = None
    started_at: datetime | None
    finished_at: datetime | None
    inferred: bool
    lease_ends_at: datetime | None
    reported_at: datetime | None
    activity_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_reason: str | None
    llm_calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_nusd: int
    unpriced_calls: int
    total_runs: int
    succeeded_runs: int
    failed_runs: int
    version: int
    entry_seq: int
    change_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One attempt at a task."""

    task_id: str
    number: int
    status: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    inferred: bool
    late_outcome: str | None
    result: Any = None
    error: dict[str, Any] | None = None
    error_details: Any = None
    plan: Any = None
    memory_mb: float | None = None
    rounds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """A task that was deleted."""

    task_id: str
    user_id: str
    project_id: str | None
    change_seq: int
    deleted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Changed tasks in order of change, each once at its newest state."""

    tasks: tuple[Task, ...]
    deleted: tuple[Tombstone, ...]
    cursor: str  # to go on after this page
    more: bool  # another page is ready
    resync: bool  # the cursor was too old or from before a change of access: read everything anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The tallies of a scope: `runs` for all time, `gauges` as of now, `archived` of deleted rows."""

    runs: dict[str, int]  # tally.RUN_MEASURES -> count
    gauges: dict[str, int]  # tally.GAUGE_MEASURES -> count
    archived: dict[str, int]  # part of `runs` whose rows are gone


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPoint:
    """The run figures of one period."""

    start: datetime
    runs: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarRun:
    """A finished run, for estimates."""

    duration_ms: int
    finished_at: datetime
    exact: bool  # same name or type, agent kind and project


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Groups tasks; its status is set by people."""

    id: str
    tenant_id: str
    slug: str
    name: str
    objective: str | None
    priority: int
    status: str
    created_at: datetime
    updated_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where a kept figure and the rows behind it disagree."""

    figure: str  # for example "tally.completed" or "task.cost_nusd"
    key: str  # which tally, task or run
    kept: Any
    counted: Any
