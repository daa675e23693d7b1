"""Spools whose process is gone: found by their free lock, sent under their own numbers, then removed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from headway.sdk import locks
from headway.sdk.backlog import SpoolBacklog
from headway.sdk.spool import LOCK, REFUSED, About, remove_folder

SETTLED_S = 60.0  # a folder younger than this may still be in the making


@dataclass(slots=True)
class Orphan:
    """A spool that this process has taken over."""

    backlog: SpoolBacklog
    lock_fd: int

    def release(self) -> None:
        """Somebody else may take it over."""
        self.backlog.close()
        os.close(self.lock_fd)

    def remove(self) -> None:
        """Everything in it was delivered."""
        self.release()
        remove_folder(self.backlog.folder)


def folders(root: str) -> list[str]:
    """All spool folders under the root, oldest first."""
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return []
    return [
        os.path.join(root, name)
        for name in names
        if name != REFUSED and os.path.isdir(os.path.join(root, name))
    ]


def take_over(root: str, destination: str | None, key: str | None) -> Iterator[Orphan]:
    """Takes over, one by one, the spools of dead processes that are meant for this server and this key.

    Args:
        root: the folder of spools.
        destination: see `Config.destination`; None takes those of every destination.
        key: fingerprint of the key; None takes also those that the server accepted with another one.
    """
    for folder in folders(root):
        orphan = _take(folder, destination, key)
        if orphan is not None:
            yield orphan


def _take(folder: str, destination: str | None, key: str | None) -> Orphan | None:
    about = About.read(folder)
    try:
        if about is None and time.time() - os.stat(folder).st_mtime < SETTLED_S:
            return None
        if about is not None and not _fits(about, destination, key):
            return None
        lock_fd = locks.acquire(os.path.join(folder, LOCK))
    except OSError:  # its owner just removed it
        return None
    if lock_fd is None:
        return None
    about = About.read(folder) or About(producer=os.path.basename(folder))
    try:
        return Orphan(SpoolBacklog(folder, about), lock_fd)
    except OSError:
        os.close(lock_fd)
        return None


def _fits(about: About, destination: str | None, key: str | None) -> bool:
    right_server = destination is None or about.destination in (None, destination)
    return right_server and (key is None or about.accepted_key in (None, key))
