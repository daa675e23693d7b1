from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.sdk import notices, sender, spool
from headway.sdk.backlog import SpoolBacklog
from headway.sdk.config import Config
from headway.sdk.delivery import Delivery
from headway.sdk.outbox import Outbox
from headway.sdk.outcome import Result
from headway.sdk.refusals import Refusals
from headway.sdk.spool import About, Spool, Weight
from headway.sdk.transport import Transport
from tests.sdk.receiver import KEY, Receiver


class Bench:
    """A spool with numbered log facts, and a way to the receiver."""

    def __init__(self, receiver: Receiver, root: Path, facts: int) -> None:
        self.config = Config(url=receiver.url, api_key=KEY, spool_dir=str(root))
        self.spool = Spool(str(root), 10**9, About(producer="", destination=receiver.url))
        self.backlog = SpoolBacklog(self.spool.folder, self.spool.about)
        self.cancelled: dict[str, str] = {}
        self.delivery = Delivery(self.config, self.cancelled.__setitem__)
        self.count = 0
        self.add(facts)

    def add(self, facts: int) -> None:
        for _ in range(facts):
            self.count += 1
            fact = {"task_id": f"t{self.count}", "kind": "log", "message": f"line {self.count}"}
            self.spool.append(json.dumps(fact).encode() + b"\n", Weight.LIGHT)

    def send_all(self) -> list[Result]:
        results = []
        while not results or results[-1] in (Result.SENT, Result.AGAIN):
            results.append(self.delivery.send_next(self.backlog).result)
        return results

    def close(self) -> None:
        self.delivery.close()
        self.backlog.close()
        self.spool.close()


@pytest.fixture
def bench(receiver: Receiver, tmp_path: Path) -> Any:
    found = Bench(receiver, tmp_path / "spool", 10)
    yield found
    found.close()


def messages(receiver: Receiver) -> list[str]:
    return [fact["message"] for fact in receiver.facts]


def lines(*numbers: int) -> list[str]:
    return [f"line {number}" for number in numbers]


def test_everything_is_sent_once_and_in_order(bench: Bench, receiver: Receiver) -> None:
    assert bench.send_all() == [Result.SENT, Result.NOTHING]
    assert messages(receiver) == lines(*range(1, 11))


def test_a_lost_answer_costs_nothing(bench: Bench, receiver: Receiver) -> None:
    receiver.answers = []
    taken = bench.backlog.batch(10, 10_000)
    assert taken is not None
    receiver._apply(taken.producer, json.loads(b"[" + taken.facts() + b"]"))

    bench.send_all()

    assert messages(receiver) == lines(*range(1, 11))


def test_a_gap_is_filled_from_the_spool(bench: Bench, receiver: Receiver) -> None:
    bench.send_all()
    producer = bench.backlog.about.producer
    receiver.restore_backup({producer: 4})
    bench.add(2)

    assert bench.send_all() == [Result.AGAIN, Result.SENT, Result.NOTHING]
    assert messages(receiver) == lines(*range(1, 11), *range(5, 13))


def test_what_a_restored_backup_lacks_for_good_is_reported_and_the_rest_goes_under_a_new_name(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 500)
    bench = Bench(receiver, tmp_path / "spool", 100)
    bench.send_all()
    before = bench.backlog.about.producer
    receiver.facts.clear()
    receiver.restore_backup({before: 7})
    bench.add(3)

    assert bench.send_all()[:2] == [Result.AGAIN, Result.SENT]

    assert bench.backlog.about.producer != before
    held = 104 - len(receiver.facts)
    assert 50 < held < 101, "most delivered facts are gone from the spool, a few are held"
    assert messages(receiver) == lines(*range(held, 104))
    assert f"{held - 8} facts that it once acknowledged are lost" in caplog.text
    bench.close()


def test_refused_facts_are_kept_with_the_reason_and_logged_once_per_type(
    bench: Bench, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(fact: dict[str, Any]) -> dict[str, Any] | None:
        if fact["message"] in lines(2, 3):
            return {"type": "/problems/refused-change", "status": "completed", "detail": "it has ended"}
        return None

    receiver.refuse = refuse
    bench.send_all()

    kept = Refusals(bench.config.spool_dir).read()
    assert [(entry["fact"]["message"], entry["problem"]["seq"]) for entry in kept] == [
        ("line 2", 2),
        ("line 3", 3),
    ]
    assert messages(receiver) == lines(1, *range(4, 11))
    assert caplog.text.count("refused-change") == 1


def test_a_start_refused_because_the_task_is_cancelled_asks_the_program_to_stop(
    outbox: Outbox, receiver: Receiver
) -> None:
    def refuse(fact: dict[str, Any]) -> dict[str, Any] | None:
        if fact["kind"] == "started":
            return {"type": "/problems/refused-change", "status": "cancelled", "detail": "cancelled by Ada"}
        return None

    receiver.refuse = refuse
    task = headway.create_task("too late").start()
    assert headway.flush()

    assert task.cancel_requested
    with pytest.raises(headway.Cancelled, match="cancelled by Ada"):
        task.raise_if_cancelled()


def test_a_wish_to_cancel_reaches_the_task_and_its_children(outbox: Outbox, receiver: Receiver) -> None:
    with headway.task("parent") as task:
        receiver.cancel = {task.id: "not needed"}
        child = task.child("part").start()
        assert not child.cancel_requested
        task.progress(1)
        assert headway.flush()

        assert child.cancel_requested
        with pytest.raises(headway.Cancelled, match="not needed"), child:
            child.raise_if_cancelled()
    assert headway.flush()
    assert receiver.one("cancelled")["reason"] == "not needed"


def test_a_fact_that_makes_the_batch_unreadable_is_set_aside_and_the_rest_arrives(
    bench: Bench, receiver: Receiver
) -> None:
    bench.spool.append(b'{"task_id":"t","kind":"log","message":broken}\n', Weight.LIGHT)
    bench.add(5)

    results = bench.send_all()

    assert results[-1] is Result.NOTHING
    assert messages(receiver) == lines(*range(1, 16))
    (kept,) = Refusals(bench.config.spool_dir).read()
    assert "broken" in kept["fact"]["unreadable"]
    assert kept["problem"]["type"] == "/problems/invalid-batch"


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (401, Result.DENIED),
        (403, Result.DENIED),
        (503, Result.LATER),
        (429, Result.LATER),
        (500, Result.LATER),
    ],
)
def test_an_answer_other_than_200_leaves_everything_in_the_spool(
    bench: Bench, receiver: Receiver, status: int, result: Result
) -> None:
    receiver.answers = [(status, {"type": "/problems/x"}, {"Retry-After": "7"})]

    outcome = bench.delivery.send_next(bench.backlog)

    assert (outcome.result, outcome.failed) == (result, True)
    assert outcome.retry_after_s == (None if status in (401, 403) else 7.0)
    assert bench.send_all() == [Result.SENT, Result.NOTHING]
    assert messages(receiver) == lines(*range(1, 11))


def test_an_answer_that_no_headway_server_gives_acknowledges_nothing(
    bench: Bench, receiver: Receiver
) -> None:
    receiver.answers = [(200, {"hello": "world"}, {})]

    assert bench.delivery.send_next(bench.backlog).result is Result.LATER
    assert bench.send_all() == [Result.SENT, Result.NOTHING]


def test_large_batches_are_cut_to_some_thousand_facts_and_4_megabytes(
    receiver: Receiver, tmp_path: Path
) -> None:
    bench = Bench(receiver, tmp_path / "spool", 9_000)
    bench.send_all()
    assert [request["status"] for request in receiver.requests] == [200, 200, 200]
    for _ in range(5):
        bench.spool.append(
            b'{"task_id":"t","kind":"log","message":"%s"}\n' % (b"x" * 1_500_000), Weight.LIGHT
        )

    bench.send_all()

    assert len(receiver.facts) == 9_005
    assert max(request["bytes"] for request in receiver.requests) <= 4_000_000
    bench.close()


def test_bodies_are_compressed_on_the_way_to_another_machine(receiver: Receiver, tmp_path: Path) -> None:
    bench = Bench(receiver, tmp_path / "spool", 100)

    class Faraway(Transport):
        loopback = False

    bench.delivery._transport = Faraway(receiver.url, KEY)
    bench.send_all()

    assert receiver.requests[0]["headers"]["Content-Encoding"] == "gzip"
    assert messages(receiver) == lines(*range(1, 101))
    bench.close()


def test_a_connection_that_the_server_closed_meanwhile_is_made_again(
    bench: Bench, receiver: Receiver, tmp_path: Path
) -> None:
    bench.send_all()
    port = receiver.port
    receiver.close()
    again = Receiver(port)
    again.marks.update(receiver.marks)
    bench.add(1)

    assert bench.send_all() == [Result.SENT, Result.NOTHING]
    assert messages(again) == ["line 11"]
    again.close()


def test_the_sender_tries_again_when_the_server_says(
    outbox: Outbox, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [(503, {"type": "/problems/overloaded"}, {"Retry-After": "0"})] * 3
    with headway.task("patient"):
        pass

    assert headway.flush(20)
    assert [request["status"] for request in receiver.requests][:4] == [503, 503, 503, 200]
    assert receiver.kinds(receiver.facts[0]["task_id"]) == ["created", "started", "completed"]


def test_a_wrong_key_is_one_warning_and_what_is_reported_waits(
    outbox: Outbox, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.key = "hw_another"
    with headway.task("locked out") as task:
        for number in range(5):
            task.log(f"line {number}")
            assert not headway.flush(0.3)

    assert caplog.text.count("does not accept the API key (401)") == 1
    receiver.key = KEY
    assert headway.flush(20)
    assert len(receiver.facts) == 8


def test_open_tasks_send_heartbeats_that_are_not_spooled(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(url=receiver.url, api_key=KEY, spool_dir=str(tmp_path / "spool"))
    box = Outbox(config, heartbeat_s=0.02)
    from headway.sdk.api import new_task

    silent, done = new_task(box, "silent").create(), new_task(box, "done").create()
    done.complete()

    receiver.wait_for(lambda: len(receiver.heartbeats) >= 5)
    receiver.cancel = {silent.id: "enough"}
    before = len(receiver.heartbeats)
    receiver.wait_for(lambda: len(receiver.heartbeats) > before + 1)

    assert silent.cancel_requested, "the answer to a heartbeat tells of the wish"
    assert {(beat["task_id"], beat["run"]) for beat in receiver.heartbeats[1:]} <= {
        (silent.id, 1),
        (done.id, 1),
    }
    assert {beat["task_id"] for beat in receiver.heartbeats[-3:]} == {silent.id}
    assert [fact["kind"] for fact in receiver.facts] == ["created", "created", "completed"]
    silent.complete()
    box.end()


def test_a_server_that_comes_up_later_gets_everything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "FIRST_DELAY_S", 0.05)
    data = tmp_path / "data"
    data.mkdir()
    headway.configure(data_dir=data)
    with headway.task("early") as task:
        task.progress(10)
    assert not headway.flush(0.2)
    assert "no Headway server is known" in caplog.text

    receiver = Receiver()
    credentials = {"url": receiver.url, "api_key": KEY, "tenant_id": "t", "user_id": "u"}
    (data / "credentials.json").write_text(json.dumps(credentials))

    assert headway.flush(20)
    assert receiver.kinds(task.id) == ["created", "started", "progress", "completed"]
    receiver.close()


def test_warnings_of_the_sdk_go_to_the_log_of_the_program_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            notices.warn_once("topic", "this happened")

    assert [(record.name, record.message) for record in caplog.records] == [("headway", "this happened")]
