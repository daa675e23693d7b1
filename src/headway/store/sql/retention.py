"""Deletes tasks: rows go, what they had counted for is archived, a tombstone tells the feed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select

from headway.domain import contribution as counting
from headway.domain.access import Actor
from headway.domain.contribution import Contribution
from headway.domain.errors import NotAllowed, NotFound, StillRunning
from headway.domain.limits import FINAL_STATUSES
from headway.domain.task import Cell, TaskState
from headway.store.sql import tables
from headway.store.sql.changes import forget_tombstones
from headway.store.sql.ingest import Commit
from headway.store.sql.rows import load_calls, load_runs, select_states, terms_of
from headway.store.sql.tallying import add_contribution

_T = tables.task.c
_OF_TASK = (tables.entry, tables.llm_call, tables.metric, tables.artifact, tables.run, tables.refusal)
_DEPTH = 100  # of a family of tasks


def delete_task(commit: Commit, actor: Actor, task_id: str, now: datetime) -> int:
    """Delete a task with its children in this transaction; how many.

    Raises:
        NotFound: No such task is visible.
        NotAllowed: A child belongs to somebody else.
        StillRunning: One of them still runs.
    """
    family = _family(commit.db, actor.tenant_id, task_id)
    states = select_states(commit.db, commit.dialect, actor.tenant_id, sorted(family), lock=True)
    state = states.get(task_id)
    if state is None or not actor.may_see(state.user_id, state.project_id):
        raise NotFound
    for member in states.values():
        if not actor.may_see(member.user_id, member.project_id):
            raise NotAllowed("a child of this task belongs to somebody else")
        if member.status == "running":
            raise StillRunning(task_id=member.id)
    _remove(commit, list(states.values()), now)
    return len(states)


def _family(db: Connection, tenant_id: str, task_id: str) -> set[str]:
    """A task and everything below it."""
    found, newest = {task_id}, [task_id]
    for _ in range(_DEPTH):
        if not newest:
            break
        query = select(_T.id).where(_T.tenant_id == tenant_id, _T.parent_id.in_(newest))
        newest = [identity for (identity,) in db.execute(query) if identity not in found]
        found.update(newest)
    return found


def retain(commit: Commit, before: datetime, limit: int, now: datetime) -> int:
    """Delete up to `limit` tasks that finished before a time; how many."""
    query = (
        select(_T.id)
        .where(_T.tenant_id == commit.tenant_id, _T.finished_at < before, _T.status.in_(FINAL_STATUSES))
        .order_by(_T.finished_at)
        .limit(limit)
    )
    wanted = sorted(identity for (identity,) in commit.db.execute(query))
    states = select_states(commit.db, commit.dialect, commit.tenant_id, wanted, lock=True)
    ended = [
        state
        for state in states.values()
        if state.final and state.finished_at is not None and state.finished_at < before
    ]
    _remove(commit, ended, now)
    # last: it locks the head, which every writer locks after the tasks
    forget_tombstones(commit.db, commit.tenant_id, now)
    return len(ended)


def _remove(commit: Commit, states: Sequence[TaskState], now: datetime) -> None:
    if not states:
        return
    states = sorted(states, key=lambda state: state.id)
    wanted = [state.id for state in states]
    gone, archive = _what_goes(commit, states, wanted)
    number = commit.take_numbers(len(states))
    stones = [
        (commit.tenant_id, state.id, state.user_id, state.project_id, number + offset, now)
        for offset, state in enumerate(states)
    ]
    columns = ("tenant_id", "id", "user_id", "project_id", "change_seq", "deleted_at")
    commit.dialect.insert(commit.db, tables.tombstone, columns, stones)
    _delete_rows(commit, wanted)
    add_contribution(commit.db, commit.dialect, commit.tenant_id, gone, commit.memory, commit.found)
    add_contribution(
        commit.db, commit.dialect, commit.tenant_id, archive, commit.memory, commit.found, archived=True
    )


def _what_goes(
    commit: Commit, states: Sequence[TaskState], wanted: Sequence[str]
) -> tuple[Contribution, Contribution]:
    """What to take from the gauges, and what to archive of runs and calls."""
    runs = load_runs(commit.db, commit.tenant_id, wanted)
    calls = load_calls(commit.db, commit.tenant_id, wanted)
    gone, archive = Contribution(), Contribution()
    for state in states:
        counting.contribute(gone, -1, state)
        counting.contribute(archive, 1, state, runs.get(state.id, ()), calls.get(state.id, ()))
    archive.gauges.clear()
    c = tables.refusal.c
    query = select(c.cell_user_id, c.cell_project_id, c.cell_agent_kind, c.received_at).where(
        c.tenant_id == commit.tenant_id, c.task_id.in_(wanted)
    )
    for user_id, project_id, agent_kind, received_at in commit.db.execute(query):
        counting.contribute_refusal(archive, 1, Cell(user_id, project_id, agent_kind), received_at)
    return gone, archive


def _delete_rows(commit: Commit, wanted: Sequence[str]) -> None:
    described = select(_T.id, _T.name, _T.labels, _T.created_at).where(
        _T.tenant_id == commit.tenant_id, _T.id.in_(wanted)
    )
    term = tables.term.c
    for row in commit.db.execute(described).all():
        found = terms_of(row.name, row.labels)
        if found:
            this = (
                (term.tenant_id == commit.tenant_id)
                & (term.created_at == row.created_at)
                & (term.id == row.id)
            )
            commit.db.execute(delete(tables.term).where(this, term.term.in_(found)))
    for table in _OF_TASK:
        commit.db.execute(
            delete(table).where(table.c.tenant_id == commit.tenant_id, table.c.task_id.in_(wanted))
        )
    for table in (tables.task, tables.task_state):
        commit.db.execute(delete(table).where(table.c.tenant_id == commit.tenant_id, table.c.id.in_(wanted)))
