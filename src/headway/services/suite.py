"""All services of one store, put together; what starts with the server is started and stopped here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from headway.services.accounts import AccountsService
from headway.services.artifacts import ArtifactService
from headway.services.audit import AuditService
from headway.services.eta import EtaService
from headway.services.feed import Feed
from headway.services.identity import IdentityService
from headway.services.ingest import IngestService
from headway.services.leases import Sweeper
from headway.services.projects import ProjectsService
from headway.services.recording import RecordingService
from headway.services.reports import ReportsService
from headway.services.system import SystemService
from headway.services.tasks import TaskService
from headway.store.port import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What Headway can do."""

    store: Store
    ingest: IngestService
    leases: Sweeper
    feed: Feed
    identity: IdentityService
    accounts: AccountsService
    recording: RecordingService
    tasks: TaskService
    projects: ProjectsService
    reports: ReportsService
    artifacts: ArtifactService
    eta: EtaService
    audit: AuditService
    system: SystemService

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The store is open while the block runs; nothing is written by itself.

        Raises:
            SchemaOutdated: The database's schema does not fit this version.
            StoreUnavailable: The database cannot be reached.
        """
        try:
            await self.store.ledger.open()  # inside: a schema that does not fit is found over a connection
            yield
        finally:
            await self.store.ledger.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The store is open, ingest writes, leases are swept and listeners woken while the block runs."""
        async with self.opened():
            await self.ingest.start()
            await self.feed.start()
            await self.leases.start()
            try:
                yield
            finally:
                await self.leases.stop()
                await self.feed.stop()
                await self.ingest.stop()


def assemble(store: Store, *, lease_s: float, queue_bytes: int, commit_facts: int, writers: int) -> Services:
    """The services of a store; nothing runs yet.

    Args:
        store: Where everything is kept.
        lease_s: How long an open run lives without word from its process.
        queue_bytes: How many bytes of facts may wait for their commit.
        commit_facts: How many facts share one commit, about.
        writers: How many tenants are written at the same time.
    """
    ingest = IngestService(store.ledger, queue_bytes=queue_bytes, commit_facts=commit_facts, writers=writers)
    leases = Sweeper(store.ledger, lease_s)
    feed = Feed(store.ledger)
    ingest.listeners.append(feed.wake)
    identity = IdentityService(store.accounts)
    recording = RecordingService(store.ledger, ingest, leases.rest)
    projects = ProjectsService(store.projects)
    return Services(
        store=store,
        ingest=ingest,
        leases=leases,
        feed=feed,
        identity=identity,
        accounts=AccountsService(store.accounts, identity),
        recording=recording,
        tasks=TaskService(store.ledger, projects, recording),
        projects=projects,
        reports=ReportsService(store.ledger, store.projects),
        artifacts=ArtifactService(store.ledger),
        eta=EtaService(store.ledger),
        audit=AuditService(store.ledger, store.accounts),
        system=SystemService(store.accounts),
    )
