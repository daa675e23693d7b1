"""The one question asked from outside: how long will this run still take? Both methods are combined here."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from operator import attrgetter
from statistics import median

from headway.domain.eta.history import durations, from_history, outlasting
from headway.domain.eta.progress import PastPace, bias, from_progress, past_paces
from headway.domain.eta.sample import quantile
from headway.domain.eta.values import Eta, FinishedRun, Method, NoEta, ProgressReport, Remaining

_MIN_HISTORY = 5  # finished runs
_MIN_JUDGED = 3  # past runs on which both methods were tried, after which their record decides
_JUDGED_BY = 60  # runs before a past run that history is judged by


def estimate(
    *, history: Sequence[FinishedRun], elapsed_ms: int, reports: Sequence[ProgressReport]
) -> Eta | NoEta:
    """Return the remaining time of a run with an 80 % interval, or why there is none.

    Args:
        history: finished runs like this one, up to 200 of each group, in any order. Runs that were cancelled
            or only inferred to have timed out don't tell how long the work takes; leave them out.
        elapsed_ms: since the run started; a negative one (clocks differ) counts as 0.
        reports: of this run, oldest first, none later than now.
    """
    elapsed_ms = max(elapsed_ms, 0)
    history = sorted(history, key=attrgetter("finished_at"), reverse=True)
    past = past_paces(history, reports)
    by_progress = from_progress(reports, elapsed_ms, past)
    by_history = from_history(history, elapsed_ms) if len(history) >= _MIN_HISTORY else None
    if by_history and by_progress:
        trust = _trust_in_progress(by_history, by_progress, history, past)
        return _eta(_mixed(by_history, by_progress, trust), "combined")
    if by_progress:
        return _eta(by_progress, "progress")
    if by_history:
        return _eta(by_history, "history")
    if len(history) >= _MIN_HISTORY:
        return NoEta(reason=f"running longer than all {len(history)} similar runs")
    return NoEta(reason="not enough history")


def _trust_in_progress(
    by_history: Remaining, by_progress: Remaining, history: Sequence[FinishedRun], past: Sequence[PastPace]
) -> float:
    """The weight of progress against history: inversely as the squares of their errors.

    The errors are those on past runs, at the progress that this run has reached; before there are any, the
    uncertainty that each method states about itself.
    """
    corrected = bias(past)
    record = [
        (error, abs(judged.error - corrected))
        for judged in past
        if (error := _history_error(history, judged)) is not None
    ]
    if len(record) >= _MIN_JUDGED:
        history_error = median(error for error, _ in record)
        progress_error = median(error for _, error in record)
    else:
        history_error, progress_error = _stated(by_history), _stated(by_progress)
    total = history_error**2 + progress_error**2
    return history_error**2 / total if total > 0 else 0.5


def _history_error(history: Sequence[FinishedRun], judged: PastPace) -> float | None:
    """How far history was off on a past run, told by the runs before it: |log(true / said)|."""
    run, before = history[judged.rank], history[judged.rank + 1 : judged.rank + 1 + _JUDGED_BY]
    exact, wide = outlasting(before, "exact", judged.at_ms), outlasting(before, "wide", judged.at_ms)
    if not exact and not wide:
        return None
    said = quantile(durations(exact, wide, judged.at_ms), 0.5) - judged.at_ms
    return abs(log((run.duration_ms - judged.at_ms) / said)) if said > 0 else None


def _stated(remaining: Remaining) -> float:
    """The uncertainty of an answer, as a share of its median."""
    return (remaining.high_ms - remaining.low_ms) / remaining.median_ms if remaining.median_ms > 0 else 0.0


def _mixed(by_history: Remaining, by_progress: Remaining, trust: float) -> Remaining:
    """The weighted mean of the quantiles (Vincentization), which keeps their order."""

    def between(history_ms: float, progress_ms: float) -> float:
        return history_ms + (progress_ms - history_ms) * trust

    return Remaining(
        low_ms=between(by_history.low_ms, by_progress.low_ms),
        median_ms=between(by_history.median_ms, by_progress.median_ms),
        high_ms=between(by_history.high_ms, by_progress.high_ms),
        sample_size=by_history.sample_size,
    )


def _eta(remaining: Remaining, method: Method) -> Eta:
    return Eta(
        low_ms=round(remaining.low_ms),
        median_ms=round(remaining.median_ms),
        high_ms=round(remaining.high_ms),
        sample_size=remaining.sample_size,
        method=method,
    )
