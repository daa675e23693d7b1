from __future__ import annotations

import asyncio
import os
import threading

import headway
from headway.sdk.current import VARIABLE
from headway.sdk.outbox import Outbox
from tests.sdk.receiver import Receiver


def parents(receiver: Receiver) -> dict[str, str | None]:
    """The names of the tasks and of the tasks they are part of."""
    created = receiver.of_kind("created")
    names = {fact["task_id"]: fact["name"] for fact in created}
    return {fact["name"]: names.get(fact.get("parent_id")) for fact in created}


def test_each_thread_has_a_current_task_of_its_own(outbox: Outbox, receiver: Receiver) -> None:
    both_inside = threading.Barrier(2)

    def work(name: str) -> None:
        assert headway.current_task() is None, "a new thread begins outside of every task"
        with headway.task(name) as task:
            both_inside.wait(10)
            with headway.task(f"part of {name}"):
                both_inside.wait(10)
            assert headway.current_task() is task

    with headway.task("main") as main:
        threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert headway.current_task() is main

    assert headway.flush()
    assert parents(receiver) == {
        "main": None,
        "one": None,
        "two": None,
        "part of one": "one",
        "part of two": "two",
    }


async def test_each_asyncio_task_has_a_current_task_of_its_own(outbox: Outbox, receiver: Receiver) -> None:
    both_inside = asyncio.Barrier(2)

    async def work(name: str) -> None:
        async with headway.task(name) as task:
            await both_inside.wait()
            async with headway.task(f"part of {name}"):
                await both_inside.wait()
            assert headway.current_task() is task

    async with headway.task("main") as main:
        await asyncio.gather(work("one"), work("two"))
        assert headway.current_task() is main

    assert await asyncio.to_thread(headway.flush)
    assert parents(receiver) == {
        "main": None,
        "one": "main",
        "two": "main",
        "part of one": "one",
        "part of two": "two",
    }


async def test_a_cancelled_asyncio_task_ends_its_task_as_cancelled(
    outbox: Outbox, receiver: Receiver
) -> None:
    started = asyncio.Event()

    async def work() -> None:
        async with headway.task("long"):
            started.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(work())
    await started.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert await asyncio.to_thread(headway.flush)
    assert receiver.one("cancelled")["reason"] == "cancelled by asyncio"


async def test_child_processes_are_told_the_task_that_all_running_ones_are_part_of(outbox: Outbox) -> None:
    assert os.environ[VARIABLE] == ""
    with headway.task("outer") as outer:
        assert os.environ[VARIABLE] == outer.id
        with outer.child("inner") as inner:
            assert os.environ[VARIABLE] == inner.id
        assert os.environ[VARIABLE] == outer.id

        inside, leave = asyncio.Barrier(3), asyncio.Event()

        async def work(name: str) -> None:
            async with headway.task(name):
                await inside.wait()
                await leave.wait()

        running = asyncio.gather(work("one"), work("two"))
        await inside.wait()
        assert os.environ[VARIABLE] == outer.id, "neither one nor two would be right for both"
        leave.set()
        await running
        assert os.environ[VARIABLE] == outer.id
        assert inner.environ()[VARIABLE] == inner.id
    assert os.environ[VARIABLE] == ""


def test_unrelated_tasks_at_once_leave_child_processes_without_a_task(outbox: Outbox) -> None:
    both_inside, leave = threading.Barrier(2), threading.Event()

    def work() -> None:
        with headway.task("unrelated"):
            both_inside.wait(10)
            leave.wait(10)

    with headway.task("main") as main:
        thread = threading.Thread(target=work)
        thread.start()
        both_inside.wait(10)
        assert os.environ[VARIABLE] == ""
        leave.set()
        thread.join()
        assert os.environ[VARIABLE] == main.id


def test_many_threads_report_at_once_and_nothing_is_lost_or_mixed(outbox: Outbox, receiver: Receiver) -> None:
    def work(number: int) -> None:
        with headway.task(f"worker {number}") as task:
            for step in range(500):
                task.progress(step / 5, f"{number}.{step}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert headway.flush(30)
    workers = {fact["task_id"]: fact["name"].split()[1] for fact in receiver.of_kind("created")}
    for task_id, number in workers.items():
        own = [fact["message"] for fact in receiver.of_kind("progress") if fact["task_id"] == task_id]
        assert own == [f"{number}.{step}" for step in range(500)]
    assert [fact["seq"] for fact in receiver.facts] == list(range(1, 8 * 503 + 1))
