"""`headway up`, `server`, `migrate` and `tenant`: how a server comes to be, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from headway.interfaces.cli.connection import Server
from tests.interfaces.cli.conftest import Running, Terminal, running


def get(url: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{parts.query}")
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_first_line_of_up_is_all_that_a_program_needs(server: Running) -> None:
    told = server.told

    assert list(told) == ["url", "sign_in_url", "api_key", "data_dir"]
    assert told["data_dir"] == str(server.terminal.data_dir)
    assert server.api.get("/me")["role"] == "owner"
    assert told["sign_in_url"].startswith(told["url"])
    if os.name == "posix":
        assert stat.S_IMODE(server.terminal.data_dir.stat().st_mode) == 0o700
        credentials = server.terminal.data_dir / "credentials.json"
        assert stat.S_IMODE(credentials.stat().st_mode) == 0o600


def test_a_second_up_tells_of_the_running_server_with_a_fresh_sign_in_link(server: Running) -> None:
    second = server.terminal.json("up")

    assert {**second, "sign_in_url": ""} == {**server.told, "sign_in_url": ""}
    assert second["sign_in_url"] != server.told["sign_in_url"]
    assert [get(second["sign_in_url"]), get(second["sign_in_url"])] == [303, 401]


def test_a_second_up_says_in_words_that_headway_runs_already(server: Running) -> None:
    done = server.terminal.call("up", "--port", "1")

    assert done.returncode == 0
    assert f"already runs here, as process {server.process.pid}" in done.stdout
    assert server.told["url"] in done.stdout


def test_open_makes_a_link_that_signs_in(server: Running) -> None:
    told = server.terminal.json("open")

    assert told["url"] == server.told["url"]
    assert get(told["sign_in_url"]) == 303


def test_a_taken_port_is_named_and_nothing_is_left_behind(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code, told = terminal.error("up", "--no-browser", "--port", str(port))

    assert code == 1
    assert str(port) in told["detail"]
    assert "--port" in told["hint"]
    assert not (terminal.data_dir / "server.json").exists()


def test_a_stopped_server_comes_back_with_the_same_key_and_rows(terminal: Terminal) -> None:
    with running(terminal) as first:
        task = first.api.post("/tasks", {"name": "stays"})
        assert first.stop() == 0
    assert not (terminal.data_dir / "server.json").exists()
    assert terminal.call("tasks").returncode == 3

    with running(terminal) as second:
        assert second.told["api_key"] == first.told["api_key"]
        assert second.api.get(f"/tasks/{task['id']}")["name"] == "stays"
        assert terminal.json("tasks")["items"][0]["id"] == task["id"]


def test_a_killed_server_leaves_nothing_that_keeps_the_next_one_from_starting(terminal: Terminal) -> None:
    with running(terminal) as first:
        first.process.kill()
        first.process.wait()
    assert (terminal.data_dir / "server.json").exists()

    with running(terminal) as second:
        assert terminal.json("up")["url"] == second.told["url"]


def test_up_makes_a_new_key_when_the_file_with_the_old_one_is_gone(terminal: Terminal) -> None:
    with running(terminal) as first:
        pass
    (terminal.data_dir / "credentials.json").unlink()

    with running(terminal) as second:
        assert second.told["api_key"] != first.told["api_key"]
        with Server(second.told["url"], first.told["api_key"]) as old:
            assert old.get("/me") == second.api.get("/me")


def test_up_serves_a_postgresql_database(terminal: Terminal, postgres_url: str) -> None:
    with running(terminal, "--database-url", postgres_url) as server:
        task = server.api.post("/tasks", {"name": "elsewhere"})

        assert terminal.json("show", task["id"])["task"]["name"] == "elsewhere"
        assert terminal.json("audit", "--database-url", postgres_url)["clean"]
    assert not (terminal.data_dir / "headway.sqlite3").exists()


def test_server_wants_a_database_that_was_named(terminal: Terminal) -> None:
    code, told = terminal.error("server")

    assert code == 2
    assert "HEADWAY_DATABASE_URL" in told["detail"]
    assert not terminal.data_dir.exists()


def test_server_says_which_command_to_run_for_an_old_schema(terminal: Terminal, database_url: str) -> None:
    shell = terminal.with_variables(HEADWAY_DATABASE_URL=database_url)
    Path(terminal.data_dir).mkdir()

    code, told = shell.error("server", "--port", "0")

    assert code == 1
    assert "headway migrate" in told["detail"]


def test_a_database_is_set_up_by_hand_and_served(terminal: Terminal, database_url: str) -> None:
    shell = terminal.with_variables(HEADWAY_DATABASE_URL=database_url)

    assert shell.json("migrate")["applied"]
    assert shell.json("migrate")["applied"] == []
    tenant = shell.json("tenant", "create", "--name", "Shop")
    key = shell.json("key", "create", "--name", "worker", "--role", "member")
    assert shell.json("tenant", "list") == {"items": [{"id": tenant["id"], "name": "Shop"}]}
    assert [kept["name"] for kept in shell.json("key", "list")["items"]] == ["worker", "owner"]

    with shell.start("server", "--port", "0", "--json") as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        with Server(url, tenant["owner_api_key"]) as owner, Server(url, key["api_key"]) as worker:
            roles = [owner.get("/me")["role"], worker.get("/me")["role"]]
        process.terminate()
        process.communicate()
    assert roles == ["owner", "member"]
    if os.name == "posix":
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--port", "70000"), "HEADWAY_PORT"),
        (("--database-url", "mysql://x"), "HEADWAY_DATABASE_URL"),
    ],
)
def test_a_wrong_setting_is_wrong_use_and_named(
    terminal: Terminal, words: tuple[str, ...], named: str
) -> None:
    code, told = terminal.error("up", *words)

    assert code == 2
    assert named in told["detail"]
