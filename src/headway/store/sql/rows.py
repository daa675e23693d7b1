"""Task states, descriptions and runs as rows: reading those a commit needs, writing what it changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, select, tuple_, update

from headway.domain.query import words_of
from headway.domain.task import STATE_FIELDS, CallRow, Run, TaskState, state_of
from headway.store.sql import tables
from headway.store.sql.dialect import Dialect
from headway.store.sql.work import TaskWork

_CHUNK = 500
_TERM_LENGTH = 200  # characters; PostgreSQL indexes rows of up to 2,700 bytes
_TASK_COLUMNS = tuple(tables.task.c.keys())
_LISTED = ("project_id", "agent_kind", "created_at", "status", "started_at", "finished_at")
_RUN_STATE = ("status", "created_at", "started_at", "start_known", "finished_at", "inferred", "late_outcome")
_RUN_VALUES = ("result", "error", "plan", "memory_mb", "rounds", "error_details")
_SEARCHED = {"name", "labels"}
_HOT = (  # all that progress changes
    "status", "started_at", "start_known", "progress", "phase", "message", "reported_at", "lease_ends_at",
    "activity_at", "version", "entry_seq", "change_seq",
)  # fmt: skip
_COLD = tuple(name for name in STATE_FIELDS if name not in ("id", "user_id", *_HOT))
_listed_of, _cold_of = attrgetter(*_LISTED), attrgetter(*_COLD)
_hot_row_of, _row_of = attrgetter("id", *_HOT), attrgetter("id", *_COLD, *_HOT)
_run_of = attrgetter(
    "run_number", "status", "run_created_at", "started_at", "start_known", "finished_at", "inferred"
)


class _StateColumns:
    """The columns of a task's state, and its values in that order."""

    names: tuple[str, ...] = STATE_FIELDS
    values_of: Callable[[TaskState], tuple[Any, ...]] = staticmethod(attrgetter(*STATE_FIELDS))


STATE_COLUMNS = _StateColumns


def select_states(
    db: Connection, dialect: Dialect, tenant_id: str, ids: Sequence[str], *, lock: bool
) -> dict[str, TaskState]:
    """The states of tasks by id, locked in id order where asked."""
    if not ids:
        return {}
    rows = dialect.select_by_ids(db, tables.task_state, STATE_FIELDS, tenant_id, ids, lock)
    return {row[0]: state_of(row) for row in rows}


def load_runs(db: Connection, tenant_id: str, task_ids: Sequence[str]) -> dict[str, list[Run]]:
    """All runs of tasks, oldest first, without their JSON."""
    c = tables.run.c
    query = (
        select(c.task_id, c.number, *(c[name] for name in _RUN_STATE))
        .where(c.tenant_id == tenant_id, c.task_id.in_(bindparam("ids", expanding=True)))
        .order_by(c.task_id, c.number)
    )
    found: dict[str, list[Run]] = {}
    for start in range(0, len(task_ids), _CHUNK):
        for row in db.execute(query, {"ids": list(task_ids[start : start + _CHUNK])}):
            found.setdefault(row[0], []).append(Run(*row[1:]))
    return found


def load_calls(db: Connection, tenant_id: str, task_ids: Sequence[str]) -> dict[str, list[CallRow]]:
    """All LLM calls of tasks."""
    c = tables.llm_call.c
    query = select(*(c[name] for name in CallRow._fields)).where(
        c.tenant_id == tenant_id, c.task_id.in_(bindparam("ids", expanding=True))
    )
    found: dict[str, list[CallRow]] = {}
    for start in range(0, len(task_ids), _CHUNK):
        for row in db.execute(query, {"ids": list(task_ids[start : start + _CHUNK])}):
            found.setdefault(row[0], []).append(CallRow(*row))
    return found


def write_tasks(
    db: Connection, dialect: Dialect, tenant_id: str, changed: Sequence[TaskWork], held: Iterable[TaskWork]
) -> None:
    """Write descriptions, runs and states of changed tasks, and the leases of those only kept alive."""
    new = [work for work in changed if work.before is None]
    known = [work for work in changed if work.before is not None]
    dialect.insert(db, tables.task, _TASK_COLUMNS, [_task_row(tenant_id, work) for work in new])
    _insert_terms(db, dialect, tenant_id, new)
    _update_listed(db, dialect, tenant_id, known)
    for work in known:
        _describe(db, dialect, tenant_id, work)
    _write_runs(db, dialect, tenant_id, changed)
    _write_states(db, dialect, tenant_id, new, known)
    leases = [(tenant_id, work.after.id, work.after.lease_ends_at) for work in held if work.after is not None]
    dialect.update(db, tables.task_state, ("tenant_id", "id"), ("lease_ends_at",), leases)


def _after(work: TaskWork) -> TaskState:
    assert work.after is not None
    return work.after


def _described(work: TaskWork) -> dict[str, Any]:
    """The descriptive columns this commit sets on a new task."""
    values: dict[str, Any] = {}
    for folded in work.folded:
        values = {**folded.fills, **values, **_merge_links(values, folded.sets)}
    return values


def _merge_links(known: Mapping[str, Any], sets: Mapping[str, Any]) -> Mapping[str, Any]:
    """New values in which links come besides those known, never instead of them."""
    if "links" not in sets or not known.get("links"):
        return sets
    return {**sets, "links": {**known["links"], **sets["links"]}}


def _task_row(tenant_id: str, work: TaskWork) -> tuple[Any, ...]:
    after, values = _after(work), _described(work)
    values["priority"] = values.get("priority") or 2
    fixed = {
        "tenant_id": tenant_id,
        "id": after.id,
        "user_id": after.user_id,
        **{name: getattr(after, name) for name in _LISTED},
    }
    return tuple(fixed[name] if name in fixed else values.get(name) for name in _TASK_COLUMNS)


def label_term(label: str) -> str:
    """A label ("key=value") as it is looked up; a long one by its hash, since what is indexed must be short."""
    return f"l:{label}" if len(label) <= _TERM_LENGTH else f"h:{sha256(label.encode()).hexdigest()}"


def terms_of(name: str | None, labels: Mapping[str, str] | None) -> list[str]:
    """What a task can be found by besides its own columns."""
    found = [f"w:{word}" for word in words_of(name or "")]
    found += [label_term(f"{key}={value}") for key, value in (labels or {}).items()]
    return list(dict.fromkeys(found))  # {"a": "b=c"} and {"a=b": "c"} read the same


def _insert_terms(db: Connection, dialect: Dialect, tenant_id: str, new: Iterable[TaskWork]) -> None:
    rows = []
    for work in new:
        after, values = _after(work), _described(work)
        terms = terms_of(values.get("name"), values.get("labels"))
        rows += [(tenant_id, term, after.created_at, after.id) for term in terms]
    dialect.insert(db, tables.term, ("tenant_id", "term", "created_at", "id"), rows)


def _update_listed(db: Connection, dialect: Dialect, tenant_id: str, known: Iterable[TaskWork]) -> None:
    rows = []
    for work in known:
        before, after = work.before, _after(work)
        values = _listed_of(after)
        if values != _listed_of(before):
            rows.append((tenant_id, after.id, *values))
    dialect.update(db, tables.task, ("tenant_id", "id"), _LISTED, rows)


def _describe(db: Connection, dialect: Dialect, tenant_id: str, work: TaskWork) -> None:
    """Set or fill descriptive columns of a known task, and keep what it is found by in step."""
    sets: dict[str, Any] = {}
    fills: dict[str, Any] = {}
    for folded in work.folded:
        fills = {**folded.fills, **fills}
        sets.update(_merge_links(sets, folded.sets))
    assert work.before is not None
    moved = work.before.created_at != _after(work).created_at
    if not sets and not fills and not moved:
        return
    c = tables.task.c
    this = (c.tenant_id == tenant_id) & (c.id == _after(work).id)
    names = sorted({*sets, *fills, *_SEARCHED, "links"})
    row = db.execute(select(*(c[name] for name in names)).where(this)).mappings().one()
    sets.update(_merge_links(dict(row), sets))
    values = {name: value for name, value in fills.items() if row[name] is None} | sets
    if values:
        db.execute(update(tables.task).where(this).values(values))
    if moved or _SEARCHED & set(values):
        _replace_terms(db, dialect, tenant_id, work, row, values)


def _replace_terms(
    db: Connection,
    dialect: Dialect,
    tenant_id: str,
    work: TaskWork,
    row: RowMapping,
    values: Mapping[str, Any],
) -> None:
    before, after = work.before, _after(work)
    assert before is not None
    old = terms_of(row["name"], row["labels"])
    new = terms_of(*(values.get(name, row[name]) for name in ("name", "labels")))
    c = tables.term.c
    if old:
        keys = [(term, before.created_at, after.id) for term in old]
        matching = tuple_(c.term, c.created_at, c.id).in_(keys)
        db.execute(delete(tables.term).where(c.tenant_id == tenant_id, matching))
    rows = [(tenant_id, term, after.created_at, after.id) for term in new]
    dialect.insert(db, tables.term, ("tenant_id", "term", "created_at", "id"), rows)


def _write_runs(db: Connection, dialect: Dialect, tenant_id: str, changed: Iterable[TaskWork]) -> None:
    inserts: list[tuple[Any, ...]] = []
    updates: list[tuple[Any, ...]] = []
    told_rows: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for work in changed:
        before, after = work.before, _after(work)
        values = _run_values(work)
        if (
            before is not None
            and not values
            and not work.folded[-1].older
            and _run_of(before) == _run_of(after)
        ):
            continue
        last = before.run_number if before is not None else 0
        for run in [*work.folded[-1].older.values(), after.run()]:
            told = values.get(run.number, {})
            if run.number > last:
                state = (run.number, *_state_values(run))
                inserts.append((tenant_id, after.id, *state, *(told.get(name) for name in _RUN_VALUES)))
                continue
            old = before.run() if before is not None and run.number == last else work.older.get(run.number)
            if run != old:
                updates.append((tenant_id, after.id, run.number, *_state_values(run)))
            if told:
                names = tuple(sorted(told))
                told_rows.setdefault(names, []).append(
                    (tenant_id, after.id, run.number, *(told[name] for name in names))
                )
    dialect.insert(db, tables.run, ("tenant_id", "task_id", "number", *_RUN_STATE, *_RUN_VALUES), inserts)
    dialect.update(db, tables.run, ("tenant_id", "task_id", "number"), _RUN_STATE, updates)
    for names, rows in told_rows.items():
        dialect.update(db, tables.run, ("tenant_id", "task_id", "number"), names, rows)


def _run_values(work: TaskWork) -> dict[int, dict[str, Any]]:
    values: dict[int, dict[str, Any]] = {}
    for folded in work.folded:
        for number, told in folded.run_values.items():
            values.setdefault(number, {}).update(told)
    return values


def _state_values(run: Run) -> tuple[Any, ...]:
    return run[1:]


def _write_states(
    db: Connection, dialect: Dialect, tenant_id: str, new: Sequence[TaskWork], known: Sequence[TaskWork]
) -> None:
    keys = ("tenant_id", "id")
    rows = [(tenant_id, *STATE_COLUMNS.values_of(_after(work))) for work in new]
    dialect.insert(db, tables.task_state, ("tenant_id", *STATE_FIELDS), rows)
    hot, whole = [], []
    for work in known:
        after = _after(work)
        if _cold_of(work.before) == _cold_of(after):
            hot.append((tenant_id, *_hot_row_of(after)))
        else:
            whole.append((tenant_id, *_row_of(after)))
    dialect.update(db, tables.task_state, keys, _HOT, hot)
    dialect.update(db, tables.task_state, keys, (*_COLD, *_HOT), whole)


def newest_change(db: Connection, tenant_id: str) -> int:
    """The largest change number any task or tombstone carries."""
    found = [
        db.execute(select(func.max(table.c.change_seq)).where(table.c.tenant_id == tenant_id)).scalar()
        for table in (tables.task_state, tables.tombstone)
    ]
    return max((number for number in found if number is not None), default=0)
