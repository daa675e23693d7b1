"""Facts that wait for their acknowledgement, in order and numbered: in a spool folder, or in memory.

A backlog is read by the sender alone; what is appended meanwhile is seen by the next `batch`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

from headway.domain.ids import uuid7
from headway.sdk import locks
from headway.sdk.spool import ACKED, About, Weight, count_facts, is_fact, segment_name, segments

MEMORY_BYTES = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Consecutive facts of one producer."""

    producer: str
    first_seq: int
    lines: list[bytes]  # without line ends and numbers

    @property
    def last_seq(self) -> int:
        """The number of the last fact."""
        return self.first_seq + len(self.lines) - 1

    def facts(self) -> bytes:
        """The facts as the inside of a JSON array, each with its number."""
        numbered = [b'{"seq":%d,' % seq + line[1:] for seq, line in enumerate(self.lines, self.first_seq)]
        return b",".join(numbered)


class Backlog(Protocol):
    """What the sender needs to know of facts that wait."""

    def batch(self, max_facts: int, max_bytes: int) -> Batch | None:
        """The next facts in order, or None when all are acknowledged."""

    def acknowledge(self, seq: int) -> None:
        """Everything up to this number is the server's now."""

    def rewind(self, seq: int) -> bool:
        """The next batch begins with this number; False when it is not held any more."""

    def first_held(self) -> int:
        """The lowest number of this producer that is still held, acknowledged or not."""

    def renumber(self, skip: int = 0) -> int:
        """A new producer begins with the next fact, `skip` facts later; returns how many were passed over."""

    def accepted(self, destination: str | None, key: str) -> None:
        """This server took facts with the key that has this fingerprint."""

    def end(self) -> tuple[int, int]:
        """A place after the last fact that is there now."""

    def delivered(self, place: tuple[int, int]) -> bool:
        """Whether everything before this place is acknowledged."""


class SpoolBacklog:
    """The lines of one spool folder, whose lock the caller holds."""

    def __init__(
        self, folder: str, about: About, *, on_removed: Callable[[int], None] = lambda first: None
    ) -> None:
        """Begin after what is known to be acknowledged.

        Args:
            folder: of the spool.
            about: its description.
            on_removed: told the first line of each delivered segment that was deleted.
        """
        self.folder = folder
        self.about = about
        self._on_removed = on_removed
        self._file: BinaryIO | None = None
        self._first = 0  # first line of the segment being read
        self._offset = 0  # bytes of it that are acknowledged
        self._reached = (0, 0)  # both in one, for other threads
        self._next = 1  # line number at the offset
        self._ends: list[int] = []  # offsets in the file after each line of the batch under way
        self._acked_fd = os.open(
            os.path.join(folder, ACKED), os.O_RDWR | os.O_CREAT | locks.BINARY, locks.PRIVATE
        )
        self._seek(max(self._read_acked() + 1, min(segments(folder), default=1)))

    def batch(self, max_facts: int, max_bytes: int) -> Batch | None:
        """The next facts in order, or None when all are acknowledged."""
        while True:
            following = self._following()  # asked first: once it exists, its predecessor is complete
            lines = self._read(max_facts, max_bytes)
            if lines:
                return Batch(
                    producer=self.about.producer, first_seq=self._next - self.about.skipped, lines=lines
                )
            if following is None:
                return None
            self._open(following)

    def acknowledge(self, seq: int) -> None:
        """Everything up to this number is the server's now."""
        done = seq + self.about.skipped - self._next + 1
        if done <= 0:
            return
        if done < len(self._ends):
            self._offset = self._ends[done - 1]
            self._next += done
        elif self._ends:
            self._offset = self._ends[-1]
            self._next += len(self._ends)
        self._ends = []
        self._reached = (self._first, self._offset)
        self._write_acked(self._next - 1)

    def rewind(self, seq: int) -> bool:
        """The next batch begins with this number; False when it is not held any more."""
        line = seq + self.about.skipped
        held = segments(self.folder)
        if seq < 1 or not held or line < held[0] or line > self._next + len(self._ends):
            return False
        self._seek(line)
        self._write_acked(line - 1)
        return True

    def first_held(self) -> int:
        """The lowest number of this producer that is still held, acknowledged or not."""
        return max(min(segments(self.folder), default=self._next) - self.about.skipped, 1)

    def renumber(self, skip: int = 0) -> int:
        """A new producer begins with the next fact, `skip` facts later; returns how many were passed over."""
        passed = min(skip, len(self._ends))
        if passed:
            self.acknowledge(self._next - self.about.skipped + passed - 1)
        self._ends = []
        self.about = replace(self.about, producer=uuid7(), skipped=self._next - 1)
        self.about.write(self.folder)  # before anything is sent under the new name
        return passed

    def accepted(self, destination: str | None, key: str) -> None:
        """This server took facts with the key that has this fingerprint."""
        if (self.about.destination, self.about.accepted_key) != (destination, key):
            self.about = replace(self.about, destination=destination, accepted_key=key)
            self.about.write(self.folder)

    def end(self) -> tuple[int, int]:
        """A place after the last fact that is there now: first line of a segment, bytes in it."""
        last = max(segments(self.folder), default=self._first)
        try:
            return last, os.stat(os.path.join(self.folder, segment_name(last))).st_size
        except OSError:
            return last, 0

    def delivered(self, place: tuple[int, int]) -> bool:
        """Whether everything before this place is acknowledged."""
        return self._reached >= place

    def close(self) -> None:
        """Closes the files, so that the folder can be removed."""
        if self._file is not None:
            self._file.close()
            self._file = None
        os.close(self._acked_fd)

    def _read(self, max_facts: int, max_bytes: int) -> list[bytes]:
        """The lines after the offset; pieces that a crash of the machine left behind are passed over."""
        lines: list[bytes] = []
        while self._file is not None and not lines:
            self._file.seek(self._offset)
            data = self._file.read(max_bytes)
            if data and b"\n" not in data:  # one line larger than a batch should be
                data += self._file.readline()
            pieces = data.split(b"\n", max_facts)
            pieces.pop()  # beyond the last line end, or beyond what was asked for
            if not pieces:
                break
            end, self._ends = self._offset, []
            for piece in pieces:
                end += len(piece) + 1
                if is_fact(piece):
                    lines.append(piece)
                    self._ends.append(end)
            if not lines:
                self._offset = end
                self._reached = (self._first, end)
        return lines

    def _following(self) -> int | None:
        return min((first for first in segments(self.folder) if first > self._first), default=None)

    def _open(self, first: int) -> None:
        """Goes on to a segment; the one before the last is kept for a server restored from a backup."""
        if self._file is not None:
            self._file.close()
        for older in [number for number in segments(self.folder) if number < self._first]:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self.folder, segment_name(older)))
                self._on_removed(older)
        self._file = open(os.path.join(self.folder, segment_name(first)), "rb", buffering=0)  # noqa: SIM115
        self._first, self._offset, self._next, self._ends = first, 0, first, []
        self._reached = (first, 0)

    def _seek(self, line: int) -> None:
        held = [first for first in segments(self.folder) if first <= line]
        if not held:
            return
        if self._file is not None:
            self._file.close()
        first = held[-1]
        self._file = open(os.path.join(self.folder, segment_name(first)), "rb", buffering=0)  # noqa: SIM115
        self._first, self._offset, self._next, self._ends = first, 0, first, []
        data = self._file.read()
        while self._next < line:
            end = data.find(b"\n", self._offset)
            if end < 0:
                break
            self._next += is_fact(data[self._offset : end])
            self._offset = end + 1
        self._reached = (self._first, self._offset)

    def _read_acked(self) -> int:
        text = os.read(self._acked_fd, 32)
        return int(text) if text.strip().isdigit() else 0

    def _write_acked(self, line: int) -> None:
        os.lseek(self._acked_fd, 0, os.SEEK_SET)
        os.write(self._acked_fd, b"%020d\n" % line)


def remaining(folder: str) -> int:
    """How many facts of a spool folder are not known to be acknowledged."""
    try:
        with open(os.path.join(folder, ACKED), "rb") as stream:
            text = stream.read(32).strip()
    except OSError:
        text = b""
    acked = int(text) if text.isdigit() else 0
    last = 0
    for first in segments(folder):
        with contextlib.suppress(OSError), open(os.path.join(folder, segment_name(first)), "rb") as stream:
            last = first - 1 + count_facts(stream.read())
    lowest = min(segments(folder), default=1)
    return max(last - max(acked, lowest - 1), 0)


class MemoryBacklog:
    """Facts of a process whose disk takes none; they last as long as the process does."""

    def __init__(self, limit_bytes: int = MEMORY_BYTES) -> None:
        """Begin empty, under a producer of its own."""
        self._lock = threading.RLock()
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._limit = limit_bytes
        self._producer = uuid7()
        self._acked = 0
        self._delivered = 0  # under this and earlier names

    def append(self, line: bytes, weight: Weight) -> bool:
        """The line waits in memory; False when there is no room for it."""
        with self._lock:
            if self._bytes >= self._limit and weight is not Weight.VITAL:
                return False
            self._lines.append(line.rstrip(b"\n"))
            self._bytes += len(line)
        return True

    def batch(self, max_facts: int, max_bytes: int) -> Batch | None:
        """The next facts in order, or None when all are acknowledged."""
        lines: list[bytes] = []
        size = 0
        with self._lock:
            for line in self._lines:
                size += len(line) + 1
                if lines and (len(lines) >= max_facts or size > max_bytes):
                    break
                lines.append(line)
        return Batch(producer=self._producer, first_seq=self._acked + 1, lines=lines) if lines else None

    def acknowledge(self, seq: int) -> None:
        """Everything up to this number is the server's now."""
        with self._lock:
            while self._acked < seq and self._lines:
                self._bytes -= len(self._lines.popleft()) + 1
                self._acked += 1
                self._delivered += 1

    def rewind(self, seq: int) -> bool:
        """The next batch begins with this number; False when it is not held any more."""
        return seq == self._acked + 1

    def first_held(self) -> int:
        """The lowest number of this producer that is still held, acknowledged or not."""
        return self._acked + 1

    def renumber(self, skip: int = 0) -> int:
        """A new producer begins with the next fact, `skip` facts later; returns how many were passed over."""
        passed = min(skip, len(self._lines))
        self.acknowledge(self._acked + passed)
        self._producer = uuid7()
        self._acked = 0
        return passed

    def accepted(self, destination: str | None, key: str) -> None:
        """Nothing to note: nobody takes over what is in memory."""

    def end(self) -> tuple[int, int]:
        """A place after the last fact that is there now: how many there ever were."""
        with self._lock:
            return 0, self._delivered + len(self._lines)

    def delivered(self, place: tuple[int, int]) -> bool:
        """Whether everything before this place is acknowledged."""
        return (0, self._delivered) >= place
