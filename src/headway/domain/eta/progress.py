"""Remaining time from the pace of a run's own reports; how long other runs took plays no part here.

The pace (ms per point of progress) is taken from the newest reports, recent ones counting most. The interval
comes from how far the same rule was off on past runs at the same progress; before there are such runs, from
how far it was off earlier in this run.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log, pi, sqrt
from statistics import NormalDist, median, variance
from typing import TypeAlias

from headway.domain.eta.sample import quantile, smooth_quantile, spread
from headway.domain.eta.values import FinishedRun, ProgressReport, Remaining

Point: TypeAlias = tuple[float, float]  # (ms since the start, progress)

_MIN_REPORTS = 3  # without past runs that show how far fewer can be trusted
_WINDOW = 24  # points for the pace; longer records are thinned evenly, so "recent" is a share of the record
_RISE = 1e-6  # points of progress; less is rounding, and dividing by it would overflow
_DECAY = 0.95  # weight of a step against the one after it
_LIKE_OTHERS = 2  # a first step up to so many times the typical one counts as work of this run
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
    """Return the remaining time by the pace of the reports, or None while they don't show one.

    It takes three reports (fewer once past runs tell how good those are), a rise, and progress below 100.

    Args:
        reports: of this run, oldest first.
        elapsed_ms: since the run started.
        past: how the pace did on past runs at this progress.
    """
    is_known = len(past) >= _ENOUGH_JUDGED
    rises = _rises(reports, len(reports))
    if not is_known and (len(reports) < _MIN_REPORTS or len(rises) < 2):
        return None
    points = _from_start(rises, reports)
    if len(points) < 2 or points[-1][1] >= 100:
        return None
    errors = [judged.error for judged in past]
    if not is_known:
        errors += _errors_within(points)
    weighted = sorted([*spread(_UNKNOWN, 1.0), *((error, 1.0) for error in errors)])
    left, waited = _left(points, elapsed_ms)
    sample = [(left * exp(error) - waited, weight) for error, weight in weighted]
    center = left * exp(bias(past)) - waited
    ahead = [pair for pair in sample if pair[0] > 0] or [(0.0, 1.0)]
    low, high = smooth_quantile(ahead, _LOW), smooth_quantile(ahead, _HIGH)
    return Remaining(
        low_ms=low,
        # A center beyond the interval contradicts the errors so far, as after a change of pace.
        median_ms=center if low < center < high else smooth_quantile(ahead, 0.5),
        high_ms=high,
        sample_size=len(points),
    )


def past_paces(history: Sequence[FinishedRun], reports: Sequence[ProgressReport]) -> list[PastPace]:
    """Judge the pace on past runs, the most alike first, each when it had reached this run's progress.

    Args:
        history: newest first.
        reports: of this run, oldest first.
    """
    reached = reports[-1].progress if reports else 100.0
    found: list[PastPace] = []
    for rank, run in sorted(enumerate(history), key=lambda entry: entry[1].group):  # exact before wide
        judged = _judge(rank, run, reached) if run.reports else None
        if judged is not None:
            found.append(judged)
        if len(found) == _JUDGED:
            break
    return found


def _judge(rank: int, run: FinishedRun, reached: float) -> PastPace | None:
    place = bisect_left(run.reports, reached, key=lambda report: report.progress)
    points = _from_start(_rises(run.reports, place + 1), run.reports)
    if len(points) < 2:
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
        if not points or (report.progress >= points[-1][1] + _RISE and report.at_ms > points[-1][0]):
            points.append((float(report.at_ms), report.progress))
    return points


def _from_start(points: list[Point], reports: Sequence[ProgressReport]) -> list[Point]:
    """The points with the start before them, unless the way from there wasn't a step like the others.

    A large first step is work done before this run, as when it was resumed; after a fall, or in a thinned
    record, the first point isn't the first report.
    """
    if not points or points[0] != (float(reports[0].at_ms), reports[0].progress):
        return points
    at_ms, progress = points[0]
    steps = [later[1] - earlier[1] for earlier, later in pairwise(points)]
    is_like_others = not steps or progress <= _LIKE_OTHERS * median(steps)
    return [(0.0, 0.0), *points] if at_ms > 0 and progress >= _RISE and is_like_others else points


def _pace(points: Sequence[Point]) -> float:
    """Milliseconds per point of progress, of at least two rising points.

    Halfway (geometrically) between the mean, which one stall carries off, and the median, which knows none.
    """
    recency = 1.0
    spent = gained = 0.0
    steps: list[tuple[float, float]] = []
    for later, earlier in pairwise(reversed(points)):
        took, gain = later[0] - earlier[0], later[1] - earlier[1]
        spent += took * recency
        gained += gain * recency
        steps.append((took / gain, gain * recency))
        recency *= _DECAY
    steps.sort()
    return sqrt(spent / gained * quantile(steps, 0.5))


def _left(points: Sequence[Point], elapsed_ms: float) -> tuple[float, float]:
    """The time from a point on to the end, and how much of it has passed.

    While the next rise isn't due the point is the last rise. Once it is overdue the point is now: the wait
    counts as a step that slows the pace, and the rise is expected after half as long as it is overdue.
    """
    at_ms, progress = points[-1]
    pace, waited = _pace(points), max(elapsed_ms - at_ms, 0.0)
    gain = min(median(b[1] - a[1] for a, b in pairwise(points)), 100 - progress)
    overdue = waited - pace * gain
    if overdue <= 0:
        return pace * (100 - progress), waited
    slowed = _pace([*points, (elapsed_ms, progress + gain)])
    return slowed * (100 - progress - gain) + overdue / 2, 0.0


def bias(past: Sequence[PastPace]) -> float:
    """The typical error on past runs, as far as it exceeds two standard errors of it.

    Progress often isn't linear in time, so past runs correct the pace; correcting by chance only adds noise.

    Args:
        past: how the pace did on past runs, as log(true / said).
    """
    if len(past) < _ENOUGH_JUDGED:
        return 0.0
    errors = [judged.error for judged in past]
    typical = median(errors)
    # The variance of a median is pi / 2 that of a mean, under normal errors.
    chance = pi / 2 * variance(errors) / len(errors)
    return typical * max(0.0, 1 - 4 * chance / typical**2) if typical else 0.0


def _errors_within(points: Sequence[Point]) -> list[float]:
    """How far the pace was off earlier in this run, on the way from each point to the last."""
    at_ms, progress = points[-1]
    errors = []
    for count in range(2, len(points)):
        said = _pace(points[:count]) * (progress - points[count - 1][1])
        errors.append(log((at_ms - points[count - 1][0]) / said))
    return errors
