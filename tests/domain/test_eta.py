"""What an estimate of the remaining time promises, whatever the history and the reports."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain.eta import Eta, FinishedRun, NoEta, ProgressReport, estimate

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = 60_000


def finished(*minutes: float, group: str = "exact") -> list[FinishedRun]:
    """Runs of so many minutes, the newest first, one an hour."""
    return [
        FinishedRun(duration_ms=round(took * MINUTE), finished_at=NOW - timedelta(hours=place), group=group)
        for place, took in enumerate(minutes)
    ]


def reported(*points: tuple[float, float]) -> tuple[ProgressReport, ...]:
    """Reports from (minutes since the start, progress)."""
    return tuple(ProgressReport(at_ms=round(at * MINUTE), progress=progress) for at, progress in points)


def steady(minutes: int, until: int) -> tuple[ProgressReport, ...]:
    """A report each minute of a run that progresses evenly."""
    return reported(*((at, 100 * at / minutes) for at in range(1, until + 1)))


@st.composite
def histories(draw: st.DrawFn) -> list[FinishedRun]:
    groups = draw(st.lists(st.sampled_from(["exact", "wide"]), max_size=40))
    return [
        FinishedRun(
            duration_ms=draw(st.integers(0, 10**9)),
            finished_at=NOW - timedelta(seconds=draw(st.integers(0, 10**6))),
            group=group,
            reports=draw(records) if draw(st.booleans()) else (),
        )
        for group in groups
    ]


def in_order(points: Sequence[tuple[int, float]]) -> tuple[ProgressReport, ...]:
    return tuple(ProgressReport(at_ms=at, progress=progress) for at, progress in sorted(points))


records = st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 100)), max_size=40).map(in_order)
elapsed_times = st.one_of(st.just(0), st.integers(0, 10**5), st.integers(0, 10**10))


@given(histories(), elapsed_times, records)
def test_an_estimate_is_finite_ordered_and_never_negative(
    history: list[FinishedRun], elapsed_ms: int, reports: tuple[ProgressReport, ...]
) -> None:
    answer = estimate(history=history, elapsed_ms=elapsed_ms, reports=reports)

    if isinstance(answer, NoEta):
        assert answer.reason
    else:
        assert all(isfinite(value) for value in (answer.low_ms, answer.median_ms, answer.high_ms))
        assert 0 <= answer.low_ms <= answer.median_ms <= answer.high_ms
        assert answer.sample_size > 0


@given(histories(), elapsed_times, records, st.sampled_from([2, 1000]))
def test_the_same_work_in_slower_time_takes_proportionally_longer(
    history: list[FinishedRun], elapsed_ms: int, reports: tuple[ProgressReport, ...], factor: int
) -> None:
    answer = estimate(history=history, elapsed_ms=elapsed_ms, reports=reports)

    slower = estimate(
        history=[
            replace(run, duration_ms=run.duration_ms * factor, reports=stretched(run.reports, factor))
            for run in history
        ],
        elapsed_ms=elapsed_ms * factor,
        reports=stretched(reports, factor),
    )

    if isinstance(answer, NoEta):
        assert slower == answer
    else:
        assert isinstance(slower, Eta)
        assert (slower.sample_size, slower.method) == (answer.sample_size, answer.method)
        for name in ("low_ms", "median_ms", "high_ms"):
            expected = getattr(answer, name) * factor
            assert getattr(slower, name) == pytest.approx(expected, rel=1e-6, abs=factor)


def stretched(reports: tuple[ProgressReport, ...], factor: int) -> tuple[ProgressReport, ...]:
    return tuple(replace(report, at_ms=report.at_ms * factor) for report in reports)


@given(histories(), elapsed_times, records)
def test_the_same_question_has_the_same_answer(
    history: list[FinishedRun], elapsed_ms: int, reports: tuple[ProgressReport, ...]
) -> None:
    first = estimate(history=history, elapsed_ms=elapsed_ms, reports=reports)
    again = estimate(history=list(history), elapsed_ms=elapsed_ms, reports=list(reports))

    assert first == again


@given(histories(), elapsed_times)
def test_fewer_than_five_runs_and_no_progress_give_no_estimate(
    history: list[FinishedRun], elapsed_ms: int
) -> None:
    answer = estimate(history=history[:4], elapsed_ms=elapsed_ms, reports=())

    assert answer == NoEta(reason="not enough history")


@pytest.mark.parametrize(
    "reports",
    [
        reported((1, 10), (2, 20)),
        reported((1, 10), (2, 10), (3, 10), (4, 10)),
        reported((1, 30), (2, 20), (3, 10)),
        reported((1, 60), (2, 80), (3, 100)),
    ],
    ids=["two reports", "no rise", "falling", "nothing left"],
)
def test_unusable_progress_gives_no_estimate(reports: tuple[ProgressReport, ...]) -> None:
    answer = estimate(history=finished(5, 5, 5, 5), elapsed_ms=4 * MINUTE, reports=reports)

    assert answer == NoEta(reason="not enough history")


def test_a_run_longer_than_all_others_has_no_estimate_by_history() -> None:
    answer = estimate(history=finished(5, 6, 7, 5, 6), elapsed_ms=8 * MINUTE, reports=())

    assert answer == NoEta(reason="running longer than all 5 similar runs")


def test_a_run_longer_than_all_others_is_estimated_by_its_progress() -> None:
    answer = estimate(history=finished(5, 6, 7, 5, 6), elapsed_ms=10 * MINUTE, reports=steady(20, until=10))

    assert isinstance(answer, Eta)
    assert answer.method == "progress"
    assert answer.median_ms == pytest.approx(10 * MINUTE, rel=0.01)


def test_a_run_that_outlasted_the_short_ones_is_expected_to_be_a_long_one() -> None:
    history = finished(2, 30, 2, 31, 2, 29, 2, 30, 2, 31)

    at_start = estimate(history=history, elapsed_ms=0, reports=())
    later = estimate(history=history, elapsed_ms=5 * MINUTE, reports=())

    assert isinstance(at_start, Eta)
    assert isinstance(later, Eta)
    assert at_start.median_ms == 2 * MINUTE
    assert 24 * MINUTE <= later.median_ms <= 26 * MINUTE
    assert later.sample_size == 5


def test_recent_runs_count_more_than_old_ones() -> None:
    lately_slow = estimate(history=finished(*[20] * 10, *[10] * 20), elapsed_ms=0, reports=())
    lately_fast = estimate(history=finished(*[10] * 20, *[20] * 10), elapsed_ms=0, reports=())

    assert isinstance(lately_slow, Eta)
    assert isinstance(lately_fast, Eta)
    assert lately_slow.median_ms == 20 * MINUTE
    assert lately_fast.median_ms == 10 * MINUTE


def test_the_wider_group_matters_less_the_more_runs_the_task_has_itself() -> None:
    wide = finished(*[60] * 100, group="wide")

    alone = estimate(history=wide, elapsed_ms=0, reports=())
    with_many = estimate(history=[*finished(*[10] * 50), *wide], elapsed_ms=0, reports=())

    assert isinstance(alone, Eta)
    assert isinstance(with_many, Eta)
    assert alone.median_ms == 60 * MINUTE
    assert with_many.median_ms == 10 * MINUTE


def test_the_order_in_which_history_is_handed_in_does_not_matter() -> None:
    history = [*finished(3, 9, 4, 7, 5, 8), *(replace(run, group="wide") for run in finished(2.5, 6.5))]
    shuffled = random.Random(7).sample(history, len(history))

    assert estimate(history=history, elapsed_ms=MINUTE, reports=()) == estimate(
        history=sorted(shuffled, key=lambda run: run.group), elapsed_ms=MINUTE, reports=()
    )


def test_even_progress_without_history_is_carried_on() -> None:
    answer = estimate(history=(), elapsed_ms=10 * MINUTE, reports=steady(40, until=10))

    assert isinstance(answer, Eta)
    assert answer.method == "progress"
    assert answer.median_ms == pytest.approx(30 * MINUTE, rel=0.01)


def test_a_run_that_slowed_down_is_expected_later_than_its_whole_pace_tells() -> None:
    fast_then_slow = reported(
        *((at, 5 * at) for at in range(1, 9)), *((8 + 5 * n, 40 + 5 * n) for n in (1, 2, 3))
    )

    answer = estimate(history=(), elapsed_ms=23 * MINUTE, reports=fast_then_slow)

    assert isinstance(answer, Eta)
    by_overall_pace = 45 * 23 / 55 * MINUTE
    by_slow_pace = 45 * MINUTE
    assert by_overall_pace * 1.1 < answer.median_ms < by_slow_pace


def test_a_run_that_was_resumed_is_not_credited_with_earlier_work() -> None:
    resumed = reported(*((at, 50 + at) for at in range(1, 11)))

    answer = estimate(history=(), elapsed_ms=10 * MINUTE, reports=resumed)

    assert isinstance(answer, Eta)
    assert answer.median_ms == pytest.approx(40 * MINUTE, rel=0.01)


def test_progress_that_fell_back_is_judged_from_there() -> None:
    fell_back = reported((1, 30), (2, 60), (3, 10), (5, 12), (7, 14), (9, 16), (11, 18))

    answer = estimate(history=(), elapsed_ms=11 * MINUTE, reports=fell_back)

    assert isinstance(answer, Eta)
    assert answer.median_ms == pytest.approx(82 * MINUTE, rel=0.01)


def test_silence_longer_than_a_step_makes_the_end_later() -> None:
    reports = steady(20, until=10)

    expected = estimate(history=(), elapsed_ms=10 * MINUTE, reports=reports)
    silent = estimate(history=(), elapsed_ms=30 * MINUTE, reports=reports)

    assert isinstance(expected, Eta)
    assert isinstance(silent, Eta)
    assert silent.median_ms > expected.median_ms
    assert silent.high_ms > expected.high_ms


def test_an_overdue_last_step_is_not_called_finished() -> None:
    answer = estimate(history=(), elapsed_ms=60 * MINUTE, reports=reported((10, 30), (20, 60), (30, 90)))

    assert isinstance(answer, Eta)
    assert answer.median_ms > MINUTE


def run_with_reports(place: int, first_half: float, second_half: float) -> FinishedRun:
    """A run whose halves of progress took so many minutes each."""
    points = [(first_half * n / 5, 10.0 * n) for n in range(1, 6)]
    points += [(first_half + second_half * n / 5, 50 + 10.0 * n) for n in range(1, 5)]
    run = finished(first_half + second_half)[0]
    return replace(run, finished_at=NOW - timedelta(hours=place), reports=reported(*points))


def test_past_runs_correct_progress_that_is_not_linear_in_time() -> None:
    history = [run_with_reports(place, 10 + place % 3, 3 * (10 + place % 3)) for place in range(20)]

    answer = estimate(
        history=history, elapsed_ms=22 * MINUTE, reports=reported(*((4.4 * n, 10.0 * n) for n in range(1, 6)))
    )

    assert isinstance(answer, Eta)
    assert answer.method == "combined"
    assert answer.median_ms == pytest.approx(66 * MINUTE, rel=0.25)


def test_the_method_that_did_better_on_past_runs_decides() -> None:
    varied = random.Random(11)
    history = [
        run_with_reports(place, minutes, minutes) for place in range(40) if (minutes := varied.uniform(1, 60))
    ]

    answer = estimate(
        history=history, elapsed_ms=5 * MINUTE, reports=reported(*((float(n), 10.0 * n) for n in range(1, 6)))
    )

    assert isinstance(answer, Eta)
    assert answer.method == "combined"
    assert answer.median_ms == pytest.approx(5 * MINUTE, rel=0.05)


def test_the_interval_holds_eight_of_ten_runs_drawn_from_one_distribution() -> None:
    drawn = random.Random(3)
    minutes = [drawn.lognormvariate(2, 0.8) for _ in range(1200)]

    inside = []
    for place in range(200, len(minutes)):
        history = finished(*reversed(minutes[place - 200 : place]))
        answer = estimate(history=history, elapsed_ms=0, reports=())
        assert isinstance(answer, Eta)
        inside.append(answer.low_ms <= minutes[place] * MINUTE <= answer.high_ms)

    assert 0.75 <= sum(inside) / len(inside) <= 0.85


def test_runs_that_took_no_time_are_expected_to_take_none() -> None:
    answer = estimate(history=finished(0, 0, 0, 0, 0), elapsed_ms=0, reports=())

    assert answer == Eta(low_ms=0, median_ms=0, high_ms=0, sample_size=5, method="history")
