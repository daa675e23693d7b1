"""Every example in README and docs runs as it stands, against a real server."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headway.sdk.transport import Transport
from headway.settings import load_settings
from tests.crash.server import Server
from tests.examples.conftest import background_work
from tests.examples.pages import PAGES, Example, examples_of, name_of

SHOWN_URL, SHOWN_KEY = "http://127.0.0.1:8400", "hw_example"
SHOWN_DATABASE = "postgresql://headway@127.0.0.1/headway"
TIMEOUT_S = 120
MOST_NOT_RUN = 12
LANGUAGES = {"python", "bash", "json", "toml", "ini", "nginx", "text"}
WITH_EXAMPLES = [page for page in PAGES if any(found.language != "text" for found in examples_of(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_every_example_of_a_page_runs(
    page: Path,
    server: Server,
    reader_environment: dict[str, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    needs_database = SHOWN_DATABASE in page.read_text(encoding="utf-8")
    database_url = request.getfixturevalue("postgres_url") if needs_database else ""

    def as_it_would_be_here(source: str) -> str:
        here = source.replace(SHOWN_URL, server.url).replace(SHOWN_KEY, server.api_key)
        return here.replace(SHOWN_DATABASE, database_url)

    bench = Bench(server, reader_environment, tmp_path, as_it_would_be_here)
    for example in examples_of(page):
        if example.told("not run") is None and example.language != "text":
            getattr(bench, f"run_{example.language}")(example)


def test_every_example_is_one_that_can_be_tried() -> None:
    strange = [
        example.place for page in PAGES for example in examples_of(page) if example.language not in LANGUAGES
    ]
    undirected = [
        example.place
        for page in PAGES
        for example in examples_of(page)
        if example.directive
        and not re.match(r"(not run: .{10,}|stops after: .+|an answer)$", example.directive)
    ]

    assert (strange, undirected) == ([], [])


def test_few_examples_are_not_run_and_each_says_why() -> None:
    excused = {
        example.place: reason
        for page in PAGES
        for example in examples_of(page)
        if (reason := example.told("not run")) is not None
    }

    print("\n".join(f"{place}: {reason}" for place, reason in excused.items()))
    assert len(excused) <= MOST_NOT_RUN


class Bench:
    """Where the examples of one page are tried, one after the other, in one folder."""

    def __init__(self, server: Server, env: dict[str, str], folder: Path, here: Callable[[str], str]) -> None:
        self._server = server
        self._env = env
        self._folder = folder
        self._here = here

    def run_python(self, example: Example) -> None:
        """It ends well, as a program of its own."""
        self._run(example, [sys.executable, "-c", self._here(example.source)])

    def run_bash(self, example: Example) -> None:
        """Each of its commands ends well, or it prints what it is said to print before it is ended."""
        command = ["bash", "-euo", "pipefail", "-c", self._here(example.source)]
        awaited = example.told("stops after")
        if awaited is None:
            self._run(example, command)
        else:
            self._run_until(example, command, awaited)

    def run_json(self, example: Example) -> None:
        """A batch of facts is taken whole; an answer is at least JSON."""
        content = json.loads(example.source)
        if example.directive == "an answer":
            return
        transport = Transport(self._server.url, self._server.api_key)
        answer = transport.request("POST", "/api/v1/facts", example.source.encode())
        transport.close()
        assert answer.status == 200, (example.place, answer.body)
        assert answer.json()["acked_seq"] == content["facts"][-1]["seq"], example.place
        assert (answer.json()["refused"], answer.json()["warnings"]) == ([], []), example.place

    def run_toml(self, example: Example) -> None:
        """The server reads it as its settings, without a warning."""
        (self._folder / "headway.toml").write_text(example.source)
        _, warnings = load_settings({}, self._folder)
        (self._folder / "headway.toml").unlink()
        assert warnings == [], example.place

    def _run(self, example: Example, command: list[str]) -> None:
        done = subprocess.run(
            command,
            env=self._env,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        said = f"{example.place}\n{example.source}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, said
        assert '"type":"/problems/' not in done.stdout, said  # curl does not mind being told so

    def _run_until(self, example: Example, command: list[str], awaited: str) -> None:
        with background_work(self._env, self._folder), self._started(command) as process:
            assert process.stdout is not None
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line)
                if awaited in line:
                    return
        raise AssertionError(f"{example.place} did not print {awaited!r}:\n{''.join(lines)}")

    @contextmanager
    def _started(self, command: list[str]) -> Iterator[subprocess.Popen[str]]:
        """The running command; it and what it started is ended after the block, or when it takes too long."""
        process = subprocess.Popen(
            command,
            env=self._env,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        end = threading.Timer(TIMEOUT_S / 4, os.killpg, (process.pid, signal.SIGKILL))
        end.start()
        with process:
            try:
                yield process
            finally:
                end.cancel()
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
