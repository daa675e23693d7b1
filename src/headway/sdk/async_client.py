"""`headway.AsyncClient`: the methods of `Client`, in threads, so that the event loop goes on."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from headway.sdk.client import Client, Json

P = ParamSpec("P")
R = TypeVar("R")


def _in_thread(
    method: Callable[Concatenate[Client, P], R],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, R]]:
    async def call(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(method, self.client, *args, **kwargs)

    functools.update_wrapper(call, method)
    return call


def _step_by_step(
    method: Callable[Concatenate[Client, P], Iterator[R]],
) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[R]]:
    async def iterate(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        steps = _Steps(method(self.client, *args, **kwargs))
        try:
            async for item in steps:
                yield item
        finally:
            steps.left = True

    functools.update_wrapper(iterate, method)
    return iterate


class _Steps(Generic[R]):
    """An iterator run by a thread of its own: waiting for an event must not hold up the program."""

    def __init__(self, steps: Iterator[R]) -> None:
        self.left = False  # nobody listens any more
        self._steps = steps
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[tuple[R | None, BaseException | None]] = asyncio.Queue()
        threading.Thread(target=self._run, name="headway-watch", daemon=True).start()

    def __aiter__(self) -> _Steps[R]:
        return self

    async def __anext__(self) -> R:
        item, end = await self._arrived.get()
        if isinstance(end, StopIteration):
            raise StopAsyncIteration
        if end is not None:
            raise end
        return cast(R, item)

    def _run(self) -> None:
        end: BaseException | None = None
        while end is None and not self.left:
            item = None
            try:
                item = next(self._steps)
            except Exception as error:  # noqa: BLE001  raised again where somebody waits for it
                end = error
            try:
                self._loop.call_soon_threadsafe(self._arrived.put_nowait, (item, end))
            except RuntimeError:  # the loop is closed: nobody waits
                return


class AsyncClient:
    """Takes what `Client` takes; every method is awaited, `watch` and `stream` are for `async for`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the client whose methods run in threads."""
        self.client = Client(*args, **kwargs)

    close = _in_thread(Client.close)
    me = _in_thread(Client.me)
    get_task = _in_thread(Client.get_task)
    get_status = _in_thread(Client.get_status)
    list_tasks = _in_thread(Client.list_tasks)
    get_project_tasks = _in_thread(Client.get_project_tasks)
    get_user_tasks = _in_thread(Client.get_user_tasks)
    list_projects = _in_thread(Client.list_projects)
    get_project = _in_thread(Client.get_project)
    calculate_project_progress = _in_thread(Client.calculate_project_progress)
    get_runs = _in_thread(Client.get_runs)
    get_logs = _in_thread(Client.get_logs)
    get_timeline = _in_thread(Client.get_timeline)
    get_llm_calls = _in_thread(Client.get_llm_calls)
    get_metrics = _in_thread(Client.get_metrics)
    get_artifacts = _in_thread(Client.get_artifacts)
    cancel = _in_thread(Client.cancel)
    retry = _in_thread(Client.retry)
    changes = _in_thread(Client.changes)
    watch = _step_by_step(Client.watch)
    stream = _step_by_step(Client.stream)

    async def wait(self, task_id: str, timeout: float | None = None) -> Json:  # noqa: ASYNC109  as in Client
        """The task once it has ended; cancelling this leaves nothing behind.

        Args:
            task_id: of the task.
            timeout: seconds to wait at most; for ever when left out.

        Raises:
            TimeoutError: It had not ended by then.
            NotFound: There is no such task, or you may not see it.
        """
        task: Json = {}
        async with asyncio.timeout(timeout):
            async for task in self.watch(task_id):  # noqa: B007  the last one is the answer
                pass
        return task
