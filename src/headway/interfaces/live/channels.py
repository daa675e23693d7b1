"""What each viewer sees change, read once however many clients watch: frames of events, kept for a short while.

A client that is too slow for the frames is not waited for: it reads on in the feed itself, which is state.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from headway.domain.access import Actor
from headway.domain.errors import Unavailable
from headway.domain.views import ChangePage, Task
from headway.services.feed import Feed, Listener

_log = logging.getLogger("headway.live")
FLUSH_S = 0.2
OVERVIEW_S = 1.0
PAGE = 200
PAGES_AT_ONCE = 5  # of one flush; what changes faster than that is answered with resync
KEPT_BYTES = 2_000_000
READERS = (
    3  # clients that read the feed by themselves at the same time, after a reconnect or because they are slow
)
_PACE_S = 0.002  # per channel: however many viewers there are, about 500 reads a second are made for them
_SHARE = 0.2  # of the event loop that telling many clients may take; ingest needs the rest
_WOKEN_AT_ONCE = 50  # clients, before others get their turn in the event loop
_AGAIN_S = 1.0

Changes = Callable[[Actor, str | None, int], Awaitable[ChangePage]]
RenderTasks = Callable[[Actor, Sequence[Task]], Awaitable[list[bytes]]]
RenderOverview = Callable[[Actor], Awaitable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where channels get what they tell."""

    feed: Feed
    changes: Changes
    tasks: RenderTasks  # JSON of each task
    overview: RenderOverview  # JSON of the counters


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it is sent, and the place in the feed after it."""

    number: int  # in its channel
    change_seq: int  # the newest in it; 0 for frames that repeat nothing when sent again
    cursor: str
    content: bytes


def event(name: str, cursor: str, data: bytes) -> bytes:
    """A server-sent event (HTML standard, section 9.2)."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), cursor.encode(), data)


async def tasks_event(sources: Sources, viewer: Actor, page: ChangePage) -> bytes:
    """The event that tells a page of changes."""
    shown = b",".join(await sources.tasks(viewer, page.tasks))
    deleted = b",".join(b'"%b"' % gone.task_id.encode() for gone in page.deleted)
    return event("tasks", page.cursor, b'{"tasks":[%b],"deleted":[%b]}' % (shown, deleted))


def newest_change(page: ChangePage) -> int:
    """The highest change number in a page."""
    changed = [task.change_seq for task in page.tasks]
    return max([*changed, *(gone.change_seq for gone in page.deleted)], default=0)


class Channel:
    """The changes one viewer sees, as frames for any number of clients."""

    def __init__(self, viewer: Actor, sources: Sources, pace_s: Callable[[], float]) -> None:
        """Nothing is read before `run`."""
        self.viewer = viewer
        self.cursor = ""  # of the present, as far as the frames tell
        self.overview = b"{}"
        self.following = 0  # number of the next frame
        self.ended = False
        self.clients = 0
        self._told = 0  # number of the first frame that nobody was woken for
        self.begun = asyncio.Event()
        self._sources = sources
        self._pace_s = pace_s
        self._frames: deque[Frame] = deque()
        self._size = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._overview_at = 0.0

    @property
    def oldest(self) -> int:
        """The number of the oldest frame that is kept."""
        return self._frames[0].number if self._frames else self.following

    def frames_from(self, number: int) -> list[Frame]:
        """The frames from a number on."""
        return [frame for frame in self._frames if frame.number >= number]

    async def more(self) -> None:
        """There is a new frame, or the channel has ended."""
        if self.ended:
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    async def run(self) -> None:
        """Read and tell until cancelled or the feed is closed."""
        try:
            with self._sources.feed.listen(self.viewer.tenant_id) as listener:
                await self._begin()
                while not self._sources.feed.closed.is_set():
                    await self._turn(listener)
        finally:
            self.ended = True
            self.begun.set()
            _wake(self._waiting)

    async def _begin(self) -> None:
        while not self.begun.is_set():
            try:
                self.cursor = (await self._sources.changes(self.viewer, None, 1)).cursor
                self.overview = await self._sources.overview(self.viewer)
                self.begun.set()
            except Unavailable:
                await asyncio.sleep(_AGAIN_S)

    async def _turn(self, listener: Listener) -> None:
        """Wait for a change, tell it, and let the next ones gather."""
        await listener.changed()
        begun_s = time.thread_time()
        try:
            await self._tell_changes()
            if time.monotonic() - self._overview_at >= OVERVIEW_S:
                await self._tell_overview()
            else:
                listener.wake_later(OVERVIEW_S)
        except Unavailable as error:
            _log.warning("the stream waits for the database: %s", error)
            listener.wake_later(_AGAIN_S)
            await asyncio.sleep(_AGAIN_S)
        await self._wake_clients()
        spent_s = time.thread_time() - begun_s
        await asyncio.sleep(max(self._pace_s(), spent_s / _SHARE))

    async def _tell_changes(self) -> None:
        for _ in range(PAGES_AT_ONCE):
            page = await self._sources.changes(self.viewer, self.cursor, PAGE)
            self.cursor = page.cursor
            if page.resync:
                self._publish(event("resync", page.cursor, b"{}"), 0)
            elif page.tasks or page.deleted:
                self._publish(await tasks_event(self._sources, self.viewer, page), newest_change(page))
            if not page.more:
                return
        self.cursor = (await self._sources.changes(self.viewer, None, 1)).cursor
        self._publish(event("resync", self.cursor, b"{}"), 0)

    async def _tell_overview(self) -> None:
        self._overview_at = time.monotonic()
        overview = await self._sources.overview(self.viewer)
        if overview != self.overview:
            self.overview = overview
            self._publish(event("overview", self.cursor, overview), 0)

    def _publish(self, content: bytes, change_seq: int) -> None:
        self._frames.append(Frame(self.following, change_seq, self.cursor, content))
        self.following += 1
        self._size += len(content)
        while self._size > KEPT_BYTES and len(self._frames) > 1:
            self._size -= len(self._frames.popleft().content)

    async def _wake_clients(self) -> None:
        """Those who wait for something new go on, a few at a time."""
        if self._told < self.following:
            self._told = self.following
            waiting = list(self._waiting)
            for start in range(0, len(waiting), _WOKEN_AT_ONCE):
                _wake(waiting[start : start + _WOKEN_AT_ONCE])
                await asyncio.sleep(0)


def _wake(waiting: Iterable[asyncio.Future[None]]) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(None)


class Channels:
    """One channel for each viewer that anybody watches as."""

    def __init__(self, sources: Sources) -> None:
        """No channel is open."""
        self.sources = sources
        self.catching_up = asyncio.Semaphore(READERS)
        self._open: dict[Actor, tuple[Channel, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def joined(self, viewer: Actor) -> AsyncIterator[Channel]:
        """The channel of a viewer, which runs as long as anybody is in it."""
        known = self._open.get(viewer)
        if known is None or known[0].ended:
            channel = Channel(viewer, self.sources, self._pace_s)
            known = (channel, asyncio.create_task(channel.run(), name="headway-channel"))
            self._open[viewer] = known
        channel, task = known
        channel.clients += 1
        try:
            await channel.begun.wait()
            yield channel
        finally:
            channel.clients -= 1
            if channel.clients == 0:
                if self._open.get(viewer) is known:
                    del self._open[viewer]
                task.cancel()

    def _pace_s(self) -> float:
        return max(FLUSH_S, _PACE_S * len(self._open))
