"""Periods, buckets and what rows add to the tallies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain import tally
from headway.domain.contribution import (
    Contribution,
    contribute,
    contribute_call,
    contribute_refusal,
    duration,
)
from headway.domain.records import call_row
from headway.domain.tally import GAUGE_MEASURES, LLM_MEASURES, RUN_MEASURES
from headway.domain.task import Cell, TaskState
from tests.domain.bookkeeping import nonzero
from tests.domain.building import SENDER, after, fact, moment

NOON = tally.quarter_of(moment(0))
DURATIONS = st.integers(0, 2**50)


def named(measures: tuple[str, ...], amounts: list[int]) -> dict[str, int]:
    return {name: amount for name, amount in zip(measures, amounts, strict=True) if amount}


def counted(task: TaskState) -> tuple[dict[str, int], dict[int, dict[str, int]]]:
    """The gauges of one task, and its run figures by quarter-hour."""
    into = Contribution()
    contribute(into, 1, task, [task.run()])
    [gauges] = into.gauges.values()
    runs = {quarter: named(RUN_MEASURES, amounts) for (_, quarter), amounts in into.runs.items()}
    return named(GAUGE_MEASURES, gauges), runs


@given(st.integers(0, 4 * 10**15))
def test_a_quarter_hour_begins_at_a_whole_quarter_at_most_so_long_ago(microseconds: int) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)

    start = tally.time_of(tally.quarter_of(at))

    assert (start.minute % 15, start.second, start.microsecond) == (0, 0, 0)
    assert timedelta(0) <= at - start < timedelta(minutes=15)


def test_periods_start_where_their_first_quarter_does() -> None:
    quarter = tally.quarter_of(datetime(2026, 3, 1, 12, 44, tzinfo=UTC))

    starts = {period: tally.start_of(period, quarter) for period in tally.PERIODS}

    assert {period: tally.time_of(start) for period, start in starts.items()} == {
        "quarter": datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
        "day": datetime(2026, 3, 1, tzinfo=UTC),
        "all": datetime(1970, 1, 1, tzinfo=UTC),
    }


def test_bucket_bounds_rise() -> None:
    assert list(tally.BUCKET_BOUNDS_MS) == sorted(set(tally.BUCKET_BOUNDS_MS))
    assert len(tally.BUCKET_BOUNDS_MS) == tally.BUCKETS - 1


@given(DURATIONS, DURATIONS)
def test_a_longer_duration_is_never_in_an_earlier_bucket(one: int, other: int) -> None:
    assert 0 <= tally.bucket_of(min(one, other)) <= tally.bucket_of(max(one, other)) < tally.BUCKETS


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_percentile_lies_within_one_bucket_of_the_true_one(durations: list[int], share: float) -> None:
    counts = [0] * tally.BUCKETS
    for duration_ms in durations:
        counts[tally.bucket_of(duration_ms)] += 1

    approximate = tally.percentile(counts, share)

    true = sorted(durations)[max(0, -int(-share * len(durations) // 1) - 1)]
    assert approximate is not None
    assert true / (tally.BUCKET_RATIO * 1.1) <= approximate <= true * tally.BUCKET_RATIO * 1.1 + 1


def test_nothing_has_no_percentile() -> None:
    assert tally.percentile([0] * tally.BUCKETS, 0.5) is None


@given(st.builds(Cell, *[st.one_of(st.none(), st.text(max_size=4))] * 3))
def test_a_cell_is_kept_under_a_number_that_databases_can_hold_and_no_tenant_total_has(cell: Cell) -> None:
    assert tally.WHOLE_TENANT < tally.cell_key(cell) < 2**63
    assert tally.cell_key(cell) == tally.cell_key(Cell(*cell))


def test_a_missing_part_of_a_cell_is_not_an_empty_one() -> None:
    cells = [Cell("u", None, None), Cell("u", "", None), Cell("u", None, ""), Cell("u", "", "")]

    assert len({tally.cell_key(cell) for cell in cells}) == 4


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(0, 0), (0.0009, 0), (1.9999, 1_999), (90_000, 90_000_000)]
)
def test_a_duration_is_rounded_down_to_milliseconds(seconds: float, milliseconds: int) -> None:
    assert duration(moment(0), moment(seconds)) == milliseconds


def test_a_pending_task_counts_as_created_and_unreported() -> None:
    assert counted(after(fact("created", 0))) == (
        {"pending": 1, "unreported": 1, "weight": 1_000},
        {NOON: {"created": 1}},
    )


def test_creation_start_and_ending_count_each_in_its_own_quarter_hour() -> None:
    task = after(fact("created", 0), fact("started", 900), fact("completed", 1_800))

    assert counted(task) == (
        {"completed": 1, "weight": 1_000, "done_weight": 10_000 * 1_000},
        {
            NOON: {"created": 1},
            NOON + 900: {"started": 1},
            NOON + 1_800: {"completed": 1, "duration_ms": 900_000, "durations": 1, "d24": 1},
        },
    )
    assert tally.bucket_of(900_000) == 24


def test_a_cancelled_task_weighs_nothing_in_its_project() -> None:
    gauges, _ = counted(after(fact("progress", 0, progress=50.0), fact("cancelled", 1)))

    assert gauges == {"cancelled": 1}


def test_progress_counts_by_its_weight() -> None:
    gauges, _ = counted(after(fact("created", 0, estimate_ms=7), fact("progress", 0, progress=33.333)))

    assert gauges == {"running": 1, "weight": 7, "done_weight": 3_333 * 7}


def test_a_second_run_counts_as_a_retry() -> None:
    task = after(fact("failed", 0), fact("retried", 900))

    assert counted(task)[1] == {NOON + 900: {"created": 1, "retries": 1}}


def test_a_call_counts_under_its_model_and_under_its_template() -> None:
    into = Contribution()
    told = fact(
        "llm_call",
        0,
        template="greet",
        input_tokens=5,
        output_tokens=2,
        cost_usd="0.5",
        ok=False,
        duration_ms=30,
    )
    expected = {
        "calls": 1,
        "failed": 1,
        "input_tokens": 5,
        "output_tokens": 2,
        "cost_nusd": 500_000_000,
        "duration_ms": 30,
        "durations": 1,
    }

    contribute_call(into, 1, Cell(SENDER, None, None), call_row(told, 1, 1, moment(0)))

    assert {key[2:]: named(LLM_MEASURES, amounts) for key, amounts in into.llm.items()} == {
        ("openai", "gpt-4o-mini", ""): expected,
        ("", "", "greet"): expected,
    }


def test_what_was_added_can_be_taken_away() -> None:
    into = Contribution()
    task = after(fact("created", 0), fact("started", 900), fact("failed", 1_800))
    call = call_row(fact("llm_call", 0, template="greet"), 1, 1, moment(0))
    for sign in (1, -1):
        contribute(into, sign, task, [task.run()], [call])
        contribute_refusal(into, sign, task.cell, moment(5))

    assert nonzero(into) == {}
