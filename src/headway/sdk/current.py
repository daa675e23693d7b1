"""Which task the running code belongs to: per thread and asyncio task, and inherited by child processes.

Child processes learn it from `HEADWAY_TASK_ID`. The environment belongs to the whole process, so while
unrelated tasks run at once it names the nearest task that all of them are part of: coarser, never wrong.
"""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.domain.ids import canonical

if TYPE_CHECKING:
    from headway.sdk.task_handle import TaskHandle

VARIABLE = "HEADWAY_TASK_ID"

_current: ContextVar[TaskHandle | None] = ContextVar("headway_task", default=None)
_lock = threading.Lock()
_entered: list[
    tuple[str, ...]
] = []  # the line of ancestors, itself last, of the innermost task of each context
_inherited = canonical(os.environ.get(VARIABLE, "")) or ""


def get() -> TaskHandle | None:
    """The task entered last in this thread or asyncio task."""
    return _current.get()


def inherited_id() -> str | None:
    """The task of the process that started this one, if it told."""
    return _inherited or None


@dataclass(frozen=True, slots=True)
class Entry:
    """What `leave` needs to undo `enter`."""

    token: Token[TaskHandle | None]
    suspended: tuple[str, ...] | None  # the line of the task that was innermost here before


def prepare() -> None:
    """The variable exists; adding one later, while C code reads the environment, is not always safe."""
    os.environ.setdefault(VARIABLE, "")


def enter(task: TaskHandle) -> Entry:
    """The task is the current one until `leave`."""
    before = _current.get()
    token = _current.set(task)
    with _lock:
        suspended = before.line if before is not None and before.line in _entered else None
        if suspended is not None:
            _entered.remove(suspended)
        _entered.append(task.line)
        _publish()
    return Entry(token, suspended)


def leave(task: TaskHandle, entry: Entry) -> None:
    """What was current before is so again."""
    try:
        _current.reset(entry.token)
    except ValueError:  # left in another context than it was entered in, as async generators may
        if _current.get() is task:
            _current.set(None)
    with _lock:
        if task.line in _entered:
            _entered.remove(task.line)
        if entry.suspended is not None:
            _entered.append(entry.suspended)
        _publish()


def step_in(task: TaskHandle) -> Token[TaskHandle | None]:
    """The task is the current one for one step of a generator; child processes are not told."""
    return _current.set(task)


def step_out(token: Token[TaskHandle | None]) -> None:
    """Ends a step."""
    _current.reset(token)


def after_fork() -> None:
    """In the child of a fork, where another thread may have held the lock."""
    global _lock
    _lock = threading.Lock()


def _publish() -> None:
    """Writes the variable; it is emptied, never removed: removing moves the others under readers in C."""
    shared = _entered[0] if _entered else ()
    for line in _entered[1:]:
        common = 0
        while common < min(len(shared), len(line)) and shared[common] == line[common]:
            common += 1
        shared = shared[:common]
    value = shared[-1] if shared else _inherited
    if os.environ.get(VARIABLE) != value:
        os.environ[VARIABLE] = value
