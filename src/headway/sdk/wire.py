"""Facts as they are written to the spool and sent: one JSON object per line, everything but its number.

What a person typed or a model wrote is cut, cleaned and redacted here so that the server can keep it; what a
program got wrong (a progress of 140) is a ValueError that names the field and the limit.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence, Set
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from headway.domain import limits
from headway.sdk import notices
from headway.sdk.redaction import MASK, is_sensitive

DEPTH = 40  # of nested data; deeper is cut, so that a cycle ends
MARGIN = 4_000  # characters beyond a limit that are still redacted, lest a cut leaves half a secret
_CUT = "… [cut, {} characters in all]"

encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

_second: tuple[int, str] = (-1, "")


def now() -> str:
    """The present in UTC to the microsecond, as ISO 8601."""
    global _second
    second, rest = divmod(time.time_ns(), 1_000_000_000)
    known, text = _second
    if known != second:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _second = (second, text)  # one assignment: threads see a matching pair
    return f"{text}.{rest // 1000:06d}Z"


class Writer:
    """Turns the fields of facts into lines, passing every text through the redactor."""

    __slots__ = ("_last_phase", "_redact")

    def __init__(self, redact: Callable[[str], str] | None) -> None:
        """Keep the redactor; None lets every text through."""
        self._redact = redact
        self._last_phase: tuple[object, str] = (None, "null")

    def line(self, task_id: str, kind: str, run: int | None, fields: Mapping[str, Any]) -> bytes:
        """One fact as a line. The fields are ready for JSON; those that are None are left out."""
        fact: dict[str, Any] = {"task_id": task_id, "kind": kind, "at": now()}
        if run is not None:
            fact["run"] = run
        for name, value in fields.items():
            if value is not None:
                fact[name] = value
        return (encode(fact) + "\n").encode("ascii")

    def progress_line(
        self, task_id: str, run: int | None, progress: float | None, message: object, phase: object
    ) -> bytes:
        """A `progress` fact, put together by hand: it is what programs send most."""
        parts = f'{{"task_id":"{task_id}","kind":"progress","at":"{now()}"'
        if run is not None:
            parts += f',"run":{run}'
        if progress is not None:
            parts += f',"progress":{progress!r}'
        if message is not None:
            parts += f',"message":{quoted(self.text(message, limits.MESSAGE_LENGTH))}'
        if phase is not None:
            parts += f',"phase":{self._phase(phase)}'
        return (parts + "}\n").encode("ascii")

    def _phase(self, phase: object) -> str:
        """The phase as JSON; it stays the same over many reports, so the last one is kept."""
        known, text = self._last_phase
        if known is not phase:
            text = quoted(self.text(phase, limits.NAME_LENGTH))
            self._last_phase = (phase, text)  # one assignment: threads see a matching pair
        return text

    def text(self, value: object, limit: int, *, keep_end: bool = False) -> str:
        """A text that fits: redacted, without what no database can keep, cut visibly where it is too long."""
        text = value if type(value) is str else _plain(value)
        length = len(text)
        if length > limit + MARGIN:
            text = text[-limit - MARGIN :] if keep_end else text[: limit + MARGIN]
        if self._redact is not None:
            try:
                text = str(self._redact(text))
            except Exception as error:  # noqa: BLE001  a redactor of the user may raise anything; nothing may leak
                kind = type(error).__name__
                notices.warn_once("redact", f"the redactor failed, texts are masked whole: {kind}")
                text = MASK
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        if "\0" in text:
            text = text.replace("\0", "\ufffd")
        return text if len(text) <= limit else _cut(text, limit, length, keep_end=keep_end)

    def data(self, name: str, value: object) -> Any:
        """The value as JSON can carry it, or a note in its place when it is beyond the limit of one field."""
        if value is None:
            return None
        plain = self._jsonable(value, 0)
        size = json_size(plain)
        if size <= limits.JSON_BYTES:
            return plain
        notices.warn_once(
            f"too long {name}",
            f"{name} has {size} bytes as JSON and was left out: at most {limits.JSON_BYTES}; "
            "an artifact can be larger",
        )
        return {"left_out": f"{name} has {size} bytes as JSON", "limit": limits.JSON_BYTES}

    def _jsonable(self, value: object, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value, limits.JSON_BYTES)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(float(value))
        if depth >= DEPTH:
            return "…"
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray | memoryview):
            return [self._jsonable(item, depth + 1) for item in value]
        return self._object(value, depth)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        masked = {}
        for key, item in value.items():
            name = self.text(key, limits.JSON_BYTES)
            secret = self._redact is not None and isinstance(item, str | bytes) and is_sensitive(name)
            masked[name] = MASK if secret else self._jsonable(item, depth + 1)
        return masked

    def _object(self, value: object, depth: int) -> Any:
        if isinstance(value, bytes | bytearray | memoryview):
            return f"<{len(bytes(value))} bytes>"
        fields = getattr(value, "__dataclass_fields__", None)
        if isinstance(fields, dict) and not isinstance(value, type):
            return self._mapping({name: getattr(value, name, None) for name in fields}, depth)
        return self.text(value, limits.JSON_BYTES)


def _cut(text: str, limit: int, length: int, *, keep_end: bool) -> str:
    mark = _CUT.format(f"{length:,}")
    room = max(limit - len(mark) - 1, 0)
    return f"{mark}\n{text[-room:]}" if keep_end else f"{text[:room]} {mark}"[:limit]


def _plain(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  a __str__ of the user may raise anything
        return f"<{type(value).__name__} whose text cannot be made: {type(error).__name__}>"


def json_size(value: object) -> int:
    """How many bytes the value has as JSON, the way the server counts."""
    compact = len(encode(value))
    if compact * 2 <= limits.JSON_BYTES:  # spaces and wider characters cannot double it
        return compact
    return len(json.dumps(value, ensure_ascii=False).encode())


def percent(value: object) -> float:
    """The progress as a float from 0 to 100.

    Raises:
        ValueError: It lies outside, or is not a number.
        TypeError: It is nothing like a number.
    """
    number = float(value)  # type: ignore[arg-type]  # numpy, Decimal and Fraction convert too
    if 0.0 <= number <= 100.0:
        return number
    raise ValueError(f"progress must be from 0 to 100, not {number!r}")


def name(field: str, value: object, *, required: bool = False, limit: int = limits.NAME_LENGTH) -> str | None:
    """A short text of the program's own (a name, a kind, a unit).

    Raises:
        ValueError: It is empty although it is required, or longer than the limit.
    """
    if value is None and not required:
        return None
    text = _plain(value).replace("\0", "\ufffd").encode("utf-8", "backslashreplace").decode("utf-8")
    if value is None or (required and not text):
        raise ValueError(f"{field} must not be empty")
    if len(text) > limit:
        raise ValueError(f"{field} has {len(text)} characters, at most {limit}")
    return text


def choice(field: str, value: Any, choices: Sequence[Any]) -> Any:
    """The value, which is one of the choices.

    Raises:
        ValueError: It is none of them.
    """
    if value not in choices:
        raise ValueError(f"{field} must be one of {', '.join(map(str, choices))}, not {value!r}")
    return value


def count(field: str, value: object, high: int = limits.INTEGER) -> int:
    """A whole number from 0 to `high`.

    Raises:
        ValueError: It is negative, too large or not whole.
    """
    number = int(value)  # type: ignore[call-overload]  # numpy's integers convert too
    if number != value or not 0 <= number <= high:
        raise ValueError(f"{field} must be a whole number from 0 to {high}, not {value!r}")
    return int(number)


def number(field: str, value: object, low: float | None = None) -> float:
    """A finite float.

    Raises:
        ValueError: It is NaN, infinite or below `low`.
    """
    found = float(value)  # type: ignore[arg-type]
    if not math.isfinite(found):
        raise ValueError(f"{field} must be a finite number, not {found!r}")
    if low is not None and found < low:
        raise ValueError(f"{field} must be at least {low:g}, not {found!r}")
    return found


def milliseconds(field: str, value: object) -> int:
    """A duration in whole milliseconds.

    Raises:
        ValueError: It is negative, not finite or longer than a hundred years.
    """
    found = round(number(field, value, low=0))
    if found > limits.DURATION_MS:
        raise ValueError(f"{field} must be at most {limits.DURATION_MS} milliseconds, not {found}")
    return found


def dollars(field: str, value: object) -> str | None:
    """An amount of money as the text the wire carries.

    Raises:
        ValueError: It is no amount, negative, or above the limit.
    """
    if value is None:
        return None
    found = number(field, value, low=0)
    if found > limits.COST_USD:
        raise ValueError(f"{field} must be at most {limits.COST_USD} dollars, not {value!r}")
    return str(value).strip()


def token_counts(tokens: Mapping[str, Any]) -> dict[str, int]:
    """The tokens of a call by kind.

    Raises:
        ValueError: One is negative, or a part is larger than the whole that includes it.
    """
    counted = {field: count(field, value) for field, value in tokens.items()}
    cached = counted["cache_read_tokens"] + counted["cache_write_tokens"]
    if cached > counted["input_tokens"]:
        raise ValueError(
            f"cache_read_tokens + cache_write_tokens is {cached}, more than input_tokens "
            f"({counted['input_tokens']}), which includes them"
        )
    if counted["reasoning_tokens"] > counted["output_tokens"]:
        raise ValueError(
            f"reasoning_tokens is {counted['reasoning_tokens']}, more than output_tokens "
            f"({counted['output_tokens']}), which includes them"
        )
    return counted


def texts(field: str, value: Mapping[str, Any] | None) -> dict[str, str] | None:
    """A small mapping of texts (labels, links).

    Raises:
        ValueError: It has too many entries, or one is too long.
    """
    if value is None:
        return None
    if len(value) > limits.LABELS:
        raise ValueError(f"{field} has {len(value)} entries, at most {limits.LABELS}")
    checked = {}
    for key, item in value.items():
        key_text = name(f"{field} key", key, required=True)
        text = _plain(item).replace("\0", "\ufffd").encode("utf-8", "backslashreplace").decode("utf-8")
        if len(text) > limits.URL_LENGTH:
            raise ValueError(f"{field}.{key_text} has {len(text)} characters, at most {limits.URL_LENGTH}")
        checked[str(key_text)] = text
    return checked
