"""Raw producers: they number their own facts, keep one batch in flight and resend what was not acknowledged."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from headway.domain.ids import uuid7
from tests.crash.workload import Fact, Workload

LARGEST_BATCH = 120
ANSWER_TIMEOUT_S = 60


class FactsLost(AssertionError):
    """The server asks for facts that it had acknowledged."""


@dataclass(slots=True)
class Tally:
    """What became of a producer's batches."""

    acknowledged: int = 0  # facts
    answered: int = 0  # batches
    interrupted: int = 0  # batches whose answer never came
    committed_unanswered: int = 0  # facts that turned out to be there already when they were sent again
    turned_away: int = 0  # answers of 503
    retry_after: int = 0  # of which say when to come again


class Producer(threading.Thread):
    """One client of the server, in a thread of its own."""

    def __init__(
        self, name: str, address: Callable[[], tuple[str, str]], workload: Workload, load: Load
    ) -> None:
        """Does not send yet.

        Args:
            name: for people.
            address: the server's URL and a key, asked at every connection.
            workload: what to report.
            load: whom to tell, and whom to ask whether the server is there.
        """
        super().__init__(name=name, daemon=True)
        self.workload = workload
        self.tally = Tally()
        self.failure: BaseException | None = None
        self._id = uuid7()
        self._address = address
        self._load = load
        self._random = random.Random(name)
        self._connection: http.client.HTTPConnection | None = None
        self._acked = 0

    def run(self) -> None:
        """Send until the workload ends; a failure is kept for whoever joins."""
        try:
            self._send_all()
        except BaseException as error:  # noqa: BLE001  a thread has nobody else to tell
            self.failure = error
            self._load.wake()
        finally:
            self._disconnect()

    def _send_all(self) -> None:
        facts = self.workload.facts()
        waiting: list[Fact] = []
        ended = False
        while waiting or not ended:
            wanted = self._random.randint(1, LARGEST_BATCH)
            while len(waiting) < wanted and not ended:
                fact = next(facts, None)
                ended = fact is None
                waiting += [] if fact is None else [fact]
            # After an interruption this cuts the same facts differently, which must not matter.
            acked = self._send(waiting[:wanted]) if waiting else self._acked
            waiting = waiting[acked - self._acked :]
            self._acked = acked

    def _send(self, batch: list[Fact]) -> int:
        """The number up to which everything is acknowledged after one try."""
        body = json.dumps({"producer": self._id, "facts": batch}).encode()
        self._load.sending()
        try:
            status, headers, content = self._exchange(body)
        except (OSError, http.client.HTTPException):
            self._interrupted()
            return self._acked
        if status == 503:
            self._turned_away(headers)
            return self._acked
        if status == 409:
            raise FactsLost(f"acknowledged up to {self._acked}, but the server says {content}")
        assert status == 200, f"{status} {content}"
        assert content["refused"] == [], content
        assert content["acked_seq"] == batch[-1]["seq"], content
        assert content["applied"] + content["duplicates"] == len(batch), content
        self.tally.answered += 1
        self.tally.acknowledged += len(batch)
        self.tally.committed_unanswered += content["duplicates"]
        self._load.answered()
        return int(content["acked_seq"])

    def _exchange(self, body: bytes) -> tuple[int, http.client.HTTPMessage, Any]:
        url, api_key = self._address()
        if self._connection is None:
            parts = urlsplit(url)
            self._connection = http.client.HTTPConnection(
                parts.hostname or "", parts.port, timeout=ANSWER_TIMEOUT_S
            )
        headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        self._connection.request("POST", "/api/v1/facts", body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())

    def _interrupted(self) -> None:
        self._disconnect()
        self.tally.interrupted += 1
        self._load.wait_for_server()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _turned_away(self, headers: http.client.HTTPMessage) -> None:
        self.tally.turned_away += 1
        wait_s = headers.get("Retry-After", "")
        self.tally.retry_after += wait_s.isdigit()
        self._load.wake()
        self._load.pause(float(wait_s) if wait_s.isdigit() else 1.0)


class Load:
    """Several producers at work, and the moments at which something is to happen to the server."""

    def __init__(self, address: Callable[[], tuple[str, str]], clients: int, seed: int = 0) -> None:
        """The producers do not send yet."""
        self.shared_task = uuid7()
        self._server_up = threading.Event()
        self._never = threading.Event()
        self._changed = threading.Condition()
        self._sent = 0
        self._answers = 0
        self.producers = [
            Producer(f"producer {seed + number}", address, Workload(seed + number, self.shared_task), self)
            for number in range(clients)
        ]

    def start(self) -> None:
        """The server is there: everybody begins."""
        self._server_up.set()
        for producer in self.producers:
            producer.start()

    def finish(self, timeout_s: float = 120) -> None:
        """What is open is ended and acknowledged.

        Raises:
            AssertionError: A producer failed or did not come to an end.
        """
        for producer in self.producers:
            producer.workload.close()
        for producer in self.producers:
            producer.join(timeout_s)
            self._check(producer)
            assert not producer.is_alive(), f"{producer.name} was not acknowledged within {timeout_s} s"

    def server_is_going(self) -> None:
        """Who loses the connection from here on waits for `server_is_back`."""
        self._server_up.clear()

    def server_is_back(self) -> None:
        """Everybody may connect again."""
        self._server_up.set()

    def wait_for_server(self) -> None:
        """Returns once the server is said to be there."""
        self._server_up.wait()

    def pause(self, seconds: float) -> None:
        """As long as the server asked for."""
        self._never.wait(seconds)

    def sending(self) -> None:
        """A batch goes out."""
        with self._changed:
            self._sent += 1
            self._changed.notify_all()

    def answered(self) -> None:
        """A batch was acknowledged."""
        with self._changed:
            self._answers += 1
            self._changed.notify_all()

    def wake(self) -> None:
        """Something else happened that somebody may wait for."""
        with self._changed:
            self._changed.notify_all()

    def wait_for_batches(self, sent: int, answered: int, timeout_s: float = 60) -> None:
        """Returns once so many more batches have gone out and so many more were acknowledged."""
        until_sent, until_answered = self._sent + sent, self._answers + answered
        self.wait_until(lambda: self._sent >= until_sent and self._answers >= until_answered, timeout_s)

    def wait_until(self, reached: Callable[[], bool], timeout_s: float = 60) -> None:
        """Returns once it is so.

        Raises:
            AssertionError: A producer failed meanwhile, or it did not come to that.
        """
        with self._changed:
            came = self._changed.wait_for(lambda: reached() or self._failed(), timeout_s)
        for producer in self.producers:
            self._check(producer)
        assert came, f"not reached within {timeout_s} s"

    def _failed(self) -> bool:
        return any(producer.failure is not None for producer in self.producers)

    def _check(self, producer: Producer) -> None:
        if producer.failure is not None:
            raise AssertionError(f"{producer.name} failed") from producer.failure

    def tally(self) -> Tally:
        """What became of all batches."""
        total = Tally()
        for producer in self.producers:
            for name in Tally.__slots__:
                setattr(total, name, getattr(total, name) + getattr(producer.tally, name))
        return total
