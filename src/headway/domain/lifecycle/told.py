"""Facts that tell without deciding: log lines, LLM calls, metrics, artifacts and what else is known of a run.

They are taken in every state, since what happened has happened; only their run must be known.
"""

from __future__ import annotations

from typing import Any

from headway.domain.lifecycle.runs import run_of
from headway.domain.lifecycle.work import Context, Folded, Refused, enter
from headway.domain.records import artifact_row, call_row, metric_row
from headway.domain.task import TaskState

_RUN_VALUES = ("plan", "memory_mb", "rounds", "error_details")


def logged(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Add a line to the log."""
    run = run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    _note_activity(state, work, run)
    enter(
        state,
        work,
        "log",
        run,
        message=fact.message,
        level=fact.level,
        progress=fact.progress,
        phase=fact.phase,
        data=fact.data,
    )
    return None


def _note_activity(state: TaskState, work: Folded, run: int) -> None:
    if run == state.run_number:
        at = work.at
        state.activity_at = at if state.activity_at is None else max(at, state.activity_at)


def _numbered(state: TaskState, work: Folded, fact: Any) -> int | Refused:
    """The run of a fact that is kept outside the log, with the next entry number taken for it."""
    run = run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    state.entry_seq += 1
    work.changed = True
    return run


def _seen(work: Folded, fact: Any) -> bool:
    """Whether a call or artifact of this id came before in this task."""
    if fact.id is None or (fact.kind, fact.id) not in work.seen_ids:
        return False
    work.duplicates += 1
    return True


def called(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Keep an LLM call and add it to the task's sums; one whose id came before is a duplicate."""
    if _seen(work, fact):
        return None
    run = _numbered(state, work, fact)
    if isinstance(run, Refused):
        return run
    _note_activity(state, work, run)
    row = call_row(fact, state.entry_seq, run, work.at)
    work.calls.append(row)
    work.seen_ids.add((fact.kind, row.id))
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


def measured(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Keep a measured number."""
    run = _numbered(state, work, fact)
    if isinstance(run, Refused):
        return run
    work.metrics.append(metric_row(fact, state.entry_seq, run, work.at))
    return None


def produced(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Keep an artifact; one whose id came before is a duplicate."""
    if _seen(work, fact):
        return None
    run = _numbered(state, work, fact)
    if isinstance(run, Refused):
        return run
    row = artifact_row(fact, state.entry_seq, run, work.at)
    work.artifacts.append(row)
    work.seen_ids.add((fact.kind, row.id))
    return None


def known_of_run(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Keep what is known of a run beyond its state."""
    run = run_of(state, work, fact)
    if isinstance(run, Refused):
        return run
    known = {name: value for name in _RUN_VALUES if (value := getattr(fact, name)) is not None}
    work.run_values.setdefault(run, {}).update(known)
    enter(state, work, "run", run, data={"fields": sorted(known)})
    return None
