"""How values look in a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from headway.interfaces.cli import rendering
from headway.interfaces.cli.task_table import task_table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.0, "0 ms"),
        (0.8504, "850 ms"),
        (1.25, "1.2 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3_600, "1 h"),
        (90_061, "1 d 1 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert rendering.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(None, "–"), (0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (7_000_000, "7.0 MB")]
)
def test_sizes_are_in_decimal_units(count: int | None, text: str) -> None:
    assert rendering.size(count) == text


@pytest.mark.parametrize(
    ("usd", "text"), [(None, "–"), ("0", "$0.00"), ("12.3456", "$12.35"), ("0.000123", "$0.0001")]
)
def test_small_sums_keep_the_digits_that_tell_them_from_nothing(usd: str | None, text: str) -> None:
    assert rendering.money(usd) == text


def test_progress_that_was_never_reported_is_not_drawn_as_zero() -> None:
    assert rendering.bar(None, 4) == "    "
    assert rendering.percent(None) == "–"
    assert rendering.bar(0, 4) == "░░░░"


def test_an_eta_is_a_range_with_its_sample_size_and_otherwise_a_reason() -> None:
    known = {"low": 30.0, "median": 60.0, "high": 90.0, "sample_size": 7, "method": "history"}

    assert rendering.eta(known) == "1 min left (80 %: 30 s to 1 min 30 s, from 7 by history)"
    assert rendering.eta(None, "not enough history") == "unknown: not enough history"
    assert rendering.eta(None) == "–"


def test_a_name_can_neither_steer_the_terminal_nor_style_the_table() -> None:
    task = {
        "id": "01a20109-b9a5-7001-9e2d-2d90b0ec99d3",
        "name": "\x1b[2J[red]not red[/red]\nsecond line",
        "status": "running",
        "agent": None,
        "progress": None,
        "created_at": "2026-11-22T10:00:00Z",
        "started_at": None,
        "finished_at": None,
    }
    screen = Console(file=io.StringIO(), width=200)

    screen.print(task_table([task], width=200))

    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "[2J[red]not red[/red] second line" in shown
    assert "\x1b" not in shown
