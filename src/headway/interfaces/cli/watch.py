"""`headway watch`: what happens, live, over the stream; or one task until it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from typing import Any

import typer
from rich.console import Console
from rich.live import Live

from headway.domain.limits import FINAL_STATUSES
from headway.interfaces.cli.board import Board
from headway.interfaces.cli.connection import AS_JSON, DATA_DIR, PAGE, Server, checked_id, connect
from headway.interfaces.cli.following import LOST, follow, present
from headway.interfaces.cli.rendering import clock, console, print_json, status
from headway.interfaces.cli.task_table import log_line, name, progress
from headway.sdk.events import Event

OPEN = ("pending", "running")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("watch")(watch)


def watch(
    task_id: str | None = typer.Argument(None, metavar="[ID]", help="Of one task, followed until it ends."),
    after: str | None = typer.Option(None, "--after", help="Go on after this cursor of an earlier event."),
    data_dir: str | None = DATA_DIR,
    as_json: bool = AS_JSON,
) -> None:
    """Follow what happens, live.

    With an ID: until that task ends; exits with 0 if it completed, with 1 if not.
    """
    with connect(data_dir) as server:
        if task_id is not None:
            ended = _watch_one(server, checked_id(task_id), as_json=as_json)
            raise typer.Exit(0 if ended == "completed" else 1)
        with suppress(KeyboardInterrupt):  # Ctrl-C is how one leaves what has no end
            _watch_all(server, after or present(server), as_json=as_json)


def _watch_all(server: Server, cursor: str, *, as_json: bool) -> None:
    screen = console()
    if as_json:
        for event in follow(server, cursor):
            _print_event(event)
    elif screen.is_terminal:
        _draw(server, cursor, screen)
    else:
        _list(server, cursor, screen)


def open_tasks(server: Server) -> Iterator[dict[str, Any]]:
    """The tasks that are not finished, newest first, as many as one page holds."""
    return server.items("/tasks", status=OPEN, limit=PAGE)


def _print_event(event: Event) -> None:
    print_json({"event": event.name, "cursor": event.cursor, "data": event.data})


def _draw(server: Server, cursor: str, screen: Console) -> None:
    """A picture that stays in place and is drawn anew as things change."""
    board = Board(open_tasks(server))
    with Live(
        get_renderable=lambda: board.render(screen.width, screen.height), console=screen, refresh_per_second=4
    ) as live:
        for event in follow(server, cursor):
            if event.name == "resync":
                board.replace(open_tasks(server))
            board.apply(event)
            live.refresh()


def _list(server: Server, cursor: str, screen: Console) -> None:
    """A line for each change, for files and pipes."""
    for event in follow(server, cursor):
        if event.name == LOST:
            screen.print(f"connection lost: {event.data['detail']}", markup=False)
        for task in changed(event):
            _print_change(screen, task)


def changed(event: Event) -> list[dict[str, Any]]:
    """The tasks an event tells about."""
    if event.name != "tasks":
        return []
    tasks: list[dict[str, Any]] = event.data.get("tasks") or event.data.get("items") or []
    return tasks


def _print_change(screen: Console, task: Mapping[str, Any]) -> None:
    line = status(task["status"], cancelling=task.get("cancel_requested_at") is not None)
    screen.print(clock(task["updated_at"]), line, progress(task), name(task))
    screen.file.flush()


def _watch_one(server: Server, task_id: str, *, as_json: bool) -> str:
    """Follows one task with its log; the status it ended with."""
    cursor = present(server)
    follower = _Follower(server, task_id, as_json=as_json)
    task = server.get(f"/tasks/{task_id}")
    follower.tell(task, cursor)
    if task["status"] in FINAL_STATUSES:
        return str(task["status"])
    with nullcontext() if as_json else follower.screen.status("waiting for news"):
        for event in follow(server, cursor):
            news = [each for each in changed(event) if each["id"] == task_id]
            if event.name == "resync":
                news = [server.get(f"/tasks/{task_id}")]
            for task in news:
                follower.tell(task, event.cursor)
                if task["status"] in FINAL_STATUSES:
                    return str(task["status"])
    raise AssertionError("the stream never ends by itself")


class _Follower:
    """Tells the changes of one task with the log lines that came since the last one."""

    def __init__(self, server: Server, task_id: str, *, as_json: bool) -> None:
        self._server = server
        self._place = f"/tasks/{task_id}/logs"
        self._as_json = as_json
        self._seen = 0  # entry_seq
        self.screen = console()

    def tell(self, task: dict[str, Any], cursor: str | None) -> None:
        """Prints the change."""
        lines = self._new_lines(task)
        if self._as_json:
            print_json({"event": "task", "cursor": cursor, "data": {"task": task, "logs": lines}})
            return
        for entry in lines:
            self.screen.print(log_line(entry, self.screen.width - 20))
        _print_change(self.screen, task)

    def _new_lines(self, task: Mapping[str, Any]) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        while (task.get("entry_seq") or 0) > self._seen:
            page: list[dict[str, Any]] = self._server.get(self._place, after=self._seen, limit=PAGE)["items"]
            lines += page
            if len(page) < PAGE:  # what else the task has are calls, metrics and artifacts
                self._seen = max(task["entry_seq"], *(line["entry_seq"] for line in page), 0)
            else:
                self._seen = page[-1]["entry_seq"]
        return lines
