from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from headway.sdk import spool_command
from tests.sdk import programs
from tests.sdk.receiver import KEY, Receiver

LEAVES = """
import headway, os
task = headway.create_task("left behind").start()
for number in range(100):
    task.progress(number, f"row {number}")
os._exit(1)
"""


@pytest.fixture
def left_behind(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spool of a dead process that no server has seen."""
    for name, value in programs.environment(tmp_path, receiver).items():
        if name.startswith("HEADWAY_"):
            monkeypatch.setenv(name, value)
    receiver.key = "nobody's"
    programs.run(LEAVES, programs.environment(tmp_path, receiver), tmp_path)
    receiver.key = KEY
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = spool_command.main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out or "null")


def test_status_tells_what_waits_and_whose_it_is(
    left_behind: Path, capsys: pytest.CaptureFixture[str], receiver: Receiver
) -> None:
    code, report = answer(capsys, "status")

    (spool,) = report["spools"]
    assert (code, report["facts"], report["refused"], report["limit_bytes"]) == (0, 102, 0, 1_000_000_000)
    assert report["bytes"] > 10_000
    assert (spool["facts"], spool["owner_alive"], spool["destination"]) == (102, False, receiver.url)
    assert spool_command.main(["status"]) == 0
    assert "102 facts of process" in capsys.readouterr().out


def test_send_delivers_what_dead_processes_left_and_removes_it(
    left_behind: Path, capsys: pytest.CaptureFixture[str], receiver: Receiver
) -> None:
    code, report = answer(capsys, "send")

    assert (code, report) == (0, {"sent": 102, "spools": 1, "left": 0, "outcome": "done"})
    assert programs.spools(left_behind) == []
    assert len(receiver.facts) == 102
    assert answer(capsys, "send")[1]["sent"] == 0


def test_send_says_what_is_in_the_way(
    left_behind: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_API_KEY", "hw_wrong")
    assert answer(capsys, "send") == (4, {"sent": 0, "spools": 0, "left": 102, "outcome": "denied"})

    monkeypatch.setenv("HEADWAY_URL", "http://127.0.0.1:9")
    assert answer(capsys, "send", "--all") == (
        3,
        {"sent": 0, "spools": 0, "left": 102, "outcome": "unreachable"},
    )

    monkeypatch.delenv("HEADWAY_URL")
    assert spool_command.main(["send"]) == 3
    assert len(programs.spools(left_behind)) == 1


def test_a_spool_for_another_server_or_key_is_sent_only_when_asked_for(
    left_behind: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    (folder,) = programs.spools(left_behind)
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps(about | {"accepted_key": "another"}))
    assert answer(capsys, "send")[1] == {"sent": 0, "spools": 0, "left": 102, "outcome": "done"}

    (folder / "about.json").write_text(json.dumps(about | {"destination": "http://another"}))
    assert answer(capsys, "send")[1]["left"] == 102

    assert answer(capsys, "send", "--all")[1]["sent"] == 102


def test_a_copied_spool_is_not_counted_twice(
    left_behind: Path, capsys: pytest.CaptureFixture[str], receiver: Receiver
) -> None:
    (folder,) = programs.spools(left_behind)
    shutil.copytree(folder, folder.with_name("9" + folder.name[1:]))

    answer(capsys, "send")

    assert programs.spools(left_behind) == []
    assert len(receiver.facts) == 102


def test_refused_facts_are_listed_and_cleared(
    left_behind: Path, capsys: pytest.CaptureFixture[str], receiver: Receiver
) -> None:
    receiver.refuse = lambda fact: (
        {"type": "/problems/refused-change", "detail": "it has ended"}
        if fact.get("message") == "row 7"
        else None
    )
    answer(capsys, "send")

    code, refused = answer(capsys, "refused")
    assert (code, refused["fact"]["message"], refused["problem"]["detail"]) == (0, "row 7", "it has ended")
    assert spool_command.main(["refused", "--clear"]) == 0
    assert "progress of" in capsys.readouterr().out
    assert spool_command.main(["refused"]) == 0
    assert capsys.readouterr().out == "nothing was refused\n"


@pytest.mark.parametrize("words", [[], ["sned"], ["status", "--colour"]])
def test_wrong_use_is_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert spool_command.main(words) == 2
    assert "usage: headway spool" in capsys.readouterr().err


def test_help_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert spool_command.main(["--help"]) == 0
    assert "status" in capsys.readouterr().out


def test_the_command_works_with_the_bare_sdk(left_behind: Path, receiver: Receiver) -> None:
    env = {**programs.environment(left_behind, receiver), "HEADWAY_API_KEY": KEY}
    source = (
        "import sys; bare = set(sys.modules)\n"
        "from headway.console import main\n"
        "code = main(['spool', 'send', '--json'])\n"
        "names = {name.partition('.')[0] for name in set(sys.modules) - bare}\n"
        "assert names <= set(sys.stdlib_module_names) | {'headway'}, names\n"
        "sys.exit(code)"
    )
    finished = programs.run(source, env, left_behind)

    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["sent"] == 102
    assert os.listdir(left_behind / "spool") == []
