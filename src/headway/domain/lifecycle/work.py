"""What deciding is made of: the verdicts, what is known beyond the task, and the sheet that a fold writes on.

No rule is here; those of runs are in `runs`, those of descriptions in `described`, the rest in `told`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from headway.domain.task import ArtifactRow, CallRow, Entry, MetricRow, Refusal, Run, TaskState


class Applied(NamedTuple):
    """A fact took effect or changed nothing: the task now (None: still unknown), and its log entries."""

    task: TaskState | None
    entries: list[Entry]


class Refused(NamedTuple):
    """A fact was not allowed: the slug of the problem, the state the task is in, and the wish in words."""

    slug: str
    status: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What deciding needs beyond the task and its facts."""

    user_id: str  # the sender; owns tasks first heard of now
    received_at: datetime
    offset: timedelta | None = None  # added to every `at` of a producer whose clock is off by more than 5 s
    lease: timedelta | None = None  # set for producers that heartbeat
    projects: Mapping[str, str] = field(default_factory=dict)  # slug or id as sent -> id of a visible project
    hidden: frozenset[str] = frozenset()  # ids of tasks that the sender may not name as a parent
    typical_ms: Mapping[tuple[str | None, str | None], int] = field(
        default_factory=dict
    )  # (agent, type) -> ms


class Folded:
    """What a task's facts came to: the rows to write beside its state."""

    __slots__ = (
        "alive",
        "artifacts",
        "at",
        "calls",
        "changed",
        "duplicates",
        "entries",
        "fills",
        "metrics",
        "older",
        "original_at",
        "refused",
        "run_values",
        "seen_ids",
        "sets",
        "touched",
    )

    def __init__(self, older: Mapping[int, Run], seen_ids: Iterable[tuple[str, str]], at: datetime) -> None:
        """Start with nothing told yet."""
        self.entries: list[Entry] = []
        self.calls: list[CallRow] = []
        self.metrics: list[MetricRow] = []
        self.artifacts: list[ArtifactRow] = []
        self.refused: list[Refusal] = []
        self.duplicates = 0
        self.changed = False  # something people can see is different
        self.touched = False  # a fact other than a heartbeat arrived
        self.alive = False  # a fact or heartbeat of the newest run arrived, which renews its lease
        self.older = dict(older)  # runs before the newest; those changed are written back
        self.seen_ids = set(seen_ids)  # (kind, id) of calls and artifacts the task already has
        self.sets: dict[str, Any] = {}  # descriptive columns with new values
        self.fills: dict[str, Any] = {}  # descriptive columns to set where still null
        self.run_values: dict[int, dict[str, Any]] = {}  # run number -> columns beyond the run's state
        self.at = at  # of the fact in hand, by the server's clock
        self.original_at: datetime | None = None  # what that fact said where it lay in the future


def refuse(state: TaskState, wish: str) -> Refused:
    """The refusal of a change that the task's state does not allow."""
    return Refused("refused-change", state.status, f"the task is {state.status}: {wish}")


def enter(
    state: TaskState,
    work: Folded,
    kind: str,
    run: int,
    *,
    message: str | None = None,
    level: str = "info",
    progress: float | None = None,
    phase: str | None = None,
    data: Any = None,
) -> None:
    """Append a log entry for what just changed or was told."""
    state.entry_seq += 1
    work.changed = True
    work.entries.append(
        Entry(
            state.id,
            state.entry_seq,
            run,
            kind,
            work.at,
            level,
            message,
            progress,
            phase,
            data,
            work.original_at,
        )
    )
