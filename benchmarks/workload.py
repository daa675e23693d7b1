"""What producers send in the benchmarks: tasks of ten facts each, as the wire wants them.

Each task is created, started, reports progress with a message five times, logs a line, makes an LLM call and
completes with a result. A producer works for one project with three kinds of agents, as one process would.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from headway.domain import ids

FACTS_PER_TASK = 10
_VERBS = ("Import", "Translate", "Summarise", "Check", "Generate", "Index", "Review", "Classify")
_THINGS = (
    "catalogue",
    "endpoint",
    "invoice",
    "article",
    "dataset",
    "changelog",
    "contract",
    "support ticket",
)
_AGENTS = ("importer", "coder", "writer", "reviewer", "indexer", "tester")
_MODELS = (
    ("openai", "gpt-4o-mini", 600),
    ("anthropic", "claude-3-5-haiku", 3_200),
    ("google", "gemini-2.0-flash", 300),
)
_encode = msgspec.json.Encoder().encode

Raw = dict[str, Any]


class Producer:
    """One sending process: numbers its facts and cuts them into batches."""

    def __init__(self, number: int, now: datetime, seed: int = 0) -> None:
        """Producer `number`; its tasks began up to three minutes before `now`."""
        self.id = ids.uuid7()
        self._random = random.Random(f"{seed}/{number}")
        self._project = f"project-{number % 12}"
        self._agents = [_AGENTS[(number + step) % len(_AGENTS)] for step in range(3)]
        self._now = now
        self._seq = 0

    def bodies(self, tasks: int, batch: int, *, open_at_once: int = 1) -> list[bytes]:
        """All facts of `tasks` new tasks, as encoded bodies of `batch` facts each.

        Args:
            tasks: How many tasks.
            batch: Facts in one body.
            open_at_once: 1 sends one task after the other; more mixes the facts of so many tasks.
        """
        facts = list(self._mixed([self.task_facts() for _ in range(tasks)], open_at_once))
        for fact in facts:
            self._seq += 1
            fact["seq"] = self._seq
        sent = (facts[start : start + batch] for start in range(0, len(facts), batch))
        return [_encode({"producer": self.id, "facts": part}) for part in sent]

    def _mixed(self, tasks: list[list[Raw]], open_at_once: int) -> Iterator[Raw]:
        waiting = [iter(facts) for facts in reversed(tasks)]
        opened: list[Iterator[Raw]] = []
        while waiting or opened:
            while waiting and len(opened) < open_at_once:
                opened.append(waiting.pop())
            place = self._random.randrange(len(opened))
            fact = next(opened[place], None)
            if fact is None:
                opened[place] = opened[-1]
                opened.pop()
            else:
                yield fact

    def task_facts(self) -> list[Raw]:
        """The ten facts of one new task, without numbers."""
        chance = self._random
        task_id = ids.uuid7()
        thing, agent = chance.choice(_THINGS), chance.choice(self._agents)
        at = self._now - timedelta(seconds=180 * chance.random() + 30)
        step = timedelta(milliseconds=chance.randrange(20, 2_000))

        def fact(kind: str, number: int, **values: Any) -> Raw:
            return {"task_id": task_id, "kind": kind, "at": at + number * step, **values}

        rows = chance.randrange(100, 10_000)
        provider, model, price = chance.choice(_MODELS)
        tokens = chance.randrange(200, 4_000)
        shares = [(rows * part // 5, part * 20.0) for part in range(1, 6)]
        return [
            fact(
                "created",
                0,
                name=f"{chance.choice(_VERBS)} {thing} {chance.randrange(100_000)}",
                project=self._project,
                agent=agent,
                agent_id=f"{agent}-{chance.randrange(8)}",
                task_type=thing.replace(" ", "-"),
                priority=chance.choice((1, 2, 2, 3)),
                labels={"env": chance.choice(("prod", "stage"))},
            ),
            fact("started", 1, run=1),
            *(
                fact(
                    "progress",
                    2 + place,
                    run=1,
                    progress=percent,
                    message=f"{done} of {rows} rows read from the {thing}",
                    phase="reading" if percent < 80 else "writing",
                )
                for place, (done, percent) in enumerate(shares)
            ),
            fact(
                "log", 7, level="warning", message=f"{rows // 50} rows were empty", data={"empty": rows // 50}
            ),
            fact(
                "llm_call",
                8,
                id=ids.uuid7(),
                provider=provider,
                model=model,
                input_tokens=tokens,
                output_tokens=tokens // 4,
                cost_usd=f"{tokens * price / 1e9:.9f}",
                duration_ms=chance.randrange(150, 5_000),
            ),
            fact("completed", 9, run=1, result={"rows": rows, "empty": rows // 50}),
        ]


def encoded(producers: int, facts: int, batch: int, *, open_at_once: int = 1) -> list[list[bytes]]:
    """Bodies for each of some producers, about `facts` facts in all."""
    now = datetime.now(UTC)
    tasks = max(1, facts // (producers * FACTS_PER_TASK))
    return [
        Producer(number, now).bodies(tasks, batch, open_at_once=open_at_once) for number in range(producers)
    ]
