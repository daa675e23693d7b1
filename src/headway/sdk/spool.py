"""The crash-safe spool: every fact is one line, handed to the kernel before the caller goes on.

A process owns one folder of numbered segments, locked while it lives. A line has no number of its own: its
place is its number, so a signal or a kill between two instructions can neither skip one nor use one twice.
What `os.write` took survives the death of the process; no fsync is made (a power cut may cost a tail).
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import asdict, dataclass, replace
from enum import IntEnum

from headway.domain.ids import uuid7
from headway.sdk import locks

SEGMENT_BYTES = 4_000_000
SMALLEST_SEGMENT_BYTES = 4_000
SUFFIX = ".jsonl"
LOCK = "lock"
ABOUT = "about.json"
ACKED = "acked"
REFUSED = "refused"
RESERVE = 1.05  # of the limit; what the last twentieth is kept for is in `Weight`


class Weight(IntEnum):
    """What happens to a fact when the spool is full."""

    LIGHT = 0  # progress and logs: dropped and counted beyond the limit
    SOLID = 1  # calls, metrics, artifacts: kept until the reserve is used up too
    VITAL = 2  # beginnings and endings: always kept while the disk takes them


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a later process must know to send a spool that its owner left behind."""

    producer: str  # under which the facts are numbered
    skipped: int = 0  # lines before number 1 of this producer
    destination: str | None = None  # see Config.destination; None when no server was known
    accepted_key: str | None = None  # fingerprint of the key the server last took these facts with
    pid: int = 0
    host: str = ""
    created_at: str = ""

    def write(self, folder: str) -> None:
        """Replaces the folder's description in one step."""
        temporary = os.path.join(folder, ABOUT + ".new")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | locks.BINARY, locks.PRIVATE)
        try:
            os.write(fd, json.dumps(asdict(self)).encode())
        finally:
            os.close(fd)
        os.replace(temporary, os.path.join(folder, ABOUT))

    @classmethod
    def read(cls, folder: str) -> About | None:
        """The folder's description, or None when it has none that can be read."""
        try:
            with open(os.path.join(folder, ABOUT), encoding="utf-8") as stream:
                content = json.load(stream)
            return cls(**{name: content[name] for name in cls.__slots__ if name in content})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def segment_name(first: int) -> str:
    """The file that begins with line number `first`."""
    return f"{first:016d}{SUFFIX}"


def segments(folder: str) -> list[int]:
    """The numbers of the first lines of the folder's segments, lowest first."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(
        int(name.removesuffix(SUFFIX)) for name in names if name.endswith(SUFFIX) and name[0].isdigit()
    )


def is_fact(line: bytes) -> bool:
    """Whether a line is whole: a crash of the machine or a full disk can leave pieces and zeros behind."""
    return line[:1] == b"{" and line[-1:] == b"}"


def count_facts(data: bytes) -> int:
    """How many whole lines the data holds."""
    lines = data.count(b"\n")
    if lines and data[:1] == b"{" and data[-2:] == b"}\n" and data.count(b"}\n{") == lines - 1:
        return lines
    return sum(map(is_fact, data.split(b"\n")[:-1]))


def folder_bytes(folder: str) -> int:
    """How much the files of a spool folder and the folders in it hold together."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # its owner may just have removed it
                total += os.stat(os.path.join(path, name)).st_size
    return total


class Spool:
    """The writing end of this process's own folder."""

    def __init__(self, root: str, limit_bytes: int, about: About) -> None:
        """Make a locked folder under `root`.

        Raises:
            OSError: The folder cannot be made or written.
        """
        os.makedirs(root, mode=0o700, exist_ok=True)
        self._lock = threading.RLock()  # reentrant: a signal handler may report while a line is written
        self._limit = limit_bytes
        self._segment_bytes = min(SEGMENT_BYTES, max(limit_bytes // 8, SMALLEST_SEGMENT_BYTES))
        self._others = folder_bytes(root)
        self.folder, self._lock_fd = _own_folder(root)
        self.about = replace(about, producer=os.path.basename(self.folder))
        self.about.write(self.folder)
        self._sealed: dict[int, int] = {}  # first line → bytes of earlier segments still on disk
        self.first = 1  # first line of the active segment
        self.size = 0  # bytes in it
        self._fd = self._open_segment()
        self._checkpoint = 0
        self._plan()

    def append(self, line: bytes, weight: Weight) -> bool:
        """The line is in the kernel's hands and survives this process; False when the spool is too full.

        Raises:
            OSError: The disk does not take it; the spool is as it was before.
        """
        with self._lock:
            if self.size >= self._checkpoint and not self._admits(weight):
                return False
            written = os.write(self._fd, line)
            self.size += written
            if written != len(line):
                self._undo(written)
        return True

    def end(self) -> tuple[int, int]:
        """The first line of the active segment and the bytes in it."""
        with self._lock:
            return self.first, self.size

    def forget(self, first: int) -> None:
        """A sealed segment was delivered and removed."""
        with self._lock:
            self._sealed.pop(first, None)
            self._plan()

    def recount_others(self, root: str) -> None:
        """Takes into account what other processes hold under the same root by now."""
        total = folder_bytes(root)
        with self._lock:
            self._others = max(total - self._own_bytes(), 0)
            self._plan()

    def close(self) -> None:
        """Releases the folder to whoever wants to send what is left in it."""
        with self._lock:
            for fd in (self._fd, self._lock_fd):
                if fd >= 0:
                    os.close(fd)
            self._fd = self._lock_fd = -1  # a late `append` fails instead of writing into another file

    def has_room(self) -> bool:
        """Whether it takes every fact again."""
        with self._lock:
            return self._others + self._own_bytes() < self._limit

    def abandon(self) -> None:
        """In the child of a fork: closes the copies of the parent's files; the parent keeps its lock."""
        self._lock = threading.RLock()  # another thread of the parent may have held the old one
        self.close()

    def remove(self) -> None:
        """Everything was delivered: closes the folder and deletes it."""
        self.close()
        remove_folder(self.folder)

    def _own_bytes(self) -> int:
        return sum(self._sealed.values()) + self.size

    def _plan(self) -> None:
        """Sets the size of the active segment at which `append` has to look closer."""
        room = self._limit - self._others - sum(self._sealed.values())
        self._checkpoint = min(self._segment_bytes, max(room, 0))

    def _admits(self, weight: Weight) -> bool:
        self.size = os.fstat(self._fd).st_size  # an exception in `append` may have kept it from being counted
        if self.size >= self._segment_bytes:
            self._roll()
        used = self._others + self._own_bytes()
        if weight is Weight.LIGHT:
            return used < self._limit
        return weight is Weight.VITAL or used < self._limit * RESERVE

    def _roll(self) -> None:
        with open(os.path.join(self.folder, segment_name(self.first)), "rb") as stream:
            facts = count_facts(stream.read())
        sealed, size, old = self.first, self.size, self._fd
        self.first += facts
        try:
            self._fd = self._open_segment()
        except OSError:
            self.first = sealed
            raise
        self._sealed[sealed] = size
        self.size = 0
        os.close(old)
        self._plan()

    def _open_segment(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | locks.BINARY
        return os.open(os.path.join(self.folder, segment_name(self.first)), flags, locks.PRIVATE)

    def _undo(self, written: int) -> None:
        self.size -= written
        os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
        raise OSError("the disk took only a part of the line")


def _own_folder(root: str) -> tuple[str, int]:
    while True:
        folder = os.path.join(root, uuid7())
        os.mkdir(folder, 0o700)
        lock_fd = locks.acquire(os.path.join(folder, LOCK))
        if lock_fd is not None:  # else somebody looking for leftovers was quicker: take another
            return folder, lock_fd


def remove_folder(folder: str) -> None:
    """Deletes a spool folder, its lock last."""
    names = sorted(os.listdir(folder), key=lambda name: name == LOCK) if os.path.isdir(folder) else []
    for name in names:
        with contextlib.suppress(OSError):  # somebody else may be cleaning up too
            os.unlink(os.path.join(folder, name))
    with contextlib.suppress(OSError):
        os.rmdir(folder)
