"""The ledger and what stands beside it, in domain words: no SQL in sight.

Every method takes the tenant (or an actor of it) first and answers only for that tenant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from headway.domain.access import Actor
from headway.domain.errors import HeadwayError
from headway.domain.facts import Fact
from headway.domain.query import CallFilter, Page, Scope, TaskFilter
from headway.domain.task import ArtifactRow, CallRow, Entry, MetricRow, Refusal
from headway.domain.views import (
    ChangePage,
    Counters,
    Difference,
    Project,
    RunRecord,
    SeriesPoint,
    SimilarRun,
    Task,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Consecutive facts of one producer; those that could not be read stand in it as refusals."""

    actor: Actor
    producer: str  # UUID
    facts: Sequence[Fact | Refusal]  # seq rises by one from each to the next
    received_at: datetime
    offset: timedelta | None = None  # added to every `at`: the producer's clock is off
    leased: bool = False  # the producer heartbeats, so its open runs hold a lease
    numbered: bool = True  # False: a single write that nobody sends again; no mark is kept of its producer
    request_hash: str | None = None  # of the body, for single REST writes with an Idempotency-Key
    size: int = 0  # bytes it takes in the queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What became of a batch; everything in it is durable."""

    acked_seq: int
    applied: int
    duplicates: int
    refused: tuple[Refusal, ...] = ()
    cancel_requested: tuple[tuple[str, str], ...] = ()  # (task id, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """An open run whose lease has ended."""

    tenant_id: str
    task_id: str
    user_id: str
    run_number: int
    lease_ends_at: datetime


class Ledger(Protocol):
    """Everything that happened to tasks, and the figures that follow from it."""

    async def open(self) -> None:
        """Connect; raise SchemaOutdated when the schema does not fit."""

    async def close(self) -> None:
        """Let go of all connections."""

    async def ingest(
        self,
        tenant_id: str,
        batches: Sequence[Batch],
        typical_ms: Mapping[tuple[str | None, str | None], int] = ...,
    ) -> list[Ingested | HeadwayError]:
        """Apply batches of one tenant in one transaction; gaps and mismatches come back in their batch's place.

        Raises:
            StoreUnavailable: Nothing was written; try again.
            DataRefused: The database refuses a value; nothing was written.
        """

    async def expire(self, overdue: Overdue, now: datetime) -> bool:
        """Time a run out if its lease has still ended, rechecked under the lock; whether it was."""

    async def get_task(self, viewer: Actor, task_id: str) -> Task | None:
        """One task with its JSON fields, or None when there is none the viewer may see."""

    async def get_tasks(self, viewer: Actor, task_ids: Sequence[str]) -> list[Task]:
        """The visible ones of these tasks, without JSON fields."""

    async def list_tasks(
        self,
        viewer: Actor,
        wanted: TaskFilter,
        *,
        order: str = "-created_at",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Task]:
        """One page of visible tasks, without JSON fields."""

    async def newest_endings(self, viewer: Actor, limit: int) -> list[Task]:
        """The visible tasks that ended last, without JSON fields, newest first."""

    async def count_tasks(self, viewer: Actor, wanted: TaskFilter) -> int | None:
        """How many visible tasks match, exactly; None when there are too many to walk."""

    async def list_runs(
        self, viewer: Actor, wanted: TaskFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[RunRecord]:
        """One page of runs of visible tasks, newest first; the status filter is on the run."""

    async def task_runs(self, tenant_id: str, task_id: str) -> list[RunRecord]:
        """All runs of a task, oldest first, with their JSON fields."""

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
        """Log entries with entry_seq > after, oldest first; `newest` takes the last `limit` instead of the first."""

    async def list_llm_calls(
        self, viewer: Actor, wanted: CallFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[CallRow]:
        """One page of calls of visible tasks, newest first."""

    async def list_metrics(
        self, tenant_id: str, task_id: str, *, after: int = 0, limit: int = 1000
    ) -> list[MetricRow]:
        """Metrics of a task with entry_seq > after, oldest first."""

    async def list_artifacts(
        self, tenant_id: str, task_id: str, *, after: int = 0, limit: int = 200
    ) -> list[ArtifactRow]:
        """Artifacts of a task with entry_seq > after, oldest first, without content."""

    async def get_artifact(self, tenant_id: str, artifact_id: str) -> ArtifactRow | None:
        """One artifact with its content (access is checked on its task by the caller)."""

    async def counters(self, tenant_id: str, scope: Scope) -> Counters:
        """The tallies of a scope; the cost does not grow with the number of tasks."""

    async def breakdown(self, tenant_id: str, scope: Scope, by: str) -> dict[str | None, Counters]:
        """Counters per value of `by` ("user", "project" or "agent")."""

    async def series(
        self, tenant_id: str, scope: Scope, *, period: str, start: datetime, end: datetime
    ) -> list[SeriesPoint]:
        """Run figures per "quarter" or "day" with start ≤ t < end; periods without rows are left out."""

    async def llm_breakdown(
        self, tenant_id: str, scope: Scope, *, start: datetime | None = None, end: datetime | None = None
    ) -> dict[tuple[str, str, str], dict[str, int]]:
        """LLM figures by (provider, model, template); by quarter-hours where a time is given."""

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
        """Completed runs like this one, newest first: up to `limit` exact and `limit` of the wider group."""

    async def typical_ms(self, tenant_id: str, *, agent_kind: str | None, task_type: str) -> int | None:
        """Median duration of the newest 200 completed runs of a kind; None without any."""

    async def changes(
        self, viewer: Actor, cursor: str | None, *, limit: int = 200, now: datetime | None = None
    ) -> ChangePage:
        """Tasks changed after the cursor; without one an empty page whose cursor is the present."""

    async def head(self, tenant_id: str) -> int:
        """The newest change number of the tenant."""

    async def overdue(self, now: datetime, limit: int) -> list[Overdue]:
        """Open runs of all tenants whose lease ended before `now`, longest ago first."""

    async def delete_task(self, actor: Actor, task_id: str, now: datetime) -> int:
        """Delete a task with its children, archiving what they counted for; how many were deleted.

        Raises:
            NotFound: No such task is visible.
            StillRunning: It or a child still runs.
        """

    async def retain(self, tenant_id: str, before: datetime, limit: int, now: datetime) -> int:
        """Delete up to `limit` tasks that finished before a time, archiving their figures; how many."""

    async def recount(self, tenant_id: str) -> list[Difference]:
        """Every kept figure of the tenant that differs from what its rows (and the archive) come to."""

    async def stored_answer(self, actor: Actor, producer: str) -> Any:
        """The kept answer of a single REST write, or None."""

    async def store_answer(self, actor: Actor, producer: str, answer: Any) -> None:
        """Keep the answer of a single REST write for 24 h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or service in a tenant."""

    id: str
    tenant_id: str
    email: str
    role: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret."""

    id: str
    tenant_id: str
    user_id: str
    name: str
    role: str | None  # narrows the user's role
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class Accounts(Protocol):
    """Tenants, users, keys and sessions."""

    async def create_tenant(self, *, name: str, owner_email: str, now: datetime) -> User:
        """A new tenant with its owner."""

    async def first_owner(self) -> User | None:
        """The owner of the oldest tenant, or None on an empty store."""

    async def list_tenants(self) -> list[tuple[str, str]]:
        """(id, name) of all tenants, oldest first."""

    async def add_user(self, *, tenant_id: str, email: str, role: str, now: datetime) -> User:
        """A new user in a tenant."""

    async def add_key(
        self,
        *,
        user: User,
        name: str,
        key_hash: str,
        role: str | None,
        expires_at: datetime | None,
        now: datetime,
    ) -> ApiKey:
        """Keep a key by the SHA-256 of its text."""

    async def list_keys(self, tenant_id: str) -> list[ApiKey]:
        """Keys of a tenant, newest first."""

    async def revoke_key(self, tenant_id: str, key_id: str, now: datetime) -> bool:
        """Make a key unusable; False when there is none."""

    async def actor_of_key(self, key_hash: str, now: datetime) -> Actor | None:
        """Whom a key speaks for; None when unknown, expired or revoked."""

    async def add_session(
        self, *, user: User, token_hash: str, kind: str, expires_at: datetime, now: datetime
    ) -> None:
        """Keep a sign-in token (kind "sign_in", single use) or a browser session (kind "session")."""

    async def take_sign_in(self, token_hash: str, now: datetime) -> User | None:
        """Use up a sign-in token; None when unknown, used or expired."""

    async def actor_of_session(self, token_hash: str, now: datetime) -> Actor | None:
        """Whom a browser session speaks for."""

    async def end_session(self, token_hash: str) -> None:
        """Sign a browser out."""

    async def get_user(self, tenant_id: str, user_id: str) -> User | None:
        """One user."""


class Projects(Protocol):
    """Projects of a tenant."""

    async def create(
        self,
        actor: Actor,
        *,
        name: str,
        slug: str,
        objective: str | None,
        priority: int,
        status: str,
        now: datetime,
    ) -> Project:
        """A new project; raise Conflict when the slug is taken."""

    async def update(
        self, actor: Actor, project_id: str, values: Mapping[str, Any], now: datetime
    ) -> Project | None:
        """Change name, objective, priority or status."""

    async def get(self, viewer: Actor, slug_or_id: str) -> Project | None:
        """One visible project by slug or id."""

    async def list(self, viewer: Actor, *, limit: int = 50, cursor: str | None = None) -> Page[Project]:
        """Visible projects, newest first."""

    async def count(self, viewer: Actor) -> dict[str, int]:
        """How many visible projects there are in each status."""

    async def named(self, viewer: Actor, ids: Sequence[str]) -> dict[str, Project]:
        """The visible ones of these projects by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One opened database: the ledger and what stands beside it."""

    ledger: Ledger
    accounts: Accounts
    projects: Projects
