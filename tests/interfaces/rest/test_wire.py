"""The fast decoder and `facts.parse` agree on every fact, and neither ever lets an error out that is not a problem."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain import facts, limits
from headway.domain.checks import Rule
from headway.domain.errors import InvalidBatch
from headway.domain.facts import Fact
from headway.domain.ids import uuid7
from headway.domain.task import Refusal
from headway.interfaces.rest import wire

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
KINDS = sorted(set(facts.KINDS) - facts.SERVER_KINDS)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
IDS = st.uuids().map(str) | st.uuids().map(lambda found: found.hex.upper())
EDGES = (datetime.fromisoformat("1999-12-30"), datetime.fromisoformat("2100-01-02"))
TIMES = st.datetimes(*EDGES, timezones=st.sampled_from([None, UTC])).map(
    lambda time: time.isoformat().replace("+00:00", "Z")
)


def values_of(rule: Rule) -> st.SearchStrategy[Any]:
    """Values that mostly keep a rule, at its very edges too."""
    low, high = rule.low or 0, rule.high if rule.high is not None else 10
    forms: dict[str, st.SearchStrategy[Any]] = {
        "text": st.text(max_size=8)
        | st.sampled_from([low, min(high, 20_000), min(high, 20_000) + 1]).map("x".__mul__),
        "id": IDS,
        "time": TIMES,
        "integer": st.integers(low, max(high, low)) | st.sampled_from([low - 1, high + 1, 1.0, True]),
        "number": st.floats(allow_nan=False) | st.sampled_from([low, high, low - 1, high + 1]),
        "flag": st.booleans(),
        "choice": st.sampled_from(rule.choices or (None,)),
        "json": JSON_VALUES,
        "object": st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=3),
        "texts": st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
        "money": st.sampled_from(["0.5", "x", 1, 2.5, "NaN", -1, "1000001"]),
    }
    return forms[rule.form] | st.sampled_from([None, "text", 7, [], {}])


@st.composite
def raw_facts(draw: st.DrawFn) -> dict[str, Any]:
    """One fact as it might come over the wire, right or wrong in any of its fields."""
    kind = draw(st.sampled_from(KINDS))
    rules = facts.RULES[kind]
    names = draw(st.sets(st.sampled_from(sorted(rules)))) | {name for name in rules if rules[name].required}
    raw = {name: draw(values_of(rules[name])) for name in sorted(names) if name != "seq"}
    return {"kind": kind, **raw}


def plain(fact: Any) -> dict[str, Any]:
    """The fields of a fact, whichever class it has."""
    return {"kind": fact.kind} | {
        field.name: getattr(fact, field.name) for field in fields(facts.KINDS[fact.kind])
    }


def parsed(raw: dict[str, Any]) -> dict[str, Any] | str:
    """What `facts.parse` makes of a fact: its fields, or the problem."""
    try:
        return plain(facts.parse(raw)[0])
    except facts.InvalidFact as error:
        return error.problem


@given(st.lists(raw_facts(), min_size=1, max_size=4))
def test_what_the_decoder_makes_of_a_batch_is_what_parse_makes_of_each_fact(
    raw: list[dict[str, Any]],
) -> None:
    numbered = [{**each, "seq": seq} for seq, each in enumerate(raw, 1)]
    body = json.dumps({"producer": uuid7(), "facts": numbered}).encode()

    found = wire.read_batch(body, msgpack=False, received_at=NOW)

    told = [item.slug if isinstance(item, Refusal) else plain(item) for item in found.items]
    assert told == [parsed(json.loads(json.dumps(each))) for each in numbered]


def test_a_well_formed_batch_takes_the_fast_way_and_one_bad_fact_does_not_spoil_it() -> None:
    good = {"seq": 1, "task_id": uuid7(), "kind": "log", "at": "2026-11-22T10:00:00Z", "message": "x"}

    fast = wire.read_batch(
        json.dumps({"producer": uuid7(), "facts": [good]}).encode(), msgpack=False, received_at=NOW
    )
    bad = {**good, "seq": 2, "level": "loud"}
    slow = wire.read_batch(
        json.dumps({"producer": uuid7(), "facts": [good, bad]}).encode(), msgpack=False, received_at=NOW
    )

    assert isinstance(fast.items[0], msgspec.Struct)
    assert isinstance(slow.items[0], Fact)
    assert plain(fast.items[0]) == plain(slow.items[0])
    assert isinstance(slow.items[1], Refusal)


@pytest.mark.parametrize(
    ("sent_at", "offset"),
    [
        (NOW, None),
        (NOW - timedelta(seconds=5), None),
        (NOW - timedelta(seconds=6), timedelta(seconds=6)),
        (NOW + timedelta(hours=1), timedelta(hours=-1)),
    ],
)
def test_a_clock_that_is_off_by_more_than_five_seconds_is_corrected(
    sent_at: datetime, offset: timedelta | None
) -> None:
    log = {"seq": 1, "task_id": uuid7(), "kind": "log", "at": "2026-11-22T10:00:00Z", "message": "x"}
    body = {"producer": uuid7(), "sent_at": sent_at.isoformat(), "facts": [log]}

    assert wire.read_batch(json.dumps(body).encode(), msgpack=False, received_at=NOW).offset == offset


@given(st.binary(max_size=200))
def test_any_bytes_are_a_batch_or_a_problem(body: bytes) -> None:
    for msgpack in (False, True):
        with suppress(InvalidBatch):
            wire.read_batch(body, msgpack=msgpack, received_at=NOW)


@given(JSON_VALUES, st.booleans())
def test_any_json_is_a_batch_or_a_problem(value: Any, in_facts: bool) -> None:
    content = (
        {"producer": uuid7(), "facts": value if isinstance(value, list) else [value]} if in_facts else value
    )

    try:
        found = wire.read_batch(json.dumps(content).encode(), msgpack=False, received_at=NOW)
    except InvalidBatch:
        return
    assert all(isinstance(item, Refusal | Fact | msgspec.Struct) for item in found.items)


def test_numbers_of_any_length_are_read() -> None:
    digits = "9" * 10_000
    body = (
        f'{{"producer": "{uuid7()}", "facts": [{{"seq": 1, "task_id": "{uuid7()}", "kind": "progress", '
        f'"at": "2026-11-22T10:00:00Z", "progress": {digits}}}]}}'
    )

    (refusal,) = wire.read_batch(body.encode(), msgpack=False, received_at=NOW).items

    assert isinstance(refusal, Refusal)
    assert (refusal.slug, refusal.field) == ("not-finite", "progress")
    assert math.isinf(float(digits))


def test_the_number_of_warnings_is_bounded() -> None:
    log = {"seq": 1, "task_id": uuid7(), "kind": "log", "at": "2026-11-22T10:00:00Z", "message": "x"}
    unknown = {f"field {number}": 1 for number in range(1_000)}

    found = wire.read_batch(
        json.dumps({"producer": uuid7(), "facts": [log | unknown]}).encode(), msgpack=False, received_at=NOW
    )

    assert len(found.warnings) == 50


def test_texts_as_long_as_the_limit_are_kept_on_both_ways() -> None:
    log = {"seq": 1, "task_id": uuid7(), "kind": "log", "at": "2026-11-22T10:00:00Z"}
    for text in ("x" * limits.MESSAGE_LENGTH, "ü" * limits.MESSAGE_LENGTH):
        for extra in ({}, {"unknown": 1}):
            body = json.dumps({"producer": uuid7(), "facts": [log | {"message": text} | extra]}).encode()
            (item,) = wire.read_batch(body, msgpack=False, received_at=NOW).items
            assert not isinstance(item, Refusal)
