"""Whatever is sent to the server, it answers below 500 and lives; one tenant's flood does not starve another."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.domain.ids import uuid7
from tests.interfaces.rest.test_wire import JSON_VALUES, raw_facts
from tests.interfaces.serving import RunningServer, Tenant, fact, send

FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = (
    "kind",
    "seq",
    "task_id",
    "at",
    "run",
    "name",
    "progress",
    "message",
    "labels",
    "error",
    "data",
    "id",
)

CHANGES = (
    "status",
    "progress",
    "result",
    "error",
    "links",
    "labels",
    "name",
    "at",
    "run",
    "estimate_seconds",
)


def accepted(answer: httpx.Response) -> None:
    """The answer is a good one, or a problem of the client's making."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["type"].startswith("/problems/")


@FUZZ
@given(st.lists(raw_facts(), min_size=1, max_size=5))
def test_facts_of_any_values_are_taken_or_refused_one_by_one(
    tenant: Tenant, raw: list[dict[str, Any]]
) -> None:
    numbered = [{**each, "seq": seq} for seq, each in enumerate(raw, 1)]
    with tenant.client() as client:
        answer = client.post(
            "/facts",
            content=_json({"producer": uuid7(), "facts": numbered}),
            headers={"Content-Type": "application/json"},
        )

    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["acked_seq"] == len(raw)
    assert told["applied"] + told["duplicates"] + len(told["refused"]) >= len(raw)


@FUZZ
@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), JSON_VALUES, max_size=8), st.booleans())
def test_objects_of_any_form_are_answered(tenant: Tenant, value: dict[str, Any], whole: bool) -> None:
    content = value if whole else {"producer": uuid7(), "facts": [{**value, "seq": 1}]}
    with tenant.client() as client:
        accepted(client.post("/facts", content=_json(content), headers={"Content-Type": "application/json"}))


@FUZZ
@given(
    st.binary(max_size=300),
    st.sampled_from(
        ["application/json", "application/msgpack", "text/plain", "", "application/json; charset=x", "\x80"]
    ),
    st.sampled_from(["", "gzip", "br", "identity", "gzip, gzip"]),
    st.sampled_from(["/facts", "/tasks", "/tasks/bulk", "/projects", "/keys"]),
)
def test_bytes_of_any_kind_are_answered(
    tenant: Tenant, content: bytes, media_type: str, encoding: str, path: str
) -> None:
    headers = {"Content-Type": media_type.encode("latin-1"), "Content-Encoding": encoding.encode()}
    with tenant.client() as client:
        accepted(client.post(path, content=content, headers=headers))


@FUZZ
@given(
    st.sampled_from(["status", "project", "agent", "label", "q", "user", "parent", "cursor", "limit", "created_after",
                     "order", "count", "after", "level", "tz", "run", "newest"]),
    st.text(max_size=20) | st.sampled_from(["-1", "1e9", "9" * 30, "NaN", "null", "9999-12-31T23:59:59+00:00"]),
    st.sampled_from(["/tasks", "/runs", "/projects", "/changes", "/dashboard/stats", "/tasks/{id}/logs",
                     "/tasks/{id}/metrics", "/tasks/{id}/llm-calls", "/tasks/{id}/artifacts", "/tasks/{id}/timeline"]),
)  # fmt: skip
def test_parameters_of_any_value_are_answered(tenant: Tenant, name: str, value: str, path: str) -> None:
    with tenant.client() as client:
        task_id = uuid7()
        send(client, fact("created", task_id, 1, name="a"))
        accepted(client.get(path.format(id=task_id), params={name: value}))


@FUZZ
@given(
    st.text(min_size=1, max_size=30),
    st.sampled_from(["/tasks/", "/projects/", "/artifacts/", "/status/", "/keys/", "/"]),
)
def test_paths_of_any_text_are_answered(tenant: Tenant, text: str, start: str) -> None:
    with tenant.client() as client:
        for method in ("GET", "PATCH", "DELETE"):
            accepted(client.request(method, start + quote(text, safe="")))


@FUZZ
@given(
    st.dictionaries(st.text(max_size=8), JSON_VALUES, max_size=4),
    st.dictionaries(st.sampled_from(CHANGES), JSON_VALUES, max_size=4),
    st.booleans(),
)
def test_patches_of_any_form_are_answered(
    tenant: Tenant, unknown: dict[str, Any], known: dict[str, Any], both: bool
) -> None:
    with tenant.client() as client:
        task_id = uuid7()
        send(client, fact("created", task_id, 1, name="a"))
        content = _json({**known, **unknown} if both else known)
        accepted(
            client.patch(f"/tasks/{task_id}", content=content, headers={"Content-Type": "application/json"})
        )


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.slow
def test_one_tenants_flood_does_not_starve_another(server: RunningServer) -> None:
    flooder, quiet = server.tenant(), server.tenant()
    stop = threading.Event()
    sent = []

    def flood() -> None:
        with flooder.client() as client:
            while not stop.is_set():
                task_id = uuid7()
                facts = [fact("log", task_id, seq, message="x" * 100) for seq in range(1, 2_001)]
                sent.append(client.post("/facts", json={"producer": uuid7(), "facts": facts}).status_code)

    threads = [threading.Thread(target=flood) for _ in range(6)]
    for thread in threads:
        thread.start()
    # Each of these waits at most for the commit that is under way; behind the whole flood the client would give up.
    with quiet.client() as client:
        for _ in range(20):
            send(client, fact("created", uuid7(), 1, name="a"))
        total = client.get("/tasks?count=true").json()["total"]
    stop.set()
    for thread in threads:
        thread.join()

    assert set(sent) <= {200, 503}
    assert total == 20
