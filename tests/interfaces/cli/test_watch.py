"""`headway watch` as a process of its own: changes are seen while they happen."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headway.domain.ids import uuid7
from tests.interfaces.cli.conftest import Running


class Reporter:
    """Reports on one task, as an SDK would."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self._producer = uuid7()
        self._seq = 0
        self.task_id = uuid7()

    def tell(self, **fact: Any) -> None:
        self._seq += 1
        told = {"seq": self._seq, "task_id": self.task_id, "at": "2026-11-22T10:00:00.000Z", **fact}
        self._server.api.post("/facts", {"producer": self._producer, "facts": [told]})


@contextmanager
def watching(server: Running, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = server.terminal.start("watch", *words)
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    return (json.loads(line) for line in process.stdout)


def test_every_event_of_the_stream_is_a_line_of_json(server: Running) -> None:
    reporter = Reporter(server)

    with watching(server, "--json") as process:
        events = lines(process)
        assert next(events)["event"] == "overview"  # the stream is open
        reporter.tell(kind="created", name="Import catalogue")
        reporter.tell(kind="progress", progress=40.0)
        seen = []
        while "running" not in seen:
            event = next(events)
            if event["event"] == "tasks":
                assert event["cursor"]
                seen += [task["status"] for task in event["data"]["tasks"] if task["id"] == reporter.task_id]
        process.send_signal(signal.SIGINT)
        process.communicate()

    assert seen[-1] == "running"
    assert process.returncode == 0


def test_a_watched_task_is_followed_with_its_log_until_it_ends(server: Running) -> None:
    reporter = Reporter(server)
    reporter.tell(kind="created", name="Import catalogue")
    reporter.tell(kind="log", message="before anybody looked")

    with watching(server, reporter.task_id, "--json") as process:
        told = lines(process)
        first = next(told)["data"]
        reporter.tell(kind="log", message="halfway")
        second = next(told)["data"]
        reporter.tell(kind="completed", result={"rows": 3})
        last = list(told)[-1]["data"]

    assert [line["message"] for line in first["logs"]] == ["before anybody looked"]
    assert [line["message"] for line in second["logs"]] == ["halfway"]
    assert last["task"]["status"] == "completed"
    assert process.returncode == 0


def test_a_watched_task_that_fails_ends_with_one_and_says_so_in_words(server: Running) -> None:
    reporter = Reporter(server)
    reporter.tell(kind="created", name="Import catalogue")
    reporter.tell(kind="failed", error={"message": "no such shelf"})

    done = server.terminal.call("watch", reporter.task_id)

    assert done.returncode == 1
    assert "✗ failed" in done.stdout
    assert "Import catalogue" in done.stdout


def test_a_pipe_gets_a_line_for_each_change_after_the_given_cursor(server: Running) -> None:
    cursor = server.api.get("/changes")["cursor"]
    reporter = Reporter(server)
    reporter.tell(kind="created", name="Import catalogue")

    with watching(server, "--after", cursor) as process:
        assert process.stdout is not None
        created = process.stdout.readline()
        reporter.tell(kind="progress", progress=40.0)
        progressed = process.stdout.readline()

    assert "· pending  Import catalogue" in created
    assert "▶ running ████░░░░░░  40 % Import catalogue" in progressed
