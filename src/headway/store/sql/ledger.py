"""The SQL ledger: the port's methods, each one function in a transaction of its own thread."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, text, update

from headway.domain.access import Actor, Role
from headway.domain.errors import HeadwayError
from headway.domain.facts import Timeout
from headway.domain.ids import uuid7
from headway.domain.query import CallFilter, Page, Scope, TaskFilter
from headway.domain.task import FINAL, ArtifactRow, CallRow, Entry, MetricRow
from headway.domain.views import ChangePage, Counters, Difference, RunRecord, SeriesPoint, SimilarRun, Task
from headway.store.port import Batch, Ingested, Overdue
from headway.store.sql import changes, listing, reading, recount, retention, runs, tables, tallies
from headway.store.sql.engine import Database
from headway.store.sql.ingest import Commit
from headway.store.sql.migrate import require_current
from headway.store.sql.naming import Memory
from headway.store.sql.rows import select_states

_SECRET = "cursor_key"
_KEEP_ANSWERS = timedelta(hours=24)
_KEEP_MARKS = timedelta(days=400)
_M, _P, _S = tables.meta.c, tables.producer.c, tables.task_state.c


class SqlLedger:
    """The ledger on SQLite or PostgreSQL."""

    def __init__(self, database: Database, secret: list[bytes], *, lease: timedelta) -> None:
        """Use this database; `secret` receives the cursor key when it is opened."""
        self._database = database
        self._secret = secret
        self._memory = Memory()
        self._lease = lease

    async def open(self) -> None:
        """Connect, check the schema, and find or make the key that seals cursors."""

        def work(db: Connection) -> bytes:
            require_current(db, self._database.url)
            found = db.execute(select(_M.value).where(_M.key == _SECRET)).scalar()
            if found is None:
                made = text("INSERT INTO hw_meta (key, value) VALUES (:key, :value) ON CONFLICT DO NOTHING")
                db.execute(made, {"key": _SECRET, "value": os.urandom(32)})
                found = db.execute(select(_M.value).where(_M.key == _SECRET)).scalar_one()
            return bytes(found)

        self._secret[:] = [await self._database.write(work)]

    async def close(self) -> None:
        """Let go of all connections."""
        await self._database.close()

    def _commit(
        self,
        db: Connection,
        tenant_id: str,
        typical_ms: Mapping[tuple[str | None, str | None], int] | None = None,
    ) -> Commit:
        return Commit(
            db,
            self._database.dialect,
            tenant_id,
            self._memory,
            lease=self._lease,
            typical_ms=typical_ms or {},
        )

    async def ingest(
        self,
        tenant_id: str,
        batches: Sequence[Batch],
        typical_ms: Mapping[tuple[str | None, str | None], int] | None = None,
    ) -> list[Ingested | HeadwayError]:
        """Apply batches of one tenant in one transaction."""

        def work(db: Connection) -> tuple[Memory, list[Ingested | HeadwayError]]:
            commit = self._commit(db, tenant_id, typical_ms)
            return commit.found, commit.ingest(batches)

        found, outcomes = await self._database.write(work)
        self._memory.learn(found)
        return outcomes

    async def expire(self, overdue: Overdue, now: datetime) -> bool:
        """Time a run out if its lease has still ended, rechecked under the lock."""

        def work(db: Connection) -> tuple[Memory, bool]:
            commit = self._commit(db, overdue.tenant_id)
            held = select_states(db, self._database.dialect, overdue.tenant_id, [overdue.task_id], lock=True)
            state = held.get(overdue.task_id)
            ends = state.lease_ends_at if state else None
            if state is None or ends is None or ends > now or state.status in FINAL:
                return commit.found, False
            contact = ends - self._lease
            fact = Timeout(
                seq=1,
                task_id=state.id,
                at=max(ends, state.started_at or ends),
                run=state.run_number,
                reason=f"no word from its process since {contact.isoformat(timespec='seconds')}",
                evidence={
                    "lease_s": self._lease.total_seconds(),
                    "last_contact": contact.isoformat(),
                    "lease_ended_at": ends.isoformat(),
                    "noticed_at": now.isoformat(),
                },
            )
            server = Actor(tenant_id=overdue.tenant_id, user_id=state.user_id, role=Role.OWNER)
            batch = Batch(actor=server, producer=uuid7(), facts=[fact], received_at=now)
            commit.apply([batch], [[fact]])
            return commit.found, True

        found, expired = await self._database.write(work)
        self._memory.learn(found)
        return expired

    async def get_task(self, viewer: Actor, task_id: str) -> Task | None:
        """One task with its JSON."""
        return await self._database.read(lambda db: reading.get_task(db, viewer, task_id))

    async def get_tasks(self, viewer: Actor, task_ids: Sequence[str]) -> list[Task]:
        """The visible ones of these tasks."""
        return await self._database.read(lambda db: reading.get_tasks(db, viewer, task_ids))

    async def list_tasks(
        self,
        viewer: Actor,
        wanted: TaskFilter,
        *,
        order: str = "-created_at",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Task]:
        """One page of visible tasks."""
        return await self._database.read(
            lambda db: listing.list_tasks(
                db, self._secret[0], viewer, wanted, order=order, limit=limit, cursor=cursor
            )
        )

    async def newest_endings(self, viewer: Actor, limit: int) -> list[Task]:
        """The visible tasks that ended last, newest first."""
        return await self._database.read(lambda db: listing.newest_endings(db, viewer, limit))

    async def count_tasks(self, viewer: Actor, wanted: TaskFilter) -> int | None:
        """How many visible tasks match, or None when there are too many to walk."""
        return await self._database.read(lambda db: listing.count_tasks(db, viewer, wanted))

    async def list_runs(
        self, viewer: Actor, wanted: TaskFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[RunRecord]:
        """One page of runs."""
        return await self._database.read(
            lambda db: runs.list_runs(db, self._secret[0], viewer, wanted, limit=limit, cursor=cursor)
        )

    async def task_runs(self, tenant_id: str, task_id: str) -> list[RunRecord]:
        """All runs of a task."""
        return await self._database.read(lambda db: runs.task_runs(db, tenant_id, task_id))

    async def list_entries(
        self,
        tenant_id: str,
        task_id: str,
        *,
        kinds: Sequence[str] = (),
        levels: Sequence[str] = (),
        text: str | None = None,
        after: int = 0,
        limit: int = 200,
        newest: bool = False,
    ) -> list[Entry]:
        """Log entries of a task."""
        return await self._database.read(
            lambda db: reading.list_entries(
                db,
                tenant_id,
                task_id,
                kinds=kinds,
                levels=levels,
                text=text,
                after=after,
                limit=limit,
                newest=newest,
            )
        )

    async def list_llm_calls(
        self, viewer: Actor, wanted: CallFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[CallRow]:
        """One page of LLM calls."""
        return await self._database.read(
            lambda db: reading.list_llm_calls(db, self._secret[0], viewer, wanted, limit=limit, cursor=cursor)
        )

    async def list_metrics(
        self, tenant_id: str, task_id: str, *, after: int = 0, limit: int = 1000
    ) -> list[MetricRow]:
        """Metrics of a task."""
        return await self._database.read(
            lambda db: reading.list_metrics(db, tenant_id, task_id, after=after, limit=limit)
        )

    async def list_artifacts(
        self, tenant_id: str, task_id: str, *, after: int = 0, limit: int = 200
    ) -> list[ArtifactRow]:
        """Artifacts of a task, without bytes."""
        return await self._database.read(
            lambda db: reading.list_artifacts(db, tenant_id, task_id, after=after, limit=limit)
        )

    async def get_artifact(self, tenant_id: str, artifact_id: str) -> ArtifactRow | None:
        """One artifact with its bytes."""
        return await self._database.read(lambda db: reading.get_artifact(db, tenant_id, artifact_id))

    async def counters(self, tenant_id: str, scope: Scope) -> Counters:
        """The tallies of a scope."""
        return await self._database.read(lambda db: tallies.counters(db, tenant_id, scope))

    async def breakdown(self, tenant_id: str, scope: Scope, by: str) -> dict[str | None, Counters]:
        """Counters per user, project or agent."""
        return await self._database.read(lambda db: tallies.breakdown(db, tenant_id, scope, by))

    async def series(
        self, tenant_id: str, scope: Scope, *, period: str, start: datetime, end: datetime
    ) -> list[SeriesPoint]:
        """Run figures per quarter-hour or day."""
        return await self._database.read(
            lambda db: tallies.series(db, tenant_id, scope, period=period, start=start, end=end)
        )

    async def llm_breakdown(
        self, tenant_id: str, scope: Scope, *, start: datetime | None = None, end: datetime | None = None
    ) -> dict[tuple[str, str, str], dict[str, int]]:
        """LLM figures by provider, model and template."""
        return await self._database.read(
            lambda db: tallies.llm_breakdown(db, tenant_id, scope, start=start, end=end)
        )

    async def similar_runs(
        self,
        tenant_id: str,
        *,
        name: str | None,
        task_type: str | None,
        agent_kind: str | None,
        project_id: str | None,
        limit: int = 200,
    ) -> list[SimilarRun]:
        """Completed runs like this one."""
        return await self._database.read(
            lambda db: reading.similar_runs(
                db,
                tenant_id,
                name=name,
                task_type=task_type,
                agent_kind=agent_kind,
                project_id=project_id,
                limit=limit,
            )
        )

    async def typical_ms(self, tenant_id: str, *, agent_kind: str | None, task_type: str) -> int | None:
        """Median duration of the newest completed runs of a kind."""
        return await self._database.read(
            lambda db: reading.typical_ms(db, tenant_id, agent_kind=agent_kind, task_type=task_type)
        )

    async def changes(
        self, viewer: Actor, cursor: str | None, *, limit: int = 200, now: datetime | None = None
    ) -> ChangePage:
        """Tasks changed after the cursor."""
        return await self._database.read(
            lambda db: changes.changes(db, self._secret[0], viewer, cursor, limit=limit)
        )

    async def head(self, tenant_id: str) -> int:
        """The newest change number."""
        return (await self._database.read(lambda db: changes.head_of(db, tenant_id)))[0]

    async def overdue(self, now: datetime, limit: int) -> list[Overdue]:
        """Open runs whose lease ended, longest ago first."""
        names = ("tenant_id", "id", "user_id", "run_number", "lease_ends_at")
        query = (
            select(*(_S[name] for name in names))
            .where(_S.lease_ends_at < now)
            .order_by(_S.lease_ends_at)
            .limit(limit)
        )
        rows = await self._database.read(lambda db: db.execute(query).all())
        return [
            Overdue(tenant_id=row[0], task_id=row[1], user_id=row[2], run_number=row[3], lease_ends_at=row[4])
            for row in rows
        ]

    async def delete_task(self, actor: Actor, task_id: str, now: datetime) -> int:
        """Delete a task with its children."""

        def work(db: Connection) -> tuple[Memory, int]:
            commit = self._commit(db, actor.tenant_id)
            return commit.found, retention.delete_task(commit, actor, task_id, now)

        found, count = await self._database.write(work)
        self._memory.learn(found)
        return count

    async def retain(self, tenant_id: str, before: datetime, limit: int, now: datetime) -> int:
        """Delete up to `limit` tasks that finished before a time; old answers and marks go as well."""

        def work(db: Connection) -> tuple[Memory, int]:
            commit = self._commit(db, tenant_id)
            stale = (
                (_P.tenant_id == tenant_id) & (_P.updated_at < now - _KEEP_ANSWERS) & _P.answer.is_not(None)
            )
            db.execute(update(tables.producer).where(stale).values(answer=None))
            db.execute(
                tables.producer.delete().where(_P.tenant_id == tenant_id, _P.updated_at < now - _KEEP_MARKS)
            )
            return commit.found, retention.retain(commit, before, limit, now)

        found, count = await self._database.write(work)
        self._memory.learn(found)
        return count

    async def recount(self, tenant_id: str) -> list[Difference]:
        """Every kept figure that differs from its rows."""
        return await self._database.read(lambda db: recount.recount(db, tenant_id), steady=True)

    async def stored_answer(self, actor: Actor, producer: str) -> Any:
        """The answer kept for a single REST write, for a day."""
        fresh = datetime.now(UTC) - _KEEP_ANSWERS
        query = select(_P.answer).where(
            _P.tenant_id == actor.tenant_id,
            _P.user_id == actor.user_id,
            _P.producer == producer,
            _P.updated_at > fresh,
        )
        return await self._database.read(lambda db: db.execute(query).scalar())

    async def store_answer(self, actor: Actor, producer: str, answer: Any) -> None:
        """Keep the answer of a single REST write."""
        this = (_P.tenant_id == actor.tenant_id) & (_P.user_id == actor.user_id) & (_P.producer == producer)
        await self._database.write(
            lambda db: db.execute(update(tables.producer).where(this).values(answer=answer))
        )
