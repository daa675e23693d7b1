"""A real server in a process of its own, started as people start it: `headway up`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

START_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that answers."""

    url: str
    api_key: str
    tenant_id: str
    user_id: str
    pid: int
    ready_s: float  # from the start of the process to the first 200

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80

    def get(self, path: str) -> Any:
        """The JSON that a GET answers."""
        asked = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.api_key}"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.load(answer)

    def post_head(self, length: int) -> bytes:
        """The head of a request that posts so many bytes of facts."""
        lines = (
            "POST /api/v1/facts HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {self.api_key}",
            "Content-Type: application/json",
            f"Content-Length: {length}",
            "",
            "",
        )
        return "\r\n".join(lines).encode()


@contextmanager
def headway_up(database_url: str) -> Iterator[Server]:
    """A server on a free port of 127.0.0.1 with this database, stopped afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="hw_bench_data_"))
    hidden = ("HEADWAY_", "PYTHONDONTWRITEBYTECODE")  # an installed program has its bytecode
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    words = [
        "up",
        "--port",
        "0",
        "--data-dir",
        str(folder),
        "--database-url",
        database_url,
        "--no-browser",
        "--json",
    ]
    with (folder / "stderr").open("w+b") as complaints:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", "from headway.console import main; raise SystemExit(main())", *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        try:
            yield _answering(process, folder, started, complaints)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def _answering(
    process: subprocess.Popen[bytes], folder: Path, started: float, complaints: IO[bytes]
) -> Server:
    assert process.stdout is not None
    told = process.stdout.readline()
    if not told:
        complaints.seek(0)
        raise RuntimeError(f"headway up did not start: {complaints.read().decode(errors='replace')[-2000:]}")
    said = json.loads(told)
    _first_answer(said["url"], started)
    ready_s = time.perf_counter() - started
    credentials = json.loads((folder / "credentials.json").read_text(encoding="utf-8"))
    return Server(
        url=said["url"],
        api_key=said["api_key"],
        tenant_id=credentials["tenant_id"],
        user_id=credentials["user_id"],
        pid=process.pid,
        ready_s=ready_s,
    )


def _first_answer(url: str, started: float) -> None:
    while time.perf_counter() - started < START_S:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.005)
    raise RuntimeError(f"{url} does not answer")
