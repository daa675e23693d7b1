"""An endless stream of facts as one producer reports them, and what must be found in the ledger afterwards."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from headway.domain.ids import uuid7

OPEN_AT_ONCE = 3
STEPS = (4, 40)  # facts between the beginning and the ending of a task
SHARED_SHARE = 0.1  # of the steps tell something about a task that all producers report on
CALL: dict[str, Any] = {
    "provider": "example",
    "model": "small",
    "input_tokens": 11,
    "output_tokens": 7,
    "cost_usd": "0.000013",
}

Fact = dict[str, Any]


@dataclass(slots=True)
class Expected:
    """What one task must come to if every fact counts exactly once."""

    status: str = "running"
    messages: Counter[str] = field(default_factory=Counter)  # of log lines
    calls: int = 0
    values: Counter[float] = field(default_factory=Counter)  # of metrics

    def add(self, other: Expected) -> None:
        """Two producers told parts of it."""
        self.messages += other.messages
        self.calls += other.calls
        self.values += other.values


class Workload:
    """The facts of one producer, numbered from 1."""

    def __init__(self, seed: int, shared_task: str) -> None:
        """Begin.

        Args:
            seed: another one is another mixture.
            shared_task: a task that every producer adds to.
        """
        self.expected: dict[str, Expected] = {shared_task: Expected(status="pending")}
        self.finished: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._seed = seed
        self._shared = shared_task
        self._seq = 0
        self._closing = False

    def facts(self) -> Iterator[Fact]:
        """One fact after the other; after `close` only the endings of what is open."""
        tasks: list[Iterator[Fact]] = []
        while True:
            while len(tasks) < OPEN_AT_ONCE and not self._closing:
                tasks.append(self._task())
            if not tasks:
                return
            chosen = self._random.choice(tasks)
            fact = next(chosen, None)
            if fact is None:
                tasks.remove(chosen)
            else:
                yield fact

    def close(self) -> None:
        """No new task begins."""
        self._closing = True

    def _task(self) -> Iterator[Fact]:
        task_id = uuid7()
        self.expected[task_id] = Expected()
        yield self._fact(task_id, "created", name=f"task of producer {self._seed}", agent="producer")
        yield self._fact(task_id, "started", run=1)
        for step in range(1, total := self._random.randint(*STEPS)):
            if self._closing:
                break
            about = self._shared if self._random.random() < SHARED_SHARE else task_id
            yield self._step(about, 100 * step / total)
        ending = self._random.choice(("completed", "completed", "completed", "failed", "cancelled"))
        told: dict[str, dict[str, Any]] = {
            "failed": {"error": {"message": "it broke"}},
            "cancelled": {"reason": "enough"},
        }
        self.expected[task_id].status = ending
        self.finished[ending] += 1
        yield self._fact(task_id, ending, run=1, **told.get(ending, {"result": {"ok": True}}))

    def _step(self, task_id: str, percent: float) -> Fact:
        expected = self.expected[task_id]
        kind = self._random.choice(("log", "log", "llm_call", "metric", "progress"))
        if kind == "log" or task_id == self._shared:
            message = f"{self._seed}:{self._seq + 1}"
            expected.messages[message] += 1
            return self._fact(task_id, "log", message=message)
        if kind == "llm_call":
            expected.calls += 1
            return self._fact(task_id, "llm_call", **CALL)
        if kind == "metric":
            value = float(self._seq + 1)
            expected.values[value] += 1
            return self._fact(task_id, "metric", name="place", value=value)
        return self._fact(task_id, "progress", run=1, progress=percent, message=f"{percent:.0f} percent")

    def _fact(self, task_id: str, kind: str, **values: Any) -> Fact:
        self._seq += 1
        at = datetime.now(UTC).isoformat()
        return {"seq": self._seq, "task_id": task_id, "kind": kind, "at": at, **values}
