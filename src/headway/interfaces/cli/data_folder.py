"""What the data folder tells about the server of this machine: who serves it, where, and with which key.

The lock is held by the serving process and released by the system however that dies; the state file beside it
is written once the server answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headway.domain.errors import HeadwayError
from headway.sdk.config import CREDENTIALS
from headway.sdk.locks import acquire

LOCK, STATE = "server.lock", "server.json"
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
START_S = 20.0  # how long another process may take from its start to its first answer
LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The server that serves a data folder."""

    pid: int
    url: str


def make(folder: Path) -> None:
    """The folder exists; made here, only this user may look into it.

    Raises:
        HeadwayError: It cannot be made or written to.
    """
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise HeadwayError(f"the data folder {folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise HeadwayError(f"the data folder {folder} cannot be written to")


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Whether this process is now the one that serves the folder; what a dead one left behind is cleared."""
    lock = acquire(str(folder / LOCK))
    if lock is None:
        yield False
        return
    try:
        (folder / STATE).unlink(missing_ok=True)
        yield True
    finally:
        (folder / STATE).unlink(missing_ok=True)
        os.close(lock)


def announce(folder: Path, running: Running) -> None:
    """Others find the server from now on."""
    _write(folder / STATE, asdict(running))


def running(folder: Path, *, wait_s: float = START_S) -> Running | None:
    """The server of the folder; one that just starts is waited for.

    Args:
        folder: the data folder.
        wait_s: for how long.
    """
    until = time.monotonic() + wait_s
    while True:
        told = _read(folder / STATE)
        if isinstance(told.get("pid"), int) and isinstance(told.get("url"), str):
            return Running(pid=told["pid"], url=told["url"])
        if time.monotonic() >= until:
            return None
        time.sleep(LOOK_EVERY_S)


def api_key(folder: Path) -> str | None:
    """The key that `up` left for programs of this user."""
    found = _read(folder / CREDENTIALS).get("api_key")
    return found if isinstance(found, str) else None


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(file: Path, content: dict[str, Any]) -> None:
    """Replaces the file at once, so that nobody reads half of it."""
    part = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=2)
        stream.write("\n")
    os.replace(part, file)
