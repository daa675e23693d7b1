"""The rows that can be exported, read page by page in an order that does not change: oldest task first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from headway.interfaces.cli.connection import Server

Row = dict[str, Any]
Rows = Callable[[Server, Row], Iterator[Row]]
READERS = 4  # requests at a time


def rows(server: Server, what: str, wanted: Mapping[str, Any], *, task: str | None = None) -> Iterator[Row]:
    """All rows of a kind that belong to the tasks that match.

    Args:
        server: where they are.
        what: a key of `KINDS`.
        wanted: filters of tasks, as the API takes them.
        task: id of the only task whose rows are wanted; the filters are not asked then.
    """
    of_task = KINDS[what]
    if task is not None:
        yield from of_task(server, server.get(f"/tasks/{task}"))
        return
    with ThreadPoolExecutor(max_workers=READERS) as pool:
        for page in server.pages("/tasks", order="created_at", **wanted):
            for found in pool.map(lambda each: list(of_task(server, each)), page["items"]):
                yield from found


def _task(server: Server, task: Row) -> Iterator[Row]:
    """The task with its JSON fields, which lists leave out."""
    yield server.get(f"/tasks/{task['id']}")


def _runs(server: Server, task: Row) -> Iterator[Row]:
    yield from server.get(f"/tasks/{task['id']}/runs")["items"]


def _calls(server: Server, task: Row) -> Iterator[Row]:
    if task["llm_calls"]:  # the API has the newest first
        yield from reversed(list(server.items(f"/tasks/{task['id']}/llm-calls")))


def _entries(name: str) -> Rows:
    """Rows that do not say themselves which task they belong to."""

    def read(server: Server, task: Row) -> Iterator[Row]:
        for row in server.items(f"/tasks/{task['id']}/{name}"):
            yield {"task_id": task["id"], **row}

    return read


KINDS: dict[str, Rows] = {
    "tasks": _task,
    "runs": _runs,
    "logs": _entries("logs"),
    "llm-calls": _calls,
    "metrics": _entries("metrics"),
}
