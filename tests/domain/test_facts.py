"""Facts from outside: the well-formed are taken, each broken one names its problem, the field and the limit."""

from __future__ import annotations

import base64
import hashlib
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from headway.domain import limits
from headway.domain.errors import InvalidFact
from headway.domain.facts import KINDS, RULES, SERVER_KINDS, Log, parse
from tests.domain.building import REQUIRED, TASK

ENVELOPE = {"seq": 1, "task_id": TASK, "at": "2026-03-01T12:00:00.123Z"}
HUGE = 10**5_000  # more digits than Python spells out


def raw(kind: str, **values: Any) -> dict[str, Any]:
    return {"kind": kind, **ENVELOPE, **REQUIRED.get(kind, {}), **values}


def nested(depth: int) -> list[Any]:
    outermost: list[Any] = []
    inner = outermost
    for _ in range(depth - 1):
        inner.append([])
        inner = inner[0]
    return outermost


def problem(given: dict[str, Any]) -> tuple[str, str, Any]:
    """The problem, field and limit with which a fact is refused."""
    with pytest.raises(InvalidFact) as refused:
        parse(given)
    error = refused.value
    concerned = (
        {"field": error.field} if error.limit is None else {"field": error.field, "limit": error.limit}
    )
    assert error.concerned == concerned
    return error.problem, error.field, error.limit


@pytest.mark.parametrize("kind", KINDS)
def test_a_fact_with_what_it_needs_is_taken(kind: str) -> None:
    taken, unknown = parse(raw(kind), trusted=True)

    assert (taken.kind, taken.seq, taken.task_id, unknown) == (kind, 1, TASK, [])
    assert taken.at == datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC)


def test_fields_nobody_knows_are_dropped_and_named() -> None:
    taken, unknown = parse(raw("log", colour="red"))

    assert taken == Log(seq=1, task_id=TASK, at=taken.at, message=REQUIRED["log"]["message"])
    assert unknown == ["colour"]


def test_null_means_not_given() -> None:
    given = raw("log", **dict.fromkeys(RULES["log"].keys() - {"seq", "task_id", "at", "message"}))

    assert parse(given) == parse(raw("log"))


@pytest.mark.parametrize(
    ("kind", "field"),
    [(kind, name) for kind, rules in RULES.items() for name, rule in rules.items() if rule.required],
)
def test_a_missing_field_is_named(kind: str, field: str) -> None:
    given = raw(kind)
    del given[field]

    with pytest.raises(InvalidFact) as refused:
        parse(given, trusted=True)

    assert (refused.value.problem, refused.value.field) == ("missing-field", field)


@pytest.mark.parametrize(
    "kind",
    ["deleted", "", "Log", 1, HUGE, True, [], {}, "\0", "\ud800", *SERVER_KINDS],
    ids=lambda kind: type(kind).__name__,
)
def test_an_unknown_kind_is_refused_and_what_is_said_of_it_can_be_sent(kind: Any) -> None:
    with pytest.raises(InvalidFact) as refused:
        parse({**ENVELOPE, "kind": kind})

    assert (refused.value.problem, refused.value.field) == ("unknown-kind", "kind")
    assert refused.value.detail.encode()


def test_a_kind_is_needed() -> None:
    assert problem(dict(ENVELOPE)) == ("missing-field", "kind", None)


TIMES = [limits.EARLIEST, limits.LATEST]
CHOICES = {
    "level": list(limits.LEVELS),
    "metric": list(limits.METRIC_TYPES),
    "artifact": list(limits.ARTIFACT_TYPES),
    "priority": list(limits.PRIORITIES),
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # numbers of facts and runs
        (raw("log", seq=0), ("out-of-range", "seq", [1, limits.INTEGER])),
        (raw("log", seq=2**53), ("out-of-range", "seq", [1, limits.INTEGER])),
        (raw("log", seq=HUGE), ("out-of-range", "seq", [1, limits.INTEGER])),
        (raw("log", seq="1"), ("wrong-type", "seq", None)),
        (raw("log", seq=1.0), ("wrong-type", "seq", None)),
        (raw("log", seq=True), ("wrong-type", "seq", None)),
        (raw("log", run=0), ("out-of-range", "run", [1, limits.RUNS])),
        (raw("log", run=limits.RUNS + 1), ("out-of-range", "run", [1, limits.RUNS])),
        (raw("retried", follows_run=0), ("out-of-range", "follows_run", [1, limits.RUNS])),
        # ids
        (raw("log", task_id="7"), ("wrong-type", "task_id", None)),
        (raw("log", task_id=7), ("wrong-type", "task_id", None)),
        (raw("log", task_id=TASK + "\n"), ("wrong-type", "task_id", None)),
        (raw("created", parent_id="none"), ("wrong-type", "parent_id", None)),
        (raw("created", parent_id=TASK), ("out-of-range", "parent_id", None)),
        # times
        (raw("log", at="yesterday"), ("wrong-type", "at", None)),
        (raw("log", at=1_700_000_000), ("wrong-type", "at", None)),
        (raw("log", at="2026-03-01T12:00:00"), ("wrong-type", "at", None)),
        (raw("log", at="2026-03-01"), ("wrong-type", "at", None)),
        (raw("log", at="1999-12-31T23:59:59Z"), ("out-of-range", "at", TIMES)),
        (raw("log", at="2100-01-01T00:00:01Z"), ("out-of-range", "at", TIMES)),
        (raw("log", at="0001-01-01T00:00:00+23:59"), ("out-of-range", "at", TIMES)),
        (raw("log", at="9999-12-31T23:59:59-23:59"), ("out-of-range", "at", TIMES)),
        # progress and other numbers
        (raw("progress", progress=-0.1), ("out-of-range", "progress", [0, 100])),
        (raw("progress", progress=100.1), ("out-of-range", "progress", [0, 100])),
        (raw("progress", progress=HUGE), ("out-of-range", "progress", [0, 100])),
        (raw("progress", progress=math.nan), ("not-finite", "progress", None)),
        (raw("progress", progress=math.inf), ("not-finite", "progress", None)),
        (raw("progress", progress="40"), ("wrong-type", "progress", None)),
        (raw("progress", progress=True), ("wrong-type", "progress", None)),
        (raw("metric", value=math.nan), ("not-finite", "value", None)),
        (raw("metric", value=-math.inf), ("not-finite", "value", None)),
        (raw("metric", value=10**400), ("out-of-range", "value", None)),
        (raw("metric", value=HUGE), ("out-of-range", "value", None)),
        (raw("run", memory_mb=-1), ("out-of-range", "memory_mb", [0, limits.INTEGER])),
        (raw("created", estimate_ms=-1), ("out-of-range", "estimate_ms", [0, limits.DURATION_MS])),
        # texts
        (raw("created", name=""), ("too-short", "name", 1)),
        (raw("created", name="n" * 256), ("too-long", "name", 255)),
        (raw("created", name=7), ("wrong-type", "name", None)),
        (raw("log", message="m" * 10_001), ("too-long", "message", 10_000)),
        (raw("log", message="a\0b"), ("bad-text", "message", None)),
        (raw("log", message="a\ud800b"), ("bad-text", "message", None)),
        (raw("log", message=b"bytes"), ("wrong-type", "message", None)),
        (raw("log", phase="p" * 256), ("too-long", "phase", 255)),
        (raw("cancel_requested", reason=""), ("too-short", "reason", 1)),
        # choices
        (raw("log", level="loud"), ("out-of-range", "level", CHOICES["level"])),
        (raw("metric", type="temperature"), ("out-of-range", "type", CHOICES["metric"])),
        (raw("artifact", type="hologram"), ("out-of-range", "type", CHOICES["artifact"])),
        (raw("created", priority=0), ("out-of-range", "priority", CHOICES["priority"])),
        (raw("created", priority=True), ("out-of-range", "priority", CHOICES["priority"])),
        (raw("created", priority=[1]), ("out-of-range", "priority", CHOICES["priority"])),
        # flags
        (raw("llm_call", ok=1), ("wrong-type", "ok", None)),
        (raw("llm_call", cache_hit="no"), ("wrong-type", "cache_hit", None)),
        # JSON
        (raw("log", data="d" * 256_000), ("too-long", "data", 256_000)),
        (raw("log", data={"x": math.nan}), ("not-finite", "data", None)),
        (raw("log", data={"x": HUGE}), ("not-finite", "data", None)),
        (raw("log", data=["a\0b"]), ("bad-text", "data", None)),
        (raw("log", data={"a\0b": 1}), ("bad-text", "data", None)),
        (raw("log", data={"\udfff": 1}), ("bad-text", "data", None)),
        (raw("log", data={"x": b"bytes"}), ("wrong-type", "data", None)),
        (raw("log", data=nested(101)), ("too-deep", "data", 100)),
        (raw("log", data=nested(100_000)), ("too-deep", "data", 100)),
        (raw("created", metadata=[1]), ("wrong-type", "metadata", None)),
        (raw("created", metadata={1: 2}), ("wrong-type", "metadata", None)),
        # labels and links
        (raw("created", labels=["a"]), ("wrong-type", "labels", None)),
        (raw("created", labels={"env": 1}), ("wrong-type", "labels.env", None)),
        (raw("created", labels={1: "env"}), ("wrong-type", "labels key", None)),
        (raw("created", labels={"e\0": "x"}), ("bad-text", "labels key", None)),
        (raw("created", labels={str(n): "x" for n in range(65)}), ("too-long", "labels", 64)),
        (raw("links", links={"repo_url": "u" * 4_001}), ("too-long", "links.repo_url", 4_000)),
        # config
        (raw("created", config={"max_rounds": 0}), ("out-of-range", "config.max_rounds", [1, 100])),
        (raw("created", config={"max_rounds": True}), ("out-of-range", "config.max_rounds", [1, 100])),
        (raw("updated", config={"memory_size": 1_001}), ("out-of-range", "config.memory_size", [1, 1000])),
        # money
        (raw("llm_call", cost_usd=-0.01), ("out-of-range", "cost_usd", [0, limits.COST_USD])),
        (raw("llm_call", cost_usd="1000001"), ("out-of-range", "cost_usd", [0, limits.COST_USD])),
        (raw("llm_call", cost_usd="1e999999999"), ("out-of-range", "cost_usd", [0, limits.COST_USD])),
        (raw("llm_call", cost_usd=HUGE), ("out-of-range", "cost_usd", [0, limits.COST_USD])),
        (raw("llm_call", cost_usd="NaN"), ("not-finite", "cost_usd", None)),
        (raw("llm_call", cost_usd=math.inf), ("not-finite", "cost_usd", None)),
        (raw("llm_call", cost_usd="a lot"), ("wrong-type", "cost_usd", None)),
        (raw("llm_call", cost_usd=True), ("wrong-type", "cost_usd", None)),
        (raw("llm_call", cost_usd="0." + "1" * 63), ("too-long", "cost_usd", 64)),
        # tokens
        (raw("llm_call", input_tokens=-1), ("out-of-range", "input_tokens", [0, limits.TOKENS])),
        (
            raw("llm_call", input_tokens=10, cache_read_tokens=6, cache_write_tokens=5),
            ("part-exceeds-whole", "cache_read_tokens", 10),
        ),
        (
            raw("llm_call", output_tokens=10, reasoning_tokens=11),
            ("part-exceeds-whole", "reasoning_tokens", 10),
        ),
        # artifacts
        (raw("artifact", content="é" * 500_001), ("too-long", "content", 1_000_000)),
        (raw("artifact", content="#", encoding="base64"), ("wrong-type", "content", None)),
        (raw("artifact", content="é", encoding="base64"), ("wrong-type", "content", None)),
        (raw("artifact", content="report", sha256="0" * 64), ("hash-mismatch", "sha256", None)),
        (raw("artifact", content="report", size=7), ("hash-mismatch", "size", 6)),
        (raw("artifact", sha256="0" * 63), ("too-short", "sha256", 64)),
        (raw("artifact", size=-1), ("out-of-range", "size", [0, limits.INTEGER])),
        (raw("artifact", uri="u" * 4_001), ("too-long", "uri", 4_000)),
        # endings
        (raw("failed", error="disk full"), ("wrong-type", "error", None)),
        (raw("failed", error={}), ("missing-field", "error.message", None)),
        (raw("failed", error={"message": 1}), ("wrong-type", "error.message", None)),
        (raw("failed", error={"message": "m", "type": "t" * 256}), ("too-long", "error.type", 255)),
        (raw("failed", error={"message": "m", "stack": "s" * 100_001}), ("too-long", "error.stack", 100_000)),
        (raw("progress", progress=None), ("missing-field", "progress", None)),
    ],
)
def test_bad_input_names_the_problem_the_field_and_the_limit(
    given: dict[str, Any], expected: tuple[str, str, Any]
) -> None:
    assert problem(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        raw("progress", progress=0),
        raw("progress", progress=100),
        raw("progress", progress=None, message=""),
        raw("created", name="n" * 255),
        raw("created", name="Ünïcode 🚀 #1 'quoted' %s \\u0000"),
        raw("log", message="m" * 10_000),
        raw("log", data="\\u0000 spelled out is text, not NUL"),
        raw("log", data=nested(100)),
        raw("log", data=[[] for _ in range(1_000)]),
        raw("log", data="d" * 255_998),
        raw("log", at="2026-03-01T13:00:00.123456+01:00"),
        raw("log", at=datetime(2026, 3, 1, 12, tzinfo=UTC)),
        raw("created", labels={str(n): "x" for n in range(64)}),
        raw("created", config={"max_rounds": 100, "anything": "else"}),
        raw("llm_call", input_tokens=10, cache_read_tokens=6, cache_write_tokens=4),
        raw("llm_call", cost_usd="0.000000001"),
        raw("llm_call", cost_usd="1e-999999999"),
        raw("artifact", content="é" * 500_000),
        raw("failed", error={"message": "m", "stack": "s" * 100_000, "type": "OSError"}),
    ],
)
def test_what_is_just_within_the_limits_is_taken(given: dict[str, Any]) -> None:
    assert parse(given)[1] == []


def test_times_are_kept_in_utc() -> None:
    taken, _ = parse(raw("log", at="2026-03-01T13:00:00+01:00"))

    assert (taken.at, taken.at.tzinfo) == (datetime(2026, 3, 1, 12, tzinfo=UTC), UTC)


def test_ids_are_kept_in_one_spelling() -> None:
    taken, _ = parse(raw("log", task_id=TASK.upper().replace("-", "")))

    assert taken.task_id == TASK


@pytest.mark.parametrize("encoding", ["utf-8", "base64"])
def test_content_with_the_right_hash_and_size_is_taken(encoding: str) -> None:
    content = "Ünïcode".encode()
    sent = base64.b64encode(content).decode() if encoding == "base64" else content.decode()

    taken, _ = parse(
        raw(
            "artifact",
            content=sent,
            encoding=encoding,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest().upper(),
        )
    )

    assert taken.kind == "artifact"
