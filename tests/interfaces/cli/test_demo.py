"""`headway demo` against a real server: what it did, what it reported and what Headway says agree."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.interfaces.cli.conftest import Running, Terminal, running

FILES = ("--quick", "--files", "80")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server of its own, so that the figures are of the demo alone."""
    with running(Terminal(folder=tmp_path_factory.mktemp("demo"), more={})) as server:
        yield server


@pytest.fixture(scope="module")
def first(stage: Running) -> dict[str, Any]:
    """What the first demo told."""
    done = stage.terminal.run("demo", *FILES, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def children(stage: Running, task_id: str) -> dict[str, list[dict[str, Any]]]:
    """The parts of the work, by kind of agent."""
    found: dict[str, list[dict[str, Any]]] = {}
    for task in stage.api.items("/tasks", parent=task_id, order="created_at"):
        found.setdefault(task["agent"], []).append(task)
    return found


def part(stage: Running, told: dict[str, Any], agent: str, status: str) -> dict[str, Any]:
    """The one part that an agent ended this way."""
    (found,) = [task for task in children(stage, told["task_id"])[agent] if task["status"] == status]
    return found


def test_several_agents_worked_and_each_part_ended_as_it_really_did(
    stage: Running, first: dict[str, Any]
) -> None:
    parts = children(stage, first["task_id"])

    endings = {agent: Counter(task["status"] for task in tasks) for agent, tasks in parts.items()}
    failed = len(parts["inspector"])
    assert endings == {
        "surveyor": {"completed": 6},
        "archivist": {"completed": 1, "cancelled": 1},
        "restorer": {"completed": 2},
        "inspector": {"failed": failed},
    }
    assert {task["agent_id"] for task in parts["surveyor"]} == {"surveyor-1", "surveyor-2"}
    assert len({stage.api.get(f"/tasks/{task['id']}")["origin"]["pid"] for task in parts["surveyor"]}) == 2
    root = stage.api.get(f"/tasks/{first['task_id']}")
    assert (root["status"], root["progress"], root["result"]) == ("completed", 100.0, first["figures"])


def test_the_figures_of_headway_agree_with_the_rows(stage: Running, first: dict[str, Any]) -> None:
    tasks = list(stage.api.items("/tasks"))
    runs = [run for task in tasks for run in stage.api.get(f"/tasks/{task['id']}/runs")["items"]]

    stats = stage.api.get("/dashboard/stats")

    assert stats["total_tasks"] == len(tasks) == len(first["tasks"])
    assert (stats["active_tasks"], stats["pending_tasks"]) == (0, 0)
    ended = Counter(run["status"] for run in runs)
    assert stats["average_success_rate"] == pytest.approx(
        ended["completed"] / (ended["completed"] + ended["failed"])
    )
    assert stage.terminal.json("audit")["clean"]
    assert stats["most_active_agent"] == "surveyor"
    assert sum(task["llm_calls"] for task in tasks) == 0  # no model was called, so none is reported


def test_what_failed_is_really_broken_and_what_was_retried_succeeded_on_its_second_run(
    stage: Running, first: dict[str, Any]
) -> None:
    parts = children(stage, first["task_id"])

    for task in parts["inspector"]:
        assert stage.api.get(f"/tasks/{task['id']}")["error"]["type"] == "SyntaxError"
    histories = {}
    for task in parts["restorer"]:
        runs = stage.api.get(f"/tasks/{task['id']}/runs")["items"]
        histories[task["name"].rpartition(" from a ")[2]] = [
            (run["status"], (run["error"] or {}).get("type")) for run in runs
        ]
    assert histories == {
        "truncated copy": [("failed", "EOFError"), ("completed", None)],
        "damaged copy": [("failed", "gzip.BadGzipFile"), ("completed", None)],
    }


def test_the_cancelled_part_was_stopped_for_a_measured_reason(stage: Running, first: dict[str, Any]) -> None:
    cancelled = part(stage, first, "archivist", "cancelled")

    assert "the strongest compression leaves" in cancelled["cancel_reason"]
    assert 0 < cancelled["progress"] < 100


def test_the_report_is_an_artifact_with_the_bytes_of_the_file(stage: Running, first: dict[str, Any]) -> None:
    artifacts = stage.api.get(f"/tasks/{first['task_id']}/artifacts")["items"]
    report = next(artifact for artifact in artifacts if artifact["name"] == "report.md")

    content = stage.api.transport.request("GET", f"/api/v1/artifacts/{report['id']}/content").body

    assert content == Path(first["report"]).read_bytes()
    assert f"- files: {first['figures']['files']}".encode() in content
    packing = part(stage, first, "archivist", "completed")
    named = {
        artifact["name"]: artifact for artifact in stage.api.get(f"/tasks/{packing['id']}/artifacts")["items"]
    }
    archive = Path(first["report"]).parent / "library.zip"
    assert named["library.zip"]["size"] == archive.stat().st_size
    names = {metric["name"] for metric in stage.api.get(f"/tasks/{packing['id']}/metrics")["items"]}
    assert names == {"packing_rate", "packed_share"}


def test_a_second_demo_has_estimates_from_the_first(stage: Running, first: dict[str, Any]) -> None:
    estimates = []

    with stage.terminal.start("demo", *FILES) as process:
        while process.poll() is None:
            open_tasks = stage.api.get("/tasks", status="running", agent="surveyor")["items"]
            for task in open_tasks:
                eta = stage.api.get(f"/status/{task['id']}")["eta"]
                estimates += [eta] if eta else []
        output, errors = process.communicate()

    assert process.returncode == 0, errors
    assert any(eta["method"] in ("history", "combined") and eta["sample_size"] >= 1 for eta in estimates)
    assert all(0 <= eta["low"] <= eta["median"] <= eta["high"] for eta in estimates)
    for hint in ("headway open", "headway show", "report.md", "curl -N", "/api/v1/stream"):
        assert hint in output
    assert stage.told["api_key"] not in output
