"""Status, projects, dashboard and change feed over REST: every figure is what the rows say, or null."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from headway.domain.ids import uuid7
from tests.interfaces.serving import Tenant, batch, fact, problem, run_task, send


def test_status_tells_how_things_stand_and_why_there_is_no_estimate(client: httpx.Client) -> None:
    task_id = run_task(client, "started", "log", task_type="import")

    status = client.get(f"/status/{task_id}").json()

    assert (status["task_id"], status["task_type"], status["status"]) == (task_id, "import", "running")
    assert (status["progress"], status["eta"], status["estimated_completion"]) == (None, None, None)
    assert status["eta_reason"] == "not enough history"
    assert [line["message"] for line in status["logs"]] == ["so far"]


def test_status_estimates_from_finished_runs_of_the_same_kind(client: httpx.Client) -> None:
    for minute in range(8):
        task_id = uuid7()
        begun, ended = f"2026-11-20T10:{minute:02d}:00Z", f"2026-11-20T10:{minute:02d}:{30 + minute}Z"
        facts = [
            fact("created", task_id, 1, name="a", agent="x"),
            fact("started", task_id, 2),
            fact("completed", task_id, 3),
        ]
        send(client, *({**each, "at": at} for each, at in zip(facts, (begun, begun, ended), strict=True)))
    task_id = uuid7()
    now = datetime.now(UTC).isoformat()
    send(
        client,
        {**fact("created", task_id, 1, name="a", agent="x"), "at": now},
        {**fact("started", task_id, 2), "at": now},
    )

    status = client.get(f"/status/{task_id}").json()

    assert status["eta_reason"] is None
    eta = status["eta"]
    assert (eta["method"], eta["sample_size"]) == ("history", 8)
    assert 25 < eta["low"] <= eta["median"] <= eta["high"] < 40
    assert datetime.fromisoformat(status["estimated_completion"]) > datetime.now(UTC)


def test_projects_tell_how_far_they_are(client: httpx.Client) -> None:
    project = client.post("/projects", json={"name": "Größe & Co", "objective": "sell"}).json()
    for kinds in (("started", "completed"), ("started", "progress"), ("started",), ()):
        run_task(client, *kinds, project=project["slug"], estimate_ms=1_000)
    cancelled = run_task(client, project=project["slug"])
    client.post(f"/tasks/{cancelled}/cancel", json={"reason": "why"})

    progress = client.get(f"/projects/{project['slug']}/progress").json()

    assert project["slug"] == "grosse-co"
    assert (progress["total_tasks"], progress["completed_tasks"]) == (5, 1)
    assert (progress["completion_percentage"], progress["progress_percentage"]) == (25.0, 37.5)
    assert progress["unreported_tasks"] == 2
    assert (progress["estimated_time_remaining_seconds"], bool(progress["eta_reason"])) == (None, True)


def test_an_empty_project_has_no_progress(client: httpx.Client) -> None:
    client.post("/projects", json={"name": "empty"})

    progress = client.get("/projects/empty/progress").json()

    assert (progress["total_tasks"], progress["completion_percentage"], progress["progress_percentage"]) == (
        0,
        None,
        None,
    )


def test_projects_are_changed_and_their_slugs_unique(client: httpx.Client) -> None:
    client.post("/projects", json={"name": "shop"})

    again = client.post("/projects", json={"name": "Shop"})
    changed = client.patch("/projects/shop", json={"status": "on_hold", "priority": 1})

    assert problem(again)[:2] == (409, "conflict")
    assert (changed.json()["status"], changed.json()["priority"], changed.json()["name"]) == (
        "on_hold",
        1,
        "shop",
    )


def test_the_dashboard_counts_what_the_rows_say(client: httpx.Client) -> None:
    now = datetime.now(UTC).isoformat()
    empty = client.get("/dashboard/stats").json()
    for kinds in (
        ("started", "completed"),
        ("started", "completed"),
        ("started", "failed"),
        ("started",),
        (),
    ):
        task_id = uuid7()
        facts = [fact("created", task_id, 1, name="a", agent="coder", project="shop")]
        facts += [fact(kind, task_id, seq) for seq, kind in enumerate(kinds, 2)]
        send(
            client,
            *(
                {**each, "at": now, **({"error": {"message": "m"}} if each["kind"] == "failed" else {})}
                for each in facts
            ),
        )

    stats = client.get("/dashboard/stats").json()

    assert (empty["total_tasks"], empty["average_success_rate"], empty["most_active_agent"]) == (
        0,
        None,
        None,
    )
    assert {name: value for name, value in stats.items() if name != "recent_activities"} == {
        "total_projects": 1,
        "active_projects": 1,
        "total_tasks": 5,
        "pending_tasks": 1,
        "active_tasks": 1,
        "completed_tasks_today": 2,
        "failed_tasks_today": 1,
        "average_success_rate": pytest.approx(2 / 3),
        "most_active_agent": "coder",
    }
    assert len(stats["recent_activities"]) == 5
    assert {activity["event"] for activity in stats["recent_activities"]} <= {
        "started",
        "completed",
        "failed",
    }


def test_the_change_feed_is_walked_without_missing_anything(client: httpx.Client) -> None:
    cursor = client.get("/changes").json()["cursor"]
    ids = [run_task(client) for _ in range(5)]
    client.delete(f"/tasks/{ids[0]}")

    seen, gone, more = [], [], True
    while more:
        page = client.get("/changes", params={"after": cursor, "limit": 2}).json()
        seen += [task["id"] for task in page["items"]]
        gone += [stone["task_id"] for stone in page["deleted"]]
        cursor, more = page["cursor"], page["next_cursor"] is not None

    assert (seen, gone) == (ids[1:], ids[:1])


def test_clients_that_know_no_version_find_tasks_and_status(tenant: Tenant, client: httpx.Client) -> None:
    task_id = run_task(client)
    headers = {"Authorization": f"Bearer {tenant.api_key}"}

    answers = [
        httpx.get(f"{tenant.server.url}/api{path}", headers=headers)
        for path in ("/tasks", f"/status/{task_id}")
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["items"][0]["id"] == task_id


def test_a_batch_says_how_it_was_received(client: httpx.Client) -> None:
    task_id = uuid7()

    answer = client.post(
        "/facts", json=batch(fact("created", task_id, 1, name="a"), fact("started", task_id, 2))
    )

    assert answer.json() == {
        "acked_seq": 2, "applied": 2, "duplicates": 0, "refused": [], "warnings": [], "cancel_requested": []
    }  # fmt: skip
