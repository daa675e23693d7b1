"""What programs call: `headway.task`, `create_task`, `attach`, `current_task`, `flush`, `configure`.

One outbox serves the process. It is made at the first call, from what is configured then.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Unpack

import headway
from headway.domain.ids import uuid7
from headway.sdk import current, description, loading
from headway.sdk.config import Config, discover
from headway.sdk.description import Description
from headway.sdk.outbox import Outbox, host_name, outboxes
from headway.sdk.redaction import redact as default_redact
from headway.sdk.task_handle import TaskHandle

_lock = threading.Lock()
_outbox: Outbox | None = None


def configure(
    *,
    url: str | None = None,
    api_key: str | None = None,
    project: str | None = None,
    agent: str | None = None,
    spool_dir: str | os.PathLike[str] | None = None,
    spool_bytes: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    disabled: bool | None = None,
    redact: Callable[[str], str] | None = default_redact,
) -> None:
    """Tasks made from here on report this way; those made before go on as they were.

    Args:
        url: of the server; like all that is left out, found in the environment, in `headway.toml` or, made by
            `headway up`, in the data folder.
        api_key: of a user of the server.
        project: of tasks that name none.
        agent: kind of agent of tasks that name none.
        spool_dir: folder for facts that are not acknowledged yet.
        spool_bytes: size of that folder beyond which progress and logs are dropped and counted.
        data_dir: folder in which `headway up` keeps `credentials.json`.
        disabled: True reports nothing at all.
        redact: gets each text before it leaves the process and returns what may leave; None lets all through.
    """
    global _outbox
    given = {
        "url": url,
        "api_key": api_key,
        "project": project,
        "agent": agent,
        "spool_dir": None if spool_dir is None else os.fspath(spool_dir),
        "spool_bytes": spool_bytes,
        "data_dir": None if data_dir is None else os.fspath(data_dir),
        "disabled": disabled,
    }
    with _lock:
        _outbox = _new_outbox(given, redact)


def task(
    name: str, *, parent: TaskHandle | str | None = None, id: str | None = None, **fields: Unpack[Description]
) -> TaskHandle:
    """A task to be used with `with` or `async with`: it starts on entering and ends with the block.

    An exception fails it with type, message and stack; KeyboardInterrupt and the cancellation of asyncio
    end it as cancelled, `SystemExit(0)` as completed.

    Args:
        name: up to 255 characters.
        parent: the task (or its id) that it is part of; the current task when left out.
        id: a UUID of its own; made when left out.
        **fields: project, agent, agent_id, task_type, priority (1 to 3), description, labels, input,
            metadata, links, config, estimate_seconds.

    Raises:
        ValueError: A field is too long or out of range.
        TypeError: There is no such field.
    """
    return new_task(outbox(), name, parent=parent, id=id, **fields)


def create_task(
    name: str, *, parent: TaskHandle | str | None = None, id: str | None = None, **fields: Unpack[Description]
) -> TaskHandle:
    """A task that exists from now on, pending until `start`; takes what `task` takes.

    Raises:
        ValueError: A field is too long or out of range.
        TypeError: There is no such field.
    """
    return new_task(outbox(), name, parent=parent, id=id, **fields).create()


def new_task(
    outbox: Outbox,
    name: str,
    *,
    parent: TaskHandle | str | None = None,
    id: str | None = None,
    **fields: Unpack[Description],
) -> TaskHandle:
    """A handle whose facts go to this outbox; nothing is written yet."""
    config = outbox.config
    found = description.checked(
        outbox.writer, str(name), {"project": config.project, "agent": config.agent, **fields}
    )
    line = _line(outbox, parent)
    if line:
        found["parent_id"] = line[-1]
    found["origin"] = {
        "host": host_name(),
        "pid": os.getpid(),
        "sdk": f"python {headway.__version__}",
    }
    return TaskHandle(outbox, description.uuid("id", id) or uuid7(), name=str(name), fields=found, line=line)


def attach(task_id: str | None = None) -> TaskHandle:
    """A handle on a task that another process made; with `with` it becomes the current one and is not ended.

    Args:
        task_id: of the task; that of the process that started this one (`HEADWAY_TASK_ID`) when left out.

    Raises:
        ValueError: It is not a UUID, or no task was inherited.
    """
    found = description.uuid("task_id", task_id or current.inherited_id())
    if found is None:
        raise ValueError("no task to attach to: give its id, or start this process from one that has a task")
    box = outbox()
    handle = box.open.get(found) or box.attached.get(found)
    if handle is None:
        handle = box.attached[found] = TaskHandle(box, found, owned=False)
    return handle


def current_task() -> TaskHandle | None:
    """The task that the running code belongs to: entered in this thread or asyncio task, or inherited."""
    found = current.get()
    if found is not None:
        return found
    inherited = current.inherited_id()
    return TaskHandle(outbox(), inherited, owned=False) if inherited else None


def flush(timeout: float = 5.0) -> bool:
    """Waits until everything reported so far is acknowledged.

    Args:
        timeout: in seconds.

    Returns:
        False when the time was too short; what is left is in the spool and will be sent.
    """
    return outbox().drain(timeout)


def outbox() -> Outbox:
    """The outbox of this process."""
    global _outbox
    if _outbox is None:
        with _lock:
            if _outbox is None:
                _outbox = _new_outbox({}, default_redact)
    return _outbox


def _new_outbox(given: dict[str, Any], redact: Callable[[str], str] | None) -> Outbox:
    current.prepare()
    folder = os.getcwd()

    def rediscover() -> Config:
        return discover(given, os.environ, folder)

    return Outbox(rediscover(), redact=redact, rediscover=rediscover)


def _line(outbox: Outbox, parent: TaskHandle | str | None) -> tuple[str, ...]:
    if isinstance(parent, TaskHandle):
        return parent.line
    if parent is not None:
        known = outbox.open.get(parent)
        return known.line if known is not None else (description.uuid("parent", parent) or "",)
    found = current.get()
    if found is not None:
        return found.line
    inherited = current.inherited_id()
    return (inherited,) if inherited else ()


def _at_exit() -> None:
    """What is still open failed with the process; then the delivery gets a few seconds."""
    for box in list(outboxes):
        for handle in reversed(list(box.open.values())):
            handle.end_with_process()
    with contextlib.suppress(KeyboardInterrupt):  # somebody does not want to wait: the spool has everything
        for box in list(outboxes):
            box.end()


def _before_fork() -> None:
    for box in list(outboxes):
        box.before_fork()
    loading.before_fork()


def _after_fork_in_parent() -> None:
    loading.after_fork()
    for box in list(outboxes):
        box.after_fork_in_parent()


def _after_fork_in_child() -> None:
    global _lock
    loading.after_fork()
    _lock = threading.Lock()
    current.after_fork()
    for box in list(outboxes):
        box.after_fork()
    pool = sys.modules.get("multiprocessing.util")
    if pool is not None:  # its children leave without atexit
        pool.Finalize(None, _at_exit, exitpriority=0)


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
