"""The one way out of the process for facts: into the spool (memory, if no disk takes them), then the sender.

It also knows the tasks this process works on: for heartbeats, and for what is said when it ends or forks.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from headway.sdk import notices
from headway.sdk.backlog import Backlog, MemoryBacklog, SpoolBacklog
from headway.sdk.config import Config
from headway.sdk.redaction import redact as default_redact
from headway.sdk.sender import HEARTBEAT_S, Sender
from headway.sdk.spool import About, Spool, Weight
from headway.sdk.wire import Writer, now

if TYPE_CHECKING:
    from headway.sdk.task_handle import TaskHandle

RECOUNT_S = 60.0
EXIT_WAIT_S = 5.0
EXIT_FIRST_ANSWER_S = 1.0  # how long the end of a process waits to learn whether there is a server at all

outboxes: weakref.WeakSet[Outbox] = weakref.WeakSet()


def host_name() -> str:
    """The name of this machine; `socket` knows it too, but takes long to load."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


class Outbox:
    """Takes the facts of this process and has them delivered."""

    def __init__(
        self,
        config: Config,
        *,
        redact: Callable[[str], str] | None = default_redact,
        rediscover: Callable[[], Config] | None = None,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        """Nothing is opened or started before the first fact.

        Args:
            config: where to send and spool.
            redact: masks secrets in texts; None sends them as they are.
            rediscover: the configuration as it would be found later, asked while no server can be reached.
            heartbeat_s: between signs of life for open tasks.
        """
        self.config = config
        self.writer = Writer(redact)
        self.pid = os.getpid()
        self.open: dict[str, TaskHandle] = {}  # tasks that this process made and has not ended
        self.attached: weakref.WeakValueDictionary[str, TaskHandle] = weakref.WeakValueDictionary()
        self.cancel_reasons: dict[str, str] = {}
        self.dropped: Counter[str] = Counter()  # progress and logs per task that a full spool did not take
        self._rediscover = rediscover or (lambda: config)
        self._heartbeat_s = heartbeat_s
        self._lock = threading.RLock()
        self._spool: Spool | None = None
        self._backlog: SpoolBacklog | None = None
        self._memory: MemoryBacklog | None = None
        self._sender: Sender | None = None
        self._recount_at = 0.0
        self._ended = False  # what is reported from then on waits for the next process
        outboxes.add(self)

    def append(self, task_id: str, line: bytes, weight: Weight) -> None:
        """The fact is on its way: it survives the death of this process from here on."""
        if self.config.disabled:
            return
        try:
            spool = self._spool or self._begin()
            kept = spool.append(line, weight)
        except OSError as error:
            kept = self._remember(line, weight, error)
        if not kept:
            self._drop(task_id)
        sender = self._sender
        if sender is not None and not sender.awake:
            sender.wake()

    def drain(self, timeout_s: float) -> bool:
        """Waits until everything reported so far is acknowledged; False when the time was too short."""
        sender = self._sender
        return sender.drain(timeout_s) if sender is not None else True

    def end(self) -> None:
        """The process ends: waits a while for the delivery if the server is there, then lets the spool go."""
        self._ended = True
        sender = self._sender
        if sender is None:
            return
        delivered = False
        if sender.reachable is None:
            delivered = sender.drain(EXIT_FIRST_ANSWER_S, give_up=True)
        if sender.reachable and not delivered:
            delivered = sender.drain(EXIT_WAIT_S, give_up=True)
        if sender.stop(EXIT_FIRST_ANSWER_S if delivered else 0.0):
            self._let_go()

    def before_fork(self) -> None:
        """The sender's thread ends if nothing is under way."""
        if self._sender is not None:
            self._sender.park()

    def after_fork_in_parent(self) -> None:
        """The sender's thread goes on."""
        if self._sender is not None:
            self._sender.unpark()

    def after_fork(self) -> None:
        """In the child of a fork: the parent's files, thread and tasks are not this process's."""
        self.pid = os.getpid()
        self._lock = threading.RLock()
        spool, self._spool = self._spool, None
        backlog, self._backlog = self._backlog, None
        self._memory, self._sender, self._ended = None, None, False
        self.open, self.dropped = {}, Counter()
        if spool is not None:
            spool.abandon()
        if backlog is not None:
            backlog.close()

    def _begin(self) -> Spool:
        """Opens the spool and starts the sender, once per process."""
        with self._lock:
            if self._sender is None and not self._ended:
                self._sender = self._started_sender()
            if self._spool is None:
                about = About(
                    producer="",
                    destination=self.config.destination,
                    pid=self.pid,
                    host=host_name(),
                    created_at=now(),
                )
                spool = Spool(self.config.spool_dir, self.config.spool_bytes, about)
                self._backlog = SpoolBacklog(spool.folder, spool.about, on_removed=spool.forget)
                self._spool = spool
            return self._spool

    def _started_sender(self) -> Sender | None:
        sender = Sender(
            config=self.config,
            rediscover=self._rediscover,
            backlogs=self._backlogs,
            open_tasks=self._open_tasks,
            on_cancel=self._cancel_wanted,
            on_turn=self._look_around,
            heartbeat_s=self._heartbeat_s,
        )
        try:
            sender.start()
        except RuntimeError as error:  # no thread is to be had; the next process sends what this one spools
            notices.warn_once(
                "thread", f"the thread that sends cannot start: {error}; facts wait in the spool"
            )
            return None
        return sender

    def _backlogs(self) -> list[Backlog]:
        found: list[Backlog | None] = [self._backlog, self._memory]
        return [backlog for backlog in found if backlog is not None]

    def _open_tasks(self) -> Mapping[str, int | None]:
        attached = {
            task_id: handle.run for task_id, handle in list(self.attached.items()) if not handle.ended
        }
        return attached | {task_id: handle.run for task_id, handle in list(self.open.items())}

    def _cancel_wanted(self, task_id: str, reason: str) -> None:
        self.cancel_reasons.setdefault(task_id, reason)

    def _remember(self, line: bytes, weight: Weight, error: OSError) -> bool:
        notices.warn_once(
            "spool",
            f"the spool in {self.config.spool_dir} cannot be written ({error}); facts are kept in memory",
        )
        with self._lock:
            if self._memory is None:
                self._memory = MemoryBacklog()
        return self._memory.append(line, weight)

    def _drop(self, task_id: str) -> None:
        with self._lock:
            self.dropped[task_id] += 1
        notices.warn_once(
            "full",
            f"the spool in {self.config.spool_dir} is full ({self.config.spool_bytes:,} bytes); "
            "progress and logs are dropped and counted, endings are kept",
        )

    def _look_around(self) -> None:
        """Counts what other processes hold, now and then, and tells what was dropped once there is room again."""
        spool = self._spool
        if spool is None or not (self.dropped or time.monotonic() >= self._recount_at):
            return
        self._recount_at = time.monotonic() + RECOUNT_S
        spool.recount_others(self.config.spool_dir)
        if self.dropped and spool.has_room():
            self._tell_dropped()

    def _tell_dropped(self) -> None:
        """Each task's log says how much of it is missing."""
        with self._lock:
            dropped, self.dropped = self.dropped, Counter()
        for task_id, number in dropped.items():
            message = f"{number} progress and log entries were not kept: the spool was full"
            fields = {"level": "warning", "message": message}
            self.append(task_id, self.writer.line(task_id, "log", None, fields), Weight.SOLID)
        notices.settled("full")

    def _let_go(self) -> None:
        backlog, spool = self._backlog, self._spool
        if backlog is None or spool is None:
            return
        with self._lock:
            self._spool = self._backlog = self._sender = None
        empty = backlog.delivered(backlog.end())
        backlog.close()
        if empty:
            spool.remove()
        else:
            spool.close()
