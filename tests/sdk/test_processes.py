from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.sdk import programs
from tests.sdk.receiver import Receiver

BURST = """
import headway, sys
task = headway.create_task("burst").start()
for number in range(20_000):
    task.progress(number / 200, f"row {number}")
print("done", flush=True)
sys.stdin.read()
"""
NEXT = """
import headway, sys
headway.create_task("next").complete()
assert headway.flush(30)
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

    following = programs.start(NEXT, env, tmp_path)
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

    following = programs.start(NEXT, env, tmp_path)
    receiver.wait_for(lambda: len(receiver.of_kind("progress")) > reported)
    following.communicate()

    found = burst_messages(receiver)
    assert set(found.values()) == {1}
    assert {f"row {number}" for number in range(reported + 1)} <= set(found)


def test_the_spool_of_a_program_that_ended_well_is_gone(receiver: Receiver, tmp_path: Path) -> None:
    source = "import headway\nwith headway.task('short'): pass"

    finished = programs.run(source, programs.environment(tmp_path, receiver), tmp_path)

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    assert [fact["kind"] for fact in receiver.facts] == ["created", "started", "completed"]
    assert programs.spools(tmp_path) == []


def test_a_program_without_a_server_ends_at_once_and_keeps_its_facts(tmp_path: Path) -> None:
    source = """
import headway, time
with headway.task("alone") as task:
    task.progress(50)
headway.flush(0.3)
print(time.monotonic(), flush=True)
"""
    env = programs.environment(tmp_path, None, HEADWAY_URL="http://127.0.0.1:9", HEADWAY_API_KEY="hw_example")
    finished = programs.run(source, env, tmp_path)
    ended = time.monotonic()

    assert finished.returncode == 0
    assert finished.stderr.count("what is reported waits in the spool") == 1
    assert ended - float(finished.stdout) < 2.0, "it does not wait for a server that is not there"
    assert len(programs.spools(tmp_path)) == 1


def test_a_task_still_open_at_the_end_failed_with_the_process(receiver: Receiver, tmp_path: Path) -> None:
    source = """
import headway
outer = headway.create_task("outer").start()
inner = outer.child("inner").create()
raise KeyError("the cause")
"""
    finished = programs.run(source, programs.environment(tmp_path, receiver), tmp_path)

    assert finished.returncode == 1
    failures = {fact["task_id"]: fact["error"] for fact in receiver.of_kind("failed")}
    assert len(failures) == 2
    for error in failures.values():
        assert error["type"] == "ProcessExited"
        assert error["message"] == ("the process ended while the task was open, after KeyError: 'the cause'")
        assert "line 5, in <module>" in error["stack"]


def test_ctrl_c_ends_the_task_as_cancelled(receiver: Receiver, tmp_path: Path) -> None:
    source = """
import headway, time
with headway.task("long"):
    print("started", flush=True)
    time.sleep(60)
"""
    program = programs.start(source, programs.environment(tmp_path, receiver), tmp_path)
    assert program.stdout is not None
    assert program.stdout.readline() == "started\n"
    program.send_signal(signal.SIGINT)
    program.communicate()

    assert receiver.one("cancelled")["reason"] == "interrupted from the keyboard"


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


def test_child_processes_belong_to_the_task_that_started_them(receiver: Receiver, tmp_path: Path) -> None:
    source = """
import headway, subprocess, sys
child = '''
import headway
headway.current_task().log("from the child")
with headway.task("in the child"):
    pass
headway.attach().progress(70)
'''
with headway.task("outer"), headway.task("starts a program") as task:
    subprocess.run([sys.executable, "-c", child], check=True)
    print(task.id)
subprocess.run([sys.executable, "-c", "import headway; assert headway.current_task() is None"], check=True)
"""
    finished = programs.run(source, programs.environment(tmp_path, receiver), tmp_path)

    assert finished.returncode == 0, finished.stderr
    task_id = finished.stdout.strip()
    (inner,) = [fact for fact in receiver.of_kind("created") if fact["name"] == "in the child"]
    assert inner["parent_id"] == task_id
    assert receiver.one("log")["task_id"] == task_id
    assert sorted(receiver.kinds(task_id)) == ["completed", "created", "log", "progress", "started"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_sends_its_own_facts_under_its_own_name_and_the_parents_once(
    receiver: Receiver, tmp_path: Path
) -> None:
    source = """
import headway, os, sys, warnings
warnings.simplefilter("ignore")
with headway.task("forks") as task:
    for number in range(50):
        task.log(f"parent {number}")
    pid = os.fork()
    if pid == 0:
        with headway.task("in the fork"):
            headway.attach(task.id).log("child")
        sys.exit(0)
    _, status = os.waitpid(pid, 0)
    task.log("parent after")
assert status == 0
"""
    finished = programs.run(source, programs.environment(tmp_path, receiver), tmp_path)

    assert finished.returncode == 0, finished.stderr
    logs = receiver.of_kind("log")
    assert Counter(fact["message"] for fact in logs) == Counter(
        [*(f"parent {number}" for number in range(50)), "child", "parent after"]
    )
    by_producer = {fact["message"].split()[0]: fact["producer"] for fact in logs}
    assert by_producer["parent"] != by_producer["child"]
    (forked,) = [fact for fact in receiver.of_kind("created") if fact["name"] == "in the fork"]
    assert receiver.kinds(forked["task_id"]) == ["created", "started", "completed"]
    assert len(receiver.of_kind("completed")) == 2, "the fork does not end its parent's task"
    assert forked["parent_id"] == logs[0]["task_id"]
    assert programs.spools(tmp_path) == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_workers_of_multiprocessing_report_and_deliver(
    receiver: Receiver, tmp_path: Path, method: str
) -> None:
    if method == "fork" and sys.platform in ("win32", "darwin"):
        pytest.skip("forking is not offered here")
    program = tmp_path / "pool.py"
    program.write_text(f"""
import multiprocessing, warnings
warnings.simplefilter("ignore")
import headway

@headway.tracked
def work(number):
    headway.current_task().progress(50, f"item {{number}}")
    return number * 2

if __name__ == "__main__":
    with headway.task("pool"), multiprocessing.get_context("{method}").Pool(2) as pool:
        assert pool.map(work, range(6)) == [0, 2, 4, 6, 8, 10]
        pool.close()
        pool.join()
""")
    env = programs.environment(tmp_path, receiver)
    finished = subprocess.run(
        [sys.executable, str(program)], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert finished.returncode == 0, finished.stderr
    following = programs.start(NEXT, env, tmp_path)
    receiver.wait_for(lambda: len(receiver.of_kind("completed")) >= 8)
    following.communicate()

    (pool,) = {fact["task_id"] for fact in receiver.of_kind("created") if fact["name"] == "pool"}
    work = [fact for fact in receiver.of_kind("created") if fact["name"] == "work"]
    assert len(work) == 6
    assert {fact["parent_id"] for fact in work} == {pool}
    completed = {fact["task_id"] for fact in receiver.of_kind("completed")}
    assert {fact["task_id"] for fact in work} <= completed


def test_disabled_nothing_is_written_or_sent_and_everything_works(receiver: Receiver, tmp_path: Path) -> None:
    source = """
import headway
with headway.task("quiet") as task:
    assert list(task.track([1, 2])) == [1, 2]
    task.llm_call("openai", "m"); task.metric("m", 1); task.artifact("a", content="x")
    with task.child("part"):
        pass
assert headway.flush()
"""
    env = programs.environment(tmp_path, receiver, HEADWAY_DISABLED="1")
    finished = programs.run(source, env, tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert receiver.requests == []
    assert programs.spools(tmp_path) == []


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


def test_importing_headway_loads_no_machinery(tmp_path: Path) -> None:
    source = """
import sys
bare = set(sys.modules)
import headway
loaded = set(sys.modules) - bare
assert not loaded & {"asyncio", "logging", "ssl", "http.client", "urllib.request", "dataclasses"}, loaded
with headway.task("x", id=None) as task:
    task.progress(1)
assert "asyncio" not in sys.modules
"""
    env = programs.environment(tmp_path, None)
    finished = programs.run(source, env, tmp_path)

    assert finished.returncode == 0, finished.stderr
