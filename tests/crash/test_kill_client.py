"""A client killed at any moment has lost nothing that it reported: its spool is sent later, exactly once."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.crash.clients import (
    COUNTING,
    COUNTING_IN_STEPS,
    client,
    client_environment,
    logged,
    read,
    reading,
    tell,
)
from tests.crash.server import HEADWAY, Server

pytestmark = [pytest.mark.crash, pytest.mark.slow]

KILLS = 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "server") as running:
        yield running


def test_what_a_killed_client_reported_arrives_once_with_the_next_process(
    server: Server, tmp_path: Path
) -> None:
    for kill in range(1, KILLS + 1):
        told = count_until_killed(server, tmp_path, numbers=kill * 400)

        sent = send_spool(server, tmp_path)

        assert sent["left"] == 0
        told.assert_arrived_once(server)


def test_what_was_reported_without_a_server_arrives_once_there_is_one(server: Server, tmp_path: Path) -> None:
    server.kill()
    told = count_until_killed(server, tmp_path, numbers=20_000)
    server.start()

    sent = send_spool(server, tmp_path)

    assert sent == {"sent": sent["sent"], "spools": 1, "left": 0, "outcome": "done"}
    told.assert_arrived_once(server)


def test_a_spool_whose_sender_and_server_are_killed_too_arrives_once(server: Server, tmp_path: Path) -> None:
    server.kill()
    told = count_until_killed(server, tmp_path, numbers=20_000)
    server.start()

    moments = random.Random(3)
    for _ in range(3):
        sender = subprocess.Popen(
            [*HEADWAY, "spool", "send"],
            env=client_environment(server, tmp_path),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
        )
        with suppress(subprocess.TimeoutExpired):
            sender.wait(moments.uniform(0.2, 0.8))  # somewhere in its work, which takes about that long
        server.kill()
        sender.kill()
        sender.wait()
        server.start()
    send_spool(server, tmp_path)

    told.assert_arrived_once(server)


def test_a_client_rides_out_kills_of_the_server(server: Server, tmp_path: Path) -> None:
    with client(COUNTING_IN_STEPS, server, tmp_path) as process:
        task_id = read(process)
        for step in range(1, 9):
            tell(process, "go on")
            assert read(process) == str(step * 100)
            if step % 3 == 0:
                server.kill()
                server.start()
        assert process.stdin is not None
        process.stdin.close()

        assert read(process) == "True"

    with reading(server) as reader:
        assert logged(reader, task_id) == [str(number) for number in range(1, 801)]
        assert reader.get_task(task_id)["status"] == "completed"


class Told:
    """What a killed client said that it had reported."""

    def __init__(self, task_id: str, number: int) -> None:
        self.task_id = task_id
        self.number = number

    def assert_arrived_once(self, server: Server) -> None:
        """Each number is there once, in order; the one at which the kill came may be there or not."""
        with reading(server) as reader:
            messages = logged(reader, self.task_id)
        assert messages == [str(number) for number in range(1, len(messages) + 1)]
        assert len(messages) in (self.number, self.number + 1)


def count_until_killed(server: Server, folder: Path, numbers: int) -> Told:
    """Kills a client that reports as fast as it can once it has reported so many numbers."""
    with client(COUNTING, server, folder) as process:
        assert process.stdout is not None
        task_id = read(process)
        for _ in range(numbers):
            process.stdout.readline()
        process.kill()
        rest = process.stdout.read().splitlines(keepends=True)
    whole = [line for line in rest if line.endswith("\n")]
    return Told(task_id, int(whole[-1]) if whole else numbers)


def send_spool(server: Server, folder: Path) -> dict[str, object]:
    """What `headway spool send` says."""
    done = subprocess.run(
        [*HEADWAY, "spool", "send", "--json"],
        env=client_environment(server, folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    said: dict[str, object] = json.loads(done.stdout)
    return said
