"""What all shapes share: units at the edge are seconds and decimal dollars, what is unknown is null."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from headway.domain.contribution import duration
from headway.domain.usage import dollars

T = TypeVar("T")


class Shape(BaseModel):
    """An answer, or a part of one. Every field is always there; those that are unknown are null."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class Listing(Shape, Generic[T]):
    """Some items of a list, and where to go on."""

    items: list[T]
    next_cursor: str | None = None


class CountedListing(Listing[T], Generic[T]):
    """Some items of a list, where to go on, and with `count=true` how many there are in all."""

    total: int | None = None
    total_reason: str | None = None


def seconds(ms: int | float | None) -> float | None:
    """Milliseconds as seconds."""
    return None if ms is None else ms / 1000


def lasted(started_at: datetime | None, finished_at: datetime | None, now: datetime) -> float | None:
    """Seconds a run took, or has been going on for; None when it never started."""
    if started_at is None:
        return None
    return max(duration(started_at, finished_at or now), 0) / 1000


def cost(nano: int | None) -> str | None:
    """Nano-dollars as a decimal text."""
    return None if nano is None else dollars(nano)


def cost_of_calls(nano: int, calls: int, unpriced: int) -> str | None:
    """What calls cost together; None when none of them has a price."""
    return None if calls and calls == unpriced else dollars(nano)


def known(values: dict[str, Any] | None) -> dict[str, Any]:
    """The object, an empty one for None."""
    return values or {}
