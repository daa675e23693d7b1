"""The template tasks of the bulk path: some hundred of every kind and status, written through the real write path."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from headway.domain import ids
from headway.domain.access import Actor, Role
from headway.domain.facts import parse
from headway.domain.tally import QUARTER_S, quarter_of, time_of
from headway.store.opening import open_store
from headway.store.port import Batch, Ledger

COUNT = 600
USERS, PROJECTS = 4, 12
AGENTS = ("importer", "coder", "writer", "reviewer", "indexer", "tester")
TYPES = ("import", "codegen", "translation", "review", "index", "check", "report", "sync")
VERBS = ("Import", "Translate", "Summarise", "Check", "Generate", "Index", "Review", "Classify")
THINGS = ("catalogue", "endpoint", "invoice", "article", "dataset", "changelog", "contract", "ticket")
MODELS = (("openai", "gpt-4o-mini"), ("anthropic", "claude-3-5-haiku"), ("google", "gemini-2.0-flash"))
OPEN = frozenset({"pending", "running"})
_ENDINGS = ("completed",) * 43 + ("failed", "failed", "failed", "cancelled", "timeout", "retried", "open")

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One task as it was written, of which copies are made."""

    id: str
    created_at: datetime
    status: str


async def make_templates(url: str) -> tuple[Actor, list[Template]]:
    """A new tenant with its template tasks; the owner, and the tasks."""
    store = open_store(url)
    await store.ledger.open()
    try:
        received_at = datetime.now(UTC)
        owner = await store.accounts.create_tenant(
            name="scale", owner_email="owner@example.org", now=received_at
        )
        users = [owner]
        for number in range(1, USERS):
            email = f"user-{number}@example.org"
            users.append(
                await store.accounts.add_user(
                    tenant_id=owner.tenant_id, email=email, role=Role.MEMBER, now=received_at
                )
            )
        # Projects come into being when first named, so their maker must be one who sees all of them.
        actors = [
            Actor(tenant_id=owner.tenant_id, user_id=user.id, role=Role.ADMIN, email=user.email)
            for user in users
        ]
        templates = []
        for number in range(COUNT):
            templates.append(await _write(store.ledger, actors, number, received_at))
        return Actor(tenant_id=owner.tenant_id, user_id=owner.id, role=Role.OWNER), templates
    finally:
        await store.ledger.close()


async def _write(ledger: Ledger, actors: list[Actor], number: int, received_at: datetime) -> Template:
    chance = random.Random(number)
    base = time_of(quarter_of(received_at)) - timedelta(seconds=4 * QUARTER_S)
    created_at = base + timedelta(microseconds=chance.randrange(QUARTER_S * 1_000_000))
    raw_facts = _facts(chance, number, created_at)
    batch = Batch(
        actor=actors[number % USERS],
        producer=ids.uuid7(),
        facts=[parse({**raw, "seq": seq}, trusted=True)[0] for seq, raw in enumerate(raw_facts, 1)],
        received_at=received_at,
    )
    outcome = (await ledger.ingest(batch.actor.tenant_id, [batch]))[0]
    if isinstance(outcome, Exception):
        raise outcome
    assert not outcome.refused, outcome.refused
    task_id = raw_facts[0]["task_id"]
    task = await ledger.get_task(batch.actor, task_id)
    assert task is not None
    return Template(id=task_id, created_at=task.created_at, status=task.status)


def _facts(chance: random.Random, number: int, at: datetime) -> list[Raw]:
    task_id = ids.uuid7()
    project = number % PROJECTS
    verb, thing = chance.choice(VERBS), chance.choice(THINGS)
    lasts = timedelta(milliseconds=round(chance.lognormvariate(10.5, 1.0)))
    lasts = min(lasts, timedelta(minutes=30))

    def fact(kind: str, share: float, **values: Any) -> Raw:
        return {"task_id": task_id, "kind": kind, "at": at + share * lasts, **values}

    agent = AGENTS[(project + number // PROJECTS % 3) % len(AGENTS)]
    name = f"{verb} {thing}" + (" nightly" if number % 50 == 7 else "")
    created = fact(
        "created",
        0,
        name=name,
        project=f"project-{project}",
        agent=agent,
        task_type=TYPES[number % len(TYPES)],
    )
    if number % 3 == 0:
        created["labels"] = {"env": "prod" if number % 2 else "stage"}
    if number % 4 == 0:
        created["agent_id"] = f"{agent}-{number % 8}"
    facts = [created]
    if number % 10 == 3:
        facts.append(_call(fact("llm_call", 0.4), chance))
    return [*facts, *_ending(number, fact)]


def _call(fact: Raw, chance: random.Random) -> Raw:
    tokens = chance.randrange(200, 4_000)
    model = chance.choice(
        (("openai", "gpt-4o-mini"), ("anthropic", "claude-3-5-haiku"), ("google", "gemini-2.0-flash"))
    )
    return {
        **fact,
        "id": ids.uuid7(),
        "provider": model[0],
        "model": model[1],
        "input_tokens": tokens,
        "output_tokens": tokens // 4,
        "cost_usd": f"{tokens / 1e6:.6f}" if chance.random() < 0.9 else None,
        "duration_ms": chance.randrange(150, 5_000),
    }


def _ending(number: int, fact: Any) -> list[Raw]:
    """What follows the creation. Most tasks tell little, so that ten million fit on a disk."""
    ending = _ENDINGS[number % len(_ENDINGS)]
    started = fact("started", 0.01)
    if ending == "open":
        half = fact("progress", 0.5, progress=50.0, message="half done")
        return [started, half] if number // len(_ENDINGS) % 4 else []
    if ending == "completed":
        return [started, fact("completed", 1, result={"rows": number})]
    if ending == "failed":
        return [started, fact("failed", 1, error={"message": "the source did not answer", "type": "Timeout"})]
    if ending == "cancelled":
        return [started, fact("cancelled", 0.5, reason="not needed any more")]
    if ending == "timeout":
        return [started, fact("timeout", 1, reason="no word from its process")]
    return [
        started,
        fact("failed", 0.4, error={"message": "lost the connection", "type": "ConnectionError"}),
        fact("retried", 0.5, follows_run=1),
        fact("started", 0.5, run=2),
        fact("completed", 1, run=2, result={"rows": number}),
    ]
