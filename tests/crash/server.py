"""A Headway server as users run it, in a process of its own that can be killed and started again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
HEADWAY = [sys.executable, "-c", "import sys; from headway.console import main; sys.exit(main())"]
STOP_TIMEOUT_S = 30


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would lead to another Headway."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), **more}


class Server:
    """`headway up` on one data folder and database; every start after the first takes the same port."""

    def __init__(self, folder: Path, database_url: str | None = None, **settings: str) -> None:
        """Nothing runs yet.

        Args:
            folder: for data, credentials and the server's log.
            database_url: where the rows are; the embedded file when left out.
            settings: `HEADWAY_` settings by lower-case name.
        """
        self.folder = folder
        self.log = folder / "server.log"
        self.url = ""
        self.api_key = ""
        self.starts = 0
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self._environment = environment(
            **{f"HEADWAY_{name.upper()}": text for name, text in settings.items()}
        )
        self._database = [] if database_url is None else ["--database-url", database_url]
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Returns once the server has said that it answers.

        Raises:
            RuntimeError: It ended instead; carries its log.
        """
        words = ["up", "--json", "--no-browser", "--port", str(self._port), "--data-dir", str(self.folder)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*HEADWAY, *words, *self._database],
                env=self._environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
            )
        self._process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended with {process.wait()}: {self.said()}")
        told = json.loads(line)
        self.url, self.api_key = told["url"], told["api_key"]
        self._port = int(self.url.rpartition(":")[2])
        self.starts += 1
        threading.Thread(target=_drain, args=(process.stdout,), daemon=True).start()

    def kill(self) -> None:
        """The process is gone without having been asked."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def stop(self) -> int:
        """Asks the server to end, as a service manager does; its exit code."""
        process = self._running()
        process.terminate()
        code = process.wait(STOP_TIMEOUT_S)
        self._process = None
        return code

    def said(self) -> str:
        """What the server has logged."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the server does not run"
        return self._process

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()


def _drain(stream: IO[str]) -> None:
    """Nobody may wait because a pipe is full."""
    with stream:
        for _ in stream:
            pass
