"""When a running task will be done: gathers the history and the reports that `domain.eta` estimates from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from headway.domain.contribution import duration
from headway.domain.eta import Eta, FinishedRun, NoEta, ProgressReport, estimate
from headway.domain.views import SimilarRun, Task
from headway.store.port import Ledger

KEPT_FOR_S = 10.0
MOST_KEPT = 1_000
REPORTS = 200

_Kind = tuple[str, str | None, str | None, str | None, str | None]  # tenant, name, type, agent kind, project


class EtaService:
    """Estimates the remaining time of running tasks."""

    def __init__(self, ledger: Ledger) -> None:
        """Learn from the runs of this ledger."""
        self._ledger = ledger
        self._kept: dict[_Kind, tuple[float, list[FinishedRun]]] = {}

    async def of(self, task: Task, now: datetime) -> Eta | NoEta:
        """How long the task will still take, or why nobody can say."""
        if task.finished_at is not None:
            return NoEta(reason="the task has ended")
        if task.status != "running" or task.started_at is None:
            return NoEta(reason="the task has not started")
        history = await self._history(task)
        reports = await self._reports(task, task.started_at, now)
        elapsed_ms = max(duration(task.started_at, now), 0)
        return estimate(history=history, elapsed_ms=elapsed_ms, reports=reports)

    async def _history(self, task: Task) -> Sequence[FinishedRun]:
        kind = (task.tenant_id, task.name, task.task_type, task.agent_kind, task.project_id)
        kept = self._kept.get(kind)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        similar = await self._ledger.similar_runs(
            task.tenant_id,
            name=task.name,
            task_type=task.task_type,
            agent_kind=task.agent_kind,
            project_id=task.project_id,
        )
        history = [_finished(run) for run in similar]
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[kind] = (time.monotonic() + KEPT_FOR_S, history)
        return history

    async def _reports(self, task: Task, started_at: datetime, now: datetime) -> list[ProgressReport]:
        entries = await self._ledger.list_entries(
            task.tenant_id, task.id, kinds=("progress",), limit=REPORTS, newest=True
        )
        return [
            ProgressReport(at_ms=duration(started_at, entry.at), progress=entry.progress)
            for entry in sorted(entries, key=lambda entry: entry.at)
            if entry.run == task.run_number and entry.progress is not None and started_at <= entry.at <= now
        ]


def _finished(run: SimilarRun) -> FinishedRun:
    return FinishedRun(
        duration_ms=run.duration_ms, finished_at=run.finished_at, group="exact" if run.exact else "wide"
    )
