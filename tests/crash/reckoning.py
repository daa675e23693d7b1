"""Reads everything back from the database of a stopped server and compares it with what was reported."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from headway.domain.access import Actor, Role
from headway.domain.query import Scope
from headway.domain.views import Task
from headway.services.audit import AuditService
from headway.store.opening import open_store
from headway.store.port import Ledger, Store
from tests.crash.workload import CALL, Expected, Workload

T = TypeVar("T")
PAGE = 200
NANO_DOLLARS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """Where the ledger and what was reported disagree; nothing anywhere means that every fact counts once."""

    tasks: int
    missing: list[str]
    twice: list[str]
    otherwise: list[str]
    audit: list[str]

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, nothing counted twice and every figure is what its rows come to."""
        return not (self.missing or self.twice or self.otherwise or self.audit)


def reckon(database_url: str, workloads: Sequence[Workload]) -> Reckoning:
    """Compares every task, log line, call and metric, the runs counted, and the audit."""
    return asyncio.run(_with_store(database_url, lambda store: _compare(store, workloads)))


def audit(database_url: str) -> list[str]:
    """Every figure that is not what its rows come to."""
    return asyncio.run(_with_store(database_url, _differences))


async def _with_store(database_url: str, work: Callable[[Store], Awaitable[T]]) -> T:
    store = open_store(database_url)
    await store.ledger.open()
    try:
        return await work(store)
    finally:
        await store.ledger.close()


async def _compare(store: Store, workloads: Sequence[Workload]) -> Reckoning:
    expected = _together(workloads)
    viewer = await _owner(store)
    missing: list[str] = []
    twice: list[str] = []
    otherwise: list[str] = []
    for task_id, wanted in expected.items():
        task = await store.ledger.get_task(viewer, task_id)
        if task is None:
            missing += [f"task {task_id}"] if wanted.messages or wanted.status != "pending" else []
            continue
        found = await _found(store.ledger, viewer.tenant_id, task)
        missing += [f"{task_id}: {name}" for name in (_lines(wanted) - _lines(found)).elements()]
        twice += [f"{task_id}: {name}" for name in (_lines(found) - _lines(wanted)).elements()]
        if found.status != wanted.status:
            otherwise.append(f"{task_id} is {found.status} instead of {wanted.status}")
        otherwise += _sums(task, wanted)
    otherwise += await _counted(store.ledger, viewer.tenant_id, workloads)
    differences = await _differences(store)
    return Reckoning(
        tasks=len(expected), missing=missing, twice=twice, otherwise=otherwise, audit=differences
    )


async def _differences(store: Store) -> list[str]:
    audits = await AuditService(store.ledger, store.accounts).run()
    return [str(difference) for found in audits for difference in found.differences]


def _together(workloads: Sequence[Workload]) -> dict[str, Expected]:
    together: dict[str, Expected] = {}
    for workload in workloads:
        for task_id, expected in workload.expected.items():
            together.setdefault(task_id, Expected(status=expected.status)).add(expected)
    return together


async def _owner(store: Store) -> Actor:
    owner = await store.accounts.first_owner()
    assert owner is not None
    return Actor(tenant_id=owner.tenant_id, user_id=owner.id, role=Role.OWNER)


async def _found(ledger: Ledger, tenant_id: str, task: Task) -> Expected:
    found = Expected(status=task.status, calls=task.llm_calls)
    after = 0
    while entries := await ledger.list_entries(tenant_id, task.id, kinds=("log",), after=after, limit=PAGE):
        found.messages.update(entry.message or "" for entry in entries)
        after = entries[-1].entry_seq
    after = 0
    while metrics := await ledger.list_metrics(tenant_id, task.id, after=after, limit=PAGE):
        found.values.update(metric.value for metric in metrics)
        after = metrics[-1].entry_seq
    return found


def _lines(expected: Expected) -> Counter[str]:
    lines = Counter({f"log {message}": count for message, count in expected.messages.items()})
    lines.update({f"metric {value}": count for value, count in expected.values.items()})
    lines["LLM call"] = expected.calls
    return lines


def _sums(task: Task, wanted: Expected) -> list[str]:
    cost = round(float(CALL["cost_usd"]) * NANO_DOLLARS)
    figures = {
        "input_tokens": (task.input_tokens, wanted.calls * CALL["input_tokens"]),
        "output_tokens": (task.output_tokens, wanted.calls * CALL["output_tokens"]),
        "cost_nusd": (task.cost_nusd, wanted.calls * cost),
        "total_runs": (task.total_runs, 1),
    }
    return [
        f"{task.id}: {name} is {kept}, not {right}"
        for name, (kept, right) in figures.items()
        if kept != right
    ]


async def _counted(ledger: Ledger, tenant_id: str, workloads: Sequence[Workload]) -> list[str]:
    runs = (await ledger.counters(tenant_id, Scope())).runs
    finished = sum((workload.finished for workload in workloads), Counter[str]())
    return [
        f"{runs[ending]} runs are counted as {ending}, not {finished[ending]}"
        for ending in ("completed", "failed", "cancelled", "timeout")
        if runs[ending] != finished[ending]
    ]
