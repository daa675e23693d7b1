"""The sweeper of leases: runs that fell silent become `timeout`, but never because Headway itself was away.

Which run is overdue, and the check under its lock, are the ledger's; here is only when to look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from headway.domain.errors import Unavailable
from headway.store.port import Ledger, Overdue

_log = logging.getLogger("headway.leases")
LONGEST_TURN_S = 5.0
SHORTEST_TURN_S = 0.05
AT_ONCE = 200
_LATE_S = 2.0  # a turn that begins so much later than planned means that this process was not running


@dataclass(frozen=True, slots=True)
class Moment:
    """What both clocks of the machine show; one of them goes on while it sleeps."""

    wall_s: float
    steady_s: float

    @classmethod
    def now(cls) -> Moment:
        """The present."""
        return cls(time.time(), time.monotonic())

    def since(self, earlier: Moment) -> float:
        """Seconds that passed by the clock on which more did; backward steps of the wall clock don't count."""
        return max(self.wall_s - earlier.wall_s, self.steady_s - earlier.steady_s)


class Sweeper:
    """Times out runs whose lease has ended, once ingest has worked for one whole lease."""

    def __init__(self, ledger: Ledger, lease_s: float, clock: Callable[[], Moment] = Moment.now) -> None:
        """Sweep this ledger.

        Args:
            ledger: Where runs hold leases.
            lease_s: How long a lease lasts.
            clock: Both clocks of the machine.
        """
        self._ledger = ledger
        self._lease_s = lease_s
        self._clock = clock
        self._turn_s = min(max(lease_s / 10, SHORTEST_TURN_S), LONGEST_TURN_S)
        self._working_since = clock()
        self._seen = self._working_since
        self._task: asyncio.Task[None] | None = None

    def rest(self) -> None:
        """Ingest did not work just now: leave all leases alone until it has worked for one whole lease."""
        self._working_since = self._clock()

    @property
    def resting(self) -> bool:
        """Whether ingest has not yet worked for one whole lease."""
        return self._clock().steady_s - self._working_since.steady_s < self._lease_s

    async def start(self) -> None:
        """Sweep from now on."""
        self.rest()
        self._seen = self._clock()
        self._task = asyncio.create_task(self._run(), name="headway-leases")

    async def stop(self) -> None:
        """Sweep no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def turn(self) -> int:
        """Look once; how many runs were timed out."""
        self._notice_absence()
        try:
            # Asked while resting, too: a database that cannot be reached keeps the leases at rest.
            found = await self._ledger.overdue(datetime.now(UTC), AT_ONCE)
            return await self._expire(found)
        except Unavailable as error:
            _log.warning("leases are left alone for now: %s", error)
            self.rest()
            return 0

    async def _expire(self, found: Sequence[Overdue]) -> int:
        expired = 0
        for overdue in found:
            if self.resting:
                break
            expired += await self._ledger.expire(overdue, datetime.now(UTC))
            self._notice_absence()
        return expired

    def _notice_absence(self) -> None:
        """Rest when this process did not run for a while: it could not hear anybody then."""
        now = self._clock()
        passed = now.since(self._seen)
        if passed > self._turn_s + max(_LATE_S, self._turn_s):
            _log.warning("this process did not run for %.1f s; leases get one more term", passed)
            self.rest()
        self._seen = now

    async def _run(self) -> None:
        expired = 0
        while True:
            await asyncio.sleep(0 if expired == AT_ONCE else self._turn_s)
            try:
                expired = await self.turn()
            except Exception:  # noqa: BLE001  the sweeper must outlive every surprise
                _log.exception("a turn of the lease sweeper failed")
                expired = 0
                self.rest()
