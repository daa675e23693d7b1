"""The audit's recount: every kept figure against what its rows and the archive come to.

It walks the tasks in id order, so its memory does not grow with their number; the reading transaction is one snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, select

from headway.domain import contribution as counting
from headway.domain.contribution import Contribution
from headway.domain.tally import GAUGE_MEASURES, LLM_MEASURES, RUN_MEASURES, WHOLE_TENANT, cell_key
from headway.domain.task import FINAL, CallRow, Cell, Run, TaskState, state_of
from headway.domain.views import Difference
from headway.store.sql import tables
from headway.store.sql.rows import STATE_COLUMNS, load_calls, load_runs, newest_change, terms_of
from headway.store.sql.tallying import Sums, sums_of_gauges, sums_of_llm, sums_of_runs

_CHUNK = 1_000
_LISTED = ("user_id", "project_id", "agent_kind", "created_at", "status", "started_at", "finished_at")
_USAGE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")


def recount(db: Connection, tenant_id: str) -> list[Difference]:
    """Every difference between kept figures and rows of a tenant."""
    differences: list[Difference] = []
    counted = Contribution()
    terms = 0
    for states in _chunks(db, tenant_id):
        terms += _recount_chunk(db, tenant_id, states, counted, differences)
    _count_refusals(db, tenant_id, counted)
    differences += _compare_tallies(db, tenant_id, counted)
    differences += _check_cells(db, tenant_id)
    differences += _compare_head(db, tenant_id)
    differences += _orphans(db, tenant_id)
    kept = select(func.count()).select_from(tables.term).where(tables.term.c.tenant_id == tenant_id)
    return differences + _differ("hw_term.rows", tenant_id, db.execute(kept).scalar_one(), terms)


def _chunks(db: Connection, tenant_id: str) -> Iterator[list[TaskState]]:
    c = tables.task_state.c
    after: str | None = None
    while True:
        query = select(*(c[name] for name in STATE_COLUMNS.names)).where(c.tenant_id == tenant_id)
        if after is not None:
            query = query.where(c.id > after)
        states = [state_of(row) for row in db.execute(query.order_by(c.id).limit(_CHUNK))]
        if not states:
            return
        yield states
        after = states[-1].id


def _recount_chunk(
    db: Connection,
    tenant_id: str,
    states: Sequence[TaskState],
    counted: Contribution,
    differences: list[Difference],
) -> int:
    """Check some tasks; how many terms they should be found by."""
    wanted = [state.id for state in states]
    runs, calls = load_runs(db, tenant_id, wanted), load_calls(db, tenant_id, wanted)
    listed = _listed(db, tenant_id, wanted)
    terms = _terms(db, tenant_id, listed)
    newest = _entry_counts(db, tenant_id, wanted)
    for state in states:
        own_runs, own_calls = runs.get(state.id, []), calls.get(state.id, [])
        counting.contribute(counted, 1, state, own_runs, own_calls)
        differences += _check_description(state, listed.get(state.id), terms.get(state.id, set()))
        differences += _check_runs(state, own_runs)
        differences += _check_usage(state, own_calls)
        kept = (state.entry_seq, state.entry_seq)
        differences += _differ("task.entry_seq", state.id, kept, newest.get(state.id, (0, 0)))
    return sum(len(terms_of(row.name, row.labels)) for row in listed.values())


def _listed(db: Connection, tenant_id: str, wanted: Sequence[str]) -> dict[str, Any]:
    c = tables.task.c
    query = select(c.id, c.name, c.labels, *(c[name] for name in _LISTED)).where(
        c.tenant_id == tenant_id, c.id.in_(wanted)
    )
    return {row.id: row for row in db.execute(query)}


def _terms(db: Connection, tenant_id: str, listed: dict[str, Any]) -> dict[str, set[str]]:
    """Expected terms of each task that are really there."""
    c = tables.term.c
    expected = {term for row in listed.values() for term in terms_of(row.name, row.labels)}
    if not expected:
        return {}
    found: dict[str, set[str]] = {}
    moments = [row.created_at for row in listed.values()]
    query = select(c.id, c.term).where(
        c.tenant_id == tenant_id,
        c.term.in_(sorted(expected)),
        c.created_at >= min(moments),
        c.created_at <= max(moments),
        c.id.in_(list(listed)),
    )
    for identity, term in db.execute(query):
        found.setdefault(identity, set()).add(term)
    return found


def _entry_counts(db: Connection, tenant_id: str, wanted: Sequence[str]) -> dict[str, tuple[int, int]]:
    """(how many, the newest number) of entries, calls, metrics and artifacts together, by task."""
    found: dict[str, tuple[int, int]] = {}
    for table in (tables.entry, tables.llm_call, tables.metric, tables.artifact):
        c = table.c
        query = (
            select(c.task_id, func.count(), func.max(c.entry_seq))
            .where(c.tenant_id == tenant_id, c.task_id.in_(wanted))
            .group_by(c.task_id)
        )
        for task_id, count, newest in db.execute(query):
            known = found.get(task_id, (0, 0))
            found[task_id] = (known[0] + count, max(known[1], newest))
    return found


def _differ(figure: str, key: str, kept: Any, counted: Any) -> list[Difference]:
    return [] if kept == counted else [Difference(figure=figure, key=key, kept=kept, counted=counted)]


def _check_description(state: TaskState, row: Any, terms: set[str]) -> list[Difference]:
    if row is None:
        return [
            Difference(
                figure="task.description", key=state.id, kept=None, counted="state without description"
            )
        ]
    differences = []
    for name in _LISTED:
        differences += _differ(f"task.{name}", state.id, getattr(row, name), getattr(state, name))
    expected = set(terms_of(row.name, row.labels))
    return differences + _differ("task.terms", state.id, sorted(terms & expected), sorted(expected))


def _check_runs(state: TaskState, runs: Sequence[Run]) -> list[Difference]:
    if not runs:
        return [Difference(figure="task.runs", key=state.id, kept=state.total_runs, counted=0)]
    ended = [run.status for run in runs]
    differences = _differ("task.total_runs", state.id, state.total_runs, len(runs))
    differences += _differ("task.succeeded_runs", state.id, state.succeeded_runs, ended.count("completed"))
    lost = ended.count("failed") + ended.count("timeout")
    differences += _differ("task.failed_runs", state.id, state.failed_runs, lost)
    differences += _differ("run.newest", state.id, state.run()[:7], runs[-1][:7])
    for run in runs:
        whole = (
            run.started_at is not None and run.finished_at is not None and run.started_at <= run.finished_at
        )
        if run.status in FINAL and not whole:
            differences += _differ(
                "run.duration", f"{state.id}/{run.number}", None, "a finished run has a duration"
            )
    return differences


def _check_usage(state: TaskState, calls: Sequence[CallRow]) -> list[Difference]:
    differences = _differ("task.llm_calls", state.id, state.llm_calls, len(calls))
    for name in _USAGE:
        differences += _differ(
            f"task.{name}", state.id, getattr(state, name), sum(getattr(call, name) for call in calls)
        )
    cost = sum(call.cost_nusd or 0 for call in calls)
    differences += _differ("task.cost_nusd", state.id, state.cost_nusd, cost)
    unpriced = sum(call.cost_nusd is None for call in calls)
    return differences + _differ("task.unpriced_calls", state.id, state.unpriced_calls, unpriced)


def _count_refusals(db: Connection, tenant_id: str, counted: Contribution) -> None:
    c = tables.refusal.c
    query = select(c.cell_user_id, c.cell_project_id, c.cell_agent_kind, c.received_at).where(
        c.tenant_id == tenant_id
    )
    for user_id, project_id, agent_kind, received_at in db.execute(query.execution_options(yield_per=_CHUNK)):
        counting.contribute_refusal(counted, 1, Cell(user_id, project_id, agent_kind), received_at)


def _compare_tallies(db: Connection, tenant_id: str, counted: Contribution) -> list[Difference]:
    differences = _compare(db, tenant_id, tables.gauge, "gauge", GAUGE_MEASURES, sums_of_gauges(counted))
    differences += _compare(db, tenant_id, tables.tally, "tally", RUN_MEASURES, sums_of_runs(counted, False))
    return differences + _compare(
        db, tenant_id, tables.llm_tally, "llm_tally", LLM_MEASURES, sums_of_llm(counted, False)
    )


def _compare(
    db: Connection, tenant_id: str, table: Table, name: str, measures: Sequence[str], counted: Sums
) -> list[Difference]:
    """Kept rows against counted rows plus the archive, key by key."""
    keys = [column.name for column in table.primary_key.columns if column.name != "tenant_id"]
    query = select(*(table.c[key] for key in keys), *(table.c[measure] for measure in measures)).where(
        table.c.tenant_id == tenant_id
    )
    kept: Sums = {}
    expected = {key: list(amounts) for key, amounts in counted.items()}
    for row in db.execute(query):
        key, amounts = tuple(row[: len(keys)]), list(row[len(keys) :])
        if "archived" in keys and key[keys.index("archived")]:
            live = tuple(
                False if part == "archived" else value for part, value in zip(keys, key, strict=True)
            )
            known = expected.get(live, [0] * len(measures))
            expected[live] = [a + b for a, b in zip(known, amounts, strict=True)]
        else:
            kept[key] = amounts
    nothing = [0] * len(measures)
    differences = []
    for key in sorted({*kept, *expected}):
        pairs = zip(measures, kept.get(key, nothing), expected.get(key, nothing), strict=True)
        for measure, have, want in pairs:
            differences += _differ(f"{name}.{measure}", "/".join(map(str, key)), have, want)
    return differences


def _check_cells(db: Connection, tenant_id: str) -> list[Difference]:
    """Every cell is kept under its own number, and none that is counted for is missing."""
    c = tables.cell.c
    query = select(c.cell, c.user_id, c.project_id, c.agent_kind).where(c.tenant_id == tenant_id)
    named = {row[0]: Cell(*row[1:]) for row in db.execute(query)}
    differences = []
    for key, cell in named.items():
        differences += _differ("cell.number", "/".join(map(str, cell)), key, cell_key(cell))
    for table in (tables.gauge, tables.tally, tables.llm_tally):
        counted = select(table.c.cell).distinct().where(table.c.tenant_id == tenant_id)
        for (key,) in db.execute(counted):
            if key != WHOLE_TENANT and key not in named:
                differences += _differ(f"{table.name}.cell", str(key), key, None)
    return differences


def _compare_head(db: Connection, tenant_id: str) -> list[Difference]:
    """The head is at least the newest change, and no two tasks share a number."""
    c = tables.head.c
    head = db.execute(select(c.change_seq).where(c.tenant_id == tenant_id)).scalar()
    newest = newest_change(db, tenant_id)
    differences = (
        [] if head is not None and head >= newest else _differ("head.change_seq", tenant_id, head, newest)
    )
    s = tables.task_state.c
    shared = (
        select(s.change_seq, func.count())
        .where(s.tenant_id == tenant_id)
        .group_by(s.change_seq)
        .having(func.count() > 1)
        .limit(100)
    )
    for number, count in db.execute(shared):
        differences += _differ("task.change_seq", str(number), count, 1)
    return differences


def _orphans(db: Connection, tenant_id: str) -> list[Difference]:
    """Rows whose task is gone."""
    state = tables.task_state.c
    differences = []
    named = (
        (tables.entry, "task_id"),
        (tables.llm_call, "task_id"),
        (tables.metric, "task_id"),
        (tables.artifact, "task_id"),
        (tables.run, "task_id"),
        (tables.task, "id"),
    )
    for table, column in named:
        there = select(state.id).where(state.tenant_id == tenant_id, state.id == table.c[column]).exists()
        query = select(func.count()).select_from(table).where(table.c.tenant_id == tenant_id, ~there)
        differences += _differ(f"{table.name}.orphans", tenant_id, db.execute(query).scalar_one(), 0)
    return differences
