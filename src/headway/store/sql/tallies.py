"""Reads figures from the tallies: as many rows as there are cells in the scope, never as many as there are tasks."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select

from headway.domain.query import Scope
from headway.domain.tally import GAUGE_MEASURES, LLM_MEASURES, RUN_MEASURES, WHOLE_TENANT, time_of
from headway.domain.views import Counters, SeriesPoint
from headway.store.sql import tables

_CELL_COLUMN = {"user": "user_id", "project": "project_id", "agent": "agent_kind"}
_NO_RUNS, _NO_GAUGES = dict.fromkeys(RUN_MEASURES, 0), dict.fromkeys(GAUGE_MEASURES, 0)


def in_scope(table: Table, tenant_id: str, scope: Scope) -> list[ColumnElement[bool]]:
    """The tally rows of a scope: the tenant's own row, or those of its matching cells."""
    conditions: list[ColumnElement[bool]] = [table.c.tenant_id == tenant_id]
    narrowed = [
        tables.cell.c[name] == getattr(scope, name)
        for name in ("user_id", "project_id", "agent_kind")
        if getattr(scope, name) is not None
    ]
    if not narrowed:
        return [*conditions, table.c.cell == WHOLE_TENANT]
    cells = select(tables.cell.c.cell).where(tables.cell.c.tenant_id == tenant_id, *narrowed)
    return [*conditions, table.c.cell.in_(cells)]


@lru_cache
def _sums(table: Table, measures: tuple[str, ...]) -> tuple[ColumnElement[Any], ...]:
    # Kept: building fifty expressions took two thirds of the time of a query.
    return tuple(func.coalesce(func.sum(table.c[name]), 0).label(name) for name in measures)


def _named(measures: tuple[str, ...], row: Any) -> dict[str, int]:
    return {name: int(value) for name, value in zip(measures, row, strict=True)}


def counters(db: Connection, tenant_id: str, scope: Scope) -> Counters:
    """All-time run figures and present gauges of a scope."""
    gauges = select(*_sums(tables.gauge, GAUGE_MEASURES)).where(*in_scope(tables.gauge, tenant_id, scope))
    runs = select(*_sums(tables.tally, RUN_MEASURES)).where(*in_scope(tables.tally, tenant_id, scope))
    figures = [db.execute(runs.where(*_all_time(archived=archived))).one() for archived in (False, True)]
    return Counters(
        runs=_named(RUN_MEASURES, figures[0]),
        gauges=_named(GAUGE_MEASURES, db.execute(gauges).one()),
        archived=_named(RUN_MEASURES, figures[1]),
    )


def _all_time(*, archived: bool) -> list[ColumnElement[bool]]:
    """The rest of a tally's key; PostgreSQL seeks with all of it only where each column has one value."""
    c = tables.tally.c
    return [c.archived == archived, c.period == "all", c.start == 0]


def breakdown(db: Connection, tenant_id: str, scope: Scope, by: str) -> dict[str | None, Counters]:
    """Counters per user, project or agent kind within a scope."""
    column = tables.cell.c[_CELL_COLUMN[by]]
    query = select(column).distinct().where(tables.cell.c.tenant_id == tenant_id)
    for name in ("user_id", "project_id", "agent_kind"):
        if getattr(scope, name) is not None:
            query = query.where(tables.cell.c[name] == getattr(scope, name))
    gauges = _grouped(db, tables.gauge, GAUGE_MEASURES, tenant_id, scope, column)
    runs, archived = (
        _grouped(db, tables.tally, RUN_MEASURES, tenant_id, scope, column, *_all_time(archived=archived))
        for archived in (False, True)
    )
    return {
        value: Counters(
            runs=runs.get(value) or dict(_NO_RUNS),
            gauges=gauges.get(value) or dict(_NO_GAUGES),
            archived=archived.get(value) or dict(_NO_RUNS),
        )
        for (value,) in db.execute(query)
    }


def _grouped(
    db: Connection,
    table: Table,
    measures: tuple[str, ...],
    tenant_id: str,
    scope: Scope,
    column: ColumnElement[Any],
    *conditions: ColumnElement[bool],
) -> dict[Any, dict[str, int]]:
    """Figures of the cells of a scope by a column of theirs."""
    cells = tables.cell.c
    query = (
        select(column, *_sums(table, measures))
        .join_from(table, tables.cell, and_(cells.tenant_id == table.c.tenant_id, cells.cell == table.c.cell))
        .where(table.c.tenant_id == tenant_id, *conditions)
        .group_by(column)
    )
    for name in ("user_id", "project_id", "agent_kind"):
        if getattr(scope, name) is not None:
            query = query.where(cells[name] == getattr(scope, name))
    return {row[0]: _named(measures, row[1:]) for row in db.execute(query)}


def series(
    db: Connection, tenant_id: str, scope: Scope, *, period: str, start: datetime, end: datetime
) -> list[SeriesPoint]:
    """Run figures per quarter-hour or day of a scope, oldest first."""
    c = tables.tally.c
    query = (
        select(c.start, *_sums(tables.tally, RUN_MEASURES))
        .where(
            *in_scope(tables.tally, tenant_id, scope),
            c.archived.is_(False),
            c.period == period,
            c.start >= int(start.timestamp()),
            c.start < int(end.timestamp()),
        )
        .group_by(c.start)
        .order_by(c.start)
    )
    return [
        SeriesPoint(start=time_of(row[0]), runs=_named(RUN_MEASURES, row[1:])) for row in db.execute(query)
    ]


def llm_breakdown(
    db: Connection, tenant_id: str, scope: Scope, *, start: datetime | None, end: datetime | None
) -> dict[tuple[str, str, str], dict[str, int]]:
    """LLM figures by provider, model and template of a scope."""
    c = tables.llm_tally.c
    query = (
        select(c.provider, c.model, c.template, *_sums(tables.llm_tally, LLM_MEASURES))
        .where(*in_scope(tables.llm_tally, tenant_id, scope), c.archived.is_(False))
        .group_by(c.provider, c.model, c.template)
    )
    if start is None and end is None:
        query = query.where(c.period == "all")
    else:
        query = query.where(c.period == "quarter")
        query = query.where(c.start >= int(start.timestamp())) if start is not None else query
        query = query.where(c.start < int(end.timestamp())) if end is not None else query
    return {(row[0], row[1], row[2]): _named(LLM_MEASURES, row[3:]) for row in db.execute(query)}
