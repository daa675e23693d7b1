"""`headway.tracked`: each call of a function is a task, be it `def`, `async def` or a generator."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, ParamSpec, TypeVar, Unpack, cast, overload

from headway.sdk import api, current
from headway.sdk.description import Description
from headway.sdk.task_handle import TaskHandle

P = ParamSpec("P")
R = TypeVar("R")


@overload
def tracked(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def tracked(
    *,
    name: str | None = None,
    capture_input: bool = False,
    capture_result: bool = False,
    **fields: Unpack[Description],
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def tracked(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    capture_input: bool = False,
    capture_result: bool = False,
    **fields: Unpack[Description],
) -> Any:
    """Makes each call of the function a task; inside it `headway.current_task()` is that task.

    A generator's task lasts from its first item to its end. Closed before its end, it is cancelled.

    Args:
        function: `def` or `async def`, generators too.
        name: of the tasks; the function's own when left out.
        capture_input: whether the arguments become the task's input, redacted.
        capture_result: whether what is returned becomes the task's result, redacted.
        **fields: what `headway.task` takes.
    """
    if function is None:
        return functools.partial(
            _wrapped, name=name, capture_input=capture_input, capture_result=capture_result, fields=fields
        )
    return _wrapped(
        function, name=name, capture_input=capture_input, capture_result=capture_result, fields=fields
    )


def _wrapped(
    function: Callable[..., Any],
    *,
    name: str | None,
    capture_input: bool,
    capture_result: bool,
    fields: Description,
) -> Callable[..., Any]:
    title = name or function.__qualname__.rpartition("<locals>.")[2]
    signature = inspect.signature(function) if capture_input else None

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> TaskHandle:
        given = cast(Description, dict(fields))
        if signature is not None:
            given["input"] = _arguments(signature, args, kwargs)
        return api.task(title, **given)

    if inspect.isasyncgenfunction(function):
        return _async_generator(function, begin)
    if inspect.isgeneratorfunction(function):
        return _generator(function, begin)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, begin, capture_result)
    return _function(function, begin, capture_result)


Begin = Callable[[tuple[Any, ...], dict[str, Any]], TaskHandle]


def _function(function: Callable[..., Any], begin: Begin, capture_result: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with begin(args, kwargs) as task:
            result = function(*args, **kwargs)
            if capture_result:
                task.set_result(result)
            return result

    return call


def _coroutine(function: Callable[..., Any], begin: Begin, capture_result: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        async with begin(args, kwargs) as task:
            result = await function(*args, **kwargs)
            if capture_result:
                task.set_result(result)
            return result

    return call


def _generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        task = begin(args, kwargs).start()
        inner = function(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(next, inner)
        try:
            while True:
                token = current.step_in(
                    task
                )  # only while its own code runs: the consumer's is not part of it
                try:
                    item = step()
                except StopIteration as end:
                    task.complete()
                    return end.value
                finally:
                    current.step_out(token)
                try:
                    step = functools.partial(inner.send, (yield item))
                except GeneratorExit:
                    inner.close()
                    raise
                except BaseException as error:  # noqa: BLE001  whatever is thrown in belongs to the generator
                    step = functools.partial(inner.throw, error)
        except BaseException as error:
            task.end_with(error)
            raise

    return call


def _async_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        task = begin(args, kwargs).start()
        inner = function(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(anext, inner)
        try:
            while True:
                token = current.step_in(task)
                try:
                    item = await step()
                except StopAsyncIteration:
                    task.complete()
                    return
                finally:
                    current.step_out(token)
                try:
                    step = functools.partial(inner.asend, (yield item))
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001  whatever is thrown in belongs to the generator
                    step = functools.partial(inner.athrow, error)
        except BaseException as error:
            task.end_with(error)
            raise

    return call


def _arguments(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:  # the call itself will say so, in its own words
        return {}
    return {name: value for name, value in bound.arguments.items() if name not in ("self", "cls")}
