"""Following the stream over real connections that get lost, and the board that shows it."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any

import pytest
from rich.console import Console

from headway.domain.errors import NotAuthenticated
from headway.interfaces.cli.board import Board
from headway.interfaces.cli.connection import Server
from headway.interfaces.cli.following import LOST, follow
from headway.sdk.events import Event
from headway.sdk.transport import Unreachable


@contextmanager
def stream_server(answers: list[tuple[int, bytes]]) -> Iterator[tuple[Server, list[str | None]]]:
    """A server that gives one answer per connection; and the `Last-Event-ID` each one asked with."""
    asked: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Last-Event-ID"])
            status, body = answers[len(asked) - 1]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Stays silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Server(f"http://127.0.0.1:{server.server_address[1]}", None), asked
        server.shutdown()
        thread.join()


def test_after_a_lost_connection_the_stream_goes_on_behind_the_last_event() -> None:
    answers = [
        (200, b'id: c1\nevent: tasks\ndata: {"items": []}\n\n: heartbeat\n\n'),
        (503, b"{}"),
        (200, b'id: c2\nevent: overview\ndata: {"running": 1}\n\n'),
        (401, b'{"type": "/problems/not-authenticated", "detail": "this key was revoked"}'),
    ]
    with stream_server(answers) as (server, asked):
        events = follow(server, "c0", wait=0.01)
        seen = [(event.name, event.cursor) for event in islice(events, 5)]
        with pytest.raises(NotAuthenticated, match="revoked"):
            next(events)

    assert seen == [("tasks", "c1"), (LOST, "c1"), (LOST, "c1"), ("overview", "c2"), (LOST, "c2")]
    assert asked == ["c0", "c1", "c1", "c2"]


def test_a_server_that_was_never_there_is_told_at_once() -> None:
    with stream_server([]) as (server, _):
        gone = Server(server.url, None)

    with pytest.raises(Unreachable):
        next(follow(gone, None))


def test_the_board_shows_the_newest_state_of_each_task() -> None:
    board = Board([task("1", "running", name="old"), task("2", "pending", name="waits")])

    board.apply(
        event("tasks", {"items": [task("1", "completed", name="done")], "deleted": [{"task_id": "2"}]})
    )
    board.apply(event("overview", {"running": 3, "failed": 0}))

    shown = picture(board)
    assert "0 open" in shown
    assert "running 3" in shown
    assert "failed 0" not in shown
    assert "done" in shown
    assert "✓ completed" in shown
    assert "waits" not in shown


def test_the_board_says_when_the_connection_is_lost_and_when_it_is_back() -> None:
    board = Board([])

    board.apply(event(LOST, {"detail": "gone"}))
    assert "connection lost: gone" in picture(board)

    board.apply(event("tasks", {"items": []}))
    assert "connection lost" not in picture(board)


def test_open_tasks_take_precedence_where_the_screen_is_too_small() -> None:
    board = Board([task(str(number), "running", name=f"task-{number}") for number in range(20)])

    shown = picture(board, height=12)

    assert shown.count("task-") == 6
    assert "and 14 more" in shown


def picture(board: Board, height: int = 40) -> str:
    screen = Console(file=io.StringIO(), width=160)
    screen.print(board.render(160, height))
    shown: str = screen.file.getvalue()  # type: ignore[attr-defined]
    return shown


def event(name: str, data: dict[str, Any]) -> Event:
    return Event(name=name, data=data, cursor="c")


def task(task_id: str, status: str, *, name: str) -> dict[str, Any]:
    return {
        "id": task_id,
        "name": name,
        "status": status,
        "agent": None,
        "progress": None,
        "created_at": "2026-11-22T10:00:00Z",
        "started_at": None,
        "finished_at": None,
    }
