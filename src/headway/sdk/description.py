"""The fields that describe a task, checked: what `created` and `updated` facts carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from headway.domain import limits
from headway.domain.ids import canonical
from headway.sdk import wire
from headway.sdk.wire import Writer


class Description(TypedDict, total=False):
    """What may be said of a task when it is made; everything is optional."""

    description: str | None
    project: str | None  # slug or id; comes into being when first named
    agent: str | None  # kind of agent
    agent_id: str | None  # one instance of that kind
    task_type: str | None
    priority: int | None  # 1 high, 2 medium, 3 low
    labels: Mapping[str, Any] | None
    input: Any  # JSON
    metadata: Mapping[str, Any] | None
    links: Mapping[str, Any] | None
    config: Mapping[str, Any] | None
    estimate_seconds: float | None  # how long the work should take


def checked(writer: Writer, name: str | None, given: Description) -> dict[str, Any]:
    """The fields as facts carry them.

    Args:
        writer: cleans and redacts texts and data.
        name: of the task; None leaves it out.
        given: the other fields.

    Raises:
        ValueError: A field is too long or out of range; it is named with its limit.
        TypeError: There is no such field.
    """
    unknown = given.keys() - Description.__annotations__.keys()
    if unknown:
        raise TypeError(f"a task has no field {sorted(unknown)[0]!r}")
    description, estimate = given.get("description"), given.get("estimate_seconds")
    fields = {
        "name": wire.name("name", name, required=True) if name is not None else None,
        "description": None if description is None else writer.text(description, limits.MESSAGE_LENGTH),
        **{
            field: wire.name(field, given.get(field) or None)  # an empty text names nothing
            for field in ("project", "agent", "agent_id", "task_type")
        },
        "priority": _priority(given.get("priority")),
        "labels": wire.texts("labels", given.get("labels")),
        "input": writer.data("input", given.get("input")),
        "metadata": writer.data("metadata", given.get("metadata")),
        "links": wire.texts("links", given.get("links")),
        "config": _config(writer, given.get("config")),
        "estimate_ms": None if estimate is None else wire.milliseconds("estimate_seconds", estimate * 1000),
    }
    return {field: value for field, value in fields.items() if value is not None}


def uuid(field: str, value: str | None) -> str | None:
    """An id in its one spelling.

    Raises:
        ValueError: It is not a UUID.
    """
    if value is None:
        return None
    found = canonical(str(value))
    if found is None:
        raise ValueError(f"{field} must be a UUID, not {value!r}")
    return found


def _priority(value: int | None) -> Any:
    return None if value is None else wire.choice("priority", value, limits.PRIORITIES)


def _config(writer: Writer, config: Mapping[str, Any] | None) -> Any:
    for field, (low, high) in limits.CONFIG_RANGES.items():
        value = (config or {}).get(field)
        if value is not None and (not isinstance(value, int) or not low <= value <= high):
            raise ValueError(f"config.{field} must be a whole number from {low} to {high}, not {value!r}")
    return writer.data("config", config)
