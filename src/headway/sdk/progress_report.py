"""What a progress bar tells its task: at most twice a second, and how the loop ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.sdk.task_handle import TaskHandle

EVERY_S = 0.5


class ProgressReport:
    """Carries the count of one progress bar to one task.

    A task listens to the first bar that speaks for it: those of inner loops don't disturb the outer one.
    """

    __slots__ = ("_next", "_own", "_speaks", "_task", "_unit", "done", "total")

    def __init__(self, task: TaskHandle, *, own: bool, total: float | None, unit: str) -> None:
        """Begin at nothing done.

        Args:
            task: that the bar speaks for.
            own: whether the task was made for this bar and ends with it.
            total: how many there are to do, if known.
            unit: of what is counted.
        """
        self._task = task
        self._own = own
        self._unit = "" if unit == "it" else f" {unit.strip()}"
        self._next = 0.0
        self._speaks = task.claim_progress(self)
        self.total = total
        self.done: float = 0

    def advance(self, by: float) -> None:
        """So many more are done."""
        self.done += by
        if self._speaks and time.monotonic() >= self._next:
            self._tell()

    def at(self, done: float) -> None:
        """So many are done in all."""
        self.advance(done - self.done)

    def close(self, error: BaseException | None = None, *, whole: bool = True) -> None:
        """The bar is finished; a second time changes nothing.

        Args:
            error: that ended the loop.
            whole: False when the loop was left early.
        """
        if not self._speaks:
            return
        self._tell()
        self._speaks = False
        self._task.release_progress(self)
        if self._own and not self._task.ended:
            self._end(error, whole)

    def _end(self, error: BaseException | None, whole: bool) -> None:
        if error is not None:
            self._task.end_with(error)
        elif whole:
            self._task.complete()
        else:
            self._task.cancel(f"the loop was left after {self._counted()}")

    def _tell(self) -> None:
        self._next = time.monotonic() + EVERY_S
        total = self.total
        percent = min(max(self.done / total * 100, 0.0), 100.0) if total else None
        self._task.progress(percent, self._counted())

    def _counted(self) -> str:
        of = f" of {self.total:,}" if self.total else ""
        return f"{self.done:,}{of}{self._unit}"
