"""The names users type: exactly those that are listed, and each of them there."""

from __future__ import annotations

import inspect

import pytest

import headway

NAMES = {
    "AsyncClient",
    "Cancelled",
    "Client",
    "HeadwayError",
    "LoggingHandler",
    "TaskHandle",
    "attach",
    "configure",
    "create_task",
    "current_task",
    "flush",
    "redact",
    "task",
    "tqdm",
    "tracked",
    "trange",
}


def test_the_public_names_are_those_listed() -> None:
    assert set(headway.__all__) == NAMES
    assert {name for name in dir(headway) if not name.startswith("_")} >= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_public_name_is_there_and_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(headway, name))


def test_a_name_that_is_not_public_is_not_there() -> None:
    assert not hasattr(headway, "create_tasks")
