"""The rows and tallies that follow from folding facts, kept in lists: a ledger without a database."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from headway.domain.contribution import (
    Contribution,
    contribute,
    contribute_call,
    contribute_change,
    contribute_run,
)
from headway.domain.lifecycle import Context, Folded, fold
from headway.domain.task import CallRow, Run, TaskState


class Book:
    """One task's state and rows; `tallies` may be shared by several tasks."""

    def __init__(self, tallies: Contribution) -> None:
        self.tallies = tallies
        self.state: TaskState | None = None
        self.older: dict[int, Run] = {}
        self.calls: list[CallRow] = []
        self.seqs: list[int] = []  # entry numbers of all rows
        self.ids: set[tuple[str, str]] = set()  # (kind, id) of calls and artifacts

    @property
    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        return [*self.older.values(), self.state.run()] if self.state else []

    def take(self, facts: Sequence[Any], context: Context) -> Folded:
        """Fold one batch; keep its rows and change the tallies as a ledger does."""
        before, before_runs = self.state, {run.number: run for run in self.runs}
        untouched = deepcopy(before)
        after, work = fold(before, facts, context, older=self.older, seen_ids=self.ids)
        assert before == untouched, "folding changed the task it was handed"
        if after is None:
            return work
        self.state, self.older, self.ids = after, work.older, work.seen_ids
        if before is not None and before.cell != after.cell:
            contribute(self.tallies, -1, before, before_runs.values(), self.calls)
            contribute(self.tallies, 1, after, self.runs, [*self.calls, *work.calls])
        else:
            contribute_change(self.tallies, before, after)
            self._count_older(before_runs, after, work)
        self.calls += work.calls
        self.seqs += [
            row.entry_seq for rows in (work.entries, work.calls, work.metrics, work.artifacts) for row in rows
        ]
        return work

    def _count_older(self, before: dict[int, Run], after: TaskState, work: Folded) -> None:
        for number, run in work.older.items():
            if number in before:
                contribute_run(self.tallies, -1, after.cell, before[number])
            contribute_run(self.tallies, 1, after.cell, run)
        for call in work.calls:
            contribute_call(self.tallies, 1, after.cell, call)


def recounted(books: Sequence[Book]) -> Contribution:
    """The tallies as a fold over the rows."""
    into = Contribution()
    for book in books:
        contribute(into, 1, book.state, book.runs, book.calls)
    return into


def nonzero(tallies: Contribution) -> dict[Any, list[int]]:
    """All amounts by key, without those that came back to nothing."""
    amounts: dict[Any, list[int]] = {**tallies.gauges, **tallies.runs, **tallies.llm}
    return {key: row for key, row in amounts.items() if any(row)}
