"""Programs that use the SDK, as processes of their own that can be killed, and what arrived of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headway import Client
from tests.crash.server import Server, environment

# Each number is printed once the call that reports it has returned: from then on it must not be lost.
COUNTING = """
import os, headway

task = headway.task("count", agent="counter").start()
os.write(1, task.id.encode() + b"\\n")
number = 0
while True:
    number += 1
    task.log(str(number))
    os.write(1, b"%d\\n" % number)
"""
COUNTING_IN_STEPS = """
import sys, headway

with headway.task("count", agent="counter") as task:
    print(task.id, flush=True)
    for step, _ in enumerate(sys.stdin):
        for number in range(step * 100 + 1, step * 100 + 101):
            task.log(str(number))
        print(number, flush=True)
print(headway.flush(timeout=60), flush=True)
"""


@contextmanager
def client(source: str, server: Server, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that uses the SDK, gone after the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        env=client_environment(server, folder),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def client_environment(server: Server, folder: Path) -> dict[str, str]:
    return environment(
        HEADWAY_URL=server.url,
        HEADWAY_API_KEY=server.api_key,
        HEADWAY_DATA_DIR=str(folder / "client"),
        HEADWAY_SPOOL_DIR=str(folder / "spool"),
    )


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


@contextmanager
def reading(server: Server) -> Iterator[Client]:
    reader = Client(server.url, server.api_key)
    try:
        yield reader
    finally:
        reader.close()


def logged(reader: Client, task_id: str) -> list[str]:
    """The messages of a task's log, oldest first."""
    return [entry["message"] for entry in reader.get_logs(task_id)]
