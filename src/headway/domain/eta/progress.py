"""Remaining time from the pace of a run's own reports of progress; how long other runs took plays no part here.

The pace (ms per point of progress) is a mean over the newest reports in which recent ones count most. The interval
comes from how far the same rule was off on past runs at the same progress, before there are such runs from how far
it was off earlier in this run.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import NormalDist, median
from typing import TypeAlias

from headway.domain.eta.sample import quantile, smooth_quantile, spread
from headway.domain.eta.values import FinishedRun, ProgressReport, Remaining

Point: TypeAlias = tuple[float, float]  # (ms since the start, progress)

_MIN_REPORTS = 3
_WINDOW = 24  # points that the pace is taken from; longer records are thinned evenly, so "recent" is a share of them
_DECAY = 0.8  # weight of a step against the one after it
_JUDGED = 30  # past runs on which the pace is judged
_ENOUGH_JUDGED = 5  # past runs after which the errors within this run are left out
# Before any error is known: 80 % within a factor of two either way. It counts for one past run.
_UNKNOWN = [
    NormalDist(0, log(2) / NormalDist().inv_cdf(0.9)).inv_cdf((step + 0.5) / 10) for step in range(10)
]
_LOW, _HIGH = 0.1, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class PastPace:
    """How the pace did on one past run at the same progress."""

    rank: int  # place in the history, 0 is the newest
    at_ms: float  # when the run was asked
    error: float  # log(true remaining / said remaining)


def from_progress(
    reports: Sequence[ProgressReport], elapsed_ms: int, past: Sequence[PastPace]
) -> Remaining | None:
    """Return the remaining time by the pace of the reports, or None without three reports and a rise.

    Args:
        reports: of this run, oldest first.
        elapsed_ms: since the run started.
        past: how the pace did on past runs at this progress.
    """
    points = _rises(reports, len(reports))
    if len(points) < 2 or len(reports) < _MIN_REPORTS:
        return None
    errors = [judged.error for judged in past]
    if len(errors) < _ENOUGH_JUDGED:
        errors += _errors_within(points)
    weighted = sorted([*spread(_UNKNOWN, 1.0), *((error, 1.0) for error in errors)])
    left, waited = _left(points, elapsed_ms)
    sample = [(left * exp(error) - waited, weight) for error, weight in weighted]
    ahead = [pair for pair in sample if pair[0] > 0] or [(0.0, 1.0)]
    return Remaining(
        low_ms=smooth_quantile(ahead, _LOW),
        median_ms=smooth_quantile(ahead, 0.5),
        high_ms=smooth_quantile(ahead, _HIGH),
        sample_size=len(points),
        past_error=median(abs(error) for error, _ in weighted) if errors else None,
    )


def past_paces(history: Sequence[FinishedRun], reports: Sequence[ProgressReport]) -> list[PastPace]:
    """Judge the pace on past runs, each at the first report that had reached this run's progress.

    Args:
        history: newest first.
        reports: of this run, oldest first.
    """
    reached = reports[-1].progress if reports else 100.0
    found: list[PastPace] = []
    for rank, run in enumerate(history):
        judged = _judge(rank, run, reached) if len(run.reports) >= _MIN_REPORTS else None
        if judged is not None:
            found.append(judged)
        if len(found) == _JUDGED:
            break
    return found


def _judge(rank: int, run: FinishedRun, reached: float) -> PastPace | None:
    place = bisect_left(run.reports, reached, key=lambda report: report.progress)
    points = _rises(run.reports, place + 1)
    if place + 1 < _MIN_REPORTS or len(points) < 2:
        return None
    at_ms, progress = points[-1]
    said, true = _pace(points) * (100 - progress), run.duration_ms - at_ms
    if said <= 0 or true <= 0:
        return None
    return PastPace(rank=rank, at_ms=at_ms, error=log(true / said))


def _rises(reports: Sequence[ProgressReport], count: int) -> list[Point]:
    """The points at which progress rose, among the first so many reports and since it last fell."""
    end = min(count, len(reports)) - 1
    if end < 0:
        return []
    stride = end // _WINDOW + 1
    points: list[Point] = []
    for report in reports[end % stride : end + 1 : stride]:
        if points and report.progress < points[-1][1]:
            points = []
        if not points or (report.progress > points[-1][1] and report.at_ms > points[-1][0]):
            points.append((float(report.at_ms), report.progress))
    return points


def _pace(points: Sequence[Point]) -> float:
    """Milliseconds per point of progress, of at least two rising points."""
    spent = gained = 0.0
    for (start, low), (end, high) in zip(points, points[1:], strict=False):
        spent = spent * _DECAY + end - start
        gained = gained * _DECAY + high - low
    return spent / gained


def _left(points: Sequence[Point], elapsed_ms: float) -> tuple[float, float]:
    """The time from a point on to the end, and how much of it has passed.

    While the next rise isn't due the point is the last rise. Once it is overdue the wait itself is a step that
    slows the pace, and the point is now.
    """
    at_ms, progress = points[-1]
    pace, waited = _pace(points), max(elapsed_ms - at_ms, 0.0)
    gain = min(median(b[1] - a[1] for a, b in zip(points, points[1:], strict=False)), 100 - progress)
    if waited <= pace * gain or gain <= 0:
        return pace * (100 - progress), waited
    slowed = _pace([*points, (elapsed_ms, progress + gain)])
    return slowed * (100 - progress - gain), 0.0


def _errors_within(points: Sequence[Point]) -> list[float]:
    """How far the pace was off earlier in this run, on the way from each point to the last."""
    at_ms, progress = points[-1]
    errors = []
    for count in range(2, len(points)):
        said = _pace(points[:count]) * (progress - points[count - 1][1])
        errors.append(log((at_ms - points[count - 1][0]) / said))
    return errors
