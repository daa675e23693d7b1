"""The live stream as the commands follow it: other than in the SDK, a lost connection is seen as an event."""

from __future__ import annotations

import time
from collections.abc import Iterator

from headway.interfaces.cli.connection import API, Server
from headway.sdk.client import problem
from headway.sdk.events import Event, parse
from headway.sdk.transport import Refused, Unreachable

SILENCE_S = 45.0  # three heartbeats of the server
FIRST_DELAY_S, LONGEST_DELAY_S = 0.25, 5.0
LOST = "lost"  # besides the events of the server: the connection is gone, another try follows


def present(server: Server) -> str:
    """The cursor of this moment; what happens later comes after it."""
    cursor: str = server.get("/changes")["cursor"]
    return cursor


def follow(server: Server, cursor: str | None, *, wait: float = FIRST_DELAY_S) -> Iterator[Event]:
    """Every event after a cursor, for ever; after a lost connection it goes on with the last one seen.

    Args:
        server: whose stream it is.
        cursor: None begins with the present.
        wait: seconds before the first new try; each further one waits twice as long.

    Raises:
        HeadwayError: The server refuses the stream.
        Unreachable: The very first connection failed.
    """
    delay, connected = wait, False
    while True:
        try:
            for event in _connection(server, cursor):
                delay, connected, cursor = wait, True, event.cursor or cursor
                yield event
            trouble = "the server ended the stream"
        except Refused as refusal:
            error = problem(refusal.answer)
            if refusal.answer.status < 500:
                raise error from None
            trouble = error.detail
        except Unreachable as error:
            if not connected:
                raise
            trouble = str(error)
        yield Event(name=LOST, data={"detail": trouble, "again_in_s": delay}, cursor=cursor)
        time.sleep(delay)
        delay = min(delay * 2, LONGEST_DELAY_S)


def _connection(server: Server, cursor: str | None) -> Iterator[Event]:
    headers = {"Accept": "text/event-stream"}
    if cursor is not None:
        headers["Last-Event-ID"] = cursor
    yield from parse(server.transport.stream(f"{API}/stream", headers, SILENCE_S))
