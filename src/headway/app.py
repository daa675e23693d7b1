"""Wires the floors into one ASGI app and runs it: the only place that knows them all."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from headway.domain.access import Actor
from headway.domain.errors import HeadwayError
from headway.domain.views import ChangePage
from headway.interfaces.live import page, stream
from headway.interfaces.live.channels import Sources
from headway.interfaces.rest import api, telling
from headway.interfaces.rest.accounts import SIGN_IN_PATH
from headway.interfaces.rest.credentials import actor_of
from headway.interfaces.rest.facts import FactsEndpoint
from headway.interfaces.rest.gate import Gate
from headway.services.first_owner import Credentials, ensure_first_owner
from headway.services.suite import Services, assemble
from headway.settings import Settings, SettingsError
from headway.store.opening import is_empty, open_store
from headway.store.opening import migrate as migrate
from headway.store.port import Store

_GZIP_FROM_BYTES = 4_000
_GZIP_LEVEL = 5
_POSTGRES_WRITERS = 2
STOP_WITHIN_S = 10


def services_for(settings: Settings, store: Store | None = None) -> Services:
    """The services these settings ask for; nothing is connected or runs yet."""
    if settings.ledger_url != settings.database_url:
        raise SettingsError("HEADWAY_LEDGER_URL", "must be the same as HEADWAY_DATABASE_URL in this version")
    lease = timedelta(seconds=settings.lease_seconds)
    store = store or open_store(settings.database_url, lease=lease, readers=settings.reader_connections)
    return assemble(
        store,
        lease_s=settings.lease_seconds,
        queue_bytes=settings.queue_bytes,
        commit_facts=settings.commit_facts,
        writers=1 if settings.database_url.startswith("sqlite") else _POSTGRES_WRITERS,
    )


def create_app(settings: Settings, *, store: Store | None = None) -> FastAPI:
    """The ASGI app; its lifespan opens the store and runs ingest, leases and feed.

    Args:
        settings: What the server was told.
        store: An opened or unopened store to use instead of the one the settings name.
    """
    services = services_for(settings, store)

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
    app.include_router(stream.router(_sources(services), _identify(services)), prefix=api.PREFIX)
    app.include_router(page.router)
    _add_middleware(app, settings, services)
    return app


def _sources(services: Services) -> Sources:
    """What the stream tells, in the shapes of the REST API."""

    async def changes(viewer: Actor, cursor: str | None, limit: int) -> ChangePage:
        return await services.tasks.changes(viewer, cursor, limit=limit)

    return Sources(
        feed=services.feed,
        changes=changes,
        tasks=partial(telling.tasks_json, services),
        overview=partial(telling.overview_json, services),
    )


def _identify(services: Services) -> stream.Identify:
    return partial(actor_of, identity=services.identity)


def _add_middleware(app: FastAPI, settings: Settings, services: Services) -> None:
    """The gate comes first; what is added last stands before the others."""
    endpoint = FactsEndpoint(
        services.identity,
        services.recording,
        batch_bytes=settings.batch_bytes,
        batch_facts=settings.batch_facts,
        budget_bytes=max(settings.queue_bytes, settings.batch_bytes),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A server that answers."""

    url: str
    data_dir: Path
    credentials: Credentials | None = None  # of the first owner, where `serve` was to see to one
    sign_in_url: str | None = None  # signs one browser in as the first owner, once, within ten minutes


def serve(
    settings: Settings,
    *,
    first_owner: bool = False,
    on_ready: Callable[[Ready], None] | None = None,
) -> None:
    """Serve until a signal says stop; what was accepted is written before this returns.

    Args:
        settings: What the server was told.
        first_owner: Whether to bring the schema of an embedded or empty database up to date, and to see to a
            first tenant, its owner and
            `credentials.json`, as `headway up` does.
        on_ready: Told, in a thread of its own, once the server answers.

    Raises:
        HeadwayError: It cannot start; says why.
    """
    configure_logging(settings)
    if first_owner:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if settings.database_url.startswith("sqlite") or is_empty(settings.database_url):
            migrate(settings.database_url)  # another one with data in it waits for `headway migrate`
    with listening(settings.host, settings.port) as sock:
        app = create_app(settings)
        server = Server(app, sock, settings, first_owner=first_owner, on_ready=on_ready)
        server.run(sockets=[sock])
    failure: BaseException | None = getattr(app.state, "failure", None) or server.failure
    if failure is not None:
        raise failure


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        HeadwayError: The address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where it sees the protocol; with it every answer waits 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two servers share the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        hint = "another program listens there? Give another one with --port"
        raise HeadwayError(f"cannot listen on {host}:{port}: {error.strerror}", hint=hint) from error
    sock.set_inheritable(True)
    return sock


class Server(uvicorn.Server):
    """A uvicorn server that says when it answers, and ends the streams when it stops."""

    def __init__(
        self,
        app: FastAPI,
        sock: socket.socket,
        settings: Settings,
        *,
        first_owner: bool = False,
        on_ready: Callable[[Ready], None] | None = None,
    ) -> None:
        """Serve the app on a listening socket."""
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
        super().__init__(config)
        logging.getLogger(
            "uvicorn.access"
        ).disabled = True  # it would write down queries, and tokens with them
        self._services: Services = app.state.services
        self._settings = settings
        self._first_owner = first_owner
        self._on_ready = on_ready
        self._told: asyncio.Task[None] | None = None
        self.failure: BaseException | None = None  # of `on_ready`
        host, port = sock.getsockname()[:2]
        name = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        self.url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell whoever waits for it."""
        await super().startup(sockets)
        if self.started:
            _calm_collector()
            self._told = asyncio.create_task(self._tell(await self._ready()))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, which would never end by themselves, then stop."""
        self._services.feed.close()
        await super().shutdown(sockets)

    async def _tell(self, ready: Ready) -> None:
        if self._on_ready is None:
            return
        try:
            # In a thread, because whoever is told may well ask this very server something.
            await asyncio.to_thread(self._on_ready, ready)
        except Exception as error:  # noqa: BLE001  `serve` raises it once the server has stopped
            self.failure = error
            self.should_exit = True

    async def _ready(self) -> Ready:
        if not self._first_owner:
            return Ready(url=self.url, data_dir=self._settings.data_dir)
        accounts, identity = self._services.accounts, self._services.identity
        actor, credentials = await ensure_first_owner(accounts, identity, self._settings.data_dir, self.url)
        token = await accounts.create_sign_in(actor)
        return Ready(
            url=self.url,
            data_dir=self._settings.data_dir,
            credentials=credentials,
            sign_in_url=f"{self.url}{SIGN_IN_PATH}?token={token}",
        )


def _calm_collector() -> None:
    """Let the cycle collector leave alone what start-up made, and look at new objects less often.

    A commit makes tens of thousands of short-lived values and no cycles; by default they have it run all the time:
    52,000 facts/s in process on SQLite, 69,000 with this.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


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
