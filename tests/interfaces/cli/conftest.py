"""A real server started by `headway up`, and the command line as a process, as people have them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headway.interfaces.cli.connection import Server
from headway.interfaces.cli.main import main

CONSOLE = "import sys; from headway.console import main; sys.exit(main())"
PATIENCE_S = 60.0  # the machine may be busy with other tests


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """A shell in a folder of its own, with a data folder of its own."""

    folder: Path
    more: dict[str, str]  # environment variables

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")}
        return {**clean, "HEADWAY_DATA_DIR": str(self.data_dir), "PYTHONWARNINGS": "error", **self.more}

    def with_variables(self, **more: str) -> Terminal:
        return Terminal(folder=self.folder, more={**self.more, **more})

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", CONSOLE, *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in a process of its own."""
        with self.start(*words) as process:
            output, errors = process.communicate(timeout=PATIENCE_S)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command within this process, which is quicker; what it prints and returns is the same."""
        output, errors, before = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO(), dict(os.environ)
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(output):
            os.environ.clear()
            os.environ.update(self.environment)
            try:
                with contextlib.redirect_stderr(errors):
                    code = main(words)
            finally:
                os.environ.clear()
                os.environ.update(before)
        output.seek(0)
        return subprocess.CompletedProcess(words, code, output.read(), errors.getvalue())

    def json(self, *words: str, code: int = 0) -> Any:
        """What a command prints with `--json`, which must end with this exit code."""
        done = self.call(*words, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def error(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit code of a command that fails, and what it says with `--json`."""
        done = self.call(*words, "--json")
        assert done.stdout == ""
        return done.returncode, json.loads(done.stderr)


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that `headway up` started."""

    terminal: Terminal
    process: subprocess.Popen[str]
    told: dict[str, Any]  # its first line
    api: Server  # with the key it told

    def stop(self) -> int:
        """Presses Ctrl-C; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


@contextmanager
def running(terminal: Terminal, *words: str) -> Iterator[Running]:
    """A server of `headway up` with these words, stopped after the block."""
    process = terminal.start("up", "--json", "--no-browser", "--port", "0", *words)
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.fail(f"the server did not start: {process.communicate()[1]}")
        told = json.loads(line)
        with Server(told["url"], told["api_key"]) as api:
            server = Running(terminal=terminal, process=process, told=told, api=api)
            try:
                yield server
            finally:
                server.stop()


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A shell with an empty data folder."""
    return Terminal(folder=tmp_path, more={})


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests that only add tasks of their own."""
    with running(Terminal(folder=tmp_path_factory.mktemp("cli"), more={})) as started:
        yield started
