"""`tasks`, `show`, `cancel`, `retry`, `key`, `audit`, `doctor`: they agree with the API, exit codes tell."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from headway.domain.ids import uuid7
from headway.interfaces.cli.connection import Server
from headway.interfaces.cli.main import COMMANDS
from tests.interfaces.cli.conftest import Running, Terminal

NOWHERE = "http://127.0.0.1:9"


def report(server: Running, *facts: dict[str, Any]) -> str:
    """The id of a new task with these facts after its `created`."""
    task_id, at = uuid7(), "2026-11-22T10:00:00.000Z"
    told = [{"kind": "created", "name": "Import catalogue", "agent": "importer", "project": "shop"}, *facts]
    batch = [{"seq": seq, "task_id": task_id, "at": at, **fact} for seq, fact in enumerate(told, start=1)]
    answer = server.api.post("/facts", {"producer": uuid7(), "facts": batch})
    assert answer["refused"] == []
    return task_id


def test_tasks_are_filtered_and_paged_like_the_api(server: Running) -> None:
    label = f"test={uuid7()}"
    made = [
        report(server, {"kind": "updated", "labels": dict([label.split("=")])}, {"kind": "started"})
        for _ in range(5)
    ]

    first = server.terminal.json("tasks", "--label", label, "--status", "running", "--limit", "2", "--count")
    second = server.terminal.json(
        "tasks", "--label", label, "-s", "running", "--cursor", first["next_cursor"]
    )

    assert [task["id"] for task in first["items"] + second["items"]] == made[::-1]
    assert first["total"] == 5
    assert second["next_cursor"] is None
    assert server.terminal.json("tasks", "--label", label, "--status", "failed")["items"] == []
    oldest = server.terminal.json("tasks", "--label", label, "--oldest-first", "-n", "1")["items"]
    assert [task["id"] for task in oldest] == made[:1]


def test_tasks_in_words_say_whole_ids_and_how_to_go_on(server: Running) -> None:
    report(server)
    task_id = report(server, {"kind": "progress", "progress": 40.0, "message": "400 of 1000"})

    done = server.terminal.call("tasks", "--limit", "1")

    assert done.returncode == 0
    assert task_id in done.stdout
    assert "40 %" in done.stdout
    assert "--cursor " in done.stdout


def test_show_gathers_what_the_api_knows_about_a_task(server: Running) -> None:
    error = {"message": "no such shelf", "type": "KeyError", "stack": "Traceback: here"}
    task_id = report(
        server,
        {"kind": "started", "run": 1},
        {"kind": "log", "run": 1, "level": "warning", "message": "half of it was empty"},
        {"kind": "llm_call", "run": 1, "id": uuid7(), "provider": "p", "model": "m", "input_tokens": 5},
        {
            "kind": "artifact",
            "run": 1,
            "id": uuid7(),
            "name": "report.md",
            "type": "report",
            "content": "# Hi",
        },
        {"kind": "failed", "run": 1, "error": error},
    )
    child = report(server, {"kind": "updated", "parent_id": task_id})

    found = server.terminal.json("show", task_id)
    told = server.terminal.call("show", task_id)

    assert found["task"] == server.api.get(f"/tasks/{task_id}")
    assert [line["message"] for line in found["logs"]] == ["half of it was empty"]
    assert [run["status"] for run in found["runs"]] == ["failed"]
    assert [task["id"] for task in found["children"]] == [child]
    assert [artifact["name"] for artifact in found["artifacts"]] == ["report.md"]
    assert told.returncode == 0
    for text in (
        "✗ failed",
        "KeyError: no such shelf",
        "half of it was empty",
        "report.md",
        "without a price",
    ):
        assert text in told.stdout


def test_cancel_is_a_wish_until_the_work_has_stopped(server: Running) -> None:
    waiting, running = report(server), report(server, {"kind": "started"})

    assert server.terminal.json("cancel", waiting, "--reason", "no more need")["status"] == "cancelled"
    asked = server.terminal.json("cancel", running, "--reason", "no more need")

    assert (asked["status"], asked["cancel_reason"]) == ("running", "no more need")
    assert "(cancelling)" in server.terminal.call("show", running).stdout


def test_tracked_work_cannot_be_retried_from_here(server: Running) -> None:
    task_id = report(server, {"kind": "started"}, {"kind": "completed"})

    code, told = server.terminal.error("retry", task_id)

    assert (code, told["error"]) == (1, "not-restartable")


@pytest.mark.parametrize(
    "words",
    [
        ("show", uuid7()),
        ("show", "no-id"),
        ("watch", uuid7()),
        ("cancel", uuid7(), "--reason", "x"),
        ("retry", uuid7()),
        ("export", "logs", "--task", uuid7()),
        ("key", "revoke", uuid7()),
    ],
)
def test_what_does_not_exist_ends_with_five(server: Running, words: tuple[str, ...]) -> None:
    assert server.terminal.error(*words)[0] == 5


@pytest.mark.parametrize(
    "words",
    [
        ("tasks", "--status", "done"),
        ("tasks", "--since", "yesterday"),
        ("tasks", "--limit", "0"),
        ("tasks", "--cursor", "tampered"),
        ("tasks", "--bogus"),
        ("show",),
        ("cancel", uuid7()),
        ("cancel", uuid7(), "--reason", " "),
        ("export", "secrets"),
        ("nonsense",),
    ],
)
def test_wrong_use_ends_with_two(server: Running, words: tuple[str, ...]) -> None:
    done = server.terminal.call(*words)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("tasks",),
        ("show", uuid7()),
        ("watch",),
        ("watch", uuid7()),
        ("cancel", uuid7(), "--reason", "x"),
        ("open",),
        ("export", "tasks"),
        ("demo", "--quick"),
    ],
)
def test_without_a_server_the_exit_code_is_three_and_says_how_to_get_one(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    unknown = terminal.error(*words)
    silent = terminal.with_variables(HEADWAY_URL=NOWHERE, HEADWAY_API_KEY="hw_example").error(*words)

    assert (unknown[0], silent[0]) == (3, 3)
    assert "headway up" in unknown[1]["hint"]
    assert "headway up" in silent[1]["hint"]


def test_a_revoked_key_and_a_made_up_one_are_not_allowed_in(server: Running) -> None:
    made = server.terminal.json("key", "create", "--name", "short-lived", "--expires", "1")
    shell = server.terminal.with_variables(HEADWAY_URL=server.told["url"], HEADWAY_API_KEY=made["api_key"])
    assert shell.call("tasks").returncode == 0

    assert server.terminal.json("key", "revoke", made["id"]) == {"id": made["id"], "revoked": True}

    assert shell.error("tasks")[0] == 4
    assert shell.with_variables(HEADWAY_API_KEY="hw_example").error("tasks")[0] == 4
    listed = {key["id"]: key for key in server.terminal.json("key", "list")["items"]}
    assert listed[made["id"]]["revoked_at"] is not None
    assert "api_key" not in listed[made["id"]]


def test_a_viewer_may_look_but_not_change(server: Running) -> None:
    task_id = report(server, {"kind": "started"})
    key = server.terminal.json("key", "create", "--name", "screen", "--role", "viewer")
    shell = server.terminal.with_variables(HEADWAY_URL=server.told["url"], HEADWAY_API_KEY=key["api_key"])

    assert shell.json("show", task_id)["task"]["id"] == task_id
    assert shell.error("cancel", task_id, "--reason", "x")[0] == 4
    assert shell.error("open")[0] == 4


def test_the_audit_of_true_figures_is_clean(server: Running) -> None:
    report(server, {"kind": "started"}, {"kind": "completed"})

    assert server.terminal.json("audit")["differences"] == 0
    assert "no differences" in server.terminal.call("audit").stdout


def test_the_doctor_finds_a_healthy_machine_well(server: Running) -> None:
    found = server.terminal.json("doctor")

    wrong = [check for check in found["checks"] if check["result"] == "fail"]
    assert (found["ok"], wrong) == (True, [])
    results = {check["check"]: check["result"] for check in found["checks"]}
    assert {name: results[name] for name in ("server", "key", "database", "clock", "spool")} == {
        "server": "ok",
        "key": "ok",
        "database": "ok",
        "clock": "ok",
        "spool": "ok",
    }


def test_the_doctor_says_what_to_do_where_nothing_runs(terminal: Terminal) -> None:
    shell = terminal.with_variables(HEADWAY_URL=NOWHERE, HEADWAY_DATABSE_URL="x")

    found = shell.json("doctor")

    advice = {check["check"]: check["advice"] for check in found["checks"] if check["result"] == "warn"}
    assert "headway up" in advice["server"]
    assert "headway up" in advice["data folder"]
    settings = next(check for check in found["checks"] if check["check"] == "settings")
    assert "HEADWAY_DATABASE_URL" in settings["found"]


def test_the_doctor_fails_for_a_key_that_others_can_read(terminal: Terminal) -> None:
    terminal.data_dir.mkdir()
    credentials = terminal.data_dir / "credentials.json"
    credentials.write_text("{}")
    credentials.chmod(0o644)

    found = terminal.json("doctor", code=1)

    check = next(check for check in found["checks"] if check["check"] == "data folder")
    assert (check["result"], check["advice"]) == ("fail", f"chmod 600 '{credentials}'")


def test_the_doctor_fails_for_an_old_schema_and_for_an_unreachable_database(terminal: Terminal) -> None:
    old = terminal.folder / "old.sqlite3"
    old.touch()

    outdated = terminal.json("doctor", "--database-url", f"sqlite:///{old}", code=1)
    silent = terminal.json("doctor", "--database-url", "postgresql://x:secret@127.0.0.1:9/x", code=1)

    found = [
        next(check for check in told["checks"] if check["check"] == "database") for told in (outdated, silent)
    ]
    assert [check["result"] for check in found] == ["fail", "fail"]
    assert found[0]["advice"] == "headway migrate"
    assert "secret" not in found[1]["found"]


def test_every_command_and_group_explains_itself(terminal: Terminal) -> None:
    overview = terminal.call().stdout
    for name, entry in COMMANDS.items():
        assert name in overview
        told = terminal.call(name, "--help")
        assert told.returncode == 0
        if name != "spool":  # the bare SDK speaks there
            assert entry.about in " ".join(told.stdout.split())
            assert "--json" in told.stdout or name in ("key", "tenant")


def test_the_help_of_a_command_loads_no_server_code() -> None:
    program = (
        "import json, sys; from headway.console import main; main(['tasks', '--help']); "
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = set(json.loads(done.stderr))
    assert not loaded & {"fastapi", "sqlalchemy", "uvicorn", "alembic", "msgspec", "headway.app"}


def test_a_server_that_speaks_only_to_keys_is_asked_with_the_one_that_was_given(server: Running) -> None:
    with Server(server.told["url"], None) as anonymous:
        status = anonymous.transport.request("GET", "/api/v1/tasks").status

    assert status == 401
