"""What an estimate is made from and what it looks like; the values say nothing about how it is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Method = Literal["history", "progress", "combined"]
Group = Literal["exact", "wide"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressReport:
    """One report of progress of a run."""

    at_ms: int  # since the run started
    progress: float  # 0-100


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A run that has ended and resembles the one asked about."""

    duration_ms: int  # from start to end
    finished_at: datetime  # aware, UTC
    group: (
        Group  # exact: same name or type, agent kind and project; wide: same agent kind or type in the tenant
    )
    reports: tuple[ProgressReport, ...] = ()  # oldest first; empty when none are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """The remaining time of a run: a median and an 80 % interval, 0 <= low <= median <= high."""

    low_ms: int  # one run in ten is expected to end sooner
    median_ms: int
    high_ms: int  # one run in ten is expected to take longer
    # history, combined: finished runs that outlasted the time spent so far; progress: points of the pace
    sample_size: int
    method: Method


@dataclass(frozen=True, slots=True, kw_only=True)
class NoEta:
    """No honest figure can be given."""

    reason: str  # for people: "not enough history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What one method says, before rounding."""

    low_ms: float
    median_ms: float
    high_ms: float
    sample_size: int
