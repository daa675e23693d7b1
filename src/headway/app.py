"""Wires the floors into one ASGI app and runs it: the only place that knows them all."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from headway.domain.errors import HeadwayError
from headway.interfaces.rest import api
from headway.interfaces.rest.facts import FactsEndpoint
from headway.interfaces.rest.gate import Gate
from headway.services.suite import Services, assemble
from headway.settings import Settings, SettingsError
from headway.store import opening
from headway.store.port import Store

_GZIP_FROM_BYTES = 4_000
_GZIP_LEVEL = 5
_POSTGRES_WRITERS = 2
STOP_WITHIN_S = 10


def assemble_services(settings: Settings, store: Store | None = None) -> Services:
    """The services these settings ask for; nothing is connected or runs yet."""
    if settings.ledger_url != settings.database_url:
        raise SettingsError("HEADWAY_LEDGER_URL", "must be the same as HEADWAY_DATABASE_URL in this version")
    lease = timedelta(seconds=settings.lease_seconds)
    store = store or opening.open_store(
        settings.database_url, lease=lease, readers=settings.reader_connections
    )
    return assemble(
        store,
        lease_s=settings.lease_seconds,
        queue_bytes=settings.queue_bytes,
        commit_facts=settings.commit_facts,
        writers=1 if settings.database_url.startswith("sqlite") else _POSTGRES_WRITERS,
    )


def migrate(settings: Settings) -> list[str]:
    """The schema of the database is up to date; the revisions that were applied, oldest first."""
    return opening.migrate(settings.database_url)


def create_app(settings: Settings, *, store: Store | None = None) -> FastAPI:
    """The ASGI app; its lifespan opens the store and runs ingest, leases and feed.

    Args:
        settings: What the server was told.
        store: An opened or unopened store to use instead of the one the settings name.
    """
    services = assemble_services(settings, store)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with services.running():
                yield
        except HeadwayError as error:
            app.state.failure = error  # the server would only log it; whoever started it wants to know
            raise

    app = api.new_app(lifespan)
    app.state.services = services
    api.install(app)
    _add_middleware(app, settings, services)
    return app


def _add_middleware(app: FastAPI, settings: Settings, services: Services) -> None:
    """The gate comes first; what is added last stands before the others."""
    endpoint = FactsEndpoint(
        services.identity,
        services.recording,
        batch_bytes=settings.batch_bytes,
        batch_facts=settings.batch_facts,
        budget_bytes=settings.queue_bytes,
    )
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES, compresslevel=_GZIP_LEVEL)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=True,
        )
    app.add_middleware(
        Gate,
        facts_endpoint=endpoint,
        allowed_hosts=settings.allowed_hosts,
        allowed_origins=settings.cors_origins,
    )


def serve(
    settings: Settings, *, listener: socket.socket | None = None, on_ready: Callable[[], None] | None = None
) -> None:
    """Serve until a signal says stop; what was accepted is written before this returns.

    Args:
        settings: What the server was told.
        listener: A socket that listens already; without one the host and port of the settings are taken.
        on_ready: Called in a thread of its own once the server answers.

    Raises:
        HeadwayError: It cannot start; says why.
    """
    configure_logging(settings)
    app = create_app(settings)
    server = Server(app, host=settings.host, port=settings.port, on_ready=on_ready)
    server.run(sockets=None if listener is None else [listener])
    failure: BaseException | None = getattr(app.state, "failure", None) or server.failure
    if failure is not None:
        raise failure


class Server(uvicorn.Server):
    """A uvicorn server that says when it answers, and ends the streams when it stops."""

    def __init__(
        self, app: FastAPI, *, host: str, port: int, on_ready: Callable[[], None] | None = None
    ) -> None:
        """Serve the app."""
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            access_log=False,
            log_config=None,
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
        super().__init__(config)
        self.failure: BaseException | None = None  # of `on_ready`
        self._feed = app.state.services.feed
        self._on_ready = on_ready
        self._told: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell whoever waits for it."""
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            # In a thread, because whoever is told may well ask this very server something.
            self._told = asyncio.create_task(self._tell(self._on_ready))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, which would never end by themselves, then stop."""
        self._feed.close()
        await super().shutdown(sockets)

    async def _tell(self, on_ready: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(on_ready)
        except Exception as error:  # noqa: BLE001  whatever went wrong is raised by `serve` once the server stopped
            self.failure = error
            self.should_exit = True


class _JsonLines(logging.Formatter):
    """One JSON object for each line of the log."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def configure_logging(settings: Settings) -> None:
    """Log lines go to stderr in the form and from the level on that the settings ask for."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(_JsonLines() if settings.log_format == "json" else text)
    level = settings.log_level.upper()
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("uvicorn", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING if level == "INFO" else level)
    if settings.log_format == "text" and level == "INFO":  # requests are for machines and for looking closely
        logging.getLogger("headway.access").setLevel(logging.WARNING)
