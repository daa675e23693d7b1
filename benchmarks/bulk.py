"""Builds a tenant of millions of tasks by a bulk path whose rows and tallies the audit accepts.

1. Some hundred template tasks go through the real write path (`ledger.ingest`): every status, retries, LLM calls,
   labels, several users, projects and agents. Whatever the ledger writes for them is right by definition.
2. Each copy of a template gets an id of its own (UUIDv7 of its time), a word of its own in its name, perhaps a
   parent, and all its times moved back by a whole number of quarter-hours. Copies are made inside the database:
   one INSERT … SELECT per table from the template's rows. Secondary indexes (on PostgreSQL primary keys, too) are
   dropped before and made anew afterwards; PostgreSQL's tables are unlogged meanwhile, SQLite does not sync.
3. What a copy counts for is what its template counts for, the same number of quarter-hours earlier. So the tallies
   are sums of `domain.contribution` over templates, written by the store's own `add_contribution`.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, update

from benchmarks import bulk_rows
from benchmarks.templates import OPEN, PROJECTS, Template, make_templates
from headway.domain import contribution as counting
from headway.domain import ids
from headway.domain.access import Actor, Role
from headway.domain.contribution import Contribution
from headway.domain.limits import STATUSES
from headway.domain.query import Scope
from headway.domain.tally import QUARTER_S
from headway.store.opening import migrate, open_store
from headway.store.sql import tables
from headway.store.sql.engine import Database
from headway.store.sql.naming import Memory
from headway.store.sql.rows import load_calls, load_runs, select_states
from headway.store.sql.tallying import add_contribution

DAYS = 90
QUARTERS_A_DAY = 96
QUARTERS = DAYS * QUARTERS_A_DAY
OPEN_SHARE = 0.002  # of all tasks, all created within the last day
CHILDREN_EVERY, PARENTS_EVERY = 20, 400
WORD_SHARED_BY = 10  # tasks that have the same rare word in their name

Amounts = list[tuple[int, int]]  # index, amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One task to make."""

    number: int  # 1, 2, 3 …
    id: str
    template: str  # id
    shift_s: int  # to add to every time
    parent: str | None

    @property
    def word(self) -> str:
        """The rare word of its name."""
        return f"lot{self.number // WORD_SHARED_BY}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A tenant to measure on."""

    url: str
    owner: Actor
    tasks: int
    seconds: float  # that building took; 0 when it was there already
    projects: tuple[str, ...]  # ids


class _Shifted:
    """What the copies of one template count for, added up without going through zeros."""

    def __init__(self, whole: Contribution) -> None:
        self.gauges = [(cell, _sparse(amounts)) for cell, amounts in whole.gauges.items()]
        self.runs = [(key, _sparse(amounts)) for key, amounts in whole.runs.items()]
        self.llm = [(key, _sparse(amounts)) for key, amounts in whole.llm.items()]

    def add(self, into: Contribution, count: int, shift_s: int) -> None:
        for cell, amounts in self.gauges:
            _add(into.gauge(cell), amounts, count)
        for (cell, quarter), amounts in self.runs:
            key = (cell, quarter + shift_s)
            row = into.runs.get(key)
            if row is None:
                row = into.runs[key] = [0] * len(counting.RUN_MEASURES)
            _add(row, amounts, count)
        for (cell, quarter, *names), amounts in self.llm:
            llm_key = (cell, quarter + shift_s, *names)
            _add(into.llm.setdefault(llm_key, [0] * len(counting.LLM_MEASURES)), amounts, count)


def _sparse(amounts: Sequence[int]) -> Amounts:
    return [(index, amount) for index, amount in enumerate(amounts) if amount]


def _add(row: list[int], amounts: Amounts, count: int) -> None:
    for index, amount in amounts:
        row[index] += count * amount


async def build(url: str, tasks: int, *, only_open: bool = False, logged: bool = False) -> Built:
    """Fill an empty database with about so many tasks of one tenant.

    Args:
        url: SQLite or PostgreSQL.
        tasks: How many, besides the templates.
        only_open: Make only running and pending ones.
        logged: Leave PostgreSQL's tables crash-safe, as they have to be where writing is measured.
    """
    began = time.perf_counter()
    migrate(url)
    owner, templates = await make_templates(url)
    chosen = [one for one in templates if one.status in OPEN] if only_open else templates
    plan = _Plan(chosen, tasks, only_open=only_open)
    async with _opened(url) as database:
        with database.writer.connect() as db:
            plan.weigh(db, database, owner.tenant_id)
    with bulk_rows.loading(url, logged=logged) as loading:
        loading.stage(plan.copies())
        loading.expand(plan.base_seq)
    async with _opened(url) as database:
        plan.write_tallies(database, owner.tenant_id)
        projects = _projects(database)
    bulk_rows.analyze(url)
    total = plan.made + len(templates)
    seconds = time.perf_counter() - began
    print(f"built {total:,} tasks in {seconds:,.0f} s", flush=True)
    return Built(url=url, owner=owner, tasks=total, seconds=seconds, projects=projects)


async def reopened(url: str) -> Built:
    """The tenant that an earlier run built and kept."""
    store = open_store(url)
    await store.ledger.open()
    try:
        user = await store.accounts.first_owner()
        if user is None:
            raise ValueError(f"nothing was built in {url}")
        owner = Actor(tenant_id=user.tenant_id, user_id=user.id, role=Role.OWNER)
        counters = await store.ledger.counters(owner.tenant_id, Scope())
        projects = (await store.projects.list(owner, limit=PROJECTS)).items
    finally:
        await store.ledger.close()
    total = sum(counters.gauges[status] for status in STATUSES)
    return Built(url=url, owner=owner, tasks=total, seconds=0, projects=tuple(one.id for one in projects))


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


def _projects(database: Database) -> tuple[str, ...]:
    with database.writer.connect() as db, db.begin():
        return tuple(
            row[0] for row in db.execute(tables.project.select().with_only_columns(tables.project.c.id))
        )


class _Plan:
    """Which copies are made, and what they count for."""

    def __init__(self, templates: Sequence[Template], tasks: int, *, only_open: bool) -> None:
        self._open = [one for one in templates if one.status in OPEN]
        self._closed = [one for one in templates if one.status not in OPEN]
        self._tasks = tasks
        self._only_open = only_open
        self._shifted: dict[str, _Shifted] = {}
        self._by_day: list[Contribution] = []
        self.base_seq = 0
        self.made = 0

    def weigh(self, db: Connection, database: Database, tenant_id: str) -> None:
        """Work out what one copy of each template counts for, from the template's rows."""
        wanted = [one.id for one in (*self._open, *self._closed)]
        states = select_states(db, database.dialect, tenant_id, wanted, lock=False)
        runs, calls = load_runs(db, tenant_id, wanted), load_calls(db, tenant_id, wanted)
        for identity, state in states.items():
            whole = Contribution()
            counting.contribute(whole, 1, state, runs[identity], calls.get(identity, ()))
            self._shifted[identity] = _Shifted(whole)
            self.base_seq = max(self.base_seq, state.change_seq)

    def copies(self) -> Iterator[Copy]:
        """All copies, oldest first; what they count for is added up on the way."""
        chance = random.Random(1)
        parent = None
        for day in range(DAYS):
            counted = Contribution()
            for quarter in range(day * QUARTERS_A_DAY, (day + 1) * QUARTERS_A_DAY):
                shift_s = (quarter - QUARTERS + 1) * QUARTER_S
                chosen = sorted(self._chosen(quarter, chance), key=lambda one: one.created_at)
                for identity, count in Counter(one.id for one in chosen).items():
                    self._shifted[identity].add(counted, count, shift_s)
                for one in chosen:
                    self.made += 1
                    made = self._copy(one, shift_s, parent, chance)
                    if self.made % PARENTS_EVERY == 0:
                        parent = made.id
                    yield made
            self._by_day.append(counted)

    def _chosen(self, quarter: int, chance: random.Random) -> list[Template]:
        if self._only_open:
            return chance.choices(self._open, k=_share(self._tasks, quarter, QUARTERS))
        opened = round(self._tasks * OPEN_SHARE)
        found = chance.choices(self._closed, k=_share(self._tasks - opened, quarter, QUARTERS))
        from_last_day = quarter - (QUARTERS - QUARTERS_A_DAY)
        if from_last_day >= 0:
            found += chance.choices(self._open, k=_share(opened, from_last_day, QUARTERS_A_DAY))
        return found

    def _copy(self, one: Template, shift_s: int, parent: str | None, chance: random.Random) -> Copy:
        ms = int((one.created_at.timestamp() + shift_s) * 1_000)
        number = self.made
        digits = f"{ms:012x}7{number & 0xFFF:03x}8{chance.getrandbits(60):015x}"
        return Copy(
            number=number,
            id=ids.dashed(digits),
            template=one.id,
            shift_s=shift_s,
            parent=parent if number % CHILDREN_EVERY == 1 else None,
        )

    def write_tallies(self, database: Database, tenant_id: str) -> None:
        """Add what all copies count for, and move the tenant's head past them."""
        memory = Memory()
        with database.writer.connect() as db:
            for counted in self._by_day:
                with db.begin():
                    add_contribution(db, database.dialect, tenant_id, counted, memory, memory)
            with db.begin():
                db.execute(
                    update(tables.head)
                    .where(tables.head.c.tenant_id == tenant_id)
                    .values(change_seq=self.base_seq + self.made)
                )


def _share(whole: int, part: int, parts: int) -> int:
    """How many of `whole` fall to one of several equal parts, so that they add up to `whole`."""
    return whole * (part + 1) // parts - whole * part // parts
