"""The values of the ledger: a task's working state, its runs, its log entries, calls, metrics and artifacts.

Only shapes are here; `lifecycle` decides how they change and `contribution` what they count for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from headway.domain.limits import FINAL_STATUSES

FINAL = frozenset(FINAL_STATUSES)
DEFAULT_WEIGHT_MS = 1_000  # weight of a task about whose length nothing is known
MAX_WEIGHT_MS = 10_000_000_000  # about 116 days


@dataclass(slots=True, kw_only=True)
class TaskState:
    """What deciding about a task needs to know: no JSON, no long texts but the newest message.

    A working copy: `lifecycle` clones it before the first change, so callers may treat it as frozen.
    """

    id: str
    user_id: str  # the owner
    created_at: datetime
    project_id: str | None = None
    agent_kind: str | None = None
    named: bool = False  # False: a placeholder that `created` has yet to fill in
    weight_ms: int = DEFAULT_WEIGHT_MS  # of this task in its project's progress; frozen at creation
    # the newest run
    run_number: int = 1
    status: str = "pending"
    run_created_at: datetime
    started_at: datetime | None = None
    start_known: bool = False  # False: started_at was inferred from progress or an ending
    finished_at: datetime | None = None
    inferred: bool = False  # the ending is Headway's guess, its own may replace it
    progress: float | None = None  # percent
    phase: str | None = None
    message: str | None = None
    reported_at: datetime | None = None  # time of the newest applied progress, phase or message
    cancel_requested_at: datetime | None = None
    cancel_reason: str | None = None
    lease_ends_at: datetime | None = None  # None: no lease (engine runs, single REST writes)
    # sums over all runs
    llm_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nusd: int = 0
    unpriced_calls: int = 0
    total_runs: int = 1
    succeeded_runs: int = 0
    failed_runs: int = 0  # failed or timed out
    # bookkeeping
    activity_at: datetime | None = None  # newest progress, log or call
    version: int = 0
    entry_seq: int = 0
    change_seq: int = 0

    def clone(self) -> TaskState:
        """An independent copy."""
        return state_of(_values_of(self))

    @property
    def final(self) -> bool:
        """Whether the newest run has ended."""
        return self.status in FINAL

    @property
    def cell(self) -> Cell:
        """Whom this task's figures are counted for."""
        return Cell(self.user_id, self.project_id, self.agent_kind)

    def run(self) -> Run:
        """The newest run as it stands."""
        return Run(
            self.run_number,
            self.status,
            self.run_created_at,
            self.started_at,
            self.start_known,
            self.finished_at,
            self.inferred,
            None,
        )


STATE_FIELDS = tuple(f.name for f in fields(TaskState))
_values_of = attrgetter(*STATE_FIELDS)


def state_of(values: Sequence[Any]) -> TaskState:
    """A task state from the values of STATE_FIELDS, in their order.

    Written out because it runs for every task of every batch: a loop over the names takes three times as long.
    """
    s = object.__new__(TaskState)
    (
        s.id, s.user_id, s.created_at, s.project_id, s.agent_kind, s.named, s.weight_ms,
        s.run_number, s.status, s.run_created_at, s.started_at, s.start_known, s.finished_at, s.inferred,
        s.progress, s.phase, s.message, s.reported_at, s.cancel_requested_at, s.cancel_reason, s.lease_ends_at,
        s.llm_calls, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens,
        s.reasoning_tokens, s.cost_nusd, s.unpriced_calls, s.total_runs, s.succeeded_runs, s.failed_runs,
        s.activity_at, s.version, s.entry_seq, s.change_seq,
    ) = values  # fmt: skip
    return s


class Cell(NamedTuple):
    """The scope within a tenant that one task counts for."""

    user_id: str | None
    project_id: str | None
    agent_kind: str | None


class Run(NamedTuple):
    """One attempt at a task, as far as its state and tallies need it."""

    number: int
    status: str
    created_at: datetime
    started_at: datetime | None
    start_known: bool
    finished_at: datetime | None
    inferred: bool
    late_outcome: str | None  # the own ending of a run that had been given up, when a newer run exists


class Entry(NamedTuple):
    """One line of a task's log, left by a fact that changed or told something; calls have their own rows."""

    task_id: str
    entry_seq: int  # counts within the task, shared with calls, metrics and artifacts
    run: int
    kind: str
    at: datetime
    level: str
    message: str | None
    progress: float | None
    phase: str | None
    data: Any
    original_at: datetime | None  # what the producer said, where that lay in the future


class CallRow(NamedTuple):
    """One LLM call as it is kept."""

    task_id: str
    entry_seq: int
    id: str
    run: int
    at: datetime
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_nusd: int | None  # None: unpriced
    cost_source: str | None  # provider, computed or None
    duration_ms: int | None
    ok: bool
    error: str | None
    cache_hit: bool
    saved_nusd: int | None  # what a cache hit would have cost
    template: str | None
    hold_id: str | None


class MetricRow(NamedTuple):
    """One measured number as it is kept."""

    task_id: str
    entry_seq: int
    run: int
    at: datetime
    name: str
    type: str
    value: float
    unit: str | None
    labels: dict[str, str] | None


class ArtifactRow(NamedTuple):
    """One artifact as it is kept."""

    task_id: str
    entry_seq: int
    id: str
    run: int
    at: datetime
    name: str
    type: str
    content_type: str | None
    size: int | None  # bytes
    sha256: str | None
    stored: bool  # whether Headway holds the bytes
    uri: str | None
    content: bytes | None


class Refusal(NamedTuple):
    """A fact that was not applied, and why."""

    seq: int
    task_id: str | None
    kind: str | None
    slug: str
    detail: str
    status: str | None  # of the task at that moment
    field: str | None = None
    limit: Any = None
