"""Tallies: which figures are counted, in what periods, and how a percentile is read from duration buckets."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from headway.domain.task import Cell

BUCKETS = 40
BUCKET_RATIO = 1.8  # 1 ms to about 104 days in 40 steps
BUCKET_BOUNDS_MS = tuple(
    round(BUCKET_RATIO**step) for step in range(BUCKETS - 1)
)  # upper bounds, the last is open

RUN_MEASURES = (
    "created",
    "started",
    "completed",
    "failed",
    "cancelled",
    "timeout",
    "refused",
    "retries",
    "duration_ms",
    "durations",
    *(f"d{step:02d}" for step in range(BUCKETS)),
)
GAUGE_MEASURES = (
    "pending",
    "running",
    "completed",
    "failed",
    "cancelled",
    "timeout",
    "unreported",  # not cancelled, progress never reported
    "weight",  # ms, of tasks not cancelled
    "done_weight",  # progress in hundredths of a percent × weight in ms, of tasks not cancelled
)
LLM_MEASURES = (
    "calls",
    "failed",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_nusd",
    "unpriced",
    "duration_ms",
    "durations",
    "cache_hits",
    "saved_nusd",
)
RUN_INDEX = {name: index for index, name in enumerate(RUN_MEASURES)}
GAUGE_INDEX = {name: index for index, name in enumerate(GAUGE_MEASURES)}

QUARTER_S = 900
DAY_S = 86_400
PERIODS = ("quarter", "day", "all")
WHOLE_TENANT = 0  # cell key of the tenant's own totals
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def quarter_of(at: datetime) -> int:
    """The quarter-hour a time lies in, as seconds since 1970 of its start."""
    seconds = int(at.timestamp())
    return seconds - seconds % QUARTER_S


def start_of(period: str, quarter: int) -> int:
    """The start (seconds since 1970) of the period of a kind that a quarter-hour lies in; 0 for all time."""
    if period == "quarter":
        return quarter
    return quarter - quarter % DAY_S if period == "day" else 0


def time_of(seconds: int) -> datetime:
    """Seconds since 1970 as an aware time."""
    return _EPOCH + timedelta(seconds=seconds)


def cell_key(cell: Cell) -> int:
    """The number a cell is stored under: 63 bits of its BLAKE2 hash, never that of the whole tenant."""
    text = "\0".join("" if part is None else "=" + part for part in cell)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1 or 1


def bucket_of(duration_ms: int) -> int:
    """The number of the bucket a duration is counted in."""
    return bisect_left(BUCKET_BOUNDS_MS, duration_ms)


def percentile(counts: Sequence[int], share: float) -> float | None:
    """An approximate percentile in ms from duration buckets: log-linear within the bucket; None when empty.

    Args:
        counts: How many durations fell into each bucket.
        share: 0.5 for the median.
    """
    total = sum(counts)
    if total == 0:
        return None
    wanted, seen = share * total, 0
    for step, count in enumerate(counts):
        if count and seen + count >= wanted:
            within = (wanted - seen) / count
            return float(BUCKET_RATIO ** (step - 1 + within)) if step else float(BUCKET_BOUNDS_MS[0])
        seen += count
    return float(BUCKET_RATIO ** (BUCKETS - 1))
