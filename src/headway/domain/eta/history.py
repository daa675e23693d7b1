"""Remaining time from how long runs like this one took, given that this one has already lasted a while.

The distribution of a run's duration is a weighted sample of the finished runs that outlasted the time spent
so far. The newest counts most (weight 1/rank: a run resembles the one just before it, but old ones still tell
the range), the wider group counts as one further run, and a tenth of a run stands for "unlike any of them".
The levels of the interval are those that past runs, predicted from the runs before them, would have needed:
Chernozhukov, Wuthrich & Zhu, "Distributional conformal prediction", PNAS 118 (2021).
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from headway.domain.eta.sample import Weighted, quantile, smooth_quantile, spread
from headway.domain.eta.values import FinishedRun, Remaining

_LIMIT = 200  # runs of each group that are looked at
_WIDE_WEIGHT = (
    1.0  # runs that the wider group counts for: shrinkage matters while a task has few runs of its own
)
_WIDE_HALF_LIFE = 60  # runs of the wider group after which one counts half
_UNLIKE_WEIGHT = 0.1  # runs that "unlike any before" counts for
_RECENT = [1 / (rank + 1) for rank in range(_LIMIT)]
_WIDE_RECENT = [0.5 ** (rank / _WIDE_HALF_LIFE) for rank in range(_LIMIT)]
_WIDE_TOTALS = list(accumulate(_WIDE_RECENT, initial=0.0))
# A duration about which only its lower bound is known lasts k times the bound with probability 1/k.
_UNLIKE = [1 / (1 - (step + 0.5) / 10) for step in range(10)]

_JUDGED = 40  # past runs on which the interval is judged
_JUDGED_BY = 60  # runs before each of them that predict it
_TRUST_IN_LEVELS = 20.0  # past runs that must disagree as strongly as the nominal levels are believed
_NOMINAL = spread([(step + 0.5) / 20 for step in range(20)], _TRUST_IN_LEVELS)
_LOW, _HIGH = 0.1, 0.9


def from_history(history: Sequence[FinishedRun], elapsed_ms: int) -> Remaining | None:
    """Return the remaining time by finished runs, or None when none of them lasted as long as this one.

    Args:
        history: newest first.
        elapsed_ms: since the run started.
    """
    exact = outlasting(history, "exact", elapsed_ms)
    wide = outlasting(history, "wide", elapsed_ms)
    if not exact and not wide:
        return None
    sample = durations(exact, wide, elapsed_ms)
    judged = sorted([*_NOMINAL, *((level, 1.0) for level in _past_levels(exact, wide, elapsed_ms))])
    low = quantile(sample, smooth_quantile(judged, _LOW))
    median = quantile(sample, 0.5)
    high = quantile(sample, smooth_quantile(judged, _HIGH))
    return Remaining(
        low_ms=min(low, median) - elapsed_ms,
        median_ms=median - elapsed_ms,
        high_ms=max(median, high) - elapsed_ms,
        sample_size=len(exact) + len(wide),
    )


def outlasting(history: Sequence[FinishedRun], group: str, elapsed_ms: float) -> list[int]:
    """Return the durations of the runs of a group that were still running at a time, newest first.

    Args:
        history: newest first.
        group: exact or wide.
        elapsed_ms: since the start; at 0 a run that took no time counts as well.
    """
    found = [
        run.duration_ms
        for run in history
        if run.group == group and (run.duration_ms > elapsed_ms or elapsed_ms <= 0)
    ]
    return found[:_LIMIT]


def durations(exact: Sequence[int], wide: Sequence[int], elapsed_ms: float) -> Weighted:
    """Return the distribution of the whole duration of a run that has lasted a time already.

    Args:
        exact: durations above the elapsed time, newest first, at most 200.
        wide: likewise.
        elapsed_ms: since the start.
    """
    sample = [(float(duration), weight) for duration, weight in zip(exact, _RECENT, strict=False)]
    sample += _wide_sample(wide)
    bound = _bound(exact, wide, elapsed_ms)
    sample += spread([bound * factor for factor in _UNLIKE], _UNLIKE_WEIGHT)
    sample.sort()
    return sample


def _wide_sample(wide: Sequence[int]) -> list[tuple[float, float]]:
    if not wide:
        return []
    unit = _WIDE_WEIGHT / _WIDE_TOTALS[len(wide)]
    return [(float(duration), weight * unit) for duration, weight in zip(wide, _WIDE_RECENT, strict=False)]


def _bound(exact: Sequence[int], wide: Sequence[int], elapsed_ms: float) -> float:
    """The time that a run unlike any before lasts at least; at the start, the shortest seen."""
    return elapsed_ms if elapsed_ms > 0 else float(min(heapq.merge(exact, wide)))


def _past_levels(exact: Sequence[int], wide: Sequence[int], elapsed_ms: float) -> list[float]:
    """For past runs, the share of the probability that their predecessors gave to a shorter duration."""
    wider = sorted(_wide_sample(wide))
    values = [value for value, _ in wider]
    below = list(accumulate((weight for _, weight in wider), initial=0.0))
    bound = _bound(exact, wide, elapsed_ms)
    return [
        _level(duration, exact[rank + 1 : rank + 1 + _JUDGED_BY], values, below, bound)
        for rank, duration in enumerate(exact[:_JUDGED])
    ]


def _level(
    duration: int, before: Sequence[int], wide: Sequence[float], wide_below: Sequence[float], bound: float
) -> float:
    first, after = bisect_left(wide, duration), bisect_right(wide, duration)
    shorter = (wide_below[first] + wide_below[after]) / 2
    if duration > bound:
        shorter += _UNLIKE_WEIGHT * (1 - bound / duration)
    total = wide_below[-1] + _UNLIKE_WEIGHT
    for other, weight in zip(before, _RECENT, strict=False):
        total += weight
        if other < duration:
            shorter += weight
        elif other == duration:
            shorter += weight / 2
    return shorter / total
