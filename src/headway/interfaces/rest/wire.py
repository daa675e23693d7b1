"""Bytes of a request to facts: a fast path for well-formed JSON, and a slow one that names what is wrong.

The fast path accepts only what `facts.parse` accepts; whatever it does not take at a glance is left to `parse`,
fact by fact. Nothing here knows who sent the facts or what becomes of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec

from headway.domain import facts, ids, limits
from headway.domain.checks import CHECKS, EARLIEST, LATEST, Rule
from headway.domain.errors import BatchTooLarge, InvalidBatch, InvalidFact
from headway.domain.facts import Fact
from headway.domain.task import Refusal
from headway.interfaces.rest.fact_structs import STRUCTS, FactUnion

JSON, MSGPACK = "application/json", "application/msgpack"
CLOCK_TOLERANCE = timedelta(seconds=5)
_TYPICAL_NESTING = 60  # brackets in a JSON field below which it cannot be nested too deep
_LARGEST_GROWTH = 4  # "1e15" takes four times the bytes in the measure that the limit of a JSON field is in
_LONGEST_INTEGER = 400  # digits; a double ends at 309
_WARNINGS = 50


class MalformedBody(InvalidBatch):
    """The body is not what its content type says."""

    slug = "malformed-body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One batch as it was sent."""

    producer: str
    items: list[Fact | Refusal]  # seq rises by one
    offset: timedelta | None  # to add to every `at`; None when the clocks agree
    warnings: list[str]


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    producer: str
    facts: list[FactUnion]
    sent_at: datetime | None = None


class _NotPlain(Exception):
    """The fast path leaves this batch to the slow one."""


_DECODER = msgspec.json.Decoder(_Envelope)
_MONEY = Rule("money", low=0, high=limits.COST_USD)


def read_batch(
    body: bytes, *, msgpack: bool, received_at: datetime, max_facts: int = limits.BATCH_FACTS
) -> Incoming:
    """The batch that a request body holds; facts that break a rule stand in it as refusals.

    Args:
        body: Decompressed.
        msgpack: Whether it is MessagePack instead of JSON.
        received_at: Aware; what the producer's clock is compared with.
        max_facts: Most facts in one batch.

    Raises:
        MalformedBody: It cannot be decoded.
        InvalidBatch: No batch can be made out in it.
        BatchTooLarge: It holds too many facts.
    """
    if not msgpack and b"\\u0000" not in body:
        try:
            return _read_plain(body, received_at, max_facts)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidFact, _NotPlain):
            pass
    return _read_any(decode(body, msgpack=msgpack), received_at, max_facts)


def decode(body: bytes, *, msgpack: bool = False) -> Any:
    """What a body holds, without any rule but that it can be decoded.

    Raises:
        MalformedBody: It cannot.
    """
    try:
        if msgpack:
            return msgspec.msgpack.decode(body)
        return json.loads(body.decode("utf-8", "surrogatepass"), parse_int=_integer)
    except RecursionError:
        raise MalformedBody("the body is nested too deep") from None
    except (msgspec.DecodeError, TypeError, ValueError) as error:
        form = "MessagePack" if msgpack else "JSON"
        raise MalformedBody(f"the body is not {form}: {printable(str(error))}") from None


def printable(text: str, longest: int = 300) -> str:
    """The text without what cannot be encoded, cut where it is long."""
    return text[:longest].encode("utf-8", "backslashreplace").decode("utf-8")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _offset(sent_at: datetime | None, received_at: datetime) -> timedelta | None:
    if sent_at is None:
        return None
    offset = received_at - sent_at
    return offset if abs(offset) > CLOCK_TOLERANCE else None


def _check_count(count: int, max_facts: int) -> None:
    if count > max_facts:
        raise BatchTooLarge(
            f"the batch has {count} facts, at most {max_facts}", field="facts", limit=max_facts
        )
    if count == 0:
        raise InvalidBatch("the batch holds no facts", field="facts", limit=[1, max_facts])


def _read_plain(body: bytes, received_at: datetime, max_facts: int) -> Incoming:
    batch = _DECODER.decode(body)
    found: list[Any] = batch.facts
    _check_count(len(found), max_facts)
    producer = ids.canonical(batch.producer)
    sent_at = batch.sent_at
    if producer is None or (sent_at is not None and sent_at.tzinfo is None):
        raise _NotPlain
    known: set[str] = set()
    expected = found[0].seq
    for fact in found:
        if fact.seq != expected or fact.at.tzinfo is not UTC or not EARLIEST <= fact.at <= LATEST:
            raise _NotPlain
        expected += 1
        if fact.task_id not in known:
            if not ids.is_canonical(fact.task_id):
                raise _NotPlain
            known.add(fact.task_id)
        check = _PLAIN_CHECKS.get(fact.kind)
        if check is not None:
            check(fact)
    offset = _offset(sent_at, received_at)
    return Incoming(producer=producer, items=cast("list[Fact | Refusal]", found), offset=offset, warnings=[])


def _plain_json(value: Any) -> None:
    """Leave a JSON field to the slow path unless it is small and flat at a glance."""
    if not value or isinstance(value, int | float):
        return
    text = msgspec.json.encode(value)
    if len(text) * _LARGEST_GROWTH > limits.JSON_BYTES:
        CHECKS["json"]("json", value, Rule("json", high=limits.JSON_BYTES))
    if text.count(b"[") + text.count(b"{") > _TYPICAL_NESTING:
        raise _NotPlain


def _plain_id(value: str | None) -> None:
    if value is not None and not ids.is_canonical(value):
        raise _NotPlain


def _plain_money(value: Any) -> None:
    if value is not None:
        CHECKS["money"]("money", value, _MONEY)


_PLAIN_FORMS: dict[str, Callable[[Any], None]] = {
    "json": _plain_json,
    "object": _plain_json,
    "id": _plain_id,
    "money": _plain_money,
}


def _plain_check(kind: str) -> Callable[[Any], None] | None:
    """What the decoder cannot check of a kind, or None when that is nothing."""
    steps = tuple(
        (name, _PLAIN_FORMS[rule.form])
        for name, rule in facts.RULES[kind].items()
        if name != "task_id" and rule.form in _PLAIN_FORMS
    )
    whole = facts.WHOLE.get(kind)
    if not steps:
        return whole

    def check(fact: Any) -> None:
        for name, step in steps:
            value = getattr(fact, name)
            if value is not None:
                step(value)
        if whole is not None:
            whole(fact)

    return check


_PLAIN_CHECKS = {kind: check for kind in STRUCTS if (check := _plain_check(kind)) is not None}


def _read_any(content: Any, received_at: datetime, max_facts: int) -> Incoming:
    if not isinstance(content, dict):
        raise InvalidBatch("a batch is an object with producer and facts", field="facts")
    found = content.get("facts")
    if not isinstance(found, list):
        raise InvalidBatch("a batch needs a list of facts", field="facts")
    _check_count(len(found), max_facts)
    producer = _envelope_value("producer", content.get("producer"), Rule("id", required=True))
    sent_at = _envelope_value("sent_at", content.get("sent_at"), Rule("time"))
    warnings = dict.fromkeys(
        _unknown("a batch", name) for name in content if name not in ("producer", "sent_at", "facts")
    )
    first = _seq(found[0], None)
    items = [_read_fact(raw, _seq(raw, first + place), warnings) for place, raw in enumerate(found)]
    offset = _offset(sent_at, received_at)
    return Incoming(producer=producer, items=items, offset=offset, warnings=list(warnings)[:_WARNINGS])


def _envelope_value(name: str, value: Any, rule: Rule) -> Any:
    if value is None:
        if rule.required:
            raise InvalidBatch(f"a batch needs {name}", field=name)
        return None
    try:
        return CHECKS[rule.form](name, value, rule)
    except InvalidFact as error:
        raise InvalidBatch(f"{name} {error.detail}", **error.concerned) from None


def _seq(raw: Any, expected: int | None) -> int:
    seq = raw.get("seq") if isinstance(raw, dict) else None
    if not isinstance(seq, int) or isinstance(seq, bool) or not 1 <= seq <= limits.INTEGER:
        raise InvalidBatch(
            "every fact is an object with a whole number seq of at least 1",
            field="seq",
            limit=[1, limits.INTEGER],
        )
    if expected is not None and seq != expected:
        raise InvalidBatch(
            f"the numbers of the facts must rise by one: {seq} stands where {expected} should", field="seq"
        )
    return seq


def _read_fact(raw: Mapping[str, Any], seq: int, warnings: dict[str, None]) -> Fact | Refusal:
    try:
        fact, unknown = facts.parse(raw)
    except InvalidFact as error:
        task_id, kind = raw.get("task_id"), raw.get("kind")
        return Refusal(
            seq,
            ids.canonical(task_id) if isinstance(task_id, str) else None,
            printable(kind, 50) if isinstance(kind, str) else None,
            error.problem,
            printable(f"{error.field}: {error.detail}"),
            None,
            printable(error.field),
            error.limit,
        )
    for name in unknown[:_WARNINGS]:
        if len(warnings) < _WARNINGS:
            warnings[_unknown(f"a {fact.kind} fact", name)] = None
    return fact


def _unknown(where: str, name: object) -> str:
    return f"{where} has no field {printable(str(name), 100)!r}; it was dropped"
