"""What rows add to the tallies: the one definition that ingest, audit, deletion and retention share.

A change to any tally is always what the rows contribute after, less what they contributed before.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from headway.domain.tally import (
    GAUGE_INDEX,
    GAUGE_MEASURES,
    LLM_MEASURES,
    RUN_INDEX,
    RUN_MEASURES,
    bucket_of,
    quarter_of,
)
from headway.domain.task import FINAL, CallRow, Cell, Run, TaskState

_CREATED = RUN_INDEX["created"]
_STARTED = RUN_INDEX["started"]
_REFUSED = RUN_INDEX["refused"]
_RETRIES = RUN_INDEX["retries"]
_DURATION_MS = RUN_INDEX["duration_ms"]
_DURATIONS = RUN_INDEX["durations"]
_FIRST_BUCKET = RUN_INDEX["d00"]
_UNREPORTED = GAUGE_INDEX["unreported"]
_WEIGHT = GAUGE_INDEX["weight"]
_DONE_WEIGHT = GAUGE_INDEX["done_weight"]

LlmKey = tuple[Cell, int, str, str, str]  # cell, quarter, provider, model, template ("" for all templates)


class Contribution:
    """Amounts to add to the tallies: gauges by cell, run figures by (cell, quarter), LLM figures by LlmKey.

    The figures of a template stand under provider and model "".
    """

    __slots__ = ("gauges", "llm", "runs")

    def __init__(self) -> None:
        """Start with nothing to add."""
        self.gauges: dict[Cell, list[int]] = {}
        self.runs: dict[tuple[Cell, int], list[int]] = {}
        self.llm: dict[LlmKey, list[int]] = {}

    def gauge(self, cell: Cell) -> list[int]:
        """The amounts for one cell's gauges, to be added to."""
        return self.gauges.setdefault(cell, [0] * len(GAUGE_MEASURES))

    def run(self, cell: Cell, at: datetime) -> list[int]:
        """The amounts for one cell's run figures in the quarter-hour of a time, to be added to."""
        key = (cell, quarter_of(at))
        amounts = self.runs.get(key)
        if amounts is None:
            amounts = self.runs[key] = [0] * len(RUN_MEASURES)
        return amounts


def contribute(
    into: Contribution,
    sign: int,
    task: TaskState | None,
    runs: Iterable[Run] = (),
    calls: Iterable[CallRow] = (),
) -> None:
    """Add (sign 1) or take away (sign -1) what a task, some of its runs and some of its calls count for."""
    if task is None:
        return
    cell = task.cell
    _contribute_gauges(into, sign, cell, task)
    for run in runs:
        contribute_run(into, sign, cell, run)
    for call in calls:
        contribute_call(into, sign, cell, call)


def contribute_change(into: Contribution, before: TaskState | None, after: TaskState) -> None:
    """Add what a task and its newest run count for now, less what they did before; the cell is the same."""
    cell = after.cell
    if before is None:
        _contribute_gauges(into, 1, cell, after)
        contribute_run(into, 1, cell, after.run())
        return
    if (
        before.status != after.status
        or before.progress != after.progress
        or before.weight_ms != after.weight_ms
    ):
        _contribute_gauges(into, -1, cell, before)
        _contribute_gauges(into, 1, cell, after)
    if before.run_number == after.run_number:
        old, new = before.run(), after.run()
        if old != new:
            contribute_run(into, -1, cell, old)
            contribute_run(into, 1, cell, new)
    else:
        contribute_run(into, 1, cell, after.run())


def _contribute_gauges(into: Contribution, sign: int, cell: Cell, task: TaskState) -> None:
    gauge = into.gauge(cell)
    gauge[GAUGE_INDEX[task.status]] += sign
    if task.status == "cancelled":
        return
    gauge[_WEIGHT] += sign * task.weight_ms
    if task.progress is None:
        gauge[_UNREPORTED] += sign
    else:
        gauge[_DONE_WEIGHT] += sign * round(task.progress * 100) * task.weight_ms


def contribute_run(into: Contribution, sign: int, cell: Cell, run: Run) -> None:
    """Add what one run counts for: its creation, start and ending, each in its own quarter-hour."""
    created = into.run(cell, run.created_at)
    created[_CREATED] += sign
    if run.number > 1:
        created[_RETRIES] += sign
    if run.started_at is None:
        return
    into.run(cell, run.started_at)[_STARTED] += sign
    if run.finished_at is None or run.status not in FINAL:
        return
    duration_ms = duration(run.started_at, run.finished_at)
    finished = into.run(cell, run.finished_at)
    finished[RUN_INDEX[run.status]] += sign
    finished[_DURATION_MS] += sign * duration_ms
    finished[_DURATIONS] += sign
    finished[_FIRST_BUCKET + bucket_of(duration_ms)] += sign


def duration(started_at: datetime, finished_at: datetime) -> int:
    """Milliseconds between two times, rounded down."""
    passed = finished_at - started_at
    return (passed.days * 86_400 + passed.seconds) * 1_000 + passed.microseconds // 1_000


def contribute_refusal(into: Contribution, sign: int, cell: Cell, received_at: datetime) -> None:
    """Add one refused fact, counted when it was received."""
    into.run(cell, received_at)[_REFUSED] += sign


def contribute_call(into: Contribution, sign: int, cell: Cell, call: CallRow) -> None:
    """Add what one LLM call counts for, under its provider and model and under its template."""
    quarter = quarter_of(call.at)
    amounts = (
        1,
        0 if call.ok else 1,
        call.input_tokens,
        call.output_tokens,
        call.cache_read_tokens,
        call.cache_write_tokens,
        call.reasoning_tokens,
        call.cost_nusd or 0,
        1 if call.cost_nusd is None else 0,
        call.duration_ms or 0,
        0 if call.duration_ms is None else 1,
        1 if call.cache_hit else 0,
        call.saved_nusd or 0,
    )
    keys: list[LlmKey] = [(cell, quarter, call.provider, call.model, "")]
    if call.template:
        keys.append((cell, quarter, "", "", call.template))
    for key in keys:
        row = into.llm.setdefault(key, [0] * len(LLM_MEASURES))
        for index, amount in enumerate(amounts):
            row[index] += sign * amount
