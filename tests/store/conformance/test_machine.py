"""A ledger and a model of it, told the same by several producers, with crashes, restarts and a second server."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from headway.domain import ids
from headway.domain.errors import StillRunning
from headway.domain.facts import KINDS
from headway.domain.query import Scope
from headway.domain.task import STATE_FIELDS, TaskState
from headway.domain.views import Task
from headway.store.opening import open_store
from headway.store.port import Batch, Store
from tests.domain.building import LEASE, fact, moment
from tests.store.conformance.ledgers import LedgerKind
from tests.store.conformance.model import Model, comparable
from tests.store.conformance.processes import ingest_and_die, run_all
from tests.store.conformance.scene import Producer, Scene, new_scene

TASKS, PRODUCERS = 4, 3
SHOWN = [name for name in STATE_FIELDS if name in Task.__dataclass_fields__ and name != "change_seq"]
CLIENT_KINDS = sorted(KINDS.keys() - {"timeout"})

runs = st.one_of(st.none(), st.none(), st.integers(1, 3), st.just(40))
tasks = st.integers(0, TASKS - 1)
producers = st.integers(0, PRODUCERS - 1)
wishes = st.lists(
    st.tuples(st.sampled_from(CLIENT_KINDS), tasks, runs, st.integers(0, 2_000), st.integers(0, 3)),
    min_size=1,
    max_size=6,
)


class LedgerMachine(RuleBasedStateMachine):
    """One tenant, made new for each example; `kind` and `url` are set by the test."""

    kind: LedgerKind
    url: str
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.stores = [self.open(), self.open()]
        self.scene: Scene = self.run(new_scene(self.stores[0], ids.uuid7()))
        self.member = self.run(self.scene.member())
        self.producers = [
            Producer(actor=actor) for actor in (self.scene.owner, self.scene.owner, self.member)
        ]
        self.model = Model(LEASE)
        self.task_ids = [ids.uuid7() for _ in range(TASKS)]
        self.now = moment(1_000)
        self.cursor = self.run(self.ledger.changes(self.scene.owner, None)).cursor
        self.followed: dict[str, Task] = {}
        self.agreed = True  # so far

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def open(self) -> Store:
        store = open_store(self.url, lease=LEASE, readers=1)
        self.run(store.ledger.open())
        return store

    @property
    def ledger(self) -> Any:
        return self.stores[0].ledger

    def facts(self, wanted: Sequence[tuple[str, int, int | None, int, int]]) -> Iterator[Any]:
        for kind, task, run, at, choice in wanted:
            values: dict[str, Any] = {"run": run, "task_id": self.task_ids[task]}
            if kind in ("llm_call", "artifact"):
                values["id"] = f"0199a000-0000-7000-8000-00000000c00{choice}" if choice else None
            if kind == "llm_call":
                values |= {
                    "cost_usd": "0.125" if choice else None,
                    "input_tokens": at,
                    "template": "t" * choice or None,
                }
            if kind in ("created", "updated"):
                values |= {"agent": "coder" if choice == 1 else None, "priority": choice or None}
            if kind == "retried":
                values["follows_run"] = choice or 1
            yield fact(kind, at, **values)

    def batch(self, producer: int, wanted: Any, *, leased: bool = False) -> Batch:
        return self.producers[producer].batch(*self.facts(wanted), received_at=self.now, leased=leased)

    def told(self, *batches: Batch) -> None:
        """The ledger answers as the model does."""
        self.agreed = False
        outcomes = self.run(self.scene.ingest(*batches))
        expected = [self.model.ingest(batch) for batch in batches]
        assert list(map(comparable, outcomes)) == list(map(comparable, expected)), (outcomes, expected)

    @rule(producer=producers, wanted=wishes, leased=st.booleans())
    def send(self, producer: int, wanted: Any, leased: bool) -> None:
        self.told(self.batch(producer, wanted, leased=leased))

    @rule(wanted=st.lists(st.tuples(producers, wishes), min_size=2, max_size=3))
    def send_several_in_one_commit(self, wanted: Any) -> None:
        self.told(*(self.batch(producer, facts) for producer, facts in wanted))

    @rule(producer=producers, start=st.integers(0, 100), length=st.integers(1, 20))
    def send_again(self, producer: int, start: int, length: int) -> None:
        sent = self.producers[producer].sent
        if sent:
            start %= len(sent)
            again = sent[start : start + length]
            self.told(self.producers[producer].again(again, received_at=self.now))

    @rule(producer=producers, skipped=wishes, wanted=wishes)
    def leave_a_gap(self, producer: int, skipped: Any, wanted: Any) -> None:
        sender = self.producers[producer]
        known = list(sender.sent)
        self.batch(producer, skipped)
        self.told(self.batch(producer, wanted))
        sender.sent = known

    @rule(producer=producers, wanted=wishes, point=st.sampled_from(["before", "after"]))
    def be_killed_around_the_commit(self, producer: int, wanted: Any, point: str) -> None:
        batch = self.batch(producer, wanted)
        run_all(ingest_and_die, [(self.kind.name, self.url, [batch], point)])
        if point == "after":
            self.model.ingest(batch)
        self.told(batch)

    @rule()
    def go_on_with_the_other_server(self) -> None:
        self.stores.reverse()
        self.scene.store = self.stores[0]

    @rule()
    def restart(self) -> None:
        self.run(self.ledger.close())
        self.stores[0] = self.scene.store = self.open()

    @rule(seconds=st.integers(1, 120))
    def let_leases_end(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        every = self.run(self.ledger.overdue(self.now, 1_000))
        overdue = [one for one in every if one.tenant_id == self.scene.tenant_id]
        assert {one.task_id for one in overdue} == self.model.overdue(self.now)
        for one in overdue:
            assert self.run(self.ledger.expire(one, self.now))
            self.model.expire(one.task_id, self.now)

    @precondition(lambda self: self.model.tasks)
    @rule(task=tasks)
    def delete(self, task: int) -> None:
        task_id = self.task_ids[task]
        state = self.model.tasks.get(task_id)
        if state is None:
            return
        deletion = self.ledger.delete_task(self.scene.owner, task_id, self.now)
        if state.status == "running":
            with pytest.raises(StillRunning):
                self.run(deletion)
            return
        assert self.run(deletion) == 1
        self.model.delete(task_id)
        self.task_ids[task] = ids.uuid7()

    @rule(before=st.integers(0, 1_000))
    def retain(self, before: int) -> None:
        old = [
            state.id
            for state in self.model.tasks.values()
            if state.finished_at is not None and state.finished_at < moment(before)
        ]
        count = self.run(self.ledger.retain(self.scene.tenant_id, moment(before), 100, self.now))
        assert count == len(old)
        for task_id in old:
            self.model.delete(task_id)

    @rule(limit=st.integers(1, 3))
    def follow_the_feed(self, limit: int) -> None:
        page = self.run(self.ledger.changes(self.scene.owner, self.cursor, limit=limit))
        assert len(page.tasks) + len(page.deleted) <= limit
        self.followed.update({task.id: task for task in page.tasks})
        for stone in page.deleted:
            self.followed.pop(stone.task_id, None)
        self.cursor = page.cursor

    @invariant()
    def shows_what_the_model_shows(self) -> None:
        seen = {task.id: task for task in self.run(self.ledger.get_tasks(self.scene.owner, self.task_ids))}
        expected = {task_id: state for task_id, state in self.model.tasks.items() if task_id in self.task_ids}
        assert differences(seen, expected) == {}
        figures = self.run(self.ledger.counters(self.scene.tenant_id, Scope()))
        llm = self.run(self.ledger.llm_breakdown(self.scene.tenant_id, Scope()))
        runs, gauges, archived, calls = self.model.figures()
        assert (figures.runs, figures.gauges, figures.archived) == (runs, gauges, archived)
        for measure, amount in calls.items():
            assert sum(row[measure] for key, row in llm.items() if key[-1] == "") == amount
        self.agreed = True

    def teardown(self) -> None:
        try:
            if self.agreed:
                self.check_the_whole()
        finally:
            for store in self.stores:
                self.run(store.ledger.close())

    def check_the_whole(self) -> None:
        while self.run(self.ledger.changes(self.scene.owner, self.cursor, limit=2)).more:
            self.follow_the_feed(2)
        self.follow_the_feed(100)
        self.run(self.scene.audit())
        leases = {"lease_ends_at"}  # heartbeats renew them without a change number
        assert differences(self.followed, self.model.tasks, besides=leases) == {}
        for task_id in self.model.tasks:
            told = self.run(self.ledger.task_runs(self.scene.tenant_id, task_id))
            assert [
                (one.number, one.status, one.late_outcome, one.started_at, one.finished_at) for one in told
            ] == [
                (one.number, one.status, one.late_outcome, one.started_at, one.finished_at)
                for one in self.model.books[task_id].runs
            ]


def differences(
    seen: dict[str, Task], expected: dict[str, TaskState], besides: Collection[str] = ()
) -> dict[str, Any]:
    """(seen, expected) by task and field, where they are not the same."""
    found: dict[str, Any] = {task_id: "only one has it" for task_id in seen.keys() ^ expected.keys()}
    for task_id in seen.keys() & expected.keys():
        pairs = {name: (getattr(seen[task_id], name), getattr(expected[task_id], name)) for name in SHOWN}
        unlike = {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name not in besides}
        found |= {task_id: unlike} if unlike else {}
    return found


def test_a_ledger_does_what_the_model_does(kind: LedgerKind, url: str) -> None:
    with asyncio.Runner() as runner:
        machine = type("Machine", (LedgerMachine,), {"kind": kind, "url": url, "runner": runner})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=15,
                stateful_step_count=20,
                deadline=None,
                # Making a failure small would take minutes: an example of twenty steps can be read as it is.
                phases=(Phase.reuse, Phase.generate),
                suppress_health_check=list(HealthCheck),
            ),
        )
