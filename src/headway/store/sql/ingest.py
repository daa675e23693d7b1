"""One commit of facts: marks, locks, folding, rows, tallies – in the lock order every writer keeps.

Locks are taken as: producer marks sorted, task states in id order, tenant head, tasks, tallies in key order.
What a fact does is decided by `lifecycle`, what rows count for by `contribution`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from headway.domain.errors import HeadwayError
from headway.domain.lifecycle import Context, fold
from headway.domain.task import Cell, Refusal, Run, TaskState
from headway.store.port import Batch, Ingested
from headway.store.sql import tables
from headway.store.sql.counting import contribution_of
from headway.store.sql.dialect import Dialect
from headway.store.sql.marks import Key, Mark, lock_marks, move_marks, news_of
from headway.store.sql.naming import Memory, resolve_projects
from headway.store.sql.rows import load_runs, select_states, write_tasks
from headway.store.sql.tallying import add_contribution
from headway.store.sql.work import Part, TaskWork

Owned = tuple[str, str | None]  # whose a task is, and in which project
_NO_TYPICAL: Mapping[tuple[str | None, str | None], int] = {}


class Commit:
    """The work of one transaction on one tenant."""

    def __init__(
        self,
        db: Connection,
        dialect: Dialect,
        tenant_id: str,
        memory: Memory,
        *,
        lease: timedelta,
        typical_ms: Mapping[tuple[str | None, str | None], int] = _NO_TYPICAL,
    ) -> None:
        """Prepare; nothing is read yet."""
        self.db = db
        self.dialect = dialect
        self.tenant_id = tenant_id
        self.memory = memory
        self.found = Memory()
        self.lease = lease
        self.typical_ms = typical_ms
        self.refusals: list[tuple[int, Refusal, Cell]] = []  # batch, refusal, cell
        self.work: dict[str, TaskWork] = {}
        self.moved: dict[Key, Mark] = {}  # producers' new marks

    # -- producers -------------------------------------------------------------------------------------------

    def ingest(self, batches: Sequence[Batch]) -> list[Ingested | HeadwayError]:
        """Apply what is new in the batches, in order."""
        kept = [batch for batch in batches if batch.numbered]
        marks = lock_marks(self.db, self.dialect, self.tenant_id, kept)
        problems: dict[int, HeadwayError] = {}
        fresh: list[Sequence[Any]] = []
        for index, batch in enumerate(batches):
            found = news_of(batch, self.moved, marks) if batch.numbered else batch.facts
            if isinstance(found, HeadwayError):
                problems[index], found = found, ()
            fresh.append(found)
        self.apply(batches, fresh)
        return self._outcomes(batches, fresh, problems)

    def _outcomes(
        self, batches: Sequence[Batch], fresh: Sequence[Sequence[Any]], problems: Mapping[int, HeadwayError]
    ) -> list[Ingested | HeadwayError]:
        refused: dict[int, list[Refusal]] = {}
        for index, refusal, _ in self.refusals:
            refused.setdefault(index, []).append(refusal)
        repeated = Counter[int]()
        for work in self.work.values():
            for index, folded in zip(work.batches, work.folded, strict=True):
                repeated[index] += folded.duplicates
        outcomes: list[Ingested | HeadwayError] = []
        for index, (batch, new) in enumerate(zip(batches, fresh, strict=True)):
            if index in problems:
                outcomes.append(problems[index])
                continue
            own = tuple(refused.get(index, ()))
            outcomes.append(
                Ingested(
                    acked_seq=batch.facts[-1].seq,
                    applied=len(new) - len(own) - repeated[index],
                    duplicates=len(batch.facts) - len(new) + repeated[index],
                    refused=own,
                    cancel_requested=self._cancellations(new if batch.leased else ()),
                )
            )
        return outcomes

    def _cancellations(self, facts: Iterable[Any]) -> tuple[tuple[str, str], ...]:
        wanted: dict[str, str] = {}
        for fact in facts:
            work = self.work.get(fact.task_id) if fact.task_id else None
            state = work.after if work else None
            if (
                state is None
                or state.cancel_requested_at is None
                or state.status in ("completed", "failed", "timeout")
            ):
                continue
            wanted[state.id] = state.cancel_reason or ""
        return tuple(wanted.items())

    # -- tasks -----------------------------------------------------------------------------------------------

    def apply(self, batches: Sequence[Batch], fresh: Sequence[Sequence[Any]]) -> None:
        """Fold the new facts into their tasks and write everything that follows."""
        parts = self._sort_by_task(batches, fresh)
        projects = resolve_projects(
            self.db, self.dialect, self.tenant_id, self.memory, self.found, batches, fresh
        )
        if parts:
            self._load(batches, parts)
            self._fold(batches, parts, projects)
        if self.work or self.refusals:
            self._write(batches)

    def _sort_by_task(
        self, batches: Sequence[Batch], fresh: Sequence[Sequence[Any]]
    ) -> dict[str, list[Part]]:
        parts: dict[str, list[Part]] = {}
        for index, facts in enumerate(fresh):
            nobody = Cell(batches[index].actor.user_id, None, None)
            for fact in facts:
                if type(fact) is Refusal:
                    self.refusals.append((index, fact, nobody))
                    continue
                known = parts.get(fact.task_id)
                if known is None:
                    parts[fact.task_id] = [Part(index, [fact])]
                elif known[-1].batch == index:
                    known[-1].facts.append(fact)
                else:
                    known.append(Part(index, [fact]))
        return parts

    def _load(self, batches: Sequence[Batch], parts: dict[str, list[Part]]) -> None:
        """Lock the states of all tasks in id order.

        A task never heard of has nothing to lock. When two writers touch it first at once, the second runs into the
        first one's rows, which is a lost race: its next try finds them committed. So that a thousand new tasks cost
        one COPY, not an insert, a lock and an update each.
        """
        wanted = sorted(parts)
        states = select_states(self.db, self.dialect, self.tenant_id, wanted, lock=True)
        missing = [identity for identity in wanted if identity not in states]
        self._bury(missing, parts, batches)
        older = self._load_older_runs(states, parts)
        for identity in parts:
            before = states.get(identity)
            self.work[identity] = TaskWork(before, before, older.get(identity, {}))

    def _bury(self, missing: list[str], parts: dict[str, list[Part]], batches: Sequence[Batch]) -> None:
        """Refuse facts about deleted tasks; the rest of the missing ones is new."""
        if not missing:
            return
        deleted = {
            row[0]
            for row in self.dialect.select_by_ids(
                self.db, tables.tombstone, ("id",), self.tenant_id, missing, False
            )
        }
        for identity in deleted:
            for part in parts.pop(identity):
                self._refuse_part(part, "deleted", "the task was deleted", None, batches)

    def _refuse_part(
        self, part: Part, slug: str, detail: str, state: TaskState | None, batches: Sequence[Batch]
    ) -> None:
        cell = Cell(batches[part.batch].actor.user_id, None, None)
        status = state.status if state else None
        for fact in part.facts:
            if fact.kind != "heartbeat":
                refusal = Refusal(fact.seq, fact.task_id, fact.kind, slug, detail, status)
                self.refusals.append((part.batch, refusal, cell))

    def _load_older_runs(
        self, states: Mapping[str, TaskState], parts: Mapping[str, list[Part]]
    ) -> dict[str, dict[int, Run]]:
        wanted = []
        for identity, state in states.items():
            if state.run_number > 1 and any(
                fact.run is None or fact.run < state.run_number
                for part in parts[identity]
                for fact in part.facts
            ):
                wanted.append(identity)
        runs = load_runs(self.db, self.tenant_id, wanted) if wanted else {}
        return {
            identity: {run.number: run for run in found if run.number < states[identity].run_number}
            for identity, found in runs.items()
        }

    def _fold(
        self,
        batches: Sequence[Batch],
        parts: Mapping[str, list[Part]],
        projects: Mapping[str, tuple[str, str]],
    ) -> None:
        seen, parents = self._seen_ids(parts), self._parents(batches, parts)
        contexts: dict[int, Context] = {}
        for identity, pieces in parts.items():
            work = self.work[identity]
            for part in pieces:
                batch = batches[part.batch]
                state = work.after
                if state is not None and not batch.actor.may_see(state.user_id, state.project_id):
                    self._refuse_part(
                        part, "not-found", "there is no such task, or you may not see it", None, batches
                    )
                    continue
                context = contexts.get(part.batch)
                if context is None:
                    context = contexts[part.batch] = self._context(batch, projects, parents)
                older = work.folded[-1].older if work.folded else work.older
                known = seen.get(identity, ()) if not work.folded else work.folded[-1].seen_ids
                work.after, folded = fold(state, part.facts, context, older=older, seen_ids=known)
                work.folded.append(folded)
                work.batches.append(part.batch)
                if folded.refused:
                    cell = work.after.cell if work.after else Cell(batch.actor.user_id, None, None)
                    self.refusals += [(part.batch, refusal, cell) for refusal in folded.refused]

    def _context(
        self, batch: Batch, projects: Mapping[str, tuple[str, str]], parents: Mapping[str, Owned]
    ) -> Context:
        may_see = batch.actor.may_see
        return Context(
            user_id=batch.actor.user_id,
            received_at=batch.received_at,
            offset=batch.offset,
            lease=self.lease if batch.leased else None,
            projects={name: found[0] for name, found in projects.items() if may_see(found[1], found[0])},
            hidden=frozenset(parent for parent, owned in parents.items() if not may_see(*owned)),
            typical_ms=self.typical_ms,
        )

    def _parents(self, batches: Sequence[Batch], parts: Mapping[str, list[Part]]) -> dict[str, Owned]:
        """The owner and project of each parent that is named by somebody who does not see everything."""
        named = {
            fact.parent_id
            for pieces in parts.values()
            for part in pieces
            if not batches[part.batch].actor.sees_all
            for fact in part.facts
            if getattr(fact, "parent_id", None) is not None
        }
        states = select_states(self.db, self.dialect, self.tenant_id, sorted(named), lock=False)
        return {identity: (state.user_id, state.project_id) for identity, state in states.items()}

    def _seen_ids(self, parts: Mapping[str, list[Part]]) -> dict[str, set[tuple[str, str]]]:
        """(kind, id) of those LLM calls and artifacts in the facts that their tasks already have."""
        asked: dict[str, set[str]] = {"llm_call": set(), "artifact": set()}
        for identity, pieces in parts.items():
            if self.work[identity].before is None:
                continue
            for part in pieces:
                for fact in part.facts:
                    if fact.kind in asked and fact.id is not None:
                        asked[fact.kind].add(fact.id)
        seen: dict[str, set[tuple[str, str]]] = {}
        for kind, table in (("llm_call", tables.llm_call), ("artifact", tables.artifact)):
            if asked[kind]:
                c = table.c
                touched = [identity for identity in parts if self.work[identity].before is not None]
                query = select(c.task_id, c.id).where(
                    c.tenant_id == self.tenant_id,
                    c.task_id.in_(touched),
                    c.id.in_(sorted(asked[kind])),
                )
                for task_id, identity in self.db.execute(query):
                    seen.setdefault(task_id, set()).add((kind, identity))
        return seen

    # -- rows ------------------------------------------------------------------------------------------------

    def _write(self, batches: Sequence[Batch]) -> None:
        self._write_facts(batches)
        changed = [work for _, work in sorted(self.work.items()) if work.changed]
        if changed:
            number = self.take_numbers(len(changed))
            for offset, work in enumerate(changed):
                assert work.after is not None
                work.after.change_seq = number + offset
        held = [
            work
            for work in self.work.values()
            if work.after is not None
            and work.before is not None
            and work.after.lease_ends_at != work.before.lease_ends_at
            and not work.changed
        ]
        alone = any(work.rereads for work in changed)
        with nullcontext() if alone else self.dialect.together(self.db, len(self.work) + len(self.refusals)):
            write_tasks(self.db, self.dialect, self.tenant_id, changed, held)
            added = contribution_of(self.db, self.tenant_id, changed, self._refused_cells(batches))
            add_contribution(self.db, self.dialect, self.tenant_id, added, self.memory, self.found)
            move_marks(self.db, self.dialect, self.tenant_id, self.moved, batches[0].received_at)

    def _write_facts(self, batches: Sequence[Batch]) -> None:
        tenant_id = self.tenant_id
        folded = [folded for work in self.work.values() for folded in work.folded]
        for table, name in (
            (tables.entry, "entries"),
            (tables.llm_call, "calls"),
            (tables.metric, "metrics"),
            (tables.artifact, "artifacts"),
        ):
            rows = [(tenant_id, *row) for piece in folded for row in getattr(piece, name)]
            if rows:
                self.dialect.insert(self.db, table, _COLUMNS[table.name], rows)
        refused = [
            (
                tenant_id,
                batches[index].actor.user_id,
                batches[index].producer,
                refusal.seq,
                refusal.task_id,
                refusal.kind,
                refusal.slug,
                refusal.detail,
                refusal.status,
                batches[index].received_at,
                *cell,
            )
            for index, refusal, cell in self.refusals
        ]
        self.dialect.insert(self.db, tables.refusal, _COLUMNS["hw_refusal"], refused)

    def _refused_cells(self, batches: Sequence[Batch]) -> list[tuple[Cell, datetime]]:
        return [(cell, batches[index].received_at) for index, _, cell in self.refusals]

    def take_numbers(self, count: int) -> int:
        """Lock the tenant's head and take the next change numbers; the first of them."""
        return self.dialect.advance(self.db, self.tenant_id, count) - count + 1


_COLUMNS = {
    "hw_entry": tuple(tables.entry.c.keys()),
    "hw_llm_call": tuple(tables.llm_call.c.keys()),
    "hw_metric": tuple(tables.metric.c.keys()),
    "hw_artifact": tuple(tables.artifact.c.keys()),
    "hw_refusal": tuple(tables.refusal.c.keys()),
}
