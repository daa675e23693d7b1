from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.sdk import programs
from tests.sdk.receiver import KEY, Receiver

BURST = """
import headway, sys
task = headway.create_task("burst").start()
for number in range(20_000):
    task.progress(number / 200, f"row {number}")
print("done", flush=True)
sys.stdin.read()
"""


def burst_messages(receiver: Receiver) -> Counter[str]:
    return Counter(fact["message"] for fact in receiver.of_kind("progress"))


@pytest.mark.crash
@pytest.mark.parametrize("reachable", [False, True], ids=["without a server", "while it is sending"])
def test_kill_9_after_a_burst_of_20_000_facts_loses_none(
    receiver: Receiver, tmp_path: Path, reachable: bool
) -> None:
    env = programs.environment(tmp_path, receiver)
    silent = {**env, "HEADWAY_URL": env["HEADWAY_URL"] if reachable else "http://127.0.0.1:9"}
    program = programs.start(BURST, silent, tmp_path)
    assert program.stdout is not None
    assert program.stdout.readline() == "done\n"
    program.kill()
    program.communicate()
    if not reachable:
        assert receiver.facts == []
        for about in (tmp_path / "spool").glob("*/about.json"):
            about.write_text(about.read_text().replace("http://127.0.0.1:9", receiver.url))

    following = programs.start(programs.NEXT, env, tmp_path)
    receiver.wait_for(lambda: len(receiver.of_kind("progress")) >= 20_000)
    following.communicate()

    assert burst_messages(receiver) == Counter(f"row {number}" for number in range(20_000))


@pytest.mark.crash
def test_kill_9_in_the_middle_of_a_burst_loses_nothing_that_was_reported(
    receiver: Receiver, tmp_path: Path
) -> None:
    source = BURST.replace(
        'task.progress(number / 200, f"row {number}")',
        'task.progress(number / 200, f"row {number}"); print(number, flush=True)',
    )
    env = programs.environment(tmp_path, receiver)
    program = programs.start(source, env, tmp_path)
    assert program.stdout is not None
    for line in program.stdout:
        if line == "700\n":
            break
    program.kill()
    rest, _ = program.communicate()
    reported = max(int(line) for line in ["700", *rest.split("\n")[:-1]])

    following = programs.start(programs.NEXT, env, tmp_path)
    receiver.wait_for(lambda: len(receiver.of_kind("progress")) > reported)
    following.communicate()

    found = burst_messages(receiver)
    assert set(found.values()) == {1}
    assert {f"row {number}" for number in range(reported + 1)} <= set(found)


def test_ctrl_c_in_the_middle_of_reports_loses_and_doubles_nothing(
    receiver: Receiver, tmp_path: Path
) -> None:
    source = """
import headway, itertools, signal
task = headway.create_task("interrupted").start()
for round in range(200):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        for number in itertools.count():
            task.progress(1, f"{round} {number}")
    except KeyboardInterrupt:
        pass
task.complete()
"""
    finished = programs.run(source, programs.environment(tmp_path, receiver), tmp_path)

    assert finished.returncode == 0, finished.stderr
    found = burst_messages(receiver)
    assert set(found.values()) == {1}
    for round in range(200):
        numbers = sorted(int(text.split()[1]) for text in found if text.split()[0] == str(round))
        assert numbers == list(range(len(numbers)))
    assert receiver.facts[-1]["kind"] == "completed"


def test_a_signal_handler_may_report_while_a_report_is_under_way(receiver: Receiver, tmp_path: Path) -> None:
    source = """
import headway, signal
task = headway.create_task("signalled").start()
ticks = 0
def tick(*_):
    global ticks
    ticks += 1
    task.log(f"tick {ticks}")
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
number = 0
while ticks < 200:
    task.progress(1, f"row {number}"); number += 1
signal.setitimer(signal.ITIMER_REAL, 0)
task.complete({"rows": number, "ticks": ticks})
"""
    finished = programs.run(source, programs.environment(tmp_path, receiver), tmp_path)

    assert finished.returncode == 0, finished.stderr
    result = receiver.one("completed")["result"]
    assert len(receiver.of_kind("log")) == result["ticks"]
    assert burst_messages(receiver) == Counter(f"row {number}" for number in range(result["rows"]))


def test_a_disk_that_takes_nothing_does_not_stop_the_program_or_the_reports(
    receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    env = programs.environment(tmp_path, receiver, HEADWAY_SPOOL_DIR=str(tmp_path / "file" / "spool"))
    finished = programs.run(
        "import headway\nwith headway.task('no disk') as t:\n  t.progress(3)", env, tmp_path
    )

    assert finished.returncode == 0
    assert finished.stderr.count("facts are kept in memory") == 1
    assert [fact["kind"] for fact in receiver.facts] == ["created", "started", "progress", "completed"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_disk_that_fills_up_keeps_every_line_whole(receiver: Receiver, tmp_path: Path) -> None:
    source = """
import headway, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
headway.configure(url="http://127.0.0.1:9")
task = headway.create_task("fills the disk").start()
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for number in range(1_000):
    task.progress(1, f"row {number}")
headway.configure()
"""
    env = programs.environment(tmp_path, receiver)
    finished = programs.run(source, env, tmp_path)

    assert finished.returncode == 0
    assert "facts are kept in memory" in finished.stderr
    (folder,) = programs.spools(tmp_path)
    content = (folder / "0000000000000001.jsonl").read_bytes()
    assert 0 < len(content) <= 50_000
    assert content.endswith(b"}\n")


def test_a_full_spool_keeps_every_ending_and_tells_how_much_else_is_missing(
    receiver: Receiver, tmp_path: Path
) -> None:
    source = """
import headway
task = headway.create_task("talkative").start()
for number in range(1_000):
    task.progress(1, f"row {number}")
    task.log(f"line {number}")
for number in range(100):
    headway.create_task(f"short {number}").complete()
task.complete()
print("reported", flush=True)
input()
assert headway.flush(30)
"""
    receiver.key = "nobody's"
    env = programs.environment(tmp_path, receiver, HEADWAY_SPOOL_BYTES="40_000")
    program = programs.start(source, env, tmp_path)
    assert program.stdout is not None
    assert program.stdout.readline() == "reported\n"
    receiver.key = KEY
    _, warnings = program.communicate("\n")

    assert program.returncode == 0, warnings
    assert warnings.count("is full (40,000 bytes)") == 1
    assert len(receiver.of_kind("created")) == len(receiver.of_kind("completed")) == 101
    *kept, told = [fact["message"] for fact in receiver.facts if fact["kind"] in ("log", "progress")]
    assert 0 < len(kept) < 1_000
    missing = 2_000 - len(kept)
    assert told == f"{missing} progress and log entries were not kept: the spool was full"
