"""What people type as filters, as the API gets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import typer

from headway.interfaces.cli.connection import query
from headway.interfaces.cli.filters import moment, parameters


@pytest.mark.parametrize(
    ("text", "ago"),
    [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("7 d", 604_800)],
)
def test_a_length_of_time_counts_back_from_now(text: str, ago: int) -> None:
    before = datetime.now(UTC)

    found = datetime.fromisoformat(str(moment(text, "--since")))

    assert before <= found + timedelta(seconds=ago) <= datetime.now(UTC)


def test_a_time_with_a_zone_is_told_in_utc() -> None:
    assert moment("2026-11-22T10:00:00+02:00", "--since") == "2026-11-22T08:00:00Z"


def test_what_is_no_time_is_wrong_use() -> None:
    with pytest.raises(typer.BadParameter, match="yesterday"):
        moment("yesterday", "--since")


def test_an_unknown_status_is_wrong_use() -> None:
    with pytest.raises(typer.BadParameter, match="done"):
        parameters(status=["running", "done"])


def test_repeated_filters_become_repeated_parameters_and_missing_ones_none() -> None:
    wanted = parameters(status=["running", "failed"], project=["shop"], words="import käse")

    assert query(wanted) == "?status=running&status=failed&project=shop&q=import+k%C3%A4se"
