"""The handle of one task: everything a program says about its work goes through it.

Each call checks what the program itself got wrong, writes one line into the spool and returns; what becomes
of the task is decided by the server.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from headway.domain import limits
from headway.sdk import current, failure, wire
from headway.sdk.failure import Cancelled
from headway.sdk.reports import Reports
from headway.sdk.spool import Weight

if TYPE_CHECKING:
    from headway.sdk.outbox import Outbox
    from headway.sdk.progress import ProgressBar
    from headway.sdk.progress_report import ProgressReport

T = TypeVar("T")


class TaskHandle(Reports):
    """One task, as seen by a process that works on it. Any thread may use it."""

    __slots__ = (
        "__weakref__",
        "_entry",
        "_fields",
        "_open",
        "_owned",
        "_pid",
        "_progress",
        "_result",
        "line",
        "name",
        "status",
    )

    def __init__(
        self,
        outbox: Outbox,
        task_id: str,
        *,
        name: str | None = None,
        fields: dict[str, Any] | None = None,
        line: tuple[str, ...] = (),
        owned: bool = True,
    ) -> None:
        """Use `headway.task`, `headway.create_task` or `headway.attach` instead.

        Args:
            outbox: where the facts go.
            task_id: of the task.
            name: of a task that this process makes.
            fields: of its `created` fact.
            line: the ids of its ancestors, outermost first.
            owned: whether this process made it (and answers for its ending) or only joined in.
        """
        self._outbox = outbox
        self._owned = owned
        self._pid = os.getpid()
        self._open = not owned  # whether the server was told that the task exists
        self._fields = fields or {}
        self._result: Any = None
        self._entry: list[current.Entry] = []
        self._progress: ProgressReport | None = None  # the progress bar that speaks for the task
        self.id = task_id
        self.name = name
        self.line = (*line, task_id)
        self.run: int | None = (
            1 if owned else None
        )  # number of the attempt; None where another process counts
        self.status = "pending" if owned else "running"  # as far as this process knows

    def __repr__(self) -> str:
        return f"<headway task {self.name or ''} {self.id} {self.status}>"

    @property
    def ended(self) -> bool:
        """Whether this process said how the task ended."""
        return self.status in limits.FINAL_STATUSES

    def create(self) -> TaskHandle:
        """The task exists, pending. `headway.create_task` has done it; `headway.task` does it on entering."""
        if not self._open:
            self._open = True
            self._outbox.open[self.id] = self
            created = self._outbox.writer.line(self.id, "created", None, self._fields)
            self._outbox.append(self.id, created, Weight.VITAL)
        return self

    def start(self) -> TaskHandle:
        """The work begins."""
        self.create()
        self.status = "running"
        self._write("started", {}, weight=Weight.VITAL)
        return self

    def progress(
        self, percent: float | None = None, message: object = None, *, phase: str | None = None
    ) -> None:
        """How far the work is.

        Args:
            percent: from 0 to 100; it may go down.
            message: what is being done.
            phase: the part of the work.

        Raises:
            ValueError: `percent` is not from 0 to 100, or nothing was given.
        """
        if percent is not None:
            percent = wire.percent(percent)
        elif message is None and phase is None:
            raise ValueError("progress needs a percentage, a message or a phase")
        if not self._open:
            self.create()
        if self.status == "pending":
            self.status = "running"
        outbox = self._outbox
        line = outbox.writer.progress_line(self.id, self.run, percent, message, phase)
        outbox.append(self.id, line, Weight.LIGHT)

    def set_result(self, result: Any) -> None:
        """The result to complete with; the last one counts."""
        self._result = result

    def complete(self, result: Any = None) -> None:
        """The work ended well.

        Args:
            result: anything that JSON can hold; left out, what `set_result` was given.
        """
        found = self._result if result is None else result
        self._end("completed", {"result": self._outbox.writer.data("result", found)})

    def fail(self, error: BaseException | str, *, type: str | None = None) -> None:
        """The work ended with an error.

        Args:
            error: an exception, whose type and stack are told too, or a message.
            type: stands for the type of the exception.
        """
        self._end("failed", {"error": failure.describe(self._outbox.writer, error, type)})

    def cancel(self, reason: str) -> None:
        """The work stopped because somebody wanted it to.

        Raises:
            ValueError: No reason is given.
        """
        if not reason:
            raise ValueError("reason must not be empty: say why the task is cancelled")
        self._end("cancelled", {"reason": self._outbox.writer.text(reason, limits.MESSAGE_LENGTH)})

    def retry(self) -> TaskHandle:
        """A new attempt follows the one that ended, pending until `with` or `start` begins it.

        Raises:
            ValueError: This process does not count the task's attempts, or the last one has not ended.
        """
        if self.run is None or not self.ended:
            raise ValueError("only an attempt that ended in this process can be followed by another")
        follows, self.run = self.run, self.run + 1
        self.status, self._result = "pending", None
        self._outbox.cancel_reasons.pop(self.id, None)
        self._outbox.open[self.id] = self
        self._write("retried", {"follows_run": follows}, weight=Weight.VITAL)
        return self

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody wants the task, or one it is part of, stopped; known from the server's answers."""
        return self._cancel_reason() is not None

    def raise_if_cancelled(self) -> None:
        """Goes on unless somebody wants the task stopped.

        Raises:
            Cancelled: Somebody does.
        """
        reason = self._cancel_reason()
        if reason is not None:
            raise Cancelled(self.id, reason)

    def child(self, name: str, **fields: Any) -> TaskHandle:
        """A task that is part of this one, to be used with `with`; it takes what `headway.task` takes."""
        from headway.sdk.api import new_task  # builds handles, so it cannot be loaded before this module

        return new_task(self._outbox, name, parent=self, **{**self._passed_on(), **fields})

    def track(
        self, items: Iterable[T], total: float | None = None, *, desc: str | None = None
    ) -> ProgressBar[T]:
        """The items one by one, with a progress bar in the terminal and the same progress on the task.

        Args:
            items: anything to iterate over, with `for` or `async for`.
            total: how many there are; taken from `len` when left out.
            desc: what the bar says; the task's name when left out.
        """
        from headway.sdk.progress import bar_for  # loads tqdm where it is installed

        return bar_for(self, items, total=total, desc=desc or self.name)

    def claim_progress(self, report: ProgressReport) -> bool:
        """A progress bar wants to speak for the task; False while another one does."""
        if self._progress is None:
            self._progress = report
        return self._progress is report

    def release_progress(self, report: ProgressReport) -> None:
        """The progress bar is done; the next one may speak."""
        if self._progress is report:
            self._progress = None

    def environ(self) -> dict[str, str]:
        """The environment for a child process that is to belong to this very task."""
        return {**os.environ, current.VARIABLE: self.id}

    def __enter__(self) -> TaskHandle:
        if self.ended:
            raise ValueError("this task has ended; `retry` opens a new attempt")
        if self._owned and self.status == "pending":
            self.start()
        self._entry.append(current.enter(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entry:
            current.leave(self, self._entry.pop())
        if not self._owned or self._pid != os.getpid():
            return  # the process that made the task says how it ended, not a fork of it
        if error is not None:
            self.end_with(error)
        elif not self.ended:
            self.complete()

    async def __aenter__(self) -> TaskHandle:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def end_with(self, error: BaseException) -> None:
        """The ending that this exception means; one that was reported before stands."""
        if self.ended:
            if failure.ending(error) == "failed":
                self.log(f"{type(error).__name__} after the end: {error}", level="error")
            return
        meaning = failure.ending(error)
        if meaning == "completed":
            self.complete()
        elif meaning == "cancelled":
            self.cancel(failure.cancel_reason(error))
        else:
            self.fail(error)

    def end_with_process(self) -> None:
        """The process ends and nobody said how the task did."""
        message = "the process ended while the task was open"
        error = getattr(sys, "last_value", None)  # what Python printed a traceback of before it went
        described = {"message": message}
        if isinstance(error, BaseException):
            described = failure.describe(self._outbox.writer, error)
            told = f"{message}, after {described['type']}: {described['message']}"
            described["message"] = self._outbox.writer.text(told, limits.MESSAGE_LENGTH)
        self._end("failed", {"error": {**described, "type": "ProcessExited"}})

    def _cancel_reason(self) -> str | None:
        reasons = self._outbox.cancel_reasons
        if not reasons:
            return None
        return next((reasons[task_id] for task_id in reversed(self.line) if task_id in reasons), None)

    def _passed_on(self) -> dict[str, Any]:
        return {name: self._fields[name] for name in ("project", "agent") if self._fields.get(name)}

    def _end(self, kind: str, fields: dict[str, Any]) -> None:
        self.create()
        self.status = kind
        self._outbox.open.pop(self.id, None)
        self._write(kind, fields, weight=Weight.VITAL)
