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
        headway.flush(timeout=60)  # what exit waits for depends on how fast the server is
        sys.exit(0)
    _, status = os.waitpid(pid, 0)
    task.log("parent after")
    headway.flush(timeout=60)
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
    following = programs.start(programs.NEXT, env, tmp_path)
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


def test_what_is_reported_after_the_end_waits_for_the_next_process(
    receiver: Receiver, tmp_path: Path
) -> None:
    source = """
import headway
from headway.sdk import api
late = headway.create_task("late")
api._at_exit()
with headway.task("after the end"):
    pass
"""
    env = programs.environment(tmp_path, receiver)
    finished = programs.run(source, env, tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert [fact["kind"] for fact in receiver.facts] == ["created", "failed"]

    following = programs.start(programs.NEXT, env, tmp_path)
    receiver.wait_for(lambda: len(receiver.of_kind("completed")) == 2)
    following.communicate()


def test_a_server_that_does_not_answer_holds_up_the_end_of_a_program_for_some_seconds_at_most(
    receiver: Receiver, tmp_path: Path
) -> None:
    source = """
import headway, time
with headway.task("first"):
    pass
assert headway.flush(30)
print("first", flush=True)
input()
with headway.task("second"):
    pass
print(time.monotonic(), flush=True)
"""
    program = programs.start(source, programs.environment(tmp_path, receiver), tmp_path)
    assert program.stdout is not None
    assert program.stdout.readline() == "first\n"
    with receiver.hung():
        out, _ = program.communicate("\n")
        ended = time.monotonic()

    assert program.returncode == 0
    assert 4.0 < ended - float(out) < 15.0
    assert len(programs.spools(tmp_path)) == 1
