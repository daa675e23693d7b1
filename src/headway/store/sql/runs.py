"""Reads runs: all of one task, or pages across tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, literal, select, tuple_

from headway.domain.access import Actor
from headway.domain.query import Page, TaskFilter, seal
from headway.domain.views import RunRecord
from headway.store.sql import tables
from headway.store.sql.listing import conditions_on_task, terms_wanted
from headway.store.sql.reading import bound_to, position_of, visible

_T, _R = tables.task.c, tables.run.c


def _run_record(row: Any, *, details: bool) -> RunRecord:
    names = (
        "task_id",
        "number",
        "status",
        "created_at",
        "started_at",
        "finished_at",
        "inferred",
        "late_outcome",
        "error",
        "memory_mb",
        "rounds",
    ) + (("result", "error_details", "plan") if details else ())
    return RunRecord(**{name: getattr(row, name) for name in names})


def list_runs(
    db: Connection, secret: bytes, viewer: Actor, wanted: TaskFilter, *, limit: int, cursor: str | None
) -> Page[RunRecord]:
    """One page of runs of visible tasks, newest first."""
    bound = bound_to(viewer, "runs", wanted)
    key = (_R.created_at, _R.task_id, _R.number)
    query = (
        select(tables.run)
        .join_from(tables.run, tables.task, and_(_T.tenant_id == _R.tenant_id, _T.id == _R.task_id))
        .where(_R.tenant_id == viewer.tenant_id, *visible(viewer, _T.user_id, _T.project_id))
    )
    if wanted.status:
        query = query.where(_R.status.in_(list(wanted.status)))
    without_status = TaskFilter(
        **{name: getattr(wanted, name) for name in wanted.__dataclass_fields__ if name != "status"}
    )
    query = query.where(*conditions_on_task(without_status))
    for wanted_term in terms_wanted(wanted):
        term = tables.term.alias()
        query = query.where(
            select(literal(1))
            .where(
                term.c.tenant_id == _T.tenant_id,
                term.c.term == wanted_term,
                term.c.created_at == _T.created_at,
                term.c.id == _T.id,
            )
            .exists()
        )
    if cursor is not None:
        at, identity, number = position_of(secret, bound, cursor, 3)
        position = (datetime.fromisoformat(at), identity, number)
        here = tuple_(*(literal(value, column.type) for value, column in zip(position, key, strict=True)))
        query = query.where(tuple_(*key) < here)
    rows = db.execute(query.order_by(*(column.desc() for column in key)).limit(limit + 1)).all()
    items = tuple(_run_record(row, details=False) for row in rows[:limit])
    last = items[-1] if len(rows) > limit else None
    following = (
        seal(secret, bound, [last.created_at.isoformat(), last.task_id, last.number]) if last else None
    )
    return Page(items=items, next_cursor=following)


def task_runs(db: Connection, tenant_id: str, task_id: str) -> list[RunRecord]:
    """All runs of a task, oldest first."""
    query = select(tables.run).where(_R.tenant_id == tenant_id, _R.task_id == task_id).order_by(_R.number)
    return [_run_record(row, details=True) for row in db.execute(query)]
