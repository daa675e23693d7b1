"""One batch to the server and what its answer means: acknowledged, refused, a gap, not now, not allowed.

No thread and no waiting is here; the sender and `headway spool send` decide when to try again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from headway.domain.ids import uuid7
from headway.sdk import notices
from headway.sdk.backlog import Backlog, Batch
from headway.sdk.config import Config
from headway.sdk.outcome import Outcome, Result
from headway.sdk.refusals import Refusals
from headway.sdk.transport import Answer, Transport, Unreachable
from headway.sdk.wire import encode, now

PATH = "/api/v1/facts"
MAX_FACTS = 4_000
MAX_BYTES = 3_500_000  # read from the spool; with the numbers a body stays below 4 MB
_RETRY_AFTER_LIMIT_S = 300.0


OnCancel = Callable[[str, str], None]


class Delivery:
    """Sends the batches of any backlog to one server with one key."""

    def __init__(self, config: Config, on_cancel: OnCancel) -> None:
        """Keep the way to the server.

        Args:
            config: with a url.
            on_cancel: told the id and the reason of each task that should stop.
        """
        self._transport = Transport(config.url or "", config.api_key)
        self._destination = config.destination
        self._key = hashlib.sha256((config.api_key or "").encode()).hexdigest()[:16]
        self._refusals = Refusals(config.spool_dir)
        self._on_cancel = on_cancel
        self._max_facts = MAX_FACTS
        self._expected: tuple[str, int] | None = None  # the gap answered last, so that a second one ends it
        self._beats = (uuid7(), 0)

    @property
    def key(self) -> str:
        """The fingerprint of the key that is used."""
        return self._key

    def close(self) -> None:
        """The connection to the server is closed."""
        self._transport.close()

    def send_next(self, backlog: Backlog) -> Outcome:
        """The next batch of the backlog was tried once."""
        batch = backlog.batch(self._max_facts, MAX_BYTES)
        if batch is None:
            return Outcome(result=Result.NOTHING)
        try:
            answer = self._transport.request("POST", PATH, _body(batch.producer, batch.facts()))
        except Unreachable as error:
            return _unreachable(self._transport.url, error)
        if answer.status == 200:
            return self._acknowledged(backlog, batch, answer)
        if answer.status == 409 and isinstance(answer.json().get("expected_seq"), int):
            return self._gap(backlog, batch, answer.json()["expected_seq"])
        if answer.status in (400, 413, 422):
            return self._unreadable(backlog, batch, answer)
        return self._not_now(answer)

    def beat(self, tasks: Mapping[str, int | None]) -> Outcome:
        """The server knows that these tasks (id → run) are still worked on; nothing of it is kept."""
        producer, sent = self._beats
        facts = [
            {"seq": sent + place, "task_id": task_id, "kind": "heartbeat", "at": now()}
            | ({} if run is None else {"run": run})
            for place, (task_id, run) in enumerate(tasks.items(), 1)
        ]
        try:
            answer = self._transport.request("POST", PATH, _body(producer, encode(facts)[1:-1].encode()))
        except Unreachable as error:
            return _unreachable(self._transport.url, error)
        if answer.status == 200:
            self._beats = (producer, sent + len(facts))
            self._cancellations(answer.json())
            return Outcome(result=Result.SENT)
        self._beats = (uuid7(), 0)
        return self._not_now(answer)

    def _acknowledged(self, backlog: Backlog, batch: Batch, answer: Answer) -> Outcome:
        content = answer.json()
        acked = content.get("acked_seq")
        if not isinstance(acked, int):
            return self._not_now(answer)
        for topic in ("unreachable", "denied", "answer"):
            notices.settled(topic)
        self._expected = None
        backlog.accepted(self._destination, self._key)
        self._keep_refused(batch, content.get("refused"))
        for warning in content.get("warnings") or ():
            notices.warn_once(f"server {warning}", f"the server says: {warning}")
        self._cancellations(content)
        if acked < batch.first_seq:  # it took none of them: what it has is less than it once acknowledged
            return self._gap(backlog, batch, acked + 1)
        backlog.acknowledge(min(acked, batch.last_seq))
        self._max_facts = min(self._max_facts * 2, MAX_FACTS)
        return Outcome(result=Result.SENT)

    def _keep_refused(self, batch: Batch, refused: object) -> None:
        for problem in refused if isinstance(refused, list) else ():
            place = problem.get("seq", 0) - batch.first_seq
            if not 0 <= place < len(batch.lines):
                continue
            fact = json.loads(batch.lines[place])
            self._refusals.keep(batch.producer, fact, problem)
            if problem.get("status") == "cancelled" and not str(fact.get("kind")).startswith("cancel"):
                self._on_cancel(fact["task_id"], problem.get("detail") or "the task was cancelled")

    def _cancellations(self, content: Mapping[str, Any]) -> None:
        for wish in content.get("cancel_requested") or ():
            self._on_cancel(str(wish.get("task_id")), str(wish.get("reason") or ""))

    def _gap(self, backlog: Backlog, batch: Batch, expected: int) -> Outcome:
        """Goes back to what the server lacks, or on under a new name when that is gone (restored backup)."""
        again = self._expected == (batch.producer, expected)
        self._expected = (batch.producer, expected)
        if expected > batch.last_seq:
            backlog.acknowledge(batch.last_seq)
        elif again or not backlog.rewind(expected):
            held = batch.first_seq if again else backlog.first_held()
            backlog.rewind(held)
            backlog.renumber()
            notices.warn(
                f"the server has the facts of this producer only up to number {expected - 1} (was it "
                f"restored from a backup?): {held - expected} facts that it once acknowledged are lost"
            )
        return Outcome(result=Result.AGAIN)

    def _unreadable(self, backlog: Backlog, batch: Batch, answer: Answer) -> Outcome:
        """Cuts the batch smaller until the fact that cannot be read stands alone, and sets that one aside."""
        if len(batch.lines) > 1:
            self._max_facts = max(len(batch.lines) // 2, 1)
            return Outcome(result=Result.AGAIN)
        problem = answer.json() or {"type": "unreadable", "detail": f"the server answered {answer.status}"}
        self._refusals.keep(batch.producer, _read(batch.lines[0]), problem)
        backlog.renumber(skip=1)  # a number may not be left out
        return Outcome(result=Result.AGAIN)

    def _not_now(self, answer: Answer) -> Outcome:
        if answer.status in (401, 403):
            notices.warn_once(
                "denied",
                f"{self._transport.url} does not accept the API key ({answer.status}); "
                "what is reported stays in the spool until it does",
            )
            return Outcome(result=Result.DENIED)
        if answer.status >= 500:
            self._max_facts = max(self._max_facts // 2, 100)
        if answer.status not in (429, 503):
            notices.warn_once(
                "answer", f"{self._transport.url}{PATH} answered {answer.status}; trying again later"
            )
        return Outcome(result=Result.LATER, retry_after_s=_retry_after(answer))


def _body(producer: str, facts: bytes) -> bytes:
    return b'{"producer":"%s","sent_at":"%s","facts":[%s]}' % (producer.encode(), now().encode(), facts)


def _read(line: bytes) -> dict[str, Any]:
    try:
        fact = json.loads(line)
    except ValueError:
        return {"unreadable": line.decode("utf-8", "backslashreplace")}
    return fact if isinstance(fact, dict) else {"unreadable": fact}


def _unreachable(url: str, error: Unreachable) -> Outcome:
    notices.warn_once(
        "unreachable",
        f"no answer from {url} ({error.__cause__ or error}); what is reported waits in the spool",
    )
    return Outcome(result=Result.UNREACHABLE)


def _retry_after(answer: Answer) -> float | None:
    text = answer.headers.get("retry-after", "")
    try:
        return min(max(float(text), 0.0), _RETRY_AFTER_LIMIT_S) if text else None
    except ValueError:  # a date; our own pace will do
        return None
