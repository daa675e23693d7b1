"""A real server in a thread of this process, on loopback and a real database, and clients of its tenants."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from headway.app import Server, create_app, listening
from headway.domain.ids import uuid7
from headway.services.suite import Services
from headway.settings import Settings, load_settings
from headway.store.opening import migrate

T = TypeVar("T")
PATIENCE_S = 30.0
AT = "2026-11-22T10:00:00.000000Z"


class RunningServer:
    """A server and its services; what a test wants of the services runs in the server's own loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.app = create_app(settings)
        self.services: Services = self.app.state.services
        self._socket = listening(settings.host, settings.port)
        self._answers = threading.Event()
        self._server = Server(self.app, self._socket, settings, on_ready=lambda ready: self._answers.set())
        self.url = self._server.url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="server")

    def start(self) -> None:
        self._thread.start()
        while not self._answers.wait(0.05):
            assert self._thread.is_alive(), "the server did not start"

    def ask_to_stop(self) -> None:
        """As a signal would."""
        self._server.should_exit = True

    def stop(self) -> None:
        self.ask_to_stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self._socket.close()

    def call(self, act: Coroutine[Any, Any, T]) -> T:
        """What a coroutine comes to in the server's loop."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(PATIENCE_S)

    def tenant(self, name: str = "tenant") -> Tenant:
        """A new tenant of this server, so that tests don't see each other's tasks."""
        user, minted = self.call(self.services.accounts.create_tenant(name=name))
        return Tenant(server=self, id=user.tenant_id, user_id=user.id, api_key=minted.api_key)

    def _run(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[self._socket])

        asyncio.run(serve())


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A tenant, seen with its owner's key."""

    server: RunningServer
    id: str
    user_id: str
    api_key: str

    def client(self, api_key: str | None = None) -> httpx.Client:
        """A client with the owner's key, or another one."""
        headers = {"Authorization": f"Bearer {api_key or self.api_key}"}
        return httpx.Client(base_url=f"{self.server.url}/api/v1", headers=headers, timeout=PATIENCE_S)

    def key(self, **wish: Any) -> dict[str, Any]:
        """Another key of the owner."""
        with self.client() as client:
            answer = client.post("/keys", json={"name": "another", **wish})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def member(self) -> tuple[str, str]:
        """Another user of the tenant who is a member: id and key."""
        return self.user("member")

    def user(self, role: str) -> tuple[str, str]:
        """Another user of the tenant: id and key."""
        from datetime import UTC, datetime

        from headway.domain.access import Actor, Role

        accounts = self.server.services.store.accounts
        made = accounts.add_user(
            tenant_id=self.id, email=f"{uuid7()}@example.com", role=role, now=datetime.now(UTC)
        )
        user = self.server.call(made)
        actor = Actor(tenant_id=self.id, user_id=user.id, role=Role(role))
        minted = self.server.call(self.server.services.accounts.create_key(actor, name=role))
        return user.id, minted.api_key


@contextmanager
def served(folder: Path, database_url: str, **settings: object) -> Iterator[RunningServer]:
    """A server on a database that is brought up to date, stopped after the block."""
    found, _ = load_settings({}, folder, data_dir=folder, database_url=database_url, port=0, **settings)
    migrate(found.database_url)
    server = RunningServer(found)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def fact(kind: str, task_id: str, seq: int = 1, **fields: Any) -> dict[str, Any]:
    """A fact as it goes over the wire."""
    return {"seq": seq, "task_id": task_id, "kind": kind, "at": AT, **fields}


def batch(*facts: dict[str, Any], producer: str | None = None) -> dict[str, Any]:
    """A batch of facts, numbered from 1 where they are not."""
    return {"producer": producer or uuid7(), "facts": list(facts)}


def send(client: httpx.Client, *facts: dict[str, Any], producer: str | None = None) -> dict[str, Any]:
    """What the server answers to facts that it takes."""
    answer = client.post("/facts", json=batch(*facts, producer=producer))
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def run_task(client: httpx.Client, *kinds: str, **created: Any) -> str:
    """A new task to which these kinds of facts happened, one after the other."""
    task_id = uuid7()
    further = {
        "failed": {"error": {"message": "it broke"}},
        "progress": {"progress": 50},
        "log": {"message": "so far"},
    }
    first = fact("created", task_id, 1, **{"name": "a task", **created})
    send(
        client,
        first,
        *(fact(kind, task_id, seq, **further.get(kind, {})) for seq, kind in enumerate(kinds, 2)),
    )
    return task_id


def problem(answer: httpx.Response) -> tuple[int, str, Any, Any]:
    """Status, name, field and limit of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told = json.loads(answer.content)
    assert told["status"] == answer.status_code
    assert told["title"]
    assert told["detail"]
    return answer.status_code, told["type"].removeprefix("/problems/"), told.get("field"), told.get("limit")
