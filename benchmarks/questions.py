"""The questions that `scale` asks: figures for the overview and dashboard, and pages of the task list."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.bulk import DAYS, WORD_SHARED_BY, Built
from benchmarks.templates import AGENTS, THINGS, TYPES
from headway.domain.query import Scope, TaskFilter
from headway.domain.task import FINAL
from headway.store.port import Ledger, Store

STATUSES = ("pending", "running", *sorted(FINAL))
PAGES_DEEP = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whom and about what."""

    ledger: Ledger
    built: Built
    now: datetime
    users: tuple[str, ...]
    parents: tuple[str, ...]
    deep: dict[str, str]  # what the cursor was given for -> cursor some pages in

    @property
    def tenant(self) -> str:
        """The tenant's id."""
        return self.built.owner.tenant_id

    def word(self, chance: random.Random) -> str:
        """A word that only a few names have."""
        return f"lot{chance.randrange(1, max(2, self.built.tasks // WORD_SHARED_BY))}"


Ask = Callable[[Asked, random.Random], Awaitable[Any]]


async def prepare(store: Store, built: Built) -> Asked:
    """What the questions need to know of a tenant."""
    newest = await store.ledger.list_tasks(built.owner, TaskFilter(), limit=200)
    parents = tuple({task.parent_id for task in newest.items if task.parent_id is not None})
    users = tuple(sorted({task.user_id for task in newest.items}))
    deep = {
        "": await _some_pages_in(store.ledger, built, TaskFilter()),
        "completed": await _some_pages_in(store.ledger, built, TaskFilter(status=("completed",))),
        "word": await _some_pages_in(store.ledger, built, TaskFilter(words=(THINGS[0],))),
    }
    return Asked(
        ledger=store.ledger, built=built, now=datetime.now(UTC), users=users, parents=parents, deep=deep
    )


async def _some_pages_in(ledger: Ledger, built: Built, wanted: TaskFilter) -> str | None:
    cursor: str | None = None
    for _ in range(PAGES_DEEP):
        page = await ledger.list_tasks(built.owner, wanted, limit=200, cursor=cursor)
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    return cursor


async def _overview(asked: Asked, chance: random.Random) -> None:
    await asked.ledger.counters(asked.tenant, Scope())


async def _project(asked: Asked, chance: random.Random) -> None:
    await asked.ledger.counters(asked.tenant, Scope(project_id=chance.choice(asked.built.projects)))


async def _by_agent(asked: Asked, chance: random.Random) -> None:
    await asked.ledger.breakdown(asked.tenant, Scope(), "agent")


async def _by_project(asked: Asked, chance: random.Random) -> None:
    await asked.ledger.breakdown(asked.tenant, Scope(), "project")


async def _today(asked: Asked, chance: random.Random) -> None:
    start = asked.now - timedelta(hours=24)
    await asked.ledger.series(asked.tenant, Scope(), period="quarter", start=start, end=asked.now)


async def _ninety_days(asked: Asked, chance: random.Random) -> None:
    start = asked.now - timedelta(days=DAYS)
    await asked.ledger.series(asked.tenant, Scope(), period="day", start=start, end=asked.now)


async def _llm(asked: Asked, chance: random.Random) -> None:
    await asked.ledger.llm_breakdown(asked.tenant, Scope())


FIGURES: dict[str, Ask] = {
    "counters of the tenant": _overview,
    "counters of a project": _project,
    "breakdown by agent": _by_agent,
    "breakdown by project": _by_project,
    "series, 24 h in quarter-hours": _today,
    "series, 90 days": _ninety_days,
    "LLM figures by model": _llm,
}


def _page(make: Callable[[Asked, random.Random], TaskFilter], deep: str | None = None) -> Ask:
    async def ask(asked: Asked, chance: random.Random) -> None:
        cursor = None if deep is None else asked.deep[deep]
        await asked.ledger.list_tasks(asked.built.owner, make(asked, chance), limit=50, cursor=cursor)

    return ask


def _some_time(asked: Asked, chance: random.Random) -> datetime:
    return asked.now - timedelta(days=chance.uniform(1, DAYS - 1))


PAGES: dict[str, Ask] = {
    "no filter": _page(lambda a, c: TaskFilter()),
    "no filter, 4,000 tasks in": _page(lambda a, c: TaskFilter(), deep=""),
    "created before": _page(lambda a, c: TaskFilter(created_before=_some_time(a, c))),
    "created after": _page(lambda a, c: TaskFilter(created_after=_some_time(a, c))),
    "started before": _page(lambda a, c: TaskFilter(started_before=_some_time(a, c))),
    "finished before": _page(lambda a, c: TaskFilter(finished_before=_some_time(a, c))),
    "finished in one hour": _page(
        lambda a, c: (lambda at: TaskFilter(finished_after=at, finished_before=at + timedelta(hours=1)))(
            _some_time(a, c)
        )
    ),
    **{f"status {status}": _page(lambda a, c, s=status: TaskFilter(status=(s,))) for status in STATUSES},
    "status completed, 4,000 tasks in": _page(
        lambda a, c: TaskFilter(status=("completed",)), deep="completed"
    ),
    "open (two statuses)": _page(lambda a, c: TaskFilter(status=("pending", "running"))),
    "project": _page(lambda a, c: TaskFilter(project=(c.choice(a.built.projects),))),
    "agent": _page(lambda a, c: TaskFilter(agent=(c.choice(AGENTS),))),
    "type": _page(lambda a, c: TaskFilter(type=(c.choice(TYPES),))),
    "user": _page(lambda a, c: TaskFilter(user=(c.choice(a.users),))),
    "parent": _page(lambda a, c: TaskFilter(parent=(c.choice(a.parents),) if a.parents else ())),
    "agent id": _page(lambda a, c: TaskFilter(agent_id=(f"{c.choice(AGENTS)}-4",))),
    "label": _page(lambda a, c: TaskFilter(label=("env=prod",))),
    "status + project": _page(
        lambda a, c: TaskFilter(status=(c.choice(STATUSES),), project=(c.choice(a.built.projects),))
    ),
    "status + agent": _page(lambda a, c: TaskFilter(status=(c.choice(STATUSES),), agent=(c.choice(AGENTS),))),
    "status + type": _page(lambda a, c: TaskFilter(status=(c.choice(STATUSES),), type=(c.choice(TYPES),))),
    "status + user": _page(lambda a, c: TaskFilter(status=(c.choice(STATUSES),), user=(c.choice(a.users),))),
    "status + created before": _page(
        lambda a, c: TaskFilter(status=(c.choice(STATUSES),), created_before=_some_time(a, c))
    ),
    "status + finished before": _page(
        lambda a, c: TaskFilter(status=(c.choice(STATUSES),), finished_before=_some_time(a, c))
    ),
    "status + label": _page(lambda a, c: TaskFilter(status=(c.choice(STATUSES),), label=("env=prod",))),
    "status + agent id": _page(
        lambda a, c: TaskFilter(status=(c.choice(STATUSES),), agent_id=(f"{c.choice(AGENTS)}-4",))
    ),
    "status + common word": _page(
        lambda a, c: TaskFilter(status=(c.choice(STATUSES),), words=(c.choice(THINGS),))
    ),
    "common word": _page(lambda a, c: TaskFilter(words=(c.choice(THINGS),))),
    "common word, 4,000 tasks in": _page(lambda a, c: TaskFilter(words=(THINGS[0],)), deep="word"),
    "rare word": _page(lambda a, c: TaskFilter(words=(a.word(c),))),
    "common and rare word": _page(lambda a, c: TaskFilter(words=(c.choice(THINGS), a.word(c)))),
    "two common words": _page(lambda a, c: TaskFilter(words=("import", c.choice(THINGS)))),
    "two words never together": _page(lambda a, c: TaskFilter(words=("import", "translate"))),
    "a word nobody used": _page(lambda a, c: TaskFilter(words=(f"never{c.randrange(1000)}",))),
}
