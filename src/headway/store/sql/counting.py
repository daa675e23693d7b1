"""What a commit adds to the tallies: the difference between what its tasks counted for before and count for now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from headway.domain import contribution as counting
from headway.domain.contribution import Contribution
from headway.domain.task import Cell, Run
from headway.store.sql.rows import load_calls, load_runs
from headway.store.sql.work import TaskWork


def contribution_of(
    db: Connection, tenant_id: str, changed: Iterable[TaskWork], refusals: Iterable[tuple[Cell, datetime]]
) -> Contribution:
    """The amounts to add for changed tasks, whose rows are written already, and for refusals (cell, receipt)."""
    into = Contribution()
    for work in changed:
        after = work.after
        assert after is not None
        if work.before is not None and work.before.cell != after.cell:
            _move_cell(db, tenant_id, into, work)
            continue
        counting.contribute_change(into, work.before, after)
        for number, run in work.folded[-1].older.items():
            _count_older(into, work, number, run)
        for folded in work.folded:
            for call in folded.calls:
                counting.contribute_call(into, 1, after.cell, call)
    for cell, received_at in refusals:
        counting.contribute_refusal(into, 1, cell, received_at)
    return into


def _count_older(into: Contribution, work: TaskWork, number: int, run: Run) -> None:
    assert work.after is not None
    before = work.before
    old = work.older.get(number)
    if old is None and before is not None and before.run_number == number:
        old = before.run()
    if old == run:
        return
    cell = work.after.cell
    if old is not None:
        counting.contribute_run(into, -1, cell, old)
    counting.contribute_run(into, 1, cell, run)


def _move_cell(db: Connection, tenant_id: str, into: Contribution, work: TaskWork) -> None:
    """Project or agent kind became known: everything the task counts for moves to its new cell.

    The rows of this commit are written already; what it added is left out of what counted before.
    """
    before, after = work.before, work.after
    assert before is not None
    assert after is not None
    runs_after = load_runs(db, tenant_id, [after.id]).get(after.id, [])
    calls_after = load_calls(db, tenant_id, [after.id]).get(after.id, [])
    new_calls = {call.id for folded in work.folded for call in folded.calls}
    calls_before = [call for call in calls_after if call.id not in new_calls]
    runs_before = {run.number: run for run in runs_after if run.number < before.run_number}
    runs_before.update({number: run for number, run in work.older.items() if number < before.run_number})
    runs_before[before.run_number] = before.run()
    counting.contribute(into, -1, before, runs_before.values(), calls_before)
    counting.contribute(into, 1, after, runs_after, calls_after)
