"""The live stream as programs follow it: server-sent events, resumed where a lost connection left off."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from headway.sdk.transport import Refused, Transport, Unreachable

PATH = "/api/v1/stream"
SILENCE_S = 45.0  # three heartbeats of the server
FIRST_DELAY_S, LONGEST_DELAY_S = 0.25, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the stream."""

    name: str  # tasks, overview, attention, resync
    data: Any
    cursor: str | None  # where the stream goes on after this event


def follow(transport: Transport, cursor: str | None) -> Iterator[Event]:
    """Every event after a cursor, for ever; lost connections are made again.

    Args:
        transport: the way to the server.
        cursor: None begins with the present.

    Raises:
        Refused: The server does not give this stream.
        Unreachable: The first connection failed.
    """
    delay, connected = FIRST_DELAY_S, False
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": cursor} if cursor else {})
        try:
            for event in parse(transport.stream(PATH, headers, SILENCE_S)):
                delay, connected, cursor = FIRST_DELAY_S, True, event.cursor or cursor
                yield event
        except Refused as refusal:
            if refusal.answer.status < 500:
                raise
        except Unreachable:
            if not connected:
                raise
        time.sleep(delay)
        delay = min(delay * 2, LONGEST_DELAY_S)


def parse(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events in the lines of a stream (HTML standard, section 9.2.6); comments are passed over."""
    fields: dict[str, list[str]] = {}
    for raw in lines:
        line = raw.decode("utf-8").rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if "data" in fields:
            name = fields.get("event", ["message"])[-1]
            cursor = fields.get("id", [""])[-1] or None
            yield Event(name=name, data=json.loads("\n".join(fields["data"])), cursor=cursor)
        fields = {}
