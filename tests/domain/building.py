"""Short ways to write facts and to bring a task into a state; times are seconds after one fixed moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from headway.domain.facts import KINDS
from headway.domain.lifecycle import Context, Folded, fold
from headway.domain.task import TaskState

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
TASK = "0199a000-0000-7000-8000-000000000001"
SENDER = "0199a000-0000-7000-8000-00000000000a"
PROJECT = "0199a000-0000-7000-8000-0000000000b1"
OTHER_PROJECT = PROJECT[:-1] + "2"
PROJECTS = {"shop": PROJECT, PROJECT: PROJECT, "office": OTHER_PROJECT, OTHER_PROJECT: OTHER_PROJECT}
LEASE = timedelta(seconds=90)

REQUIRED: dict[str, dict[str, Any]] = {
    "created": {"name": "Import catalogue"},
    "updated": {"priority": 1},
    "links": {"links": {"repo_url": "https://example.org/shop"}},
    "run": {"rounds": 3},
    "progress": {"progress": 40.0},
    "log": {"message": "half of it was empty"},
    "llm_call": {"provider": "openai", "model": "gpt-4o-mini"},
    "metric": {"name": "rows_per_second", "value": 812.0},
    "artifact": {"name": "report.md"},
    "failed": {"error": {"message": "disk full"}},
    "cancel_requested": {"reason": "not needed any more"},
    "retried": {"follows_run": 1},
}


def moment(seconds: float) -> datetime:
    """So many seconds after the fixed moment."""
    return START + timedelta(seconds=seconds)


def fact(kind: str, at: float = 0, **values: Any) -> Any:
    """A fact of a kind with what it must have, unless told otherwise."""
    given = {"seq": 1, "task_id": TASK, "at": moment(at), **REQUIRED.get(kind, {}), **values}
    return KINDS[kind](**given)


def context(received: float = 1_000_000, **values: Any) -> Context:
    """A context of the one sender, so many seconds after the fixed moment."""
    given = {"user_id": SENDER, "received_at": moment(received), "projects": PROJECTS, **values}
    return Context(**given)


def after(*facts: Any, of: Context | None = None) -> TaskState:
    """The state of a task after these facts, of which none may be refused."""
    state, folded = fold(None, facts, of or context())
    assert state is not None
    assert folded.refused == []
    return state


def folded(task: TaskState | None, facts: Iterable[Any], **values: Any) -> tuple[TaskState, Folded]:
    """What further facts make of a task."""
    of = values.pop("of", None) or context()
    state, work = fold(task, facts, of, **values)
    assert state is not None
    return state, work


def changed(before: TaskState, now: TaskState) -> dict[str, Any]:
    """What is different, bookkeeping left out."""
    return {
        field.name: getattr(now, field.name)
        for field in fields(TaskState)
        if field.name not in ("version", "entry_seq", "change_seq")
        and getattr(before, field.name) != getattr(now, field.name)
    }
