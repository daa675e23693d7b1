"""What the SDK costs the program that uses it, and what survives the program's death.

    python -m benchmarks.sdk [--quick]

`task.progress()` is timed call by call in a process of its own: in a tight loop and a thousand times a second, with
a server that takes the facts meanwhile, and with none. The floor beside it is one `os.write` of the same line, the
least that a line which survives `kill -9` can cost. The import is the best of many interpreters, a bare one beside
it. In the trials a process reports 20,000 facts and is killed with signal 9; what it left is sent and counted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import headway
from benchmarks import results
from benchmarks.databases import SQLITE, fresh
from benchmarks.results import Figure
from benchmarks.serving import Server, headway_up

BURST = 20_000
NOBODY = "http://127.0.0.1:9"  # the discard port: refused at once

TIMED = """
import json, sys, time
import headway
calls, pause, patience = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
now, took = time.perf_counter_ns, []
with headway.task("timed") as task:
    for number in range(calls):
        begun = now()
        task.progress(number * 100 / calls, f"row {number} of {calls}", phase="reading")
        took.append(now() - begun)
        if pause:
            time.sleep(pause)
delivered = headway.flush(patience)
took.sort()
print(json.dumps({"median": took[calls // 2], "p99": took[calls * 99 // 100], "delivered": delivered}))
"""
FLOOR = """
import json, os, sys, time
line = b'{"task_id":"01a20104-2266-7000-8f0c-adfe49b12d99","kind":"progress","at":"2026-11-22T02:09:37.894464Z",'
line += b'"run":1,"progress":40.0,"message":"row 8000 of 20000","phase":"reading"}\\n'
calls, pause = int(sys.argv[1]), float(sys.argv[2])
fd = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
now, took = time.perf_counter_ns, []
for _ in range(calls):
    begun = now()
    os.write(fd, line)
    took.append(now() - begun)
    if pause:
        time.sleep(pause)
took.sort()
print(json.dumps({"median": took[calls // 2], "p99": took[calls * 99 // 100]}))
"""
DIES = """
import sys
import headway
task = headway.create_task("burst").start()
for number in range(int(sys.argv[1])):
    task.progress(number * 100 / int(sys.argv[1]), f"row {number}")
print(task.id, flush=True)
sys.stdin.read()
"""
SEND = "import sys; from headway.console import main; sys.exit(main(['spool', 'send', '--all', '--json']))"


def _environment(folder: Path, url: str, api_key: str) -> dict[str, str]:
    hidden = ("HEADWAY_", "PYTHONDONTWRITEBYTECODE")  # an installed program has its bytecode
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    source = str(Path(headway.__file__).parents[1])
    return {
        **kept,
        "PYTHONPATH": source,
        "HEADWAY_URL": url,
        "HEADWAY_API_KEY": api_key,
        "HEADWAY_DATA_DIR": str(folder / "data"),
        "HEADWAY_SPOOL_DIR": str(folder / "spool"),
    }


def _run(source: str, env: dict[str, str], folder: Path, *words: str) -> Any:
    command = [sys.executable, "-c", source, *words]
    done = subprocess.run(command, env=env, cwd=folder, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def calls(server: Server, count: int) -> list[Figure]:
    """What one call of `task.progress()` takes in the caller."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="hw_bench_sdk_") as name:
        for pause, how in ((0.0, "tight loop"), (0.001, "1,000/s")):
            made = count if not pause else min(count, 5_000)
            floor = _run(FLOOR, dict(os.environ), Path(name), str(made), str(pause), f"{name}/floor")
            for url, where in ((server.url, "server taking them"), (NOBODY, "no server")):
                env = _environment(Path(name) / f"{made} {where}", url, server.api_key)
                patience = "0.2" if url == NOBODY else "60"
                took = _run(TIMED, env, Path(name), str(made), str(pause), patience)
                assert took["delivered"] is (url != NOBODY), took
                figures.append(_call_figure(f"{where}, {how}", made, took, floor, barred=not pause))
    return figures


def _call_figure(
    case: str, made: int, took: dict[str, int], floor: dict[str, int], *, barred: bool
) -> Figure:
    """Between two paced calls the caches and the clock of the processor cool down, for everything alike."""
    return Figure(
        name=f"SDK: task.progress(), {case}, median",
        value=took["median"] / 1_000,
        unit="µs",
        bar=10.0 if barred else None,
        at_most=True,
        note=(
            f"p99 {took['p99'] / 1_000:.1f} µs, {made:,} calls; one bare os.write of such a line, paced alike: "
            f"median {floor['median'] / 1_000:.1f} µs, p99 {floor['p99'] / 1_000:.1f} µs"
        ),
    )


def imports(rounds: int) -> list[Figure]:
    """What `import headway` adds to the start of an interpreter; the best of many, taken in turns."""
    sources = {"bare": "pass", "import": "import headway", "first task": "import headway; headway.task"}
    best = dict.fromkeys(sources, float("inf"))
    with tempfile.TemporaryDirectory(prefix="hw_bench_sdk_") as name:
        env = _environment(Path(name), NOBODY, "")
        for _ in range(rounds):
            for what, source in sources.items():
                begun = time.perf_counter()
                subprocess.run([sys.executable, "-c", source], env=env, cwd=name, check=True)
                best[what] = min(best[what], time.perf_counter() - begun)
    bare = best["bare"] * 1_000
    return [
        Figure(
            name="SDK: import headway",
            value=best["import"] * 1_000 - bare,
            unit="ms",
            bar=40.0,
            at_most=True,
            note=f"best of {rounds}; the whole process {best['import'] * 1_000:.1f} ms, bare {bare:.1f} ms",
        ),
        Figure(
            name="SDK: import headway and headway.task",
            value=best["first task"] * 1_000 - bare,
            unit="ms",
            note=f"best of {rounds}; all that is loaded before the first task begins",
        ),
    ]


def kills(server: Server, trials: int) -> list[Figure]:
    """How many facts are lost, or counted twice, when their process is killed right after reporting them."""
    lost = twice = 0
    seconds = []
    for trial in range(trials):
        reachable = trial % 2 == 1  # else nothing was sent before the end
        with tempfile.TemporaryDirectory(prefix="hw_bench_sdk_") as name:
            begun = time.perf_counter()
            task_id = _killed(Path(name), server, reachable=reachable)
            rows = _rows(server, task_id)
            seconds.append(time.perf_counter() - begun)
        lost += BURST - len(set(rows))
        twice += len(rows) - len(set(rows))
    note = f"{trials} trials, every other with a server that takes facts already; {statistics.mean(seconds):.1f} s each"
    named = f"SDK: {BURST:,} facts, kill -9, spool sent"
    return [
        Figure(
            name=f"{named}: lost", database=SQLITE, value=lost, unit="facts", bar=0, at_most=True, note=note
        ),
        Figure(
            name=f"{named}: counted twice", database=SQLITE, value=twice, unit="facts", bar=0, at_most=True
        ),
    ]


def _killed(folder: Path, server: Server, *, reachable: bool) -> str:
    """The id of a task whose process was killed after a burst, once all that it left has been sent."""
    env = _environment(folder, server.url if reachable else NOBODY, server.api_key)
    process = subprocess.Popen(
        [sys.executable, "-c", DIES, str(BURST)],
        env=env,
        cwd=folder,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    task_id = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    sent = _run(SEND, env | {"HEADWAY_URL": server.url}, folder)
    assert sent["left"] == 0, sent
    return task_id


def _rows(server: Server, task_id: str) -> list[str]:
    """The progress messages that the server has of the task."""
    client = headway.Client(server.url, server.api_key)
    told = [entry["message"] for entry in client.get_timeline(task_id)]
    client.close()
    return [message for message in told if message and message.startswith("row ")]


def main(arguments: list[str] | None = None) -> list[Figure]:
    """Measure, print and write everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer calls, interpreters and trials")
    options = parser.parse_args(arguments)
    before = results.load_average()
    figures = imports(5 if options.quick else 30)
    with fresh("sqlite") as url, headway_up(url) as server:
        figures += calls(server, 5_000 if options.quick else 50_000)
        figures += kills(server, 2 if options.quick else 10)
    results.conclude("sdk", figures, before)
    return figures


if __name__ == "__main__":
    main()
