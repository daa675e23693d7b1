"""A client of the stream: its events as they come, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.interfaces.serving import Tenant


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of the stream; heartbeats are events without data."""

    name: str
    cursor: str | None
    data: Any


class Watcher:
    """Reads events one by one."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._events = self._read(answer.iter_lines())

    def next(self) -> Event:
        return next(self._events)

    def until(self, wanted: Callable[[Event], bool]) -> list[Event]:
        """The events up to the first one that is wanted, that one included."""
        seen = []
        for event in self._events:
            seen.append(event)
            if wanted(event):
                return seen
        raise AssertionError(f"the stream ended after {seen}")

    def until_told(self, task_id: str, status: str | None = None) -> list[Event]:
        """The events up to the one that tells of a task, in this status if one is given."""
        return self.until(
            lambda event: any(
                task["id"] == task_id and status in (None, task["status"]) for task in tasks_of(event)
            )
        )

    def rest(self) -> list[Event]:
        """What comes until the server ends the stream."""
        return list(self._events)

    @staticmethod
    def _read(lines: Iterator[str]) -> Iterator[Event]:
        fields: dict[str, str] = {}
        for line in lines:
            if line.startswith(":"):
                yield Event(name=line[1:].strip(), cursor=None, data=None)
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                yield Event(name=fields["event"], cursor=fields["id"], data=json.loads(fields["data"]))
                fields = {}


@contextmanager
def watching(tenant: Tenant, api_key: str | None = None, **how: Any) -> Iterator[Watcher]:
    """A watcher of the stream with the owner's key or another one."""
    with tenant.client(api_key) as client, client.stream("GET", "/stream", **how) as answer:
        assert answer.status_code == 200, answer.read()
        yield Watcher(answer)


def tasks_of(event: Event) -> list[dict[str, Any]]:
    """The tasks that an event tells of."""
    return list(event.data["tasks"]) if event.name == "tasks" else []
