"""The only place where a task's state is decided: pure functions from (state, fact, receipt) to a new state.

`apply` decides one fact, `fold` a producer's facts about one task in order; HANDLERS says which rule decides
which kind. No clock, no I/O; ledgers call this and nobody else does. What rows count for: `contribution`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from headway.domain.lifecycle import described, runs, told
from headway.domain.lifecycle.work import Applied, Context, Folded, Refused
from headway.domain.task import FINAL, Refusal, Run, TaskState

__all__ = ["HANDLERS", "Applied", "Context", "Folded", "Refused", "apply", "fold"]

_NO_RUNS: Mapping[int, Run] = {}
_NO_IDS: frozenset[tuple[str, str]] = frozenset()

HANDLERS: Mapping[str, Callable[[TaskState, Folded, Any, Context], Refused | None]] = {
    "created": described.created,
    "updated": described.updated,
    "links": described.linked,
    "started": runs.started,
    "progress": runs.progressed,
    "completed": runs.completed,
    "failed": runs.failed,
    "cancelled": runs.cancelled,
    "cancel_requested": runs.cancel_requested,
    "timeout": runs.timed_out,
    "retried": runs.retried,
    "run": told.known_of_run,
    "log": told.logged,
    "llm_call": told.called,
    "metric": told.measured,
    "artifact": told.produced,
}  # a heartbeat decides nothing: it only renews the lease


def apply(
    task: TaskState | None, fact: Any, received_at: datetime, context: Context | None = None
) -> Applied | Refused:
    """What one fact makes of a task. The task handed in is left as it was.

    Args:
        task: The state before, or None when nothing is known of the task.
        fact: A well-formed fact (see `facts`).
        received_at: When the server received it; aware.
        context: Sender, lease and look-ups; needed for an unknown task, which the sender will own.

    Raises:
        ValueError: The task is unknown and so is the sender.
    """
    if context is None:
        if task is None:
            raise ValueError("an unknown task belongs to the sender: give a context")
        context = Context(user_id=task.user_id, received_at=received_at)
    state, folded = fold(task, [fact], context)
    if folded.refused:
        refusal = folded.refused[0]
        return Refused(refusal.slug, refusal.status, refusal.detail)
    return Applied(state, folded.entries)


def fold(
    task: TaskState | None,
    facts: Iterable[Any],
    context: Context,
    *,
    older: Mapping[int, Run] = _NO_RUNS,
    seen_ids: Iterable[tuple[str, str]] = _NO_IDS,
) -> tuple[TaskState | None, Folded]:
    """The state after the facts, in order, and what they leave to be written. None: still nothing is known.

    Args:
        task: The state before; not changed.
        facts: Well-formed facts about this one task.
        context: Sender, time of receipt, lease and look-ups.
        older: Runs before the newest that the facts speak of; for facts without a run, the last before it.
        seen_ids: (kind, id) of those LLM calls and artifacts in `facts` that the task already has.
    """
    work = Folded(older, seen_ids, context.received_at)
    state = None if task is None else task.clone()
    for fact in facts:
        _set_time(work, fact, context)
        if fact.kind == "heartbeat":
            work.alive = work.alive or (state is not None and fact.run in (None, state.run_number))
            continue
        work.touched = True
        if state is None and fact.kind == "timeout":
            continue
        before = state
        if state is None:
            state = TaskState(
                id=fact.task_id, user_id=context.user_id, created_at=work.at, run_created_at=work.at
            )
        number = state.run_number
        refused = HANDLERS[fact.kind](state, work, fact, context)
        if refused is None:
            work.changed = work.changed or before is None
            work.alive = work.alive or fact.run in (None, number) or state.run_number > number
        else:
            known = None if before is None else refused.status
            work.refused.append(
                Refusal(fact.seq, fact.task_id, fact.kind, refused.slug, refused.reason, known)
            )
            state = before
    if state is not None:
        _hold_lease(state, work, context)
        if work.changed:
            _create_before_start(state)
            state.version += 1
    return state, work


def _create_before_start(state: TaskState) -> None:
    """A task that was started before it was created, by another clock or out of order, existed by then."""
    if state.started_at is None or state.started_at >= state.created_at:
        return
    state.created_at = state.started_at
    if state.run_number == 1:
        state.run_created_at = state.started_at


def _set_time(work: Folded, fact: Any, context: Context) -> None:
    """The time by the server's clock; what lies in the future is set to the receipt and the original kept."""
    at = fact.at if context.offset is None else fact.at + context.offset
    if at > context.received_at:
        work.original_at, work.at = fact.at, context.received_at
    else:
        work.original_at, work.at = None, at


def _hold_lease(state: TaskState, work: Folded, context: Context) -> None:
    """Renew the lease of an open run; heartbeats alone only once a third of it is gone."""
    if state.status in FINAL:
        state.lease_ends_at = None
        return
    if context.lease is None or not work.alive:
        return
    ends = context.received_at + context.lease
    held = state.lease_ends_at
    if held is None or work.changed or ends - held > context.lease / 3:
        state.lease_ends_at = ends
