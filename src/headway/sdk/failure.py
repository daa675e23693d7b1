"""How an exception ends a task: which ending it means, and what is told about it."""

from __future__ import annotations

import sys
from typing import Any

from headway.domain import limits
from headway.sdk.wire import Writer


class Cancelled(Exception):
    """Somebody wants the task stopped; raised by `raise_if_cancelled`."""

    def __init__(self, task_id: str, reason: str) -> None:
        """Keep which task, and why."""
        super().__init__(reason or "the task was cancelled")
        self.task_id = task_id
        self.reason = reason


def ending(error: BaseException) -> str:
    """The ending that an exception leaving the task's block means: completed, cancelled or failed."""
    if isinstance(error, SystemExit):
        return "completed" if error.code in (None, 0) else "failed"
    if isinstance(error, Cancelled | KeyboardInterrupt | GeneratorExit) or _is_asyncio_cancellation(error):
        return "cancelled"
    return "failed"


def cancel_reason(error: BaseException) -> str:
    """Why the work stopped, in words."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted from the keyboard"
    if isinstance(error, GeneratorExit):
        return "the generator was closed before its end"
    return str(error) or "cancelled by asyncio"


def describe(writer: Writer, error: BaseException | str, kind: str | None = None) -> dict[str, Any]:
    """The `error` of a failed fact: message, type and stack.

    Args:
        writer: redacts and cuts the texts.
        error: an exception, or a message alone.
        kind: stands for the type of the exception.
    """
    if isinstance(error, str):
        found = {"message": writer.text(error, limits.MESSAGE_LENGTH)}
        return found | ({"type": writer.text(kind, limits.NAME_LENGTH)} if kind else {})
    name = type(error).__qualname__
    module = type(error).__module__
    described: dict[str, Any] = {
        "message": writer.text(_message(error), limits.MESSAGE_LENGTH),
        "type": writer.text(
            kind or (name if module == "builtins" else f"{module}.{name}"), limits.NAME_LENGTH
        ),
    }
    if error.__traceback__ is not None:
        stack = stack_of(error)
        described["stack"] = writer.text(stack, limits.STACK_LENGTH, keep_end=True)
    return described


def stack_of(error: BaseException) -> str:
    """The traceback as Python prints it."""
    import traceback  # loaded only when something fails

    try:
        return "".join(traceback.format_exception(error))
    except Exception as trouble:  # noqa: BLE001  it formats objects of the user, whose methods may raise anything
        return f"the traceback cannot be shown: {type(trouble).__name__}"


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the process exited with {error.code!r}"
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001  a __str__ of the user may raise anything
        return type(error).__name__


def _is_asyncio_cancellation(error: BaseException) -> bool:
    module = sys.modules.get("asyncio.exceptions")  # not loaded: nobody can have raised it
    return module is not None and isinstance(error, module.CancelledError)
