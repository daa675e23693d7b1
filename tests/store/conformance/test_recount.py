"""The audit finds every way in which kept figures and rows can come apart."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from headway.domain import ids
from tests.domain.building import fact
from tests.store.conformance.ledgers import LedgerKind
from tests.store.conformance.scene import RECEIVED, Scene, about

TASK = "tenant_id = ? AND task_id = ?"
SELF = "tenant_id = ? AND id = ?"
ALL_TIME = "tenant_id = ? AND cell = 0 AND period = 'all' AND archived = {archived}"


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A change behind the ledger's back, and the figures that it sets apart."""

    change: str  # a statement; its values are the tenant and, where it has a second `?`, the task
    figures: set[str]


DRIFTS = {
    "a counted ending too many": Drift(
        change=f"UPDATE hw_tally SET completed = completed + 1 WHERE {ALL_TIME}", figures={"tally.completed"}
    ),
    "an archived ending lost": Drift(
        change=f"UPDATE hw_tally SET failed = failed - 1 WHERE {ALL_TIME.format(archived='true')}",
        figures={"tally.failed"},
    ),
    "a row of tallies gone": Drift(
        change="DELETE FROM hw_tally WHERE tenant_id = ? AND cell = 0 AND period = 'day'",
        figures={
            "tally.created", "tally.started", "tally.failed", "tally.retries", "tally.refused",
            "tally.duration_ms", "tally.durations", "tally.d13",
        },
    ),
    "a gauge off by one": Drift(
        change="UPDATE hw_gauge SET running = running + 1 WHERE tenant_id = ? AND cell = 0", figures={"gauge.running"}
    ),
    "money in the tallies that no call cost": Drift(
        change="UPDATE hw_llm_tally SET cost_nusd = cost_nusd + 1 WHERE tenant_id = ? AND period = 'all'"
        " AND cell = 0 AND model <> '' AND archived = {archived}",
        figures={"llm_tally.cost_nusd"},
    ),
    "a task's cost changed": Drift(
        change=f"UPDATE hw_task_state SET cost_nusd = cost_nusd + 1 WHERE {SELF}", figures={"task.cost_nusd"}
    ),
    "a call's tokens changed": Drift(
        change=f"UPDATE hw_llm_call SET input_tokens = input_tokens + 1 WHERE {TASK}",
        figures={"task.input_tokens", "llm_tally.input_tokens"},
    ),
    "a log entry gone": Drift(
        change=f"DELETE FROM hw_entry WHERE {TASK} AND kind = 'log'", figures={"task.entry_seq"}
    ),
    "a task's progress changed": Drift(
        change=f"UPDATE hw_task_state SET progress = 99 WHERE {SELF}", figures={"gauge.done_weight"}
    ),
    "a status listed wrongly": Drift(
        change=f"UPDATE hw_task SET status = 'failed' WHERE {SELF}", figures={"task.status"}
    ),
    "a run's ending changed": Drift(
        change=f"UPDATE hw_run SET status = 'completed' WHERE {TASK} AND number = 1",
        figures={"task.succeeded_runs", "task.failed_runs", "tally.completed", "tally.failed"},
    ),
    "an earlier run gone": Drift(
        change=f"DELETE FROM hw_run WHERE {TASK} AND number = 1",
        figures={
            "task.total_runs", "task.failed_runs", "tally.created", "tally.started", "tally.failed",
            "tally.duration_ms", "tally.durations", "tally.d13",
        },
    ),
    "a task that cannot be found by a word of its name": Drift(
        change="DELETE FROM hw_term WHERE tenant_id = ? AND id = ? AND term = 'w:import'",
        figures={"task.terms", "hw_term.rows"},
    ),
    "a task found by a word that is not in its name": Drift(
        change="INSERT INTO hw_term (tenant_id, term, created_at, id)"
        " SELECT tenant_id, 'w:export', created_at, id FROM hw_term"
        " WHERE tenant_id = ? AND id = ? AND term = 'w:import'",
        figures={"hw_term.rows"},
    ),
    "rows whose task is gone": Drift(
        change=f"DELETE FROM hw_task_state WHERE {SELF}",
        figures={
            "hw_entry.orphans", "hw_llm_call.orphans", "hw_metric.orphans", "hw_artifact.orphans", "hw_run.orphans",
            "hw_task.orphans", "hw_term.rows",
            "gauge.running", "gauge.weight", "gauge.done_weight", "tally.created", "tally.started",
            "tally.failed", "tally.retries", "tally.duration_ms", "tally.durations", "tally.d13", "llm_tally.calls",
            "llm_tally.cost_nusd", "llm_tally.input_tokens",
        },
    ),
    "a head behind its tasks": Drift(
        change="UPDATE hw_head SET change_seq = 1 WHERE tenant_id = ?", figures={"head.change_seq"}
    ),
    "two tasks with one change number": Drift(
        change="UPDATE hw_task_state SET change_seq = 1 WHERE tenant_id = ?", figures={"task.change_seq"}
    ),
    "a refusal forgotten": Drift(
        change=f"DELETE FROM hw_refusal WHERE {TASK}", figures={"tally.refused"}
    ),
    "a cell without a name": Drift(
        change="DELETE FROM hw_cell WHERE tenant_id = ? AND agent_kind = 'importer'",
        figures={"hw_gauge.cell", "hw_tally.cell", "hw_llm_tally.cell"},
    ),
    "a cell that stands for somebody else": Drift(
        change="UPDATE hw_cell SET agent_kind = 'coder' WHERE tenant_id = ? AND agent_kind = 'importer'",
        figures={"cell.number"},
    ),
}  # fmt: skip


async def busy_tenant(scene: Scene) -> str:
    """A tenant with something in every table; the task that drifts."""
    gone = await scene.make_task(fact("started", 0), fact("failed", 2))
    await scene.ledger.delete_task(scene.owner, gone, RECEIVED)
    await scene.make_task(name="Another")
    task_id = ids.uuid7()
    await scene.tell(
        *about(
            task_id,
            fact("created", 0, agent="importer", labels={"env": "prod"}),
            fact("started", 1, run=1),
            fact("llm_call", 2, cost_usd="0.25", input_tokens=7),
            fact("metric", 2),
            fact("artifact", 2),
            fact("log", 2),
            fact("failed", 3, run=1),
            fact("retried", 4),
            fact("progress", 5, run=2, progress=40.0),
            fact("retried", 6, follows_run=2),
        )
    )
    return task_id


@pytest.mark.parametrize("name", DRIFTS)
async def test_the_recount_finds_injected_drift(scene: Scene, kind: LedgerKind, url: str, name: str) -> None:
    drift = DRIFTS[name]
    task_id = await busy_tenant(scene)
    await scene.audit()
    change = drift.change.format(archived="false")
    ids_ = [kind.uuid_of(scene.tenant_id), kind.uuid_of(task_id)][: change.count("?")]

    kind.execute(url, change, ids_)

    found = await scene.ledger.recount(scene.tenant_id)
    assert {difference.figure for difference in found} == drift.figures
    assert all(difference.kept != difference.counted for difference in found)
