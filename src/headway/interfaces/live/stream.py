"""`GET /stream`: the change feed as server-sent events, resumable, with heartbeats and without waiting for the slow.

What is told is made in `channels`; here is one client's way through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headway.domain.access import Actor
from headway.domain.errors import AccessDenied, Unavailable
from headway.interfaces.live.channels import (
    PAGE,
    Channel,
    Channels,
    Sources,
    event,
    newest_change,
    tasks_event,
)

HEARTBEAT_S = 15.0
ACCESS_S = 60.0  # after which access is looked at again
PATIENCE_S = 60.0  # with a client that takes nothing; it can resume where it was
PAGES_TO_CATCH_UP = 25
HEARTBEAT = b": heartbeat\n\n"
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

Identify = Callable[[Scope], Awaitable[Actor]]


class _Client:
    """One client: where it is in the feed, and whether it may still look."""

    def __init__(
        self, scope: Scope, viewer: Actor, channels: Channels, identify: Identify, after: str | None
    ) -> None:
        self._scope = scope
        self._viewer = viewer
        self._channels = channels
        self._identify = identify
        self._cursor = after
        self._seen = 0  # the newest change number that was told
        self._allowed_until = time.monotonic() + ACCESS_S

    async def events(self) -> AsyncGenerator[bytes]:
        """Everything to send, for ever; ends when the server stops or access has changed."""
        async with self._channels.joined(self._viewer) as channel:
            number = channel.following
            yield event("overview", self._cursor or channel.cursor, channel.overview)
            if self._cursor is None:
                self._cursor = channel.cursor
            else:
                async for content in self._caught_up(channel.viewer):
                    yield content
            while not channel.ended:
                if number < channel.oldest:
                    number = channel.following
                    async for content in self._caught_up(channel.viewer):
                        yield content
                for frame in channel.frames_from(number):
                    number = frame.number + 1
                    if frame.change_seq == 0 or frame.change_seq > self._seen:
                        self._cursor, self._seen = frame.cursor, max(self._seen, frame.change_seq)
                        yield frame.content
                if not await self._still_allowed():
                    return
                if number == channel.following and not await _waited(channel):
                    yield HEARTBEAT

    async def _caught_up(self, viewer: Actor) -> AsyncIterator[bytes]:
        """What changed since the client's cursor, page by page; too much of it is a resync."""
        sources: Sources = self._channels.sources
        for _ in range(PAGES_TO_CATCH_UP):
            async with self._channels.catching_up:
                page = await sources.changes(viewer, self._cursor, PAGE)
                content = await tasks_event(sources, viewer, page)
            self._cursor = page.cursor
            if page.resync:
                yield event("resync", page.cursor, b"{}")
            elif page.tasks or page.deleted:
                self._seen = max(self._seen, newest_change(page))
                yield content
            if not page.more:
                return
        self._cursor = (await sources.changes(viewer, None, 1)).cursor
        yield event("resync", self._cursor, b"{}")

    async def _still_allowed(self) -> bool:
        if time.monotonic() < self._allowed_until:
            return True
        self._allowed_until = time.monotonic() + ACCESS_S
        try:
            return await self._identify(self._scope) == self._viewer
        except AccessDenied:
            return False


async def _waited(channel: Channel) -> bool:
    """Whether something new came before the next heartbeat is due."""
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            await channel.more()
    except TimeoutError:
        return False
    return True


class EventStream(Response):
    """Sends events until the client is gone, the client takes nothing any more, or there are none."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        """Send these events."""
        super().__init__(headers=_HEADERS, media_type=self.media_type)
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        pump = asyncio.create_task(self._pump(send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError, TimeoutError, Unavailable):  # clients come again
                await pump
            await self._events.aclose()

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for content in self._events:
            async with asyncio.timeout(PATIENCE_S):
                await send({"type": "http.response.body", "body": content, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def router(sources: Sources, identify: Identify) -> APIRouter:
    """The route of the stream.

    Args:
        sources: What is told.
        identify: Whom a request speaks for; raises AccessDenied.
    """
    found = APIRouter(tags=["live"])
    channels = Channels(sources)

    @found.get(
        "/stream",
        response_class=Response,
        responses={200: {"content": {EventStream.media_type: {"schema": {"type": "string"}}}}},
    )
    async def stream(
        request: Request,
        after: Annotated[str | None, Query(max_length=1_000)] = None,
        last_event_id: Annotated[str | None, Header(max_length=1_000)] = None,
    ) -> Response:
        """The change feed as server-sent events.

        `tasks` (changed tasks as they are now, and ids of deleted ones), `overview` (counters) and `resync` (read
        everything anew). `Last-Event-ID` or `after` resumes; without them it begins with the present.
        """
        viewer = await identify(request.scope)
        cursor = last_event_id or after
        if cursor is not None:
            await sources.changes(
                viewer, cursor, 1
            )  # a cursor that was changed is answered before the stream begins
        return EventStream(_Client(request.scope, viewer, channels, identify, cursor).events())

    return found
