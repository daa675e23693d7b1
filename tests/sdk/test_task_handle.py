from __future__ import annotations

import asyncio
import contextlib
import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.domain import facts
from headway.sdk.outbox import Outbox
from tests.sdk.receiver import Receiver


def without_times(fact: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fact.items() if name not in ("seq", "at", "task_id", "producer")}


def test_a_task_with_a_block_is_created_started_and_completed(outbox: Outbox, receiver: Receiver) -> None:
    with headway.task(
        "Import catalogue",
        project="shop",
        agent="importer",
        agent_id="i-7",
        task_type="import",
        priority=1,
        labels={"env": "prod"},
        metadata={"rows": 10},
        links={"repo_url": "https://example.org"},
        estimate_seconds=1.5,
    ) as task:
        task.progress(40, "400 of 1000", phase="reading")
        task.set_result({"rows": 1000})
    assert headway.flush()

    created, *rest = receiver.facts
    assert created.pop("origin")["sdk"] == f"python {headway.__version__}"
    assert without_times(created) == {
        "kind": "created",
        "name": "Import catalogue",
        "project": "shop",
        "agent": "importer",
        "agent_id": "i-7",
        "task_type": "import",
        "priority": 1,
        "labels": {"env": "prod"},
        "metadata": {"rows": 10},
        "links": {"repo_url": "https://example.org"},
        "estimate_ms": 1500,
    }
    assert [without_times(fact) for fact in rest] == [
        {"kind": "started", "run": 1},
        {"kind": "progress", "run": 1, "progress": 40.0, "message": "400 of 1000", "phase": "reading"},
        {"kind": "completed", "run": 1, "result": {"rows": 1000}},
    ]
    assert [fact["seq"] for fact in receiver.facts] == [1, 2, 3, 4]


def test_every_kind_of_fact_is_what_the_server_takes_for_well_formed(
    outbox: Outbox, receiver: Receiver, tmp_path: Path
) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(b"x" * 1_000_001)
    task = headway.create_task(
        "all kinds", description="why", input={"a": [1, None]}, config={"max_rounds": 3, "memory_size": 10}
    )
    task.start()
    task.progress(1)
    task.progress(message="only words")
    task.log("line", level="error", data={"why": "because"}, progress=3, phase="p")
    task.llm_call("openai", "gpt-4o-mini", input_tokens=5, cost_usd=Decimal("0.001"), duration_ms=1.6)
    task.llm_call("openai", "gpt-4o-mini", ok=False, error=ValueError("no"), cache_hit=True, template="t")
    task.metric("rows", 1, unit="1/s", type="throughput", labels={"a": 1})
    task.artifact("a.md", content="text", type="report")
    task.artifact("b.bin", content=b"\x00\xff")
    task.artifact("large.bin", path=large)
    task.artifact("elsewhere", uri="s3://bucket/key")
    task.links({"repo_url": "https://example.org"}, deployment_url="https://example.org/d")
    task.update(name="better name", priority=3)
    task.run_info(plan=["a", "b"], memory_mb=12.5, rounds=2, error_details={"x": 1})
    task.fail("did not work", type="Broken")
    task.retry().start().cancel("enough")
    assert headway.flush()

    for fact in receiver.facts:
        producer = fact.pop("producer")
        _, unknown = facts.parse(fact)
        assert (producer, unknown) == (producer, [])
    assert {fact["kind"] for fact in receiver.facts} == set(facts.KINDS) - {
        "completed",
        "timeout",
        "heartbeat",
        "cancel_requested",
    }


def test_an_exception_fails_the_task_with_type_message_and_stack(outbox: Outbox, receiver: Receiver) -> None:
    with pytest.raises(ZeroDivisionError), headway.task("divide"):
        1 / 0  # noqa: B018

    assert headway.flush()
    error = receiver.one("failed")["error"]
    assert (error["type"], error["message"]) == ("ZeroDivisionError", "division by zero")
    assert "1 / 0" in error["stack"]


@pytest.mark.parametrize(
    ("raised", "kind", "told"),
    [
        (KeyboardInterrupt(), "cancelled", {"reason": "interrupted from the keyboard"}),
        (asyncio.CancelledError(), "cancelled", {"reason": "cancelled by asyncio"}),
        (SystemExit(0), "completed", {}),
        (SystemExit(), "completed", {}),
    ],
)
def test_the_ways_out_of_a_block_that_are_no_failure(
    outbox: Outbox, receiver: Receiver, raised: BaseException, kind: str, told: dict[str, str]
) -> None:
    with pytest.raises(type(raised)), headway.task("interrupted"):
        raise raised

    assert headway.flush()
    assert without_times(receiver.facts[-1]) == {"kind": kind, "run": 1, **told}


def test_leaving_with_another_exit_code_than_0_fails_the_task(outbox: Outbox, receiver: Receiver) -> None:
    with pytest.raises(SystemExit), headway.task("exits"):
        raise SystemExit(3)

    assert headway.flush()
    error = receiver.one("failed")["error"]
    assert (error["type"], error["message"]) == ("SystemExit", "the process exited with 3")


def test_an_ending_reported_inside_the_block_stands(outbox: Outbox, receiver: Receiver) -> None:
    with headway.task("ends itself") as task:
        task.fail("no rows")

    with contextlib.suppress(RuntimeError), headway.task("ends, then raises") as other:
        other.complete({"rows": 1})
        raise RuntimeError("later")

    assert headway.flush()
    assert receiver.kinds(task.id) == ["created", "started", "failed"]
    assert receiver.kinds(other.id) == ["created", "started", "completed", "log"]


async def test_the_block_works_with_async_with(outbox: Outbox, receiver: Receiver) -> None:
    async with headway.task("asynchronous") as task:
        task.progress(50)
        assert headway.current_task() is task

    assert headway.current_task() is None
    assert await asyncio.to_thread(headway.flush)
    assert receiver.kinds(task.id) == ["created", "started", "progress", "completed"]


def test_a_child_names_its_parent_and_takes_over_project_and_agent(
    outbox: Outbox, receiver: Receiver
) -> None:
    with headway.task("outer", project="shop", agent="coder") as outer:
        with outer.child("inner") as inner, headway.task("innermost") as innermost:
            pass
        with headway.task("sibling", parent=outer) as sibling:
            pass

    assert headway.flush()
    created = {fact["task_id"]: fact for fact in receiver.of_kind("created")}
    assert "parent_id" not in created[outer.id]
    assert created[inner.id]["parent_id"] == outer.id
    assert (created[inner.id]["project"], created[inner.id]["agent"]) == ("shop", "coder")
    assert created[innermost.id]["parent_id"] == inner.id
    assert created[sibling.id]["parent_id"] == outer.id


def test_a_retry_opens_the_next_run_after_the_one_that_ended(outbox: Outbox, receiver: Receiver) -> None:
    task = headway.create_task("flaky").start()
    task.fail("first try")
    with task.retry():
        task.progress(10)

    assert headway.flush()
    assert [(fact["kind"], fact.get("run")) for fact in receiver.facts] == [
        ("created", None),
        ("started", 1),
        ("failed", 1),
        ("retried", 2),
        ("started", 2),
        ("progress", 2),
        ("completed", 2),
    ]
    assert receiver.one("retried")["follows_run"] == 1
    with pytest.raises(ValueError, match="ended"):
        headway.create_task("open").retry()


def test_a_task_that_was_never_entered_is_created_by_its_first_report(
    outbox: Outbox, receiver: Receiver
) -> None:
    task = headway.task("lazy")
    task.log("hello")
    task.complete()
    headway.task("never used")

    assert headway.flush()
    assert [fact["kind"] for fact in receiver.facts] == ["created", "log", "completed"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda task: task.progress(101), "progress must be from 0 to 100, not 101"),
        (lambda task: task.progress(-0.1), "progress must be from 0 to 100"),
        (lambda task: task.progress(float("nan")), "progress must be from 0 to 100, not nan"),
        (lambda task: task.progress(), "needs a percentage"),
        (lambda task: task.log("x", level="loud"), "level must be one of debug, info"),
        (lambda task: task.metric("m", float("inf")), "value must be a finite number"),
        (lambda task: task.metric("m", 1, type="speed"), "type must be one of counter"),
        (lambda task: task.metric("", 1), "name must not be empty"),
        (lambda task: task.metric("m", 1, unit="u" * 256), "unit has 256 characters, at most 255"),
        (lambda task: task.llm_call("openai", "m", input_tokens=-1), "input_tokens must be a whole number"),
        (
            lambda task: task.llm_call("o", "m", input_tokens=5, cache_read_tokens=3, cache_write_tokens=3),
            r"is 6, more than input_tokens \(5\)",
        ),
        (
            lambda task: task.llm_call("o", "m", output_tokens=1, reasoning_tokens=2),
            "more than output_tokens",
        ),
        (lambda task: task.llm_call("o", "m", cost_usd="-1"), "cost_usd must be at least 0"),
        (lambda task: task.artifact("a", type="thing"), "type must be one of document"),
        (lambda task: task.cancel(""), "reason must not be empty"),
        (lambda task: task.update(priority=7), "priority must be one of 1, 2, 3"),
        (lambda task: headway.task(""), "name must not be empty"),
        (lambda task: headway.task("n" * 256), "name has 256 characters, at most 255"),
        (lambda task: headway.task("n", config={"max_rounds": 101}), "config.max_rounds must be a whole"),
        (lambda task: headway.task("n", labels={str(i): "" for i in range(65)}), "labels has 65 entries"),
        (lambda task: headway.task("n", id="seven"), "id must be a UUID, not 'seven'"),
        (lambda task: headway.attach("seven"), "task_id must be a UUID, not 'seven'"),
        (lambda task: task.llm_call("o", "m", id="seven"), "id must be a UUID"),
        (lambda task: task.artifact("a", uri="u" * 4_001), "uri has 4001 characters, at most 4000"),
    ],
)
def test_misuse_is_a_value_error_that_names_field_and_limit(outbox: Outbox, call: Any, says: str) -> None:
    task = headway.create_task("careful")

    with pytest.raises(ValueError, match=says):
        call(task)


def test_a_field_that_no_task_has_is_a_type_error(outbox: Outbox) -> None:
    with pytest.raises(TypeError, match="a task has no field 'colour'"):
        headway.task("n", colour="red")  # type: ignore[call-arg]


def test_long_and_odd_texts_are_cut_and_cleaned_instead_of_breaking_the_program(
    outbox: Outbox, receiver: Receiver
) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError

    with headway.task("odd") as task:
        task.log("x" * 20_000)
        task.log("NUL \0, surrogate \udc80, emoji 🙂")
        task.log(Unprintable())
        task.log("data", data={"nan": float("nan"), "odd": Unprintable(), 3: {1, 2}, "b": b"abc"})
        task.progress(message="m" * 10_001, phase="p" * 300)
        task.set_result({"big": "x" * 300_000})

    assert headway.flush()
    long, odd, unprintable, data = receiver.of_kind("log")
    assert len(long["message"]) <= 10_000
    assert long["message"].endswith("[cut, 20,000 characters in all]")
    assert odd["message"] == "NUL \ufffd, surrogate \\udc80, emoji 🙂"
    assert unprintable["message"] == "<Unprintable whose text cannot be made: RuntimeError>"
    assert data["data"] == {
        "nan": "nan",
        "odd": "<Unprintable whose text cannot be made: RuntimeError>",
        "3": [1, 2],
        "b": "<3 bytes>",
    }
    assert receiver.one("completed")["result"]["limit"] == 256_000
    for fact in receiver.facts:
        facts.parse({name: value for name, value in fact.items() if name != "producer"})


def test_data_that_contains_itself_ends_somewhere(outbox: Outbox, receiver: Receiver) -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    headway.create_task("loop").log("round and round", data=loop)

    assert headway.flush()
    assert receiver.one("log")["data"]["again"]["again"]


def test_artifacts_carry_content_up_to_a_megabyte_and_always_size_and_hash(
    outbox: Outbox, receiver: Receiver, tmp_path: Path
) -> None:
    small, large = tmp_path / "report.md", tmp_path / "dump.bin"
    small.write_text("# done ✓", encoding="utf-8")
    large.write_bytes(bytes(range(256)) * 4_000)
    with headway.task("produce") as task:
        first = task.artifact("report.md", path=small, type="report")
        task.artifact("raw", content=b"\xff\xfe")
        task.artifact("dump.bin", path=large)
        task.artifact("missing.txt", path=tmp_path / "missing.txt")

    assert headway.flush()
    report, raw, dump = receiver.of_kind("artifact")
    content = "# done ✓".encode()
    assert without_times(report) == {
        "kind": "artifact",
        "run": 1,
        "id": first,
        "name": "report.md",
        "type": "report",
        "content_type": "text/markdown",
        "content": "# done ✓",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert (raw["content"], raw["encoding"], raw["size"]) == ("//4=", "base64", 2)
    assert "content" not in dump
    assert (dump["size"], dump["sha256"]) == (1_024_000, hashlib.sha256(large.read_bytes()).hexdigest())
    assert dump["uri"] == large.as_uri()
    assert "missing.txt could not be read" in receiver.one("log")["message"]


def test_attach_reports_to_a_task_of_another_process_and_does_not_end_it(
    outbox: Outbox, receiver: Receiver
) -> None:
    task_id = "0199aaaa-0000-7000-8000-000000000001"
    with headway.attach(task_id) as task:
        task.progress(30)
        assert headway.current_task() is task
        with headway.task("part"):
            pass

    assert headway.flush()
    progress = receiver.one("progress")
    assert (progress["task_id"], "run" in progress) == (task_id, False)
    assert receiver.of_kind("created")[0]["parent_id"] == task_id
    assert receiver.kinds(task_id) == ["progress"]


def test_attach_finds_the_handle_of_a_task_of_this_process(outbox: Outbox) -> None:
    task = headway.create_task("mine")

    assert headway.attach(task.id) is task
