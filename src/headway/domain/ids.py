"""Identifiers: UUIDs as canonical lower-case strings.

Strings, not `uuid.UUID`: they hash and compare in C, and every edge (JSON, URLs, COPY) wants text.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LOOSE = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}")
_COUNTER_BITS = 12


class _Clock:
    """The newest (millisecond, counter) given out, so that ids of one process never run backwards."""

    __slots__ = ("counter", "lock", "ms")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ms = 0
        self.counter = 0


_clock = _Clock()
if hasattr(os, "register_at_fork"):  # a lock held by another thread during fork would never be released
    os.register_at_fork(after_in_child=lambda: setattr(_clock, "lock", threading.Lock()))


def dashed(digits: str) -> str:
    """The canonical spelling of 32 hexadecimal digits."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid7() -> str:
    """A new UUIDv7 (RFC 9562), later than every one this process made before.

    The 12 bits after the version count within a millisecond (method 1 of section 6.2); 62 bits are random.
    """
    now = time.time_ns() // 1_000_000
    with _clock.lock:
        if now > _clock.ms:
            _clock.ms, _clock.counter = now, 0
        else:
            _clock.counter += 1
            if _clock.counter >> _COUNTER_BITS:
                _clock.ms, _clock.counter = _clock.ms + 1, 0
        ms, counter = _clock.ms, _clock.counter
    tail = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    return dashed(f"{ms & 0xFFFF_FFFF_FFFF:012x}7{counter:03x}{tail:016x}")


def uuid5(namespace: str, name: str) -> str:
    """The UUIDv5 (SHA-1) of a name inside a namespace id: the same arguments always give the same id."""
    digest = bytearray(hashlib.sha1(bytes.fromhex(namespace.replace("-", "")) + name.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return dashed(digest.hex())


def is_canonical(text: str) -> bool:
    """Whether the text is a UUID in the one spelling used inside."""
    return _CANONICAL.fullmatch(text) is not None


def canonical(text: str) -> str | None:
    """The UUID in its canonical spelling (upper case and missing dashes are accepted), or None."""
    if _CANONICAL.fullmatch(text):
        return text
    if not _LOOSE.fullmatch(text):
        return None
    return dashed(text.replace("-", "").lower())
