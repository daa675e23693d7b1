"""`headway.tqdm`: tqdm where it is installed, else a small bar of our own; the same progress on the task.

Without a current task the bar makes one of its own, which ends with the loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from headway.sdk import api
from headway.sdk.plain_bar import PlainBar
from headway.sdk.progress_report import ProgressReport

if TYPE_CHECKING:
    from headway.sdk.task_handle import TaskHandle

T_co = TypeVar("T_co", covariant=True)


class ProgressBar(Protocol[T_co]):
    """What `task.track` returns: an iterable, with `for` and `async for`, and a progress bar."""

    n: float
    total: float | None

    def __iter__(self) -> Iterator[T_co]:
        """The items."""

    def __aiter__(self) -> AsyncIterator[T_co]:
        """The items."""

    def update(self, n: float | None = 1) -> Any:
        """So many more are done."""

    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None:
        """Other words before the bar."""

    def close(self) -> None:
        """The bar is finished."""


def _installed_bar() -> Any:
    try:
        from tqdm.auto import tqdm as installed
    except ImportError:
        return PlainBar
    return installed


_Bar: Any = _installed_bar()


class TaskBar(_Bar):  # type: ignore[misc]  # which class it extends depends on what is installed
    """A drop-in for `tqdm.tqdm` that also reports to a task.

    Beyond tqdm's own arguments it takes `task`: whose progress it is; the current task when left out.
    """

    def __init__(
        self,
        iterable: Any = None,
        desc: str | None = None,
        total: float | None = None,
        *args: Any,
        task: TaskHandle | None = None,
        **kwargs: Any,
    ) -> None:
        self._iterating = False
        self._report: ProgressReport | None = None  # the bar of tqdm may refresh itself before it is complete
        super().__init__(iterable, desc, total, *args, **kwargs)
        found = task or api.current_task()
        speaks_for = found or api.task(str(desc or "progress")[:255]).start()
        self._report = ProgressReport(
            speaks_for, own=found is None, total=self.total, unit=str(kwargs.get("unit", "it"))
        )

    def __iter__(self) -> Iterator[Any]:
        report = self._report
        assert report is not None
        self._iterating = True
        whole = False
        try:
            for item in super().__iter__():
                yield item
                report.advance(1)
            whole = True
        finally:
            self._iterating = False
            report.close(whole=whole)

    async def __anext__(self) -> Any:
        report = self._report
        assert report is not None
        self._iterating = True  # closing is decided here, not by tqdm's own call of `close`
        try:
            item = await super().__anext__()
        except StopAsyncIteration:
            report.close()
            raise
        except BaseException as error:
            report.close(error)
            raise
        finally:
            self._iterating = False
        report.advance(1)
        return item

    def update(self, n: float | None = 1) -> Any:
        """So many more are done."""
        shown = super().update(n)
        if self._report is not None and not self._iterating:
            self._report.total = self.total
            self._report.advance(1 if n is None else n)
        return shown

    def close(self) -> None:
        """The bar is finished, and with it a task that was made for it."""
        super().close()
        if self._report is not None and not self._iterating:
            self._report.close()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self._report is not None and error is not None:
            self._report.close(error)
        self.close()


tqdm = TaskBar


def trange(*args: int, **kwargs: Any) -> TaskBar:
    """`tqdm(range(*args))`."""
    return TaskBar(range(*args), **kwargs)


def bar_for(task: TaskHandle, items: Any, *, total: float | None, desc: str | None) -> ProgressBar[Any]:
    """The bar of `task.track`."""
    return TaskBar(items, desc, total, task=task)
