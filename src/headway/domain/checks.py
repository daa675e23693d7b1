"""The forms a fact's field can have, and a check for each that names the field and the limit it broke."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from headway.domain import ids, limits
from headway.domain.errors import InvalidFact

EARLIEST = datetime.fromisoformat(limits.EARLIEST)
LATEST = datetime.fromisoformat(limits.LATEST)
AMOUNT_LENGTH = 64  # characters of an amount of money; nano-dollars need no more than 20
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class Rule:
    """What one field may hold."""

    form: str  # text, id, time, integer, number, flag, choice, json, object, texts, money
    low: int | None = None  # smallest number, or shortest text in characters
    high: int | None = None  # largest number, longest text in characters, JSON in bytes, texts in entries
    choices: tuple[Any, ...] = ()
    required: bool = False

    def needed(self) -> Rule:
        """The same rule for a field that must be there."""
        return replace(self, required=True)


def _text(name: str, value: Any, rule: Rule) -> str:
    if not isinstance(value, str):
        raise InvalidFact("wrong-type", name, "must be a text")
    if rule.high is not None and len(value) > rule.high:
        raise InvalidFact(
            "too-long", name, f"has {len(value)} characters, at most {rule.high}", limit=rule.high
        )
    if rule.low is not None and len(value) < rule.low:
        raise InvalidFact("too-short", name, f"needs at least {rule.low} characters", limit=rule.low)
    if "\0" in value:
        raise InvalidFact("bad-text", name, "holds a NUL character, which no database can keep")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidFact("bad-text", name, "holds a lone surrogate, which is not text") from None
    return value


def _id(name: str, value: Any, rule: Rule) -> str:
    found = ids.canonical(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidFact("wrong-type", name, "must be a UUID")
    return found


def check_time(name: str, value: datetime) -> datetime:
    """The time in UTC, or InvalidFact when it has no zone or lies outside what Headway keeps."""
    if value.tzinfo is None:
        raise InvalidFact("wrong-type", name, "must carry a time zone, for example a trailing Z")
    if not EARLIEST <= value <= LATEST:
        raise InvalidFact(
            "out-of-range", name, "lies outside 2000 to 2100", limit=[limits.EARLIEST, limits.LATEST]
        )
    return value.astimezone(UTC)


def _time(name: str, value: Any, rule: Rule) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidFact("wrong-type", name, "must be an ISO 8601 time") from None
    if not isinstance(value, datetime):
        raise InvalidFact("wrong-type", name, "must be an ISO 8601 time")
    return check_time(name, value)


def _within(name: str, value: float, rule: Rule) -> None:
    if (rule.low is not None and value < rule.low) or (rule.high is not None and value > rule.high):
        raise InvalidFact(
            "out-of-range", name, f"must be {rule.low} to {rule.high}", limit=[rule.low, rule.high]
        )


def _integer(name: str, value: Any, rule: Rule) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidFact("wrong-type", name, "must be a whole number")
    _within(name, value, rule)
    return value


def _number(name: str, value: Any, rule: Rule) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidFact("wrong-type", name, "must be a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidFact("not-finite", name, "must be a finite number")
    _within(name, value, rule)
    try:
        return float(value)
    except OverflowError:
        raise InvalidFact("out-of-range", name, "is too large for a number") from None


def _flag(name: str, value: Any, rule: Rule) -> bool:
    if not isinstance(value, bool):
        raise InvalidFact("wrong-type", name, "must be true or false")
    return value


def _choice(name: str, value: Any, rule: Rule) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int) or value not in rule.choices:
        allowed = ", ".join(str(choice) for choice in rule.choices)
        raise InvalidFact("out-of-range", name, f"must be one of {allowed}", limit=list(rule.choices))
    return value


def _too_deep(name: str) -> InvalidFact:
    most = limits.JSON_DEPTH
    return InvalidFact("too-deep", name, f"is nested more than {most} deep", limit=most)


def _depth_exceeds(value: Any, most: int) -> bool:
    """Whether containers are nested deeper than that, which overflows the stack of whoever encodes them."""
    level = [value]
    for _ in range(most):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return any(isinstance(item, dict | list) for item in level)


def _json(name: str, value: Any, rule: Rule) -> Any:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidFact("bad-text", name, "holds a lone surrogate, which is not text") from None
    except RecursionError:
        raise _too_deep(name) from None
    except ValueError:
        raise InvalidFact(
            "not-finite", name, "holds NaN, an infinite number or one of thousands of digits"
        ) from None
    except TypeError:
        raise InvalidFact("wrong-type", name, "must be JSON") from None
    if rule.high is not None and size > rule.high:
        raise InvalidFact("too-long", name, f"has {size} bytes as JSON, at most {rule.high}", limit=rule.high)
    if text.count("[") + text.count("{") > limits.JSON_DEPTH and _depth_exceeds(value, limits.JSON_DEPTH):
        raise _too_deep(name)
    if _ESCAPED_NUL.search(text):
        raise InvalidFact("bad-text", name, "holds a NUL character, which no database can keep")
    return value


def _object(name: str, value: Any, rule: Rule) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InvalidFact("wrong-type", name, "must be an object with text keys")
    checked: dict[str, Any] = _json(name, value, rule)
    return checked


def _texts(name: str, value: Any, rule: Rule) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InvalidFact("wrong-type", name, "must be an object of texts")
    if rule.high is not None and len(value) > rule.high:
        raise InvalidFact("too-long", name, f"has {len(value)} entries, at most {rule.high}", limit=rule.high)
    for key, text in value.items():
        _text(f"{name} key", key, Rule("text", high=limits.NAME_LENGTH))
        _text(f"{name}.{key}", text, Rule("text", high=limits.URL_LENGTH))
    return value


def _money(name: str, value: Any, rule: Rule) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidFact("wrong-type", name, "must be an amount in dollars, best as a text")
    if isinstance(value, int):
        _within(name, value, rule)  # before its digits are spelled out, of which there may be thousands
    if isinstance(value, str) and len(value) > AMOUNT_LENGTH:
        detail = f"has {len(value)} characters, at most {AMOUNT_LENGTH}"
        raise InvalidFact("too-long", name, detail, limit=AMOUNT_LENGTH)
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise InvalidFact("wrong-type", name, "must be an amount in dollars, best as a text") from None
    if not amount.is_finite():
        raise InvalidFact("not-finite", name, "must be a finite amount")
    _within(name, float(amount), rule)
    return value


CHECKS: dict[str, Callable[[str, Any, Rule], Any]] = {
    "text": _text,
    "id": _id,
    "time": _time,
    "integer": _integer,
    "number": _number,
    "flag": _flag,
    "choice": _choice,
    "json": _json,
    "object": _object,
    "texts": _texts,
    "money": _money,
}
