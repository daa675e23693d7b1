"""A lock between processes on a file, on POSIX and Windows; the system releases it when its owner dies."""

from __future__ import annotations

import os
import sys

BINARY: int = getattr(os, "O_BINARY", 0)  # Windows would otherwise translate line ends
PRIVATE = 0o600

if sys.platform == "win32":
    import msvcrt

    def _try_lock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def acquire(path: str) -> int | None:
    """Locks the file, made if it is missing, without waiting.

    Returns:
        A descriptor that holds the lock until it is closed, or None while another process holds it.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, PRIVATE)
    try:
        _try_lock(fd)
    except OSError:
        os.close(fd)
        return None
    return fd
