"""`headway export`: what is in the file is what the API says, row by row."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from headway.domain.ids import uuid7
from tests.interfaces.cli.conftest import Running

TASKS = 7


@pytest.fixture(scope="module")
def label(server: Running) -> str:
    """The label of some tasks with every kind of row."""
    name = uuid7()
    for number in range(TASKS):
        task_id = uuid7()
        kinds: list[dict[str, Any]] = [
            {
                "kind": "created",
                "name": f"Task {number}",
                "labels": {"export": name},
                "input": {"a": [1, None]},
            },
            {"kind": "started", "run": 1},
            *({"kind": "log", "run": 1, "message": f"line {line}"} for line in range(number)),
            {"kind": "llm_call", "id": uuid7(), "provider": "p", "model": "m", "cost_usd": "0.000000001"},
            {"kind": "llm_call", "id": uuid7(), "provider": "q", "model": "n"},
            {"kind": "metric", "name": "rate", "value": 1.5, "unit": "1/s"},
            {"kind": "completed", "run": 1, "result": {"käse": True}},
        ]
        facts = [
            {"seq": seq, "task_id": task_id, "at": f"2026-11-22T10:00:{number:02d}.000Z", **fact}
            for seq, fact in enumerate(kinds, start=1)
        ]
        assert server.api.post("/facts", {"producer": uuid7(), "facts": facts})["refused"] == []
    return f"export={name}"


def exported(server: Running, *words: str) -> list[dict[str, Any]]:
    done = server.terminal.call("export", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_tasks_come_with_all_fields_oldest_first(server: Running, label: str) -> None:
    found = exported(server, "tasks", "--label", label)

    assert [task["name"] for task in found] == [f"Task {number}" for number in range(TASKS)]
    assert found == [server.api.get(f"/tasks/{task['id']}") for task in found]
    assert found[0]["input"] == {"a": [1, None]}


def test_the_same_export_twice_is_the_same_to_the_byte(server: Running, label: str) -> None:
    first, second = (server.terminal.call("export", "llm-calls", "--label", label).stdout for _ in range(2))

    assert first == second
    calls = [json.loads(line) for line in first.splitlines()]
    assert [call["provider"] for call in calls] == ["p", "q"] * TASKS
    assert {call["cost_usd"] for call in calls} == {"0.000000001", None}


@pytest.mark.parametrize(
    ("what", "count"),
    [("runs", TASKS), ("logs", sum(range(TASKS))), ("metrics", TASKS), ("llm-calls", 2 * TASKS)],
)
def test_every_row_says_which_task_it_belongs_to(server: Running, label: str, what: str, count: int) -> None:
    tasks = [task["id"] for task in exported(server, "tasks", "--label", label)]

    found = exported(server, what, "--label", label)

    assert len(found) == count
    places = [tasks.index(row["task_id"]) for row in found]
    assert places == sorted(places)


def test_more_log_lines_than_one_page_are_all_there(server: Running) -> None:
    task_id = uuid7()
    facts = [
        {
            "seq": seq,
            "task_id": task_id,
            "at": "2026-11-22T10:00:00Z",
            "kind": "log",
            "message": f"line {seq}",
        }
        for seq in range(1, 452)
    ]
    server.api.post("/facts", {"producer": uuid7(), "facts": facts})

    found = exported(server, "logs", "--task", task_id)

    assert [row["message"] for row in found] == [f"line {seq}" for seq in range(1, 452)]


def test_a_file_gets_its_form_from_its_name_and_is_whole_or_not_there(
    server: Running, label: str, tmp_path: Path
) -> None:
    target = tmp_path / "tasks.csv"

    told = server.terminal.json("export", "tasks", "--label", label, "-o", str(target))

    assert told == {"what": "tasks", "format": "csv", "rows": TASKS, "output": str(target)}
    with target.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    tasks = exported(server, "tasks", "--label", label)
    assert [row["id"] for row in rows] == [task["id"] for task in tasks]
    assert [json.loads(row["result"]) for row in rows] == [task["result"] for task in tasks]
    assert [file.name for file in tmp_path.iterdir()] == ["tasks.csv"]

    missing = server.terminal.call("export", "logs", "--task", uuid7(), "-o", str(tmp_path / "logs.jsonl"))
    assert missing.returncode == 5
    assert [file.name for file in tmp_path.iterdir()] == ["tasks.csv"]
