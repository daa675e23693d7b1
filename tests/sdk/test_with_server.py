"""The SDK against the real server on a real database: what was reported is what can be read back."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import headway
from headway.domain import errors
from headway.sdk import api
from headway.sdk.outbox import Outbox
from headway.sdk.transport import Unreachable
from headway.settings import load_settings
from tests.interfaces.serving import RunningServer, Tenant, served
from tests.sdk import programs


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    with served(folder, f"sqlite:///{(folder / 'headway.sqlite3').as_posix()}") as running:
        yield running


@contextmanager
def served_again(folder: Path, database_url: str, port: int) -> Iterator[RunningServer]:
    """A server on the same database and the same port as one before."""
    settings, _ = load_settings({}, folder, data_dir=folder, database_url=database_url, port=port)
    running = RunningServer(settings)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def tenant(server: RunningServer) -> Tenant:
    return server.tenant()


@pytest.fixture
def real_outbox(server: RunningServer, tenant: Tenant, tmp_path: Path) -> Iterator[Outbox]:
    headway.configure(url=server.url, api_key=tenant.api_key, spool_dir=tmp_path / "spool")
    box = api.outbox()
    yield box
    for handle in list(box.open.values()):
        handle.cancel("the test is over")
    box.end()
    api._outbox = None


@pytest.fixture
def client(server: RunningServer, tenant: Tenant) -> Iterator[headway.Client]:
    found = headway.Client(server.url, tenant.api_key)
    yield found
    found.close()


def test_what_was_reported_can_be_read_back(
    real_outbox: Outbox, client: headway.Client, tenant: Tenant
) -> None:
    with headway.task("Import catalogue", project="shop", agent="importer", labels={"env": "test"}) as task:
        task.progress(40, "400 of 1000", phase="reading")
        task.log("half of it was empty", level="warning", data={"rows": 500})
        call = task.llm_call("openai", "gpt-4o-mini", input_tokens=512, output_tokens=128, cost_usd="0.0015")
        task.metric("rows_per_second", 812, unit="1/s")
        task.artifact("report.md", content="# fine", type="report")
        with task.child("part"):
            pass
        task.set_result({"rows": 1000})
    assert headway.flush(20)
    assert not (Path(real_outbox.config.spool_dir) / "refused").exists(), (
        "the server takes every fact of the SDK"
    )

    found = client.get_task(task.id)
    assert (found["name"], found["status"], found["progress"]) == ("Import catalogue", "completed", 100)
    assert (found["result"], found["labels"], found["agent"]) == ({"rows": 1000}, {"env": "test"}, "importer")
    assert (found["input_tokens"], found["llm_calls"]) == (512, 1)
    assert [found["id"] for found in client.get_llm_calls(task.id)] == [call]
    assert "half of it was empty" in [entry["message"] for entry in client.get_logs(task.id, level="warning")]
    assert [(metric["name"], metric["value"]) for metric in client.get_metrics(task.id)] == [
        ("rows_per_second", 812)
    ]
    assert [artifact["name"] for artifact in client.get_artifacts(task.id)] == ["report.md"]
    assert [(run["number"], run["status"]) for run in client.get_runs(task.id)] == [(1, "completed")]
    assert {task["name"] for task in client.get_project_tasks("shop")} == {"Import catalogue", "part"}
    assert len(client.get_user_tasks(status="completed")) == 2
    assert [task["name"] for task in client.list_tasks(parent=task.id)] == ["part"]
    assert client.calculate_project_progress("shop")["completion_percentage"] == 100
    assert client.get_project("shop")["slug"] == "shop"
    assert [project["slug"] for project in client.list_projects()] == ["shop"]
    assert client.get_status(task.id)["status"] == "completed"
    assert client.me()["user_id"] == tenant.user_id


def test_what_goes_wrong_is_the_error_that_the_problem_names(
    client: headway.Client, server: RunningServer, tenant: Tenant
) -> None:
    nobody = "0199aaaa-0000-7000-8000-000000000001"
    with pytest.raises(errors.NotFound):
        client.get_task(nobody)
    with pytest.raises(errors.NotFound):
        next(client.watch(nobody))
    with pytest.raises(errors.InvalidInput):
        client.list_tasks(status="sleeping")
    with pytest.raises(errors.NotAuthenticated):
        headway.Client(server.url, "hw_wrong").me()
    with pytest.raises(Unreachable):
        headway.Client("http://127.0.0.1:9", "hw_example", timeout=2).me()
    with pytest.raises(Unreachable, match="no Headway server is known"):
        headway.Client()


def test_a_wish_to_cancel_reaches_the_work_and_the_task_is_cancelled_by_it(
    real_outbox: Outbox, client: headway.Client
) -> None:
    task = headway.create_task("long").start()
    assert headway.flush(20)
    client.cancel(task.id, "not needed")
    assert client.get_task(task.id)["status"] == "running", "code still runs"

    task.progress(10)
    assert headway.flush(20)
    with pytest.raises(headway.Cancelled, match="not needed"), task:
        task.raise_if_cancelled()

    assert headway.flush(20)
    assert client.wait(task.id, timeout=10)["status"] == "cancelled"


def test_a_task_cancelled_before_it_started_never_runs(real_outbox: Outbox, client: headway.Client) -> None:
    task = headway.create_task("late")
    assert headway.flush(20)
    client.cancel(task.id, "too late")

    task.start()
    assert headway.flush(20)

    assert task.cancel_requested
    assert client.get_task(task.id)["status"] == "cancelled"


def test_watching_shows_each_state_until_the_end(real_outbox: Outbox, client: headway.Client) -> None:
    task = headway.create_task("watched").start()
    assert headway.flush(20)
    seen = []
    for state in client.watch(task.id):
        seen.append((state["status"], state["progress"]))
        if state["progress"] is None:
            task.progress(50)
        elif state["status"] == "running":
            task.complete({"ok": True})

    assert (seen[0], seen[-1]) == (("running", None), ("completed", 100))
    assert ("running", 50) in seen


async def test_the_asynchronous_client_does_the_same_and_leaves_the_loop_free(
    real_outbox: Outbox, server: RunningServer, tenant: Tenant
) -> None:
    client = headway.AsyncClient(server.url, tenant.api_key)
    task = headway.create_task("watched").start()
    assert await asyncio.to_thread(headway.flush, 20)

    waiting = asyncio.create_task(client.wait(task.id))
    seen = []
    async for state in client.watch(task.id):
        seen.append(state["status"])
        if state["status"] == "running" and state["progress"] is None:
            task.progress(99)
            task.complete()

    assert seen[-1] == "completed"
    assert (await waiting)["id"] == task.id
    assert (await client.get_task(task.id))["status"] == "completed"
    other = headway.create_task("never ends")
    assert await asyncio.to_thread(headway.flush, 20)
    with pytest.raises(TimeoutError):
        await client.wait(other.id, timeout=0.2)
    await client.close()


@pytest.mark.crash
def test_a_burst_killed_with_9_is_read_back_whole(
    server: RunningServer, tenant: Tenant, client: headway.Client, tmp_path: Path
) -> None:
    source = """
import headway, os, signal
task = headway.create_task("burst").start()
for number in range(20_000):
    task.progress(number / 200, f"row {number}")
os.kill(os.getpid(), signal.SIGKILL)
"""
    env = programs.environment(tmp_path, None, HEADWAY_URL=server.url, HEADWAY_API_KEY=tenant.api_key)
    programs.run(source, env, tmp_path)
    sending = "import sys; from headway.console import main; sys.exit(main(['spool', 'send']))"
    finished = programs.run(sending, env, tmp_path)
    assert finished.returncode == 0, finished.stderr

    (task,) = client.list_tasks(q="burst")
    rows = Counter(
        entry["message"]
        for entry in client.get_timeline(task["id"])
        if (entry["message"] or "").startswith("row ")
    )
    assert rows == Counter(f"row {number}" for number in range(20_000))
    assert (task["status"], task["message"]) == ("running", "row 19999")
    assert programs.spools(tmp_path) == []


def test_an_outage_of_the_server_loses_and_doubles_nothing(tmp_path: Path) -> None:
    database = f"sqlite:///{(tmp_path / 'headway.sqlite3').as_posix()}"
    with served(tmp_path, database) as first:
        tenant = first.tenant()
        port = int(first.url.rpartition(":")[2])
        headway.configure(url=first.url, api_key=tenant.api_key, spool_dir=tmp_path / "spool")
        box = api.outbox()
        task = headway.create_task("survives").start()
        stop = threading.Event()

        def work() -> None:
            number = 0
            while not stop.is_set():
                task.log(f"line {number}")
                number += 1
                stop.wait(0.001)
            task.complete({"lines": number})

        worker = threading.Thread(target=work)
        worker.start()
        assert headway.flush(20)
    assert not headway.flush(0.3), "nobody is there"
    with served_again(tmp_path, database, port) as second:
        assert headway.flush(30)
        stop.set()
        worker.join()
        assert headway.flush(30)
        client = headway.Client(second.url, tenant.api_key)
        found = client.get_task(task.id)
        lines = Counter(
            entry["message"]
            for entry in client.get_logs(task.id)
            if (entry["message"] or "").startswith("line ")
        )
        client.close()
    box.end()
    api._outbox = None

    assert found["status"] == "completed"
    assert lines == Counter(f"line {number}" for number in range(found["result"]["lines"]))
