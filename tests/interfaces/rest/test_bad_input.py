"""Every kind of bad input has its own problem type, names the field and the limit, and spoils nothing beside it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import msgspec
import pytest

from headway.domain import limits
from headway.domain.ids import uuid7
from tests.interfaces.serving import Tenant, batch, fact, problem, run_task, send

JSON = {"Content-Type": "application/json"}
GZIP = {**JSON, "Content-Encoding": "gzip"}
DEEP = "[" * 5_000 + "]" * 5_000


def refused(client: httpx.Client, task_id: str, bad: dict[str, Any]) -> tuple[str, Any, Any]:
    """Type, field and limit with which one fact is refused, while the good ones around it count."""
    good = [fact("log", task_id, 1, message="before"), fact("log", task_id, 3, message="after")]
    told = send(client, good[0], {"seq": 2, "task_id": task_id, "at": good[0]["at"], **bad}, good[1])
    assert (told["acked_seq"], told["applied"]) == (3, 2)
    (refusal,) = told["refused"]
    assert refusal["seq"] == 2
    return refusal["type"].removeprefix("/problems/"), refusal.get("field"), refusal.get("limit")


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ({"kind": "danced"}, ("unknown-kind", "kind", None)),
        ({"kind": "timeout"}, ("unknown-kind", "kind", None)),
        ({}, ("missing-field", "kind", None)),
        ({"kind": "created"}, ("missing-field", "name", None)),
        ({"kind": "created", "name": "x" * 256}, ("too-long", "name", 255)),
        ({"kind": "created", "name": ""}, ("too-short", "name", 1)),
        ({"kind": "log", "message": "x" * 10_001}, ("too-long", "message", 10_000)),
        ({"kind": "log", "message": "x", "data": "x" * 256_000}, ("too-long", "data", 256_000)),
        ({"kind": "progress", "progress": 101}, ("out-of-range", "progress", [0, 100])),
        ({"kind": "progress", "progress": -1}, ("out-of-range", "progress", [0, 100])),
        ({"kind": "progress", "progress": "40"}, ("wrong-type", "progress", None)),
        ({"kind": "log", "message": "a\0b"}, ("bad-text", "message", None)),
        ({"kind": "log", "message": "x", "data": {"a": ["\0"]}}, ("bad-text", "data", None)),
        ({"kind": "log", "message": "x", "at": "1999-12-31T23:59:59Z"},
         ("out-of-range", "at", [limits.EARLIEST, limits.LATEST])),
        ({"kind": "log", "message": "x", "at": "2026-11-22T10:00:00"}, ("wrong-type", "at", None)),
        ({"kind": "log", "message": "x", "at": "yesterday"}, ("wrong-type", "at", None)),
        ({"kind": "log", "message": "x", "task_id": "me"}, ("wrong-type", "task_id", None)),
        ({"kind": "log", "message": "x", "level": "loud"}, ("out-of-range", "level", list(limits.LEVELS))),
        ({"kind": "llm_call", "provider": "p", "model": "m", "input_tokens": 5, "cache_read_tokens": 6},
         ("part-exceeds-whole", "cache_read_tokens", 5)),
        ({"kind": "llm_call", "provider": "p", "model": "m", "input_tokens": -1},
         ("out-of-range", "input_tokens", [0, limits.TOKENS])),
        ({"kind": "artifact", "name": "a", "content": "x", "sha256": "0" * 64}, ("hash-mismatch", "sha256", None)),
        ({"kind": "artifact", "name": "a", "content": "x" * 1_000_001}, ("too-long", "content", 1_000_000)),
        ({"kind": "created", "name": "a", "config": {"max_rounds": 101}},
         ("out-of-range", "config.max_rounds", [1, 100])),
        ({"kind": "failed", "error": {}}, ("missing-field", "error.message", None)),
    ],
)  # fmt: skip
def test_a_fact_that_breaks_a_rule_is_refused_with_its_field_and_limit(
    client: httpx.Client, bad: dict[str, Any], expected: tuple[str, Any, Any]
) -> None:
    task_id = run_task(client, "started")

    assert refused(client, task_id, bad) == expected


@pytest.mark.parametrize(
    ("value", "field", "expected"),
    [
        ("NaN", "progress", "not-finite"),
        ("Infinity", "progress", "not-finite"),
        ("1e999", "progress", "not-finite"),
        ('"\\ud800"', "message", "bad-text"),
        ('"\\u0000"', "message", "bad-text"),
    ],
)
def test_numbers_and_texts_that_no_database_can_hold_are_refused(
    client: httpx.Client, value: str, field: str, expected: str
) -> None:
    task_id = run_task(client, "started")
    bad = json.dumps(fact("progress", task_id, 1))[:-1] + f', "{field}": {value}}}'
    good = json.dumps(fact("log", task_id, 2, message="good"))

    answer = client.post(
        "/facts", content=f'{{"producer": "{uuid7()}", "facts": [{bad}, {good}]}}', headers=JSON
    )

    told = answer.json()
    assert (told["acked_seq"], told["applied"]) == (2, 1)
    assert [(each["type"], each["field"]) for each in told["refused"]] == [(f"/problems/{expected}", field)]


def test_json_that_is_nested_too_deep_is_refused(client: httpx.Client) -> None:
    task_id = run_task(client, "started")
    data: list[Any] = []
    for _ in range(limits.JSON_DEPTH):
        data = [data]

    assert refused(client, task_id, {"kind": "log", "message": "x", "data": data}) == (
        "too-deep",
        "data",
        limits.JSON_DEPTH,
    )


def test_a_forbidden_change_is_refused_with_the_state_of_the_task(client: httpx.Client) -> None:
    task_id = run_task(client, "started", "completed")

    told = send(
        client, fact("failed", task_id, 1, error={"message": "late"}), fact("log", task_id, 2, message="x")
    )

    assert told["applied"] == 1
    (refusal,) = told["refused"]
    assert (refusal["type"], refusal["status"]) == ("/problems/refused-change", "completed")


def test_unknown_fields_are_dropped_and_named(client: httpx.Client) -> None:
    told = send(client, fact("created", uuid7(), 1, name="a", colour="red"))

    assert (told["applied"], told["refused"]) == (1, [])
    assert told["warnings"] == ["a created fact has no field 'colour'; it was dropped"]


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"", JSON, (400, "malformed-body", None, None)),
        (b"{", JSON, (400, "malformed-body", None, None)),
        (b"\xff\xfe{}", JSON, (400, "malformed-body", None, None)),
        (DEEP.encode(), JSON, (400, "malformed-body", None, None)),
        (b"\xc1", {"Content-Type": "application/msgpack"}, (400, "malformed-body", None, None)),
        (b"\x81\x90\x01", {"Content-Type": "application/msgpack"}, (400, "invalid-batch", "facts", None)),
        (b"not gzip", GZIP, (400, "malformed-body", None, None)),
        (gzip.compress(b"{}", mtime=0)[:-4], GZIP, (400, "malformed-body", None, None)),
        (b"{}", {"Content-Type": "text/csv"},
         (415, "unsupported-media-type", "Content-Type", ["application/json", "application/msgpack"])),
        (b"{}", {**JSON, "Content-Encoding": "br"},
         (415, "unsupported-media-type", "Content-Encoding", ["gzip", "identity"])),
        (b"[]", JSON, (400, "invalid-batch", "facts", None)),
        (b"{}", JSON, (400, "invalid-batch", "facts", None)),
        (b'{"facts": []}', JSON, (400, "invalid-batch", "facts", [1, limits.BATCH_FACTS])),
        (b'{"facts": [{"seq": 1}]}', JSON, (400, "invalid-batch", "producer", None)),
        (b'{"facts": [{"seq": 1}], "producer": "me"}', JSON, (400, "invalid-batch", "producer", None)),
        (b'{"facts": [1], "producer": "0199aaaa-0000-7000-8000-000000000000"}', JSON,
         (400, "invalid-batch", "seq", [1, limits.INTEGER])),
        (b'{"facts": [{"seq": 0}], "producer": "0199aaaa-0000-7000-8000-000000000000"}', JSON,
         (400, "invalid-batch", "seq", [1, limits.INTEGER])),
        (b'{"facts": [{"seq": 1}, {"seq": 3}], "producer": "0199aaaa-0000-7000-8000-000000000000"}', JSON,
         (400, "invalid-batch", "seq", None)),
        (b'{"facts": [{"seq": 1}], "sent_at": "now", "producer": "0199aaaa-0000-7000-8000-000000000000"}', JSON,
         (400, "invalid-batch", "sent_at", None)),
        (gzip.compress(b" " * (limits.BATCH_BYTES + 1), mtime=0), GZIP,
         (413, "batch-too-large", "body", limits.BATCH_BYTES)),
        (b" " * (limits.BATCH_BYTES + 1), JSON, (413, "batch-too-large", "body", limits.BATCH_BYTES)),
    ],
)  # fmt: skip
def test_a_body_that_holds_no_batch_is_a_problem_of_its_own(
    client: httpx.Client, content: bytes, headers: dict[str, str], expected: tuple[int, str, Any, Any]
) -> None:
    answer = client.post("/facts", content=content, headers=headers)

    assert problem(answer) == expected


def test_a_batch_of_too_many_facts_is_too_large(client: httpx.Client) -> None:
    task_id = uuid7()
    facts = [fact("heartbeat", task_id, seq) for seq in range(1, limits.BATCH_FACTS + 2)]

    answer = client.post("/facts", json=batch(*facts))

    assert problem(answer) == (413, "batch-too-large", "facts", limits.BATCH_FACTS)


def test_a_gap_is_answered_with_the_number_that_was_expected(client: httpx.Client) -> None:
    producer, task_id = uuid7(), uuid7()
    send(client, fact("created", task_id, 1, name="a"), producer=producer)

    answer = client.post("/facts", json=batch(fact("started", task_id, 3), producer=producer))

    assert problem(answer)[:2] == (409, "sequence-gap")
    assert answer.json()["expected_seq"] == 2


def test_the_same_facts_come_as_json_msgpack_and_gzip(client: httpx.Client) -> None:
    bodies = [batch(fact("created", uuid7(), 1, name="ein Täsk", labels={"a": "b"})) for _ in range(3)]

    answers = [
        client.post("/facts", json=bodies[0]),
        client.post(
            "/facts",
            content=msgspec.msgpack.encode(bodies[1]),
            headers={"Content-Type": "application/msgpack"},
        ),
        client.post("/facts", content=gzip.compress(json.dumps(bodies[2]).encode()), headers=GZIP),
    ]

    assert [answer.json()["applied"] for answer in answers] == [1, 1, 1]
    tasks = [client.get(f"/tasks/{body['facts'][0]['task_id']}").json() for body in bodies]
    assert {(task["name"], task["labels"]["a"]) for task in tasks} == {("ein Täsk", "b")}


def test_a_resent_batch_changes_nothing(client: httpx.Client) -> None:
    task_id = uuid7()
    body = batch(fact("created", task_id, 1, name="a"), fact("log", task_id, 2, message="once"))

    first, second = client.post("/facts", json=body).json(), client.post("/facts", json=body).json()

    assert (first["applied"], first["duplicates"]) == (2, 0)
    assert (second["acked_seq"], second["applied"], second["duplicates"]) == (2, 0, 2)
    assert len(client.get(f"/tasks/{task_id}/logs").json()["items"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/tasks", {}, (422, "missing-field", "name", None)),
        ("POST", "/tasks", {"name": "x" * 256}, (422, "too-long", "name", 255)),
        ("POST", "/tasks", {"name": "a", "id": "me"}, (422, "wrong-type", "id", None)),
        ("POST", "/tasks", {"name": "a", "priority": 4}, (422, "out-of-range", "priority", [1, 2, 3])),
        ("POST", "/tasks", [], (422, "wrong-type", "body", None)),
        ("GET", "/tasks?limit=0", None, (422, "out-of-range", "limit", 1)),
        ("GET", "/tasks?status=dancing", None, (422, "out-of-range", "status.0", None)),
        ("GET", "/tasks?colour=red", None, (422, "unknown-field", "colour", None)),
        ("GET", "/tasks?user=nobody", None, (422, "wrong-type", "user.0", None)),
        ("GET", "/tasks?q=a%00b", None, (422, "bad-text", "q", None)),
        ("GET", "/tasks?project=a%00b", None, (422, "bad-text", "project.0", None)),
        ("GET", "/tasks?created_after=2026-01-01T00:00:00", None, (422, "wrong-type", "created_after", None)),
        ("GET", "/tasks?created_after=0001-01-01T00:00:00Z", None, (422, "out-of-range", "created_after", None)),
        ("GET", "/tasks?cursor=forged", None, (400, "invalid-cursor", None, None)),
        ("GET", "/changes?after=forged", None, (400, "invalid-cursor", None, None)),
        ("GET", "/stream?after=forged", None, (400, "invalid-cursor", None, None)),
        ("GET", "/dashboard/stats?tz=Mars", None, (422, "out-of-range", "tz", None)),
        ("GET", "/tasks/nothing", None, (404, "not-found", None, None)),
        ("GET", "/projects/a%00b", None, (422, "bad-text", "project", None)),
        ("GET", "/nowhere", None, (404, "not-found", None, None)),
        ("PUT", "/tasks", {}, (405, "method-not-allowed", None, None)),
        ("POST", "/tasks/bulk", {"action": "cancel", "ids": []}, (422, "missing-field", "reason", None)),
        ("POST", "/tasks/bulk", {"action": "delete"}, (422, "missing-field", "ids", None)),
        ("POST", "/projects", {"name": "a", "status": "sleeping"},
         (422, "out-of-range", "status", ["planning", "active", "on_hold", "completed", "archived"])),
        ("POST", "/keys", {"name": "a", "expires_days": 0}, (422, "out-of-range", "expires_days", [1, 36_500])),
    ],
)  # fmt: skip
def test_requests_that_break_a_rule_name_it(
    client: httpx.Client, method: str, path: str, body: Any, expected: tuple[int, str, Any, Any]
) -> None:
    answer = client.request(method, path, json=body)

    found = problem(answer)
    if expected[3] is None:
        assert (*found[:3], None) == expected
    else:
        assert found == expected


def test_every_type_of_problem_is_explained_where_it_points(client: httpx.Client, tenant: Tenant) -> None:
    told = client.get("/tasks?limit=0").json()

    answer = httpx.get(tenant.server.url + told["type"])

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith("out-of-range\n")
