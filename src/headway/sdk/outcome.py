"""How an attempt to deliver facts can end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Result(Enum):
    """How an attempt ended."""

    SENT = "sent"  # there may be more
    NOTHING = "nothing"  # nothing waited
    AGAIN = "again"  # cut or numbered differently, the same facts can be tried at once
    LATER = "later"  # the server is there but cannot take them now
    DENIED = "denied"  # the key is missing, wrong or not allowed to write
    UNREACHABLE = "unreachable"


FAILURES = frozenset({Result.LATER, Result.DENIED, Result.UNREACHABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended, and when the server wants the next one."""

    result: Result
    retry_after_s: float | None = None

    @property
    def failed(self) -> bool:
        """Whether trying again makes sense only after a pause."""
        return self.result in FAILURES
