"""The thread that brings facts to the server: batches, heartbeats, the spools of dead processes, backoff.

It sleeps while nothing waits and no task is open. Whatever goes wrong in it stays in it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from headway.sdk import loading, notices
from headway.sdk.backlog import Backlog
from headway.sdk.config import Config
from headway.sdk.orphans import Orphan, take_over
from headway.sdk.outcome import Result

if TYPE_CHECKING:
    from headway.sdk.delivery import Delivery, OnCancel
    from headway.sdk.outcome import Outcome

LINGER_S = 0.05  # what is reported within it travels together
HEARTBEAT_S = 20.0
HEARTBEATS_AT_ONCE = 4_000
ORPHANS_S = 60.0
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
HURRY_DELAY_S = 0.2
PARK_S = 0.2


class Sender:
    """Sends what the backlogs hold, until it is stopped."""

    def __init__(
        self,
        *,
        config: Config,
        rediscover: Callable[[], Config],
        backlogs: Callable[[], list[Backlog]],
        open_tasks: Callable[[], Mapping[str, int | None]],
        on_cancel: OnCancel,
        on_turn: Callable[[], None],
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        """Keep whom to ask; `start` begins the work.

        Args:
            config: where to send.
            rediscover: the configuration as it would be found now, asked while no server can be reached.
            backlogs: what waits, most important first.
            open_tasks: the runs (task id → run number) that this process works on.
            on_cancel: told the id and the reason of each task that somebody wants stopped.
            on_turn: called after each round of sending.
            heartbeat_s: between signs of life for open tasks that have nothing to report.
        """
        self._config = config
        self._rediscover = rediscover
        self._backlogs = backlogs
        self._open_tasks = open_tasks
        self._on_cancel = on_cancel
        self._on_turn = on_turn
        self._heartbeat_s = heartbeat_s
        self._delivery: Delivery | None = None
        self._orphans: Iterator[Orphan] = iter(())
        self._orphan: Orphan | None = None
        self._wake = threading.Event()
        self._nudge = threading.Event()
        self._hurry = False
        self._turned = threading.Condition()
        self._stopped = False
        self._parked = False
        self._resting = False
        self._failures = 0
        self._answered = False  # whether the server ever took anything
        self._beat_at = 0.0
        self._orphans_at = 0.0
        self.awake = True  # False only while it sleeps: whoever adds something then has to call `wake`
        self.reachable: bool | None = (
            None  # whether the last attempt got an answer that took facts; None before one
        )
        self._thread = self._new_thread()

    def start(self) -> None:
        """The thread runs."""
        self._thread.start()

    def park(self) -> None:
        """Before a fork: the thread ends if it rests, as a fork of several threads is fragile and warned of."""
        if self._resting and self._thread.is_alive():
            self._parked = True
            self._nudge.set()
            self._wake.set()
            self._thread.join(PARK_S)

    def unpark(self) -> None:
        """After a fork, in the parent: the thread goes on."""
        if self._parked:
            self._parked = False
            self.wake()

    def wake(self) -> None:
        """Something waits."""
        self.awake = True
        self._wake.set()
        if not (self._thread.is_alive() or self._stopped or self._parked):
            self._thread = self._new_thread()
            self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Lets the thread end after what it is at; False when that takes longer than the timeout."""
        self._stopped = True
        self._nudge.set()
        self._wake.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def drain(self, timeout_s: float, *, give_up: bool = False) -> bool:
        """Waits until all that waits now is delivered, sending without the usual pauses.

        Args:
            timeout_s: for which to wait at most.
            give_up: whether to return as soon as the server turns out not to be reachable.
        """
        deadline = time.monotonic() + timeout_s
        self._hurry = True
        self._nudge.set()
        try:
            with self._turned:
                wanted = self._ends()
                self.wake()
                while not self._delivered(wanted):
                    left = deadline - time.monotonic()
                    if left <= 0 or not self._thread.is_alive() or (give_up and self.reachable is False):
                        return False
                    self._turned.wait(left)
        finally:
            self._hurry = False
        return True

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="headway-sender", daemon=True)

    def _run(self) -> None:
        while not (self._stopped or self._parked):
            try:
                pause_s = self._turn()
            except Exception as error:  # noqa: BLE001  the thread must outlive every surprise: facts wait for it
                notices.warn_once("sender", f"sending failed and will be tried again: {error!r}")
                pause_s = self._delay(None)
            self._on_turn()
            with self._turned:
                self._turned.notify_all()
            self._sleep(pause_s)
        self._let_go()

    def _let_go(self) -> None:
        if self._orphan is not None:
            self._orphan.release()
        if self._delivery is not None:
            self._delivery.close()
        self._orphan, self._orphans, self._delivery = None, iter(()), None
        self.awake = False  # whoever adds something starts it again

    def _sleep(self, pause_s: float) -> None:
        """Rests until the pause is over or somebody wakes the thread, then lets a few more facts gather."""
        self._resting = True
        if self._failures:
            self._nudge.wait(pause_s)  # only who cannot wait cuts this short; new facts do not
        elif pause_s > 0:
            self.awake = False
            if self._delivered(self._ends()):  # nothing was reported between the last look and this one
                self._wake.wait(pause_s)
            self.awake = True
            self._wake.clear()
            if not self._hurry:
                self._nudge.wait(LINGER_S)
        self._resting = False
        self._nudge.clear()

    def _ends(self) -> list[tuple[Backlog, tuple[int, int]]]:
        return [(backlog, backlog.end()) for backlog in self._backlogs()]

    def _delivered(self, ends: list[tuple[Backlog, tuple[int, int]]]) -> bool:
        return all(backlog.delivered(end) for backlog, end in ends)

    def _turn(self) -> float:
        """Sends what there is; returns how long to rest."""
        delivery = self._prepare()
        if delivery is None:
            self.reachable = False
            return self._delay(None)
        trouble = self._send_own(delivery) or self._beat(delivery)
        if trouble is not None:
            self.reachable = trouble.result is Result.LATER
            return self._delay(trouble.retry_after_s)
        self._failures = 0
        self.reachable = True if self._answered else self.reachable
        if self._send_orphan(delivery):
            return 0.0
        now = time.monotonic()
        wake_at = min(self._orphans_at, self._beat_at) if self._open_tasks() else self._orphans_at
        return max(wake_at - now, 0.001)

    def _prepare(self) -> Delivery | None:
        """The way to the server; looked for again after trouble, as `headway up` may have begun meanwhile."""
        if self._failures:
            found = self._rediscover()
            if found != self._config:
                if self._delivery is not None:
                    self._delivery.close()
                self._config, self._delivery = found, None
        if self._config.url is None:
            notices.warn_once(
                "no server",
                "no Headway server is known (HEADWAY_URL, or `headway up` on this machine); "
                "what is reported waits in the spool",
            )
            return None
        if self._delivery is None:
            with loading.turn:
                from headway.sdk.delivery import Delivery  # loads http and ssl: in this thread, once needed

            self._delivery = Delivery(self._config, self._on_cancel)
        return self._delivery

    def _send_own(self, delivery: Delivery) -> Outcome | None:
        """Sends what waits now; returns the outcome that stopped it, or None."""
        for backlog, end in self._ends():
            while not (backlog.delivered(end) or self._stopped):
                outcome = delivery.send_next(backlog)
                if outcome.failed:
                    return outcome
                if outcome.result is Result.NOTHING:
                    break
                self._answered = True
        return None

    def _beat(self, delivery: Delivery) -> Outcome | None:
        """Tells the server, now and then, that the open tasks are still worked on."""
        tasks = list(self._open_tasks().items())
        if not tasks or time.monotonic() < self._beat_at:
            return None
        for start in range(0, len(tasks), HEARTBEATS_AT_ONCE):
            outcome = delivery.beat(dict(tasks[start : start + HEARTBEATS_AT_ONCE]))
            if outcome.failed:
                return outcome
        self._answered = True
        self._beat_at = time.monotonic() + self._heartbeat_s
        return None

    def _send_orphan(self, delivery: Delivery) -> bool:
        """Sends one batch of a dead process's spool, so that this process's own facts never wait long.

        Returns:
            Whether there may be more.
        """
        if self._orphan is None:
            self._orphan = self._next_orphan(delivery)
        if self._orphan is None:
            return False
        outcome = delivery.send_next(self._orphan.backlog)
        if outcome.failed:  # this process's own facts are not held up by it
            self._orphan.release()
            self._orphan, self._orphans = None, iter(())
            return False
        if outcome.result is Result.NOTHING:
            self._orphan.remove()
            self._orphan = None
        return True

    def _next_orphan(self, delivery: Delivery) -> Orphan | None:
        orphan = next(self._orphans, None)
        if orphan is None and time.monotonic() >= self._orphans_at:
            self._orphans_at = time.monotonic() + ORPHANS_S
            self._orphans = take_over(self._config.spool_dir, self._config.destination, delivery.key)
            orphan = next(self._orphans, None)
        return orphan

    def _delay(self, wanted_s: float | None) -> float:
        """Backs off: ever longer up to a limit, out of step with others, not before the server wants it."""
        self._failures += 1
        longest = min(FIRST_DELAY_S * 2 ** min(self._failures - 1, 10), LONGEST_DELAY_S)
        delay = HURRY_DELAY_S if self._hurry else random.uniform(longest / 2, longest)
        return delay if wanted_s is None else max(delay, wanted_s)
