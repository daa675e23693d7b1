"""How runs begin, get on, end and follow one another, as `docs/concepts/lifecycle.md` draws it.

A handler that refuses a fact has changed nothing before.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from headway.domain import limits
from headway.domain.lifecycle.work import Context, Folded, Refused, enter, refuse
from headway.domain.task import FINAL, TaskState

RUNS_AHEAD = 16  # runs one fact may open at once, so that small batches cannot ask for millions of rows


def run_of(state: TaskState, work: Folded, fact: Any) -> int | Refused:
    """The number of the run a fact speaks of; one beyond the newest is opened, as `retried` would."""
    run: int | None = fact.run
    newest = state.run_number
    if run == newest:
        return newest
    if run is None:
        return newest - 1 if newest > 1 and work.at < state.run_created_at else newest
    if run < newest:
        return run
    return _reach(state, work, run)


def _reach(state: TaskState, work: Folded, run: int) -> int | Refused:
    """Open the runs up to this one; those whose ending is not known are given up as lost."""
    if run > min(state.run_number + RUNS_AHEAD, limits.RUNS):
        reason = f"run {run} is not known; the newest is {state.run_number}"
        return Refused("unknown-run", state.status, reason)
    while state.run_number < run:
        if state.status not in FINAL:
            _give_up(state, work, run)
        _open_run(state, work)
    return run


def _give_up(state: TaskState, work: Folded, successor: int) -> None:
    lost = state.run_number
    _finish(state, work, "timeout", work.at, inferred=True)
    error = {"message": f"run {successor} took over", "type": "Superseded"}
    work.run_values.setdefault(lost, {})["error"] = error
    enter(state, work, "timeout", lost, level="error", data={"superseded_by_run": successor})


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
    if state.inferred:
        state.failed_runs -= 1
    state.started_at = _start_of_ended(state, at)
    state.finished_at = max(at, state.started_at)
    state.status = status
    state.inferred = inferred
    if status == "completed":
        state.progress = 100.0
        state.succeeded_runs += 1
    elif status != "cancelled":
        state.failed_runs += 1
    state.lease_ends_at = None
    work.changed = True


def _start_of_ended(state: TaskState, at: datetime) -> datetime:
    """When a run that ended at `at` began: as told, else when work was first seen, else when it ended."""
    started = state.started_at
    if started is None:
        return at
    if state.start_known:
        return started
    return at if _start_guessed(state) else min(at, started)


def _start_guessed(state: TaskState) -> bool:
    """Whether nothing but Headway's own guess of the ending says when the run began."""
    return state.inferred and not state.start_known and state.reported_at is None


def _after_its_end(state: TaskState, at: datetime) -> bool:
    """Whether the run had really ended before `at`; a guessed ending does not count."""
    return state.finished_at is not None and not state.inferred and at > state.finished_at


def _begin(state: TaskState, at: datetime) -> None:
    """Stamp the start of a run whose start is not known; a guessed ending cannot lie before it."""
    known = state.started_at
    state.started_at = at if known is None or _start_guessed(state) else min(at, known)
    if state.finished_at is not None:
        state.finished_at = max(state.finished_at, state.started_at)


def started(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Begin the newest run; on one that ended only fill in when it began."""
    run = run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    if run < state.run_number:
        enter(state, work, "started", run, data={"late": True})
        return None
    if _after_its_end(state, work.at):
        return refuse(state, "it cannot start")
    if state.start_known:
        return None
    if state.status == "pending":
        state.status = "running"
    _begin(state, work.at)
    state.start_known = True
    enter(state, work, "started", run)
    return None


def progressed(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Show how far the newest run is, which starts it; of another run it is only logged."""
    run = run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    if run == state.run_number:
        if _after_its_end(state, work.at):
            return refuse(state, "it cannot make progress")
        report(state, work, fact, starts=True)
    enter(state, work, "progress", run, message=fact.message, progress=fact.progress, phase=fact.phase)
    return None


def may_report(state: TaskState, at: datetime) -> bool:
    """Whether the newest run may still tell of progress made at a time."""
    return not _after_its_end(state, at)


def report(state: TaskState, work: Folded, fact: Any, *, starts: bool) -> None:
    """Show progress, phase and message of the newest run, unless something newer is shown already.

    Progress told out of order can still say when work was first seen; a completed run stays at 100.
    """
    at = work.at
    if starts:
        if state.status == "pending":
            state.status = "running"
        if not state.start_known:
            _begin(state, at)
    state.activity_at = at if state.activity_at is None else max(at, state.activity_at)
    if state.reported_at is not None and at < state.reported_at:
        return
    if fact.progress is not None and state.status != "completed":
        state.progress = fact.progress
    if fact.phase is not None:
        state.phase = fact.phase
    if fact.message is not None:
        state.message = fact.message
    state.reported_at = at


def completed(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """End the run well."""
    return _end(state, work, fact, {"result": fact.result}, None)


def failed(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """End the run with an error."""
    return _end(state, work, fact, {"error": fact.error}, fact.error.get("message"), level="error")


def cancelled(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """End the run because somebody wanted it to: the worker acknowledges."""
    return _end(state, work, fact, {}, fact.reason)


def _end(
    state: TaskState,
    work: Folded,
    fact: Any,
    values: dict[str, Any],
    message: str | None,
    *,
    level: str = "info",
) -> Refused | None:
    """End the newest run with its own ending, whose kind is the status it leads to."""
    run = run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    status = fact.kind
    values = {name: value for name, value in values.items() if value is not None}
    if run < state.run_number:
        return _end_late(state, work, status, run, values, message)
    if state.status in FINAL and not state.inferred:
        return None if state.status == status else refuse(state, f"it cannot become {status}")
    replaced = {"replaced": state.status} if state.inferred else None
    _finish(state, work, status, work.at)
    kept = work.run_values.setdefault(run, {})
    if replaced:
        kept["error"] = None
    kept.update(values)
    enter(state, work, status, run, message=message, level=level, data=replaced)
    return None


def _end_late(
    state: TaskState, work: Folded, status: str, number: int, values: dict[str, Any], message: str | None
) -> Refused | None:
    """The own ending of a run that was followed by a newer: kept beside a guess, else it must agree."""
    run = work.older.get(number)
    if run is not None:
        if status in (run.status, run.late_outcome):
            return None
        if not run.inferred or run.late_outcome is not None:
            reason = f"run {number} is {run.late_outcome or run.status}: it cannot become {status}"
            return Refused("refused-change", run.status, reason)
        work.older[number] = run._replace(late_outcome=status)
    data = {"late": True, **values}
    enter(state, work, status, number, message=message, level="warning", data=data)
    return None


def cancel_requested(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Ask a running run to stop; cancel one that has not begun."""
    run = run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    if run < state.run_number:
        return refuse(state, f"run {run} was followed by run {state.run_number} and cannot be cancelled")
    if state.status in FINAL:
        return None if state.status == "cancelled" else refuse(state, "it cannot be cancelled")
    if state.cancel_requested_at is not None:
        return None
    state.cancel_requested_at, state.cancel_reason = work.at, fact.reason
    if state.status == "pending":
        _finish(state, work, "cancelled", work.at)
    enter(state, work, "cancel_requested", run, message=fact.reason)
    return None


def timed_out(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Infer that the newest run is lost; its own ending may still replace the guess."""
    newest = state.run_number
    if state.status in FINAL or fact.run not in (None, newest) or run_of(state, work, fact) != newest:
        return None
    _finish(state, work, "timeout", work.at, inferred=True)
    error = {"message": fact.reason or "contact with the process was lost", "type": "LeaseExpired"}
    work.run_values.setdefault(newest, {})["error"] = error
    enter(state, work, "timeout", newest, message=fact.reason, level="error", data=fact.evidence)
    return None


def retried(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Open the run after the one that ended; nothing when that is not the newest."""
    follows = fact.follows_run
    if follows < state.run_number:
        return None
    if follows == state.run_number and state.status not in FINAL:
        return refuse(state, "it cannot be retried before it has ended")
    if follows >= limits.RUNS:
        return refuse(state, f"it has had {limits.RUNS} runs")
    run = _reach(state, work, follows + 1)
    if isinstance(run, Refused):
        return run
    enter(state, work, "retried", run)
    return None
