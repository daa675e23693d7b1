"""Reads tasks, runs, entries, calls, metrics and artifacts; every list is walked along an index.

A list page is found on `hw_task` alone (or on `hw_term` for words, labels and agent ids) and then joined to the states.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import product
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, or_, select, tuple_, union_all
from sqlalchemy.sql.selectable import Subquery

from headway.domain.access import Actor
from headway.domain.errors import InvalidCursor, UnsupportedFilter
from headway.domain.limits import STATUSES
from headway.domain.query import ORDERS, CallFilter, Page, TaskFilter, seal, unseal
from headway.domain.task import ArtifactRow, CallRow, Entry, MetricRow
from headway.domain.views import RunRecord, SimilarRun, Task
from headway.store.sql import tables

_T, _S, _R = tables.task.c, tables.task_state.c, tables.run.c
_BRANCHES = 60  # at most so many index walks are merged for one page
_LEADS = ("project", "agent", "type", "user")
_LEAD_COLUMN = {"project": _T.project_id, "agent": _T.agent_kind, "type": _T.task_type, "user": _T.user_id}
_COUNT_LIMIT = 100_000

_STATE_OF_TASK = (
    "run_number", "phase", "progress", "message", "inferred", "lease_ends_at", "reported_at", "activity_at",
    "cancel_requested_at", "cancel_reason", "llm_calls", "input_tokens", "output_tokens", "cache_read_tokens",
    "cache_write_tokens", "reasoning_tokens", "cost_nusd", "unpriced_calls", "total_runs", "succeeded_runs",
    "failed_runs", "version", "entry_seq", "change_seq", "weight_ms", "status", "started_at", "finished_at",
)  # fmt: skip
_PLAIN = (
    "id", "tenant_id", "user_id", "project_id", "parent_id", "name", "description", "task_type", "agent_kind", "agent_id",
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


def _bound(viewer: Actor, what: str, *parts: Any) -> str:
    """What a cursor is bound to: the tenant, the viewer and the question."""
    return f"{what}\0{viewer.tenant_id}\0{viewer.user_id}\0{parts!r}"


def _position(secret: bytes, bound: str, cursor: str, shape: int) -> list[Any]:
    values = unseal(secret, bound, cursor)
    if len(values) != shape:
        raise InvalidCursor
    return values


def list_tasks(
    db: Connection,
    secret: bytes,
    viewer: Actor,
    wanted: TaskFilter,
    *,
    order: str,
    limit: int,
    cursor: str | None,
) -> Page[Task]:
    """One page of visible tasks that match, in order of creation."""
    if order not in ORDERS:
        raise UnsupportedFilter(
            f"tasks can be ordered by {', '.join(ORDERS)}", field="order", limit=list(ORDERS)
        )
    bound = _bound(viewer, "tasks", wanted, order)
    after = None
    if cursor is not None:
        at, identity = _position(secret, bound, cursor, 2)
        after = (datetime.fromisoformat(at), identity)
    page = _page_of_ids(viewer, wanted, descending=order.startswith("-"), after=after, limit=limit + 1)
    direction = (
        (page.c.created_at.desc(), page.c.id.desc())
        if order.startswith("-")
        else (page.c.created_at, page.c.id)
    )
    query = tasks_query(viewer).join(page, page.c.id == _T.id).order_by(*direction)
    found = [task_of(row) for row in db.execute(query)]
    last = found[limit - 1] if len(found) > limit else None
    following = seal(secret, bound, [last.created_at.isoformat(), last.id]) if last else None
    return Page(items=tuple(found[:limit]), next_cursor=following)


def _page_of_ids(
    viewer: Actor, wanted: TaskFilter, *, descending: bool, after: tuple[datetime, str] | None, limit: int
) -> Subquery:
    """The ids and creation times of one page, each branch of the merge along one index."""
    terms = _terms(wanted)
    source = tables.term.c if terms else _T
    key = (source.created_at, source.id)
    direction = [column.desc() for column in key] if descending else list(key)
    seek: list[ColumnElement[bool]] = []
    if after is not None:
        here = tuple_(*(literal(value, column.type) for value, column in zip(after, key, strict=True)))
        seek = [tuple_(*key) < here if descending else tuple_(*key) > here]
    branches = [
        select(*key).where(*conditions, *seek).order_by(*direction).limit(limit).subquery()
        for conditions in _branches(viewer, wanted, terms)
    ]
    if len(branches) == 1:
        return branches[0]
    merged = union_all(*(select(branch.c.created_at, branch.c.id) for branch in branches)).subquery()
    ends = [merged.c.created_at, merged.c.id]
    return (
        select(*ends)
        .order_by(*([end.desc() for end in ends] if descending else ends))
        .limit(limit)
        .subquery()
    )


def _terms(wanted: TaskFilter) -> list[str]:
    """Terms that must all be there; several agent ids cannot be walked along one term."""
    terms = [f"w:{word}" for word in wanted.words] + [f"l:{label}" for label in wanted.label]
    return terms + [f"a:{value}" for value in wanted.agent_id] if len(wanted.agent_id) == 1 else terms


def _branches(viewer: Actor, wanted: TaskFilter, terms: list[str]) -> list[list[ColumnElement[bool]]]:
    """Conditions of index walks that together find every match once."""
    rest = [*_conditions(wanted), *visible(viewer, _T.user_id, _T.project_id)]
    if terms:
        term = tables.term.c
        first, *others = terms
        lead = [term.tenant_id == viewer.tenant_id, term.term == first]
        lead += [_has_term(viewer.tenant_id, other) for other in others]
        if rest:
            lead.append(
                select(literal(1))
                .where(_T.tenant_id == term.tenant_id, _T.id == term.id, *rest)
                .correlate(tables.term)
                .exists()
            )
        return [lead]
    tenant = _T.tenant_id == viewer.tenant_id
    if wanted.parent:
        return [[tenant, _T.parent_id == parent, *rest] for parent in wanted.parent]
    lead_name = next((name for name in _LEADS if getattr(wanted, name)), None)
    values: Sequence[Any] = getattr(wanted, lead_name) if lead_name else ()
    if lead_name is None and not viewer.sees_all and not viewer.shared_projects:
        lead_name, values = "user", (viewer.user_id,)
    statuses = wanted.status or (STATUSES if lead_name else ())
    if lead_name is None:
        return [[tenant, _T.status == status, *rest] for status in statuses] or [[tenant, *rest]]
    if len(values) * len(statuses) > _BRANCHES:
        return [[tenant, *rest]]
    column = _LEAD_COLUMN[lead_name]
    return [
        [tenant, column == value, _T.status == status, *rest]
        for value, status in product(dict.fromkeys(values), statuses)
    ]


def _has_term(tenant_id: str, wanted: str) -> ColumnElement[bool]:
    other = tables.term.alias()
    return (
        select(literal(1))
        .where(
            other.c.tenant_id == tenant_id,
            other.c.term == wanted,
            other.c.created_at == tables.term.c.created_at,
            other.c.id == tables.term.c.id,
        )
        .correlate(tables.term)
        .exists()
    )


def _conditions(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    """The filter as conditions on `hw_task`, except what is walked as terms."""
    conditions: list[ColumnElement[bool]] = []
    for column, values in (
        (_T.status, wanted.status),
        (_T.project_id, wanted.project),
        (_T.agent_kind, wanted.agent),
        (_T.user_id, wanted.user),
        (_T.task_type, wanted.type),
        (_T.parent_id, wanted.parent),
        (_T.agent_id, wanted.agent_id if len(wanted.agent_id) > 1 else ()),
    ):
        if values:
            conditions.append(column == values[0] if len(values) == 1 else column.in_(list(values)))
    for name in ("created", "started", "finished"):
        column = _T[f"{name}_at"]
        after, before = getattr(wanted, f"{name}_after"), getattr(wanted, f"{name}_before")
        conditions += [column >= after] if after is not None else []
        conditions += [column < before] if before is not None else []
    return conditions


def count_tasks(db: Connection, viewer: Actor, wanted: TaskFilter) -> int | None:
    """How many visible tasks match, or None when there are more than are worth walking."""
    total = 0
    terms = _terms(wanted)
    for conditions in _branches(viewer, wanted, terms):
        source = tables.term if terms else tables.task
        walked = select(literal(1)).select_from(source).where(*conditions).limit(_COUNT_LIMIT + 1).subquery()
        total += db.execute(select(func.count()).select_from(walked)).scalar_one()
        if total > _COUNT_LIMIT:
            return None
    return total


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
    bound = _bound(viewer, "runs", wanted)
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
    query = query.where(*_conditions(without_status))
    for wanted_term in _terms(wanted):
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
        at, identity, number = _position(secret, bound, cursor, 3)
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
    bound = _bound(viewer, "calls", wanted)
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
        at, identity = _position(secret, bound, cursor, 2)
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
    return [ArtifactRow(*row, None) for row in db.execute(query)]


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
    """Completed tasks like this one, newest first: the same name or type in agent and project, then the agent at large."""
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
