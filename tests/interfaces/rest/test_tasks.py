"""Tasks over REST: made, found, changed, cancelled, deleted; single writes that may be repeated."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from headway.domain.ids import uuid7
from tests.interfaces.serving import Tenant, fact, problem, run_task, send


def test_a_task_is_made_with_everything_that_describes_it(client: httpx.Client) -> None:
    wanted = {
        "name": "Import catalogue",
        "description": "all of it",
        "project": "shop",
        "agent": "importer",
        "agent_id": "i-7",
        "task_type": "import",
        "priority": 1,
        "labels": {"env": "prod"},
        "links": {"repo_url": "https://example.com/repo"},
        "input": {"rows": [1, 2]},
        "metadata": {"a": None},
        "config": {"max_rounds": 3},
        "estimate_seconds": 1.5,
    }

    answer = client.post("/tasks", json=wanted)

    assert answer.status_code == 201
    made = answer.json()
    assert {name: made[name] for name in wanted} == wanted
    assert (made["status"], made["progress"], made["started_at"], made["duration_seconds"]) == (
        "pending",
        None,
        None,
        None,
    )
    assert client.get(f"/tasks/{made['id']}").json() == made


def test_a_worker_without_the_sdk_reports_by_patching(client: httpx.Client) -> None:
    task_id = client.post("/tasks", json={"name": "a"}).json()["id"]

    started = client.patch(
        f"/tasks/{task_id}", json={"status": "running", "progress": 40, "phase": "reading"}
    ).json()
    ended = client.patch(
        f"/tasks/{task_id}",
        json={"status": "completed", "result": {"rows": 3}, "links": {"deployment_url": "https://x"}},
    ).json()

    assert (started["status"], started["progress"], started["phase"]) == ("running", 40, "reading")
    assert (ended["status"], ended["progress"], ended["result"]) == ("completed", 100, {"rows": 3})
    assert ended["links"] == {"deployment_url": "https://x"}
    assert ended["duration_seconds"] >= 0
    timeline = client.get(f"/tasks/{task_id}/timeline").json()["items"]
    assert [entry["kind"] for entry in timeline] == ["created", "started", "progress", "updated", "completed"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": "failed", "error": "it broke"}, ("failed", {"message": "it broke"})),
        ({"status": "failed", "error": {"message": "m", "type": "T", "stack": "s"}},
         ("failed", {"message": "m", "type": "T", "stack": "s"})),
        ({"status": "cancelled", "reason": "no more"}, ("cancelled", None)),
    ],
)  # fmt: skip
def test_every_ending_can_be_patched(
    client: httpx.Client, change: dict[str, Any], expected: tuple[str, Any]
) -> None:
    task_id = run_task(client, "started")

    ended = client.patch(f"/tasks/{task_id}", json=change).json()

    assert (ended["status"], ended["error"]) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": "pending"}, (422, "out-of-range", "status")),
        ({"status": "failed"}, (422, "missing-field", "error")),
        ({"result": 1}, (422, "missing-field", "status")),
        ({"project": "other"}, (409, "refused-change", None)),
        ({}, (422, "missing-field", "body")),
        ({"colour": "red"}, (422, "unknown-field", "colour")),
        ({"progress": 101}, (422, "out-of-range", "progress")),
    ],
)
def test_a_patch_that_cannot_be_is_refused_and_changes_nothing(
    client: httpx.Client, change: dict[str, Any], expected: tuple[int, str, str | None]
) -> None:
    task_id = run_task(client, "started", project="shop")
    before = client.get(f"/tasks/{task_id}").json()

    answer = client.patch(f"/tasks/{task_id}", json=change)

    assert problem(answer)[:3] == expected
    after = client.get(f"/tasks/{task_id}").json()
    assert {**after, "duration_seconds": None} == {**before, "duration_seconds": None}


def test_a_forbidden_change_tells_the_state_it_met(client: httpx.Client) -> None:
    task_id = run_task(client, "started", "completed")

    answer = client.patch(f"/tasks/{task_id}", json={"status": "failed", "error": "late"})

    assert problem(answer)[:2] == (409, "refused-change")
    assert answer.json()["task_status"] == "completed"


def test_the_same_key_gives_the_same_answer_and_takes_effect_once(client: httpx.Client) -> None:
    task_id = run_task(client, "started")
    headers = {"Idempotency-Key": uuid7()}

    first = client.post(f"/tasks/{task_id}/logs", json={"message": "once"}, headers=headers)
    second = client.post(f"/tasks/{task_id}/logs", json={"message": "once"}, headers=headers)
    other = client.post(f"/tasks/{task_id}/logs", json={"message": "twice"}, headers=headers)

    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert problem(other)[:2] == (422, "idempotency-mismatch")
    assert [line["message"] for line in client.get(f"/tasks/{task_id}/logs").json()["items"]] == ["once"]


def test_a_refused_write_is_refused_again_under_its_key(client: httpx.Client) -> None:
    task_id = run_task(client, "started", "completed")
    wish = {"json": {"reason": "why"}, "headers": {"Idempotency-Key": uuid7()}}

    answers = [client.post(f"/tasks/{task_id}/cancel", **wish) for _ in range(2)]

    assert [problem(answer) for answer in answers] == [(409, "refused-change", None, None)] * 2


def test_the_key_of_one_user_is_not_that_of_another(tenant: Tenant) -> None:
    headers = {"Idempotency-Key": uuid7()}
    ids = []
    for key in (tenant.api_key, tenant.member()[1]):
        with tenant.client(key) as client:
            ids.append(client.post("/tasks", json={"name": "a"}, headers=headers).json()["id"])

    assert len(set(ids)) == 2


def test_a_running_task_is_asked_to_stop_and_its_worker_hears_of_it(client: httpx.Client) -> None:
    task_id, producer = uuid7(), uuid7()
    send(client, fact("created", task_id, 1, name="a"), fact("started", task_id, 2), producer=producer)

    asked = client.post(f"/tasks/{task_id}/cancel", json={"reason": "wrong catalogue"}).json()
    told = send(client, fact("heartbeat", task_id, 3), producer=producer)
    send(client, fact("cancelled", task_id, 4, reason="as you wish"), producer=producer)

    assert (asked["status"], asked["cancel_reason"]) == ("running", "wrong catalogue")
    assert told["cancel_requested"] == [{"task_id": task_id, "reason": "wrong catalogue"}]
    assert client.get(f"/tasks/{task_id}").json()["status"] == "cancelled"


def test_a_pending_task_is_cancelled_at_once(client: httpx.Client) -> None:
    task_id = run_task(client)

    assert client.post(f"/tasks/{task_id}/cancel", json={"reason": "why"}).json()["status"] == "cancelled"


def test_tracked_work_cannot_be_retried_and_says_how_it_was_started(client: httpx.Client) -> None:
    task_id = run_task(client, "started", "completed", origin={"host": "builder-3", "pid": 4711})

    answer = client.post(f"/tasks/{task_id}/retry")

    assert problem(answer)[:2] == (409, "not-restartable")
    assert "builder-3 as process 4711" in answer.json()["detail"]


def test_a_deleted_task_is_gone_and_refuses_later_facts(client: httpx.Client) -> None:
    task_id, running = run_task(client, "started", "completed"), run_task(client, "started")

    refused = client.delete(f"/tasks/{running}")
    deleted = client.delete(f"/tasks/{task_id}")
    later = send(client, fact("log", task_id, 1, message="late"))

    assert problem(refused)[:2] == (409, "still-running")
    assert deleted.json() == {"deleted": 1}
    assert client.get(f"/tasks/{task_id}").status_code == 404
    assert later["applied"] == 0
    assert len(later["refused"]) == 1


def test_a_bulk_action_says_first_what_it_would_do(client: httpx.Client) -> None:
    wanted = [run_task(client, "started", agent="x"), run_task(client, agent="x")]
    other = run_task(client, "started", agent="y")
    body = {"action": "cancel", "filter": {"agent": "x"}, "reason": "enough"}

    plan = client.post("/tasks/bulk", json=body).json()
    untouched = client.get(f"/tasks/{wanted[0]}").json()["cancel_requested_at"]
    done = client.post("/tasks/bulk", json={**body, "dry_run": False}).json()

    assert (plan["dry_run"], plan["matched"], plan["done"], untouched) == (True, 2, 2, None)
    assert (done["dry_run"], done["matched"], done["done"]) == (False, 2, 2)
    assert {item["task_id"] for item in done["items"]} == set(wanted)
    assert client.get(f"/tasks/{wanted[1]}").json()["status"] == "cancelled"
    assert client.get(f"/tasks/{other}").json()["cancel_requested_at"] is None


def test_a_bulk_action_tells_for_each_task_why_it_was_not_done(client: httpx.Client) -> None:
    running, ended = run_task(client, "started"), run_task(client, "started", "completed")

    told = client.post(
        "/tasks/bulk", json={"action": "delete", "ids": [running, ended], "dry_run": False}
    ).json()

    assert [(item["task_id"], item["done"]) for item in told["items"]] == [(running, False), (ended, True)]
    assert told["items"][0]["problem"]["type"] == "/problems/still-running"


def test_lists_are_walked_page_by_page_and_counted(client: httpx.Client) -> None:
    ids = [run_task(client, name=f"task {number}") for number in range(7)]

    found, cursor = [], None
    while True:
        page = client.get(
            "/tasks", params={"limit": 3, "count": True, **({"cursor": cursor} if cursor else {})}
        ).json()
        assert page["total"] == 7
        found += [task["id"] for task in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert sorted(found) == sorted(ids)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=running&status=failed", {"beta", "gamma"}),
        ("agent=coder", {"alpha", "beta"}),
        ("agent=coder&status=running", {"beta"}),
        ("project=shop", {"gamma"}),
        ("project=nowhere", set()),
        ("type=import", {"alpha"}),
        ("label=env=prod", {"beta"}),
        ("q=Gam", set()),
        ("q=GAMMA", {"gamma"}),
        ("user=me&agent=coder", {"alpha", "beta"}),
        ("created_after=2026-11-22T10:00:01Z", set()),
        ("created_before=2026-11-22T10:00:01Z", {"alpha", "beta", "gamma"}),
        ("finished_after=2026-01-01T00:00:00%2B00:00", {"gamma"}),
    ],
)
def test_tasks_are_found_by_each_filter(client: httpx.Client, query: str, names: set[str]) -> None:
    run_task(client, name="alpha", agent="coder", task_type="import")
    run_task(client, "started", name="beta", agent="coder", labels={"env": "prod"})
    run_task(client, "started", "failed", name="gamma", agent="tester", project="shop")

    found = client.get(f"/tasks?{query}").json()["items"]

    assert {task["name"] for task in found} == names


def test_records_are_added_one_by_one_and_read_back(client: httpx.Client) -> None:
    task_id = run_task(client, "started")
    content = "# report\n"
    call_wanted = {"provider": "p", "model": "m", "cost_usd": "0.25", "duration_ms": 830}
    artifact_wanted = {"name": "repört.md", "content": content, "content_type": "text/markdown"}
    added = [
        client.post(f"/tasks/{task_id}/logs", json={"message": "half", "level": "warning", "data": {"a": 1}}),
        client.post(f"/tasks/{task_id}/llm-calls", json=call_wanted),
        client.post(f"/tasks/{task_id}/metrics", json={"name": "rows", "value": 812, "unit": "1/s"}),
        client.post(f"/tasks/{task_id}/metrics", json={"name": "rows", "value": 900, "unit": "1/s"}),
        client.post(f"/tasks/{task_id}/artifacts", json=artifact_wanted),
        client.post(f"/tasks/{task_id}/runs", json={"memory_mb": 12.5, "plan": ["a", "b"]}),
    ]  # fmt: skip

    assert [answer.status_code for answer in added] == [201] * 6
    (line,) = client.get(f"/tasks/{task_id}/logs?level=warning&q=HAL").json()["items"]
    (call,) = client.get(f"/tasks/{task_id}/llm-calls").json()["items"]
    (summary,) = client.get(f"/tasks/{task_id}/metrics/summary").json()["items"]
    (artifact,) = client.get(f"/tasks/{task_id}/artifacts").json()["items"]
    (run,) = client.get(f"/tasks/{task_id}/runs").json()["items"]
    assert (line["message"], line["data"]) == ("half", {"a": 1})
    assert (call["id"], call["cost_usd"], call["duration_seconds"]) == (added[1].json()["id"], "0.25", 0.83)
    assert (summary["count"], summary["minimum"], summary["maximum"], summary["mean"]) == (2, 812, 900, 856)
    assert artifact["sha256"] == hashlib.sha256(content.encode()).hexdigest()
    assert (run["memory_mb"], run["plan"]) == (12.5, ["a", "b"])
    download = client.get(f"/artifacts/{artifact['id']}/content")
    assert download.content == content.encode()
    assert download.headers["content-disposition"] == "attachment; filename*=UTF-8''rep%C3%B6rt.md"
    assert download.headers["content-security-policy"].startswith("sandbox")
    assert client.get(f"/tasks/{task_id}").json()["cost_usd"] == "0.25"


def test_an_artifact_that_headway_does_not_hold_has_no_content(client: httpx.Client) -> None:
    task_id = run_task(client, "started")
    made = client.post(
        f"/tasks/{task_id}/artifacts", json={"name": "a", "uri": "s3://bucket/a", "size": 5_000_000}
    ).json()

    assert client.get(f"/artifacts/{made['id']}").json()["stored"] is False
    assert problem(client.get(f"/artifacts/{made['id']}/content"))[:2] == (404, "not-found")


def test_log_lines_are_read_on_from_the_last_one(client: httpx.Client) -> None:
    task_id = uuid7()
    lines = [fact("log", task_id, seq, message=str(seq)) for seq in range(2, 9)]
    send(client, fact("created", task_id, 1, name="a"), *lines)

    first = client.get(f"/tasks/{task_id}/logs?limit=4").json()
    rest = client.get(f"/tasks/{task_id}/logs", params={"limit": 4, "cursor": first["next_cursor"]}).json()
    last = client.get(f"/tasks/{task_id}/logs?limit=2&newest=true").json()

    assert [line["message"] for line in first["items"] + rest["items"]] == ["2", "3", "4", "5", "6", "7", "8"]
    assert rest["next_cursor"] is None
    assert [line["message"] for line in last["items"]] == ["7", "8"]
