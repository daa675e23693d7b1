"""Wakes those who wait for changes of a tenant: at once after commits of this process, soon after those of others.

What changed is read from the ledger by whoever was woken; a wake-up without a change does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from headway.domain.errors import Unavailable
from headway.store.port import Ledger

_log = logging.getLogger("headway.feed")
POLL_S = 0.2  # NOTIFY inside ingest would serialise commits


class Listener:
    """Somebody who waits for changes of one tenant."""

    __slots__ = ("_event", "_timer")

    def __init__(self) -> None:
        """Nothing has changed yet."""
        self._event = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Something changed."""
        self._event.set()

    def wake_later(self, delay_s: float) -> None:
        """Count as changed after a while at the latest."""
        if self._timer is None or self._timer.when() <= asyncio.get_running_loop().time():
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.wake)

    def rest(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()

    async def changed(self) -> None:
        """Something has changed since this returned last."""
        await self._event.wait()
        self._event.clear()


class Feed:
    """Knows who waits for which tenant."""

    def __init__(self, ledger: Ledger, *, poll_s: float = POLL_S) -> None:
        """Look every `poll_s` for what other processes committed, while anybody waits."""
        self._ledger = ledger
        self._poll_s = poll_s
        self._listeners: dict[str, set[Listener]] = {}
        self._heads: dict[str, int] = {}
        self._waited_for = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.closed = asyncio.Event()  # the server stops: streams end so that their connections do

    @contextmanager
    def listen(self, tenant_id: str) -> Iterator[Listener]:
        """A listener for the changes of a tenant, as long as the block runs."""
        listener = Listener()
        self._listeners.setdefault(tenant_id, set()).add(listener)
        self._waited_for.set()
        try:
            yield listener
        finally:
            listener.rest()
            waiting = self._listeners[tenant_id]
            waiting.discard(listener)
            if not waiting:
                del self._listeners[tenant_id]
                self._heads.pop(tenant_id, None)

    def wake(self, tenant_id: str) -> None:
        """A commit of this process changed something of the tenant; called in the event loop."""
        for listener in self._listeners.get(tenant_id, ()):
            listener.wake()

    def close(self) -> None:
        """Every stream ends."""
        self.closed.set()
        for tenant_id in list(self._listeners):
            self.wake(tenant_id)

    async def start(self) -> None:
        """Look for the commits of other processes from now on."""
        self._task = asyncio.create_task(self._run(), name="headway-feed")

    async def stop(self) -> None:
        """Look no more."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            if not self._listeners:
                self._waited_for.clear()
                await self._waited_for.wait()
            try:
                await self._look()
            except Unavailable:
                pass  # whoever writes notices and says so; there is nothing new to see meanwhile
            except Exception:  # noqa: BLE001  streams must outlive every surprise of one look
                _log.exception("looking for changes failed")
            await asyncio.sleep(self._poll_s)

    async def _look(self) -> None:
        for tenant_id in list(self._listeners):
            head = await self._ledger.head(tenant_id)
            if self._heads.get(tenant_id) != head:
                self._heads[tenant_id] = head
                self.wake(tenant_id)
