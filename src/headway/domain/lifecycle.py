"""The only place where a task's state is decided: pure functions from (state, fact, time of receipt) to a new state.

`apply` decides one fact, `fold` a producer's facts about one task in order. No clock, no I/O; ledgers call
this and nobody else does. What the rows then count for is in `contribution`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from headway.domain import limits
from headway.domain.records import artifact_row, call_row, metric_row
from headway.domain.task import (
    DEFAULT_WEIGHT_MS,
    FINAL,
    MAX_WEIGHT_MS,
    ArtifactRow,
    CallRow,
    Entry,
    MetricRow,
    Refusal,
    Run,
    TaskState,
)

_DESCRIBED = (
    "name",
    "description",
    "agent_id",
    "task_type",
    "priority",
    "labels",
    "parent_id",
    "input",
    "metadata",
    "links",
    "config",
    "estimate_ms",
    "origin",
)
_NO_RUNS: Mapping[int, Run] = {}
_NO_IDS: frozenset[str] = frozenset()


class Applied(NamedTuple):
    """A fact took effect (or changed nothing): the task as it is now, and the log entries it left."""

    task: TaskState
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
    projects: Mapping[str, str] = field(default_factory=dict)  # slug or id as sent -> project id
    typical_ms: Mapping[tuple[str | None, str | None], int] = field(
        default_factory=dict
    )  # (agent, type) -> ms


class Folded:
    """What a task's facts came to: its state after them, and the rows to write."""

    __slots__ = (
        "artifacts",
        "at",
        "calls",
        "changed",
        "duplicates",
        "entries",
        "fills",
        "original_at",
        "metrics",
        "older",
        "refused",
        "run_values",
        "seen_ids",
        "sets",
        "touched",
    )

    def __init__(self, older: Mapping[int, Run], seen_ids: Iterable[str]) -> None:
        """Start with nothing told yet."""
        self.entries: list[Entry] = []
        self.calls: list[CallRow] = []
        self.metrics: list[MetricRow] = []
        self.artifacts: list[ArtifactRow] = []
        self.refused: list[Refusal] = []
        self.duplicates = 0
        self.changed = False  # something people can see is different
        self.touched = False  # a fact other than a heartbeat arrived
        self.older = dict(older)  # runs before the newest; those changed are written back
        self.seen_ids = set(seen_ids)  # ids of calls and artifacts the task already has
        self.sets: dict[str, Any] = {}  # descriptive columns with new values
        self.fills: dict[str, Any] = {}  # descriptive columns to set where still null
        self.run_values: dict[int, dict[str, Any]] = {}  # run number -> columns beyond the run's state
        self.at: datetime = datetime.min
        self.original_at: datetime | None = None


def apply(
    task: TaskState | None, fact: Any, received_at: datetime, context: Context | None = None
) -> Applied | Refused:
    """What one fact makes of a task. The task handed in is left as it was.

    Args:
        task: The state before, or None when nothing is known of the task.
        fact: A well-formed fact (see `facts`).
        received_at: When the server received it; aware.
        context: Sender, lease and look-ups; by default the task's owner without a lease.
    """
    context = context or Context(user_id=task.user_id if task else fact.task_id, received_at=received_at)
    state, folded = fold(task, [fact], context)
    if folded.refused:
        refusal = folded.refused[0]
        return Refused(refusal.slug, refusal.status, refusal.detail)
    if state is None:
        state = _placeholder(fact, context, received_at)
    return Applied(state, folded.entries)


def fold(
    task: TaskState | None,
    facts: Iterable[Any],
    context: Context,
    *,
    older: Mapping[int, Run] = _NO_RUNS,
    seen_ids: Iterable[str] = _NO_IDS,
) -> tuple[TaskState | None, Folded]:
    """The state after the facts, in order, and what they leave to be written. None: still nothing is known.

    Args:
        task: The state before; not changed.
        facts: Well-formed facts about this one task.
        context: Sender, time of receipt, lease and look-ups.
        older: Runs before the newest that the facts speak of.
        seen_ids: Ids of LLM calls and artifacts (among those in `facts`) that the task already has.
    """
    work = Folded(older, seen_ids)
    state = task.clone() if task is not None else None
    received_at, offset = context.received_at, context.offset
    for fact in facts:
        at = fact.at if offset is None else fact.at + offset
        work.original_at = None
        if at > received_at:
            work.original_at, at = fact.at, received_at
        work.at = at
        kind = fact.kind
        if state is None:
            if kind == "heartbeat":
                continue
            state = _placeholder(fact, context, at)
            work.changed = True
        refused = HANDLERS[kind](state, work, fact, context)
        if refused is not None:
            work.refused.append(
                Refusal(fact.seq, fact.task_id, kind, refused.slug, refused.reason, refused.status)
            )
    if state is not None:
        _hold_lease(state, work, context)
        if work.changed:
            state.version += 1
    return state, work


def _placeholder(fact: Any, context: Context, at: datetime) -> TaskState:
    return TaskState(id=fact.task_id, user_id=context.user_id, created_at=at, run_created_at=at)


def _hold_lease(state: TaskState, work: Folded, context: Context) -> None:
    """Renew the lease of an open run; heartbeats alone only once a third of it is gone."""
    if state.status in FINAL:
        state.lease_ends_at = None
        return
    if context.lease is None:
        return
    ends = context.received_at + context.lease
    held = state.lease_ends_at
    if held is None or work.changed or ends - held > context.lease / 3:
        state.lease_ends_at = ends


def _refuse(state: TaskState, wish: str) -> Refused:
    return Refused("refused-change", state.status, f"the task is {state.status}: {wish}")


def _enter(
    state: TaskState,
    work: Folded,
    fact: Any,
    run: int,
    message: str | None = None,
    *,
    level: str = "info",
    data: Any = None,
) -> None:
    """Append a log entry for a fact that changed or told something."""
    state.entry_seq += 1
    work.changed = True
    work.entries.append(
        Entry(
            state.id,
            state.entry_seq,
            run,
            fact.kind,
            work.at,
            level,
            message,
            None,
            None,
            data,
            work.original_at,
        )
    )


def _run_of(state: TaskState, work: Folded, fact: Any) -> int | Refused:
    """The number of the run a fact speaks of; one beyond the newest is opened, as `retried` would."""
    run: int | None = fact.run
    newest = state.run_number
    if run is None:
        return newest - 1 if newest > 1 and work.at < state.run_created_at else newest
    if run <= newest:
        return run
    if run > newest + 1:
        return Refused("unknown-run", state.status, f"run {run} is not known; the newest is {newest}")
    if state.status not in FINAL:
        evidence = {"superseded_by_run": run}
        _finish(state, work, "timeout", work.at, inferred=True)
        work.run_values.setdefault(newest, {})["error"] = {
            "message": f"run {run} took over",
            "type": "Superseded",
        }
        state.entry_seq += 1
        work.entries.append(
            Entry(
                state.id,
                state.entry_seq,
                newest,
                "timeout",
                work.at,
                "error",
                None,
                None,
                None,
                evidence,
                None,
            )
        )
    _open_run(state, work)
    return run


def _open_run(state: TaskState, work: Folded) -> None:
    work.older[state.run_number] = state.run()
    state.run_number += 1
    state.total_runs += 1
    state.status = "pending"
    state.run_created_at = work.at
    state.started_at = state.finished_at = state.reported_at = None
    state.start_known = state.inferred = False
    state.progress = state.phase = state.message = None
    state.cancel_requested_at = state.cancel_reason = None
    work.changed = True


def _finish(state: TaskState, work: Folded, status: str, at: datetime, *, inferred: bool = False) -> None:
    """End the newest run, or replace a guessed ending by its own; counts of runs follow."""
    if state.status == "timeout":  # only an inferred one is ever replaced
        state.failed_runs -= 1
    state.status = status
    state.inferred = inferred
    if not state.start_known and (state.started_at is None or state.started_at > at):
        state.started_at = at
    started = state.started_at or at
    state.finished_at = max(at, started)
    state.started_at = started
    if status == "completed":
        state.progress = 100.0
        state.succeeded_runs += 1
    elif status != "cancelled":
        state.failed_runs += 1
    state.lease_ends_at = None
    work.changed = True


def _report(
    state: TaskState, work: Folded, progress: float | None, phase: str | None, message: str | None
) -> None:
    """Show progress, phase and message unless something newer is shown already."""
    if state.reported_at is not None and work.at < state.reported_at:
        return
    if progress is not None:
        state.progress = progress
    if phase is not None:
        state.phase = phase
    if message is not None:
        state.message = message
    state.reported_at = work.at


def _started(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    run = _run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    at = work.at
    if run < state.run_number:
        _enter(state, work, fact, run, data={"late": True})
        return None
    if state.status == "pending":
        state.status = "running"
    elif state.start_known and (state.finished_at is None or at <= state.finished_at or state.inferred):
        return None
    elif state.finished_at is not None and at > state.finished_at and not state.inferred:
        return _refuse(state, "it cannot start")
    if not state.start_known:
        known = state.started_at
        state.started_at = at if known is None else min(at, known)
        state.start_known = True
    _enter(state, work, fact, run)
    return None


def _progress(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    run = state.run_number if fact.run == state.run_number else _run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    at = work.at
    if run == state.run_number:
        status = state.status
        if status == "pending":
            state.status, state.started_at = "running", at
        elif status in FINAL and not state.inferred and at > (state.finished_at or at):
            return _refuse(state, "it cannot make progress")
        if status != "completed" and not state.inferred:
            _report(state, work, fact.progress, fact.phase, fact.message)
            state.activity_at = at if state.activity_at is None else max(at, state.activity_at)
    state.entry_seq += 1
    work.changed = True
    work.entries.append(
        Entry(
            state.id,
            state.entry_seq,
            run,
            "progress",
            at,
            "info",
            fact.message,
            fact.progress,
            fact.phase,
            None,
            work.original_at,
        )
    )
    return None


def _log(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    run = _told(state, work, fact)
    if isinstance(run, Refused):
        return run
    work.entries.append(
        Entry(
            state.id,
            state.entry_seq,
            run,
            "log",
            work.at,
            fact.level,
            fact.message,
            fact.progress,
            fact.phase,
            fact.data,
            work.original_at,
        )
    )
    return None


def _told(state: TaskState, work: Folded, fact: Any) -> int | Refused:
    """Count a fact that tells something without deciding anything: its run, with the next entry number taken."""
    run = _run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    state.entry_seq += 1
    state.activity_at = work.at if state.activity_at is None else max(work.at, state.activity_at)
    work.changed = True
    return run


def _seen(work: Folded, identity: str | None) -> bool:
    """Whether a call or artifact id came before in this task; remembers it otherwise."""
    if identity is None:
        return False
    if identity in work.seen_ids:
        work.duplicates += 1
        return True
    work.seen_ids.add(identity)
    return False


def _llm_call(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    if _seen(work, fact.id):
        return None
    run = _told(state, work, fact)
    if isinstance(run, Refused):
        return run
    row = call_row(fact, state.entry_seq, run, work.at)
    work.calls.append(row)
    state.llm_calls += 1
    state.input_tokens += row.input_tokens
    state.output_tokens += row.output_tokens
    state.cache_read_tokens += row.cache_read_tokens
    state.cache_write_tokens += row.cache_write_tokens
    state.reasoning_tokens += row.reasoning_tokens
    if row.cost_nusd is None:
        state.unpriced_calls += 1
    else:
        state.cost_nusd += row.cost_nusd
    return None


def _metric(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    run = _told(state, work, fact)
    if isinstance(run, Refused):
        return run
    work.metrics.append(metric_row(fact, state.entry_seq, run, work.at))
    return None


def _artifact(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    if _seen(work, fact.id):
        return None
    run = _told(state, work, fact)
    if isinstance(run, Refused):
        return run
    work.artifacts.append(artifact_row(fact, state.entry_seq, run, work.at))
    return None


def _completed(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    return _ending(state, work, fact, "completed", {"result": fact.result})


def _failed(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    message = fact.error.get("message")
    return _ending(state, work, fact, "failed", {"error": fact.error}, message=message, level="error")


def _cancelled(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    return _ending(state, work, fact, "cancelled", {}, message=fact.reason)


def _ending(
    state: TaskState,
    work: Folded,
    fact: Any,
    status: str,
    values: dict[str, Any],
    *,
    message: str | None = None,
    level: str = "info",
) -> Refused | None:
    run = _run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    if run < state.run_number:
        return _late_ending(state, work, fact, run, status)
    if state.status in FINAL and not state.inferred:
        return None if state.status == status else _refuse(state, f"it cannot become {status}")
    replaced = {"replaced": state.status} if state.inferred else None
    _finish(state, work, status, work.at)
    kept = work.run_values.setdefault(run, {})
    kept.update({"error": None} if replaced else {})
    kept.update({name: value for name, value in values.items() if value is not None})
    _enter(state, work, fact, run, message, level=level, data=replaced)
    return None


def _late_ending(state: TaskState, work: Folded, fact: Any, number: int, status: str) -> Refused | None:
    """The own ending of a run that a newer one has followed: kept beside a guessed ending, else it must agree."""
    run = work.older.get(number)
    if run is None or run.status == status or run.late_outcome == status:
        return None
    if not run.inferred or run.late_outcome is not None:
        return Refused(
            "refused-change", run.status, f"run {number} is {run.status}: it cannot become {status}"
        )
    work.older[number] = run._replace(late_outcome=status)
    _enter(state, work, fact, number, level="warning", data={"late": True})
    return None


def _cancel_requested(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    run = _run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    if run < state.run_number:
        return Refused("refused-change", state.status, f"run {run} was followed by run {state.run_number}")
    if state.status in FINAL:
        return None if state.status == "cancelled" else _refuse(state, "it cannot be cancelled")
    if state.cancel_requested_at is not None:
        return None
    state.cancel_requested_at, state.cancel_reason = work.at, fact.reason
    if state.status == "pending":
        _finish(state, work, "cancelled", work.at)
    _enter(state, work, fact, run, fact.reason)
    return None


def _timeout(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    if state.status in FINAL or (fact.run is not None and fact.run != state.run_number):
        return None
    _finish(state, work, "timeout", work.at, inferred=True)
    error = {"message": fact.reason or "contact with the process was lost", "type": "LeaseExpired"}
    work.run_values.setdefault(state.run_number, {})["error"] = error
    _enter(state, work, fact, state.run_number, fact.reason, level="error", data=fact.evidence)
    return None


def _heartbeat(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    return None


def _retried(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    if fact.follows_run != state.run_number:
        return None
    if state.status not in FINAL:
        return _refuse(state, "it cannot be retried before it has ended")
    if state.run_number >= limits.RUNS:
        return _refuse(state, f"it has had {limits.RUNS} runs")
    _open_run(state, work)
    _enter(state, work, fact, state.run_number)
    return None


def _run_info(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    run = _run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    values = {name: getattr(fact, name) for name in ("plan", "memory_mb", "rounds", "error_details")}
    known = {name: value for name, value in values.items() if value is not None}
    work.run_values.setdefault(run, {}).update(known)
    _enter(state, work, fact, run, data={"fields": sorted(known)})
    return None


def _links(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    work.sets["links"] = {**work.sets.get("links", {}), **fact.links}
    _enter(state, work, fact, state.run_number, data={"fields": ["links"]})
    return None


def _frozen(state: TaskState, fact: Any, context: Context) -> Refused | None:
    """Set project and agent kind where they are still open; refuse another value afterwards."""
    project = context.projects.get(fact.project, fact.project) if fact.project is not None else None
    if project is not None and state.project_id not in (None, project):
        return _refuse(state, "its project cannot change")
    if fact.agent is not None and state.agent_kind not in (None, fact.agent):
        return _refuse(state, "its agent kind cannot change")
    state.project_id = project or state.project_id
    state.agent_kind = fact.agent or state.agent_kind
    return None


def _created(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    refused = _frozen(state, fact, context)
    if refused is not None and not state.named:
        return refused
    values = {name: value for name in _DESCRIBED if (value := getattr(fact, name)) is not None}
    if state.named:
        if not set(values) - {"origin"} - set(work.sets):
            return None
        work.fills.update(values)
        work.changed = True
        return None
    state.named = True
    state.created_at = work.at
    if state.run_number == 1:
        state.run_created_at = work.at
    state.weight_ms = _weight(fact, context)
    work.sets.update(values)
    _enter(state, work, fact, 1)
    return None


def _weight(fact: Any, context: Context) -> int:
    """The task's share of its project's progress: its estimate, else what its kind typically takes."""
    known = fact.estimate_ms or context.typical_ms.get((fact.agent, fact.task_type))
    return min(max(known, 1), MAX_WEIGHT_MS) if known else DEFAULT_WEIGHT_MS


def _updated(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    refused = _frozen(state, fact, context)
    if refused is not None:
        return refused
    if fact.progress is not None or fact.phase is not None or fact.message is not None:
        if state.status in FINAL:
            return _refuse(state, "it cannot make progress")
        if state.status == "pending" and fact.progress is not None:
            state.status, state.started_at = "running", work.at
        _report(state, work, fact.progress, fact.phase, fact.message)
    values = {name: value for name in _DESCRIBED if (value := getattr(fact, name)) is not None}
    if "links" in values:
        values["links"] = {**work.sets.get("links", {}), **values["links"]}
    work.sets.update(values)
    state.named = state.named or "name" in values
    _enter(state, work, fact, state.run_number, data={"fields": sorted(values)})
    return None


HANDLERS: dict[str, Callable[[TaskState, Folded, Any, Context], Refused | None]] = {
    "created": _created,
    "updated": _updated,
    "links": _links,
    "run": _run_info,
    "started": _started,
    "progress": _progress,
    "log": _log,
    "llm_call": _llm_call,
    "metric": _metric,
    "artifact": _artifact,
    "completed": _completed,
    "failed": _failed,
    "cancelled": _cancelled,
    "cancel_requested": _cancel_requested,
    "timeout": _timeout,
    "heartbeat": _heartbeat,
    "retried": _retried,
}
