"""The programs in `examples/` do what they say, as Headway sees it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headway import Client
from tests.crash.server import Server
from tests.examples.pages import ROOT


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    found = Client(server.url, server.api_key)
    yield found
    found.close()


def run(name: str, env: dict[str, str], cwd: Path, *words: str) -> str:
    """What the program prints; everything it reported has arrived when it ends."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *words],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def newest(client: Client, name: str) -> dict[str, Any]:
    found = client.get_project_tasks("examples", q=name, limit=1)
    return client.get_task(found[0]["id"])


def test_hashing_a_folder_leaves_the_sums_as_an_artifact(
    client: Client, reader_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("bb")

    said = run("hash_folder.py", reader_environment, tmp_path, str(tmp_path))

    task = newest(client, "Hash")
    artifacts = client.get_artifacts(task["id"])
    assert said == "2 files, 3 bytes\n"
    assert (task["status"], task["progress"]) == ("completed", 100.0)
    assert task["result"] == {"files": 2, "bytes": 3}
    assert [(artifact["name"], artifact["stored"]) for artifact in artifacts] == [("SHA256SUMS", True)]


def test_a_broken_file_fails_its_own_task_and_no_other(
    client: Client, reader_environment: dict[str, str], tmp_path: Path
) -> None:
    run("check_configs.py", reader_environment, tmp_path)

    task = newest(client, "Check the configuration")
    children = {child["name"]: child["status"] for child in client.list_tasks(parent=task["id"])}
    broken = client.list_tasks(parent=task["id"], status="failed")[0]
    assert (task["status"], task["result"]) == ("completed", {"checked": 4, "broken": ["broken.json"]})
    assert children == {
        "Check service.toml": "completed",
        "Check limits.json": "completed",
        "Check broken.json": "failed",
        "Check paths.toml": "completed",
    }
    assert client.get_task(broken["id"])["error"]["type"] == "json.decoder.JSONDecodeError"


def test_pages_read_at_the_same_time_are_siblings(
    client: Client, reader_environment: dict[str, str], tmp_path: Path
) -> None:
    run("crawl_asyncio.py", reader_environment, tmp_path)

    task = newest(client, "Crawl the shop")
    children = {child["name"]: child["status"] for child in client.list_tasks(parent=task["id"])}
    assert task["result"] == {"pages": 3, "missing": ["/gone"]}
    assert children == {
        "Read /": "completed",
        "Read /about": "completed",
        "Read /gone": "failed",
        "Read /prices": "completed",
    }
