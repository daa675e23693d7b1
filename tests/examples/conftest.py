"""The server that the examples talk to, set up as a reader's own would be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headway.sdk.transport import Transport
from tests.crash.server import Server, environment

# The ids that stand in examples for "the id of a task that you have".
FINISHED_TASK = "01990000-0000-7000-8000-000000000001"
OPEN_TASK = "01990000-0000-7000-8000-000000000002"
BACKGROUND_WORK = """
import itertools, threading, headway

with headway.task("Background work", agent="worker") as task:
    for turn in itertools.count():
        task.progress(turn % 101)
        threading.Event().wait(0.1)
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`headway up` with two tasks that examples can speak of."""
    with Server(tmp_path_factory.mktemp("headway")) as running:
        transport = Transport(running.url, running.api_key)
        for task_id, status in ((FINISHED_TASK, "completed"), (OPEN_TASK, "running")):
            made = {"id": task_id, "name": "An example", "project": "examples"}
            assert transport.request("POST", "/api/v1/tasks", json.dumps(made).encode()).status == 201
            change = json.dumps({"status": status}).encode()
            assert transport.request("PATCH", f"/api/v1/tasks/{task_id}", change).status == 200
        transport.close()
        yield running


@pytest.fixture
def reader_environment(server: Server) -> dict[str, str]:
    """The environment of somebody on the server's machine, with `headway` among the commands."""
    return reader_environment_of(server)


def reader_environment_of(server: Server) -> dict[str, str]:
    found = environment(HEADWAY_DATA_DIR=str(server.folder))
    return {**found, "PATH": f"{Path(sys.executable).parent}:{found['PATH']}"}


@contextmanager
def background_work(env: dict[str, str], cwd: Path) -> Iterator[None]:
    """Something happens on the server while the block runs."""
    process = subprocess.Popen([sys.executable, "-c", BACKGROUND_WORK], env=env, cwd=cwd)
    try:
        yield
    finally:
        process.kill()
        process.wait()
