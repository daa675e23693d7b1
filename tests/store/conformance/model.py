"""What a ledger must come to, kept in memory: marks, tasks by the lifecycle, tallies as a fold over the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from headway.domain.contribution import Contribution, contribute, contribute_refusal
from headway.domain.errors import SequenceGap
from headway.domain.facts import Timeout
from headway.domain.lifecycle import Context
from headway.domain.tally import GAUGE_MEASURES, LLM_MEASURES, RUN_MEASURES
from headway.domain.task import Cell, Refusal, TaskState
from headway.store.port import Batch, Ingested
from tests.domain.bookkeeping import Book


@dataclass
class Model:
    """A tenant on a perfect ledger. A user sees own tasks only, as a member does."""

    lease: timedelta
    marks: dict[tuple[str, str], int] = field(default_factory=dict)
    books: dict[str, Book] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    refusals: list[tuple[str, Cell, datetime]] = field(default_factory=list)  # task, cell, received
    archive: Contribution = field(default_factory=Contribution)

    def ingest(self, batch: Batch) -> Ingested | SequenceGap:
        """Take a batch; the answer that the ledger must give."""
        key = (batch.actor.user_id, batch.producer)
        last, first = self.marks.get(key, 0), batch.facts[0].seq
        if first > last + 1:
            return SequenceGap(last + 1, first)
        fresh = [told for told in batch.facts if told.seq > last]
        self.marks[key] = max(last, batch.facts[-1].seq)
        refused: list[Refusal] = []
        duplicates = len(batch.facts) - len(fresh)
        for task_id in dict.fromkeys(told.task_id for told in fresh):
            own = [told for told in fresh if told.task_id == task_id]
            repeated, turned_away = self._tell(task_id, own, batch)
            duplicates += repeated
            refused += turned_away
        return Ingested(
            acked_seq=batch.facts[-1].seq,
            applied=len(batch.facts) - duplicates - len(refused),
            duplicates=duplicates,
            refused=tuple(sorted(refused, key=lambda refusal: refusal.seq)),
        )

    def _tell(self, task_id: str, facts: Sequence[Any], batch: Batch) -> tuple[int, list[Refusal]]:
        """Tell of one task; how many were duplicates, and what was refused."""
        book = self.books.setdefault(task_id, Book(Contribution()))
        owner = book.state.user_id if book.state else batch.actor.user_id
        if task_id in self.deleted or not batch.actor.may_see(owner, book.state and book.state.project_id):
            slug = "deleted" if task_id in self.deleted else "not-found"
            turned_away = [
                Refusal(told.seq, task_id, told.kind, slug, "", None)
                for told in facts
                if told.kind != "heartbeat"
            ]
            nobody = Cell(batch.actor.user_id, None, None)
            self.refusals += [(task_id, nobody, batch.received_at)] * len(turned_away)
            return 0, turned_away
        of = Context(
            user_id=batch.actor.user_id,
            received_at=batch.received_at,
            lease=self.lease if batch.leased else None,
        )
        work = book.take(facts, of)
        cell = book.state.cell if book.state else Cell(batch.actor.user_id, None, None)
        self.refusals += [(task_id, cell, batch.received_at)] * len(work.refused)
        return work.duplicates, [refusal._replace(detail="") for refusal in work.refused]

    def overdue(self, now: datetime) -> set[str]:
        """Tasks whose lease has ended."""
        states = [book.state for book in self.books.values() if book.state]
        return {state.id for state in states if state.lease_ends_at is not None and state.lease_ends_at < now}

    def expire(self, task_id: str, now: datetime) -> None:
        """Time a run out."""
        state = self.state(task_id)
        ends = state.lease_ends_at
        assert ends is not None
        at = max(ends, state.started_at or ends)
        lost = Timeout(seq=1, task_id=task_id, at=at, run=state.run_number)
        self.books[task_id].take([lost], Context(user_id=state.user_id, received_at=now))

    def delete(self, task_id: str) -> None:
        """Delete a task, archiving what it counted for."""
        book = self.books.pop(task_id)
        contribute(self.archive, 1, book.state, book.runs, book.calls)
        self.archive.gauges.clear()
        for _, cell, received_at in self._refusals_of(task_id):
            contribute_refusal(self.archive, 1, cell, received_at)
        self.refusals = [one for one in self.refusals if one[0] != task_id]
        self.deleted.add(task_id)

    def _refusals_of(self, task_id: str) -> list[tuple[str, Cell, datetime]]:
        return [one for one in self.refusals if one[0] == task_id]

    def state(self, task_id: str) -> TaskState:
        """The state of a task that is there."""
        state = self.books[task_id].state
        assert state is not None
        return state

    @property
    def tasks(self) -> dict[str, TaskState]:
        """The tasks that are there."""
        return {task_id: book.state for task_id, book in self.books.items() if book.state}

    def figures(self) -> tuple[dict[str, int], dict[str, int], dict[str, int], dict[str, int]]:
        """Run figures, gauges, archived run figures, and LLM figures of the whole tenant."""
        live = Contribution()
        for book in self.books.values():
            contribute(live, 1, book.state, book.runs, book.calls)
        for _, cell, received_at in self.refusals:
            contribute_refusal(live, 1, cell, received_at)
        runs = [*live.runs.values(), *self.archive.runs.values()]
        calls = [row for one in (live, self.archive) for key, row in one.llm.items() if key[-1] == ""]
        return (
            summed(RUN_MEASURES, runs),
            summed(GAUGE_MEASURES, live.gauges.values()),
            summed(RUN_MEASURES, self.archive.runs.values()),
            summed(LLM_MEASURES, calls),
        )


def summed(measures: Sequence[str], rows: Any) -> dict[str, int]:
    """Amounts by measure over all rows."""
    sums = [sum(amounts) for amounts in zip(*rows, strict=True)] or [0] * len(measures)
    return dict(zip(measures, sums, strict=True))


def comparable(outcome: Any) -> Any:
    """An answer without what only people read, its refusals in order."""
    if isinstance(outcome, SequenceGap):
        return outcome.concerned
    refused = [refusal._replace(detail="") for refusal in outcome.refused]
    return replace(
        outcome, refused=tuple(sorted(refused, key=lambda refusal: refusal.seq)), cancel_requested=()
    )
