"""PostgreSQL crashes and comes back while clients report: they are told to come again, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.clients import COUNTING_IN_STEPS, client, logged, read, reading, tell
from tests.crash.producers import Load
from tests.crash.reckoning import reckon
from tests.crash.server import Server
from tests.postgres import own_server

CLIENTS = 4
CRASHES = 2


@pytest.mark.crash
@pytest.mark.slow
def test_clients_of_a_headway_whose_postgresql_crashes_come_again_and_lose_nothing(tmp_path: Path) -> None:
    with own_server() as postgres, Server(tmp_path / "data", postgres.url) as server:
        load = Load(lambda: (server.url, server.api_key), CLIENTS)
        load.start()
        for _ in range(CRASHES):
            load.wait_for_batches(sent=4 * CLIENTS, answered=2 * CLIENTS)
            postgres.stop("immediate")
            load.wait_until(every_client_turned_away(load))
            postgres.start()
            load.wait_for_batches(sent=CLIENTS, answered=CLIENTS)
        load.finish()
        code = server.stop()
        reckoning = reckon(postgres.url, [producer.workload for producer in load.producers])

    tally = load.tally()
    assert reckoning.clean, reckoning
    assert tally.turned_away >= CRASHES * CLIENTS
    assert tally.retry_after == tally.turned_away, "a 503 must say when to come again"
    assert (tally.interrupted, code) == (0, 0), server.said()


@pytest.mark.crash
@pytest.mark.slow
def test_the_sdk_rides_out_a_crash_of_postgresql(tmp_path: Path) -> None:
    with (
        own_server() as postgres,
        Server(tmp_path / "data", postgres.url) as server,
        client(COUNTING_IN_STEPS, server, tmp_path) as process,
    ):
        task_id = read(process)
        for step in range(1, 5):
            if step == 2:
                postgres.stop("immediate")
            if step == 4:
                postgres.start()
            tell(process, "go on")
            assert read(process) == str(step * 100), "the work goes on, whatever becomes of its reports"
        assert process.stdin is not None
        process.stdin.close()

        assert read(process) == "True"
        with reading(server) as reader:
            assert logged(reader, task_id) == [str(number) for number in range(1, 401)]
            assert reader.get_task(task_id)["status"] == "completed"


def every_client_turned_away(load: Load) -> Callable[[], bool]:
    """Whether each client got another 503 since now."""
    before = {producer: producer.tally.turned_away for producer in load.producers}
    return lambda: all(producer.tally.turned_away > seen for producer, seen in before.items())
