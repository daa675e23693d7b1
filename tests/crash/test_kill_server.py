"""A server killed at any moment has kept all that it acknowledged, and counts nothing twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.kill_server import CLIENTS, kill_repeatedly
from tests.crash.server import Server

TRIALS = int(os.environ.get("HEADWAY_CRASH_TRIALS", "6"))


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(120 + 20 * TRIALS)
def test_a_killed_server_loses_nothing_it_acknowledged_and_counts_nothing_twice(
    database_url: str, tmp_path: Path
) -> None:
    with Server(tmp_path / "data", database_url) as server:
        report = kill_repeatedly(server, database_url, trials=TRIALS, clients=CLIENTS, seed=7)

    print("\n".join(report.lines()))
    assert report.reckoning.clean, report.lines()
    assert server.starts == TRIALS + 1
    assert report.tally.interrupted >= TRIALS, "the kills did not hit the clients' requests"
