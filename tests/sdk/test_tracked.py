from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest

import headway
from headway.sdk.outbox import Outbox
from tests.sdk.receiver import Receiver


def ends(receiver: Receiver) -> list[tuple[str, str]]:
    """The names of the tasks and how they ended, in the order of their ends."""
    names = {fact["task_id"]: fact["name"] for fact in receiver.of_kind("created")}
    kinds = ("completed", "failed", "cancelled")
    return [(names[fact["task_id"]], fact["kind"]) for fact in receiver.facts if fact["kind"] in kinds]


def test_each_call_of_a_function_is_a_task_and_inner_calls_are_its_children(
    outbox: Outbox, receiver: Receiver
) -> None:
    @headway.tracked
    def inner(number: int) -> int:
        """Doubles."""
        return number * 2

    @headway.tracked(name="the outer one", project="shop", agent="coder")
    def outer() -> int:
        return inner(1) + inner(2)

    assert outer() == 6
    assert inner.__doc__ == "Doubles."
    assert headway.flush()
    first, *others = receiver.of_kind("created")
    assert (first["name"], first["project"], first["agent"]) == ("the outer one", "shop", "coder")
    assert [fact["name"] for fact in others] == ["inner", "inner"]
    assert {fact["parent_id"] for fact in others} == {first["task_id"]}
    assert "input" not in first
    assert [fact.get("result") for fact in receiver.of_kind("completed")] == [None, None, None]


def test_arguments_and_results_are_recorded_only_when_wanted_and_then_redacted(
    outbox: Outbox, receiver: Receiver
) -> None:
    @headway.tracked(capture_input=True, capture_result=True)
    def login(user: str, password: str, *, tries: int = 3) -> dict[str, Any]:
        return {"token": "abc", "user": user}

    login("ada", password="lovelace", tries=1)

    assert headway.flush()
    assert receiver.one("created")["input"] == {"user": "ada", "password": "[redacted]", "tries": 1}
    assert receiver.one("completed")["result"] == {"token": "[redacted]", "user": "ada"}


async def test_coroutines_are_tracked_while_they_run(outbox: Outbox, receiver: Receiver) -> None:
    @headway.tracked
    async def work(number: int) -> int:
        await asyncio.sleep(0)
        task = headway.current_task()
        assert task is not None
        task.progress(50, str(number))
        if number == 3:
            raise ValueError("three")
        return number

    assert inspect.iscoroutinefunction(work)
    results = await asyncio.gather(*(work(number) for number in range(4)), return_exceptions=True)

    assert results[:3] == [0, 1, 2]
    assert await asyncio.to_thread(headway.flush)
    assert sorted(kind for _, kind in ends(receiver)) == ["completed", "completed", "completed", "failed"]
    assert len({fact["task_id"] for fact in receiver.of_kind("progress")}) == 4


def test_a_generator_is_one_task_from_its_first_item_to_its_end(outbox: Outbox, receiver: Receiver) -> None:
    @headway.tracked
    def rows() -> Iterator[int]:
        for number in range(3):
            assert headway.current_task() is not None
            yield number

    with headway.task("consumer") as consumer:
        for _ in rows():
            assert headway.current_task() is consumer, "the consumer's code is not part of the generator"
    rows()

    assert headway.flush()
    assert ends(receiver) == [("rows", "completed"), ("consumer", "completed")]


def test_a_generator_closed_early_is_cancelled_and_one_that_raises_failed(
    outbox: Outbox, receiver: Receiver
) -> None:
    closed = []

    @headway.tracked
    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    @headway.tracked
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    generator = endless()
    next(generator)
    generator.close()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="broken"):
        list(broken())

    assert closed == [True]
    assert headway.flush()
    assert ends(receiver) == [("endless", "cancelled"), ("broken", "failed")]
    assert receiver.one("cancelled")["reason"] == "the generator was closed before its end"


def test_values_and_exceptions_reach_the_generator_and_its_result_comes_back(outbox: Outbox) -> None:
    @headway.tracked
    def conversation() -> Generator[str, str, str]:
        try:
            heard = yield "hello"
        except KeyError:
            heard = "a KeyError"
        yield f"heard {heard}"
        return "bye"

    first = conversation()
    assert next(first) == "hello"
    assert first.send("you") == "heard you"
    with pytest.raises(StopIteration) as end:
        next(first)
    assert end.value.value == "bye"

    second = conversation()
    next(second)
    assert second.throw(KeyError("k")) == "heard a KeyError"
    second.close()


async def test_asynchronous_generators_are_tracked_too(outbox: Outbox, receiver: Receiver) -> None:
    @headway.tracked
    async def rows() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            assert headway.current_task() is not None
            yield number

    found = []
    async for number in rows():
        assert headway.current_task() is None
        found.append(number)
    early = rows()
    await anext(early)
    await early.aclose()  # type: ignore[attr-defined]

    assert found == [0, 1, 2]
    assert await asyncio.to_thread(headway.flush)
    assert ends(receiver) == [("rows", "completed"), ("rows", "cancelled")]


def test_a_call_with_wrong_arguments_says_so_in_its_own_words(outbox: Outbox) -> None:
    @headway.tracked(capture_input=True)
    def two(first: int, second: int) -> None: ...

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'second'"):
        two(1)  # type: ignore[call-arg]
