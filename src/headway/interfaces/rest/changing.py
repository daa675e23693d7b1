"""From the body of a single write to facts: units at the edge, and which fact says what was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from headway.domain import limits
from headway.domain.access import Actor
from headway.domain.checks import Rule
from headway.domain.errors import InvalidFact
from headway.domain.facts import RULES
from headway.domain.forms import checked
from headway.domain.views import Task
from headway.interfaces.rest.shapes.task import TaskShape
from headway.services.suite import Services

_ESTIMATE = Rule("number", low=0, high=limits.DURATION_MS // 1000)
_REPORTED = ("progress", "phase", "message")
_STATES = {"running": "started", "completed": "completed", "failed": "failed", "cancelled": "cancelled"}


def at_the_edge(rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """The same fields with durations in seconds."""
    edge = {name: rule for name, rule in rules.items() if name != "estimate_ms"}
    return {**edge, "estimate_seconds": _ESTIMATE} if "estimate_ms" in rules else edge


def inside(content: Any, rules: Mapping[str, Rule]) -> dict[str, Any]:
    """The fields of a body, with durations in milliseconds.

    Raises:
        InvalidFact: A field breaks its rule.
    """
    values = checked(content, rules)
    if "estimate_seconds" in values:
        values["estimate_ms"] = round(values.pop("estimate_seconds") * 1000)
    return values


_DESCRIBED = {
    name: rule
    for name, rule in at_the_edge(RULES["updated"]).items()
    if name not in ("seq", "task_id", "at", "run", "origin")
}
PATCH: dict[str, Rule] = {
    **_DESCRIBED,
    "at": Rule("time"),
    "run": RULES["progress"]["run"],
    "status": Rule("choice", choices=tuple(_STATES)),
    "result": RULES["completed"]["result"],
    "error": Rule("json", high=limits.JSON_BYTES),
    "reason": RULES["cancelled"]["reason"],
}


def facts_of(content: Any) -> list[dict[str, Any]]:
    """The facts (without task and seq) that say what a PATCH of a task asks for, in the order they apply.

    Raises:
        InvalidFact: A field breaks its rule, or does not fit the others.
    """
    values = inside(content, PATCH)
    when: dict[str, Any] = {name: values.pop(name) for name in ("at", "run") if name in values}
    status = values.pop("status", None)
    ending: dict[str, Any] = {
        name: values.pop(name) for name in ("result", "error", "reason") if name in values
    }
    _require_fitting(status, ending)
    report = {name: values.pop(name) for name in _REPORTED if name in values}
    found: list[dict[str, Any]] = []
    if values:
        found.append({"kind": "updated", **values})
    if status == "running":
        found.append({"kind": "started"})
    if report:
        found.append({"kind": "progress", **report})
    if status is not None and status != "running":
        found.append({"kind": _STATES[status], **_as_error(ending)})
    if not found:
        raise InvalidFact("missing-field", "body", "nothing is to be changed", limit=sorted(PATCH))
    return [{**fact, **when} for fact in found]


def _require_fitting(status: str | None, ending: Mapping[str, Any]) -> None:
    wanted = {"result": "completed", "error": "failed", "reason": "cancelled"}
    for name in ending:
        if status != wanted[name]:
            raise InvalidFact("missing-field", "status", f"{name} comes with status {wanted[name]}")
    if status == "failed" and "error" not in ending:
        raise InvalidFact("missing-field", "error", "a failure needs an error")


def _as_error(ending: dict[str, Any]) -> dict[str, Any]:
    """An error may be given as a mere text."""
    error = ending.get("error")
    if isinstance(error, str):
        return {**ending, "error": {"message": error}}
    return ending


async def listed(services: Services, viewer: Actor, tasks: Iterable[Task]) -> list[TaskShape]:
    """Tasks as lists show them."""
    found = list(tasks)
    projects = await services.projects.named(viewer, (task.project_id for task in found))
    now = datetime.now(UTC)
    return [TaskShape.of(task, projects.get(task.project_id or ""), now) for task in found]
