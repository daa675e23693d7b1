"""Reads tasks, entries, calls, metrics and artifacts. Lists of tasks are in `listing`, runs in `runs`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, literal, or_, select, tuple_

from headway.domain.access import Actor
from headway.domain.errors import InvalidCursor
from headway.domain.query import CallFilter, Page, seal, unseal
from headway.domain.task import ArtifactRow, CallRow, Entry, MetricRow
from headway.domain.views import SimilarRun, Task
from headway.store.sql import tables

_T, _S, _R = tables.task.c, tables.task_state.c, tables.run.c
_STATE_OF_TASK = (
    "run_number", "phase", "progress", "message", "inferred", "lease_ends_at", "reported_at", "activity_at",
    "cancel_requested_at", "cancel_reason", "llm_calls", "input_tokens", "output_tokens", "cache_read_tokens",
    "cache_write_tokens", "reasoning_tokens", "cost_nusd", "unpriced_calls", "total_runs", "succeeded_runs",
    "failed_runs", "version", "entry_seq", "change_seq", "weight_ms", "status", "started_at", "finished_at",
)  # fmt: skip
_PLAIN = (
    "id", "tenant_id", "user_id", "project_id", "parent_id", "name", "description", "task_type", "agent_kind",
    "agent_id",
    "priority", "estimate_ms", "created_at", "labels", "links",
)  # fmt: skip
_JSON = ("input", "metadata", "config", "origin")
_DEFAULTS = ("labels", "links", "metadata", "config")
_JOINED = and_(_S.tenant_id == _T.tenant_id, _S.id == _T.id)


def visible(
    viewer: Actor, user_id: ColumnElement[Any], project_id: ColumnElement[Any]
) -> list[ColumnElement[bool]]:
    """The condition that a row's owner and project let the viewer see it."""
    if viewer.sees_all:
        return []
    own = user_id == viewer.user_id
    return [or_(own, project_id.in_(sorted(viewer.shared_projects))) if viewer.shared_projects else own]


def task_of(row: Any) -> Task:
    """A task from a row of `tasks_query`."""
    values = dict(row._mapping)
    for name in _DEFAULTS:
        if values.get(name, {}) is None:
            values[name] = {}
    return Task(**values)


def tasks_query(viewer: Actor) -> Select[Any]:
    """Visible tasks with their states, without large JSON."""
    return (
        select(*(_T[name] for name in _PLAIN), *(_S[name] for name in _STATE_OF_TASK))
        .join_from(tables.task, tables.task_state, _JOINED)
        .where(_T.tenant_id == viewer.tenant_id, *visible(viewer, _T.user_id, _T.project_id))
    )


def get_task(db: Connection, viewer: Actor, task_id: str) -> Task | None:
    """One task with its JSON and the newest run's result and error."""
    newest = and_(_R.tenant_id == _S.tenant_id, _R.task_id == _S.id, _R.number == _S.run_number)
    query = (
        tasks_query(viewer)
        .add_columns(*(_T[name] for name in _JSON), _R.result, _R.error)
        .outerjoin(tables.run, newest)
        .where(_T.id == task_id)
    )
    row = db.execute(query).one_or_none()
    return task_of(row) if row is not None else None


def get_tasks(db: Connection, viewer: Actor, task_ids: Sequence[str]) -> list[Task]:
    """The visible ones of these tasks."""
    if not task_ids:
        return []
    return [task_of(row) for row in db.execute(tasks_query(viewer).where(_T.id.in_(list(task_ids))))]


def bound_to(viewer: Actor, what: str, *parts: Any) -> str:
    """What a cursor is bound to: the tenant, the viewer and the question."""
    return f"{what}\0{viewer.tenant_id}\0{viewer.user_id}\0{parts!r}"


def position_of(secret: bytes, bound: str, cursor: str, shape: int) -> list[Any]:
    """The position a cursor carries, `shape` values; raise InvalidCursor for any other."""
    values = unseal(secret, bound, cursor)
    if len(values) != shape:
        raise InvalidCursor
    return values


def list_entries(
    db: Connection,
    tenant_id: str,
    task_id: str,
    *,
    kinds: Sequence[str],
    levels: Sequence[str],
    text: str | None,
    after: int,
    limit: int,
    newest: bool,
) -> list[Entry]:
    """Log entries of a task."""
    c = tables.entry.c
    query = select(*(c[name] for name in Entry._fields)).where(
        c.tenant_id == tenant_id, c.task_id == task_id, c.entry_seq > after
    )
    if kinds:
        query = query.where(c.kind.in_(list(kinds)))
    if levels:
        query = query.where(c.level.in_(list(levels)))
    if text:
        query = query.where(c.message.icontains(text, autoescape=True))
    direction = c.entry_seq.desc() if newest else c.entry_seq
    found = [Entry(*row) for row in db.execute(query.order_by(direction).limit(limit))]
    return found[::-1] if newest else found


def list_llm_calls(
    db: Connection, secret: bytes, viewer: Actor, wanted: CallFilter, *, limit: int, cursor: str | None
) -> Page[CallRow]:
    """One page of calls of visible tasks, newest first."""
    c = tables.llm_call.c
    bound = bound_to(viewer, "calls", wanted)
    query = (
        select(*(c[name] for name in CallRow._fields))
        .join_from(tables.llm_call, tables.task, and_(_T.tenant_id == c.tenant_id, _T.id == c.task_id))
        .where(c.tenant_id == viewer.tenant_id, *visible(viewer, _T.user_id, _T.project_id))
    )
    for column, values in (
        (c.task_id, wanted.task),
        (c.provider, wanted.provider),
        (c.model, wanted.model),
        (_T.agent_kind, wanted.agent),
    ):
        if values:
            query = query.where(column.in_(list(values)))
    if wanted.ok is not None:
        query = query.where(c.ok == wanted.ok)
    if wanted.after is not None:
        query = query.where(c.at >= wanted.after)
    if wanted.before is not None:
        query = query.where(c.at < wanted.before)
    if cursor is not None:
        at, identity = position_of(secret, bound, cursor, 2)
        here = tuple_(literal(datetime.fromisoformat(at), c.at.type), literal(identity, c.id.type))
        query = query.where(tuple_(c.at, c.id) < here)
    rows = [CallRow(*row) for row in db.execute(query.order_by(c.at.desc(), c.id.desc()).limit(limit + 1))]
    last = rows[limit - 1] if len(rows) > limit else None
    following = seal(secret, bound, [last.at.isoformat(), last.id]) if last else None
    return Page(items=tuple(rows[:limit]), next_cursor=following)


def list_metrics(db: Connection, tenant_id: str, task_id: str, *, after: int, limit: int) -> list[MetricRow]:
    """Metrics of a task, oldest first."""
    c = tables.metric.c
    query = (
        select(*(c[name] for name in MetricRow._fields))
        .where(c.tenant_id == tenant_id, c.task_id == task_id, c.entry_seq > after)
        .order_by(c.entry_seq)
        .limit(limit)
    )
    return [MetricRow(*row) for row in db.execute(query)]


def list_artifacts(
    db: Connection, tenant_id: str, task_id: str, *, after: int, limit: int
) -> list[ArtifactRow]:
    """Artifacts of a task without their bytes, oldest first."""
    c = tables.artifact.c
    query = (
        select(*(c[name] for name in ArtifactRow._fields if name != "content"))
        .where(c.tenant_id == tenant_id, c.task_id == task_id, c.entry_seq > after)
        .order_by(c.entry_seq)
        .limit(limit)
    )
    return [ArtifactRow._make((*row, None)) for row in db.execute(query)]


def get_artifact(db: Connection, tenant_id: str, artifact_id: str) -> ArtifactRow | None:
    """The oldest artifact with this id, with its bytes."""
    c = tables.artifact.c
    query = (
        select(*(c[name] for name in ArtifactRow._fields))
        .where(c.tenant_id == tenant_id, c.id == artifact_id)
        .order_by(c.at)
        .limit(1)
    )
    row = db.execute(query).one_or_none()
    return ArtifactRow(*row) if row is not None else None


def similar_runs(
    db: Connection,
    tenant_id: str,
    *,
    name: str | None,
    task_type: str | None,
    agent_kind: str | None,
    project_id: str | None,
    limit: int,
) -> list[SimilarRun]:
    """Completed tasks like this one, newest first: same name or type, agent and project; then of the agent at large."""
    group = _T.agent_kind == agent_kind if agent_kind is not None else _T.task_type == task_type
    if agent_kind is None and task_type is None:
        group = _T.agent_kind.is_(None)
    wide = [_T.tenant_id == tenant_id, _T.status == "completed", group]
    query = (
        select(_T.name, _T.task_type, _T.project_id, _T.started_at, _T.finished_at)
        .where(*wide)
        .order_by(_T.created_at.desc())
        .limit(limit * 5)
    )
    exact: list[SimilarRun] = []
    other: list[SimilarRun] = []
    for row in db.execute(query):
        alike = row.task_type == task_type if task_type is not None else row.name == name
        is_exact = alike and row.project_id == project_id
        bucket = exact if is_exact else other
        if len(bucket) < limit:
            passed = (row.finished_at - row.started_at).total_seconds()
            bucket.append(
                SimilarRun(duration_ms=int(passed * 1000), finished_at=row.finished_at, exact=is_exact)
            )
    return sorted([*exact, *other], key=lambda run: run.finished_at, reverse=True)


def typical_ms(db: Connection, tenant_id: str, *, agent_kind: str | None, task_type: str) -> int | None:
    """Median duration of the newest 200 completed tasks of an agent and type."""
    agent = _T.agent_kind.is_(None) if agent_kind is None else _T.agent_kind == agent_kind
    query = (
        select(_T.started_at, _T.finished_at)
        .where(_T.tenant_id == tenant_id, _T.task_type == task_type, _T.status == "completed", agent)
        .order_by(_T.created_at.desc())
        .limit(200)
    )
    durations = [int((row.finished_at - row.started_at).total_seconds() * 1000) for row in db.execute(query)]
    return int(median(durations)) if durations else None
