"""Tries every kind of fact in every situation on the lifecycle, and puts what happens into words.

`python -m tests.domain.lifecycle_table` writes docs/reference/lifecycle-table.md from `lifecycle_decisions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from headway.domain.facts import KINDS
from headway.domain.lifecycle import Folded, fold
from headway.domain.task import Run, TaskState
from tests.domain.building import context, fact, folded
from tests.domain.lifecycle_decisions import DECISIONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "lifecycle-table.md"
LATER = 100  # when the fact happened, in most tables: after everything else
EARLIER = 5  # than the ending, and than the start
MORE = {"created": {"description": "from the supplier"}, "progress": {"progress": 60.0}}


class Situation(NamedTuple):
    """A task as it is when the fact arrives."""

    task: TaskState | None
    older: Mapping[int, Run]

    @property
    def newest(self) -> int:
        """The number of its newest run; 0 when nothing is known."""
        return self.task.run_number if self.task else 0


def _situation(*facts: Any) -> Situation:
    state, work = folded(None, facts)
    return Situation(state, work.older)


_CREATED = fact("created", 0)
_STARTED = fact("started", 10)
_SECOND = (fact("retried", 30), fact("started", 31, run=2))

UNKNOWN = Situation(None, {})
PENDING = _situation(_CREATED)
RUNNING = _situation(_CREATED, _STARTED)
SEEN_RUNNING = _situation(_CREATED, fact("progress", 10))
COMPLETED = _situation(_CREATED, _STARTED, fact("completed", 20))
FAILED = _situation(_CREATED, _STARTED, fact("failed", 20))
CANCELLED = _situation(_CREATED, _STARTED, fact("cancelled", 20))
TIMEOUT = _situation(_CREATED, _STARTED, fact("timeout", 20))
COMPLETED_UNSTARTED = _situation(_CREATED, fact("completed", 20))
TIMEOUT_UNSTARTED = _situation(_CREATED, fact("timeout", 20))
AFTER_COMPLETED = _situation(_CREATED, _STARTED, fact("completed", 20), *_SECOND)
AFTER_FAILED = _situation(_CREATED, _STARTED, fact("failed", 20), *_SECOND)
AFTER_TIMEOUT = _situation(_CREATED, _STARTED, fact("timeout", 20), *_SECOND)
AFTER_LATE_OUTCOME = _situation(
    _CREATED, _STARTED, fact("timeout", 20), *_SECOND, fact("completed", 25, run=1)
)


class Chapter(NamedTuple):
    """One table: what is said above it, and its columns."""

    title: str
    text: str
    columns: Mapping[str, tuple[Situation, dict[str, Any]]]  # heading -> situation, values of the fact


CHAPTERS = (
    Chapter(
        "A fact of an open run",
        "It happened after everything that is known, and speaks of the newest run. *Running (seen)*: the"
        " start was inferred from progress; its own `started` has not arrived.",
        {
            "unknown": (UNKNOWN, {}),
            "pending": (PENDING, {}),
            "running": (RUNNING, {}),
            "running (seen)": (SEEN_RUNNING, {}),
        },
    ),
    Chapter(
        "A fact of a run that has ended",
        "It happened after the ending.",
        {
            "completed": (COMPLETED, {}),
            "failed": (FAILED, {}),
            "cancelled": (CANCELLED, {}),
            "timeout": (TIMEOUT, {}),
        },
    ),
    Chapter(
        "A fact from before the ending",
        "It belongs to the newest run and happened before that ended, but arrives after the ending: over"
        " another connection, or from a spool. *Unstarted*: no start and no progress had been told.",
        {
            "completed": (COMPLETED, {"at": EARLIER}),
            "completed, unstarted": (COMPLETED_UNSTARTED, {"at": EARLIER}),
            "failed": (FAILED, {"at": EARLIER}),
            "cancelled": (CANCELLED, {"at": EARLIER}),
            "timeout": (TIMEOUT, {"at": EARLIER}),
            "timeout, unstarted": (TIMEOUT_UNSTARTED, {"at": EARLIER}),
        },
    ),
    Chapter(
        "A fact of an earlier run",
        "Run 2 is running; the fact speaks of run 1, which had ended in the way that heads the column. The"
        " same holds for a fact that names no run and happened before run 2 was opened.",
        {
            "completed": (AFTER_COMPLETED, {"run": 1}),
            "failed": (AFTER_FAILED, {"run": 1}),
            "timeout": (AFTER_TIMEOUT, {"run": 1}),
            "timeout, late completed": (AFTER_LATE_OUTCOME, {"run": 1}),
        },
    ),
    Chapter(
        "A fact of a run that is not known yet",
        "The facts that opened the run are still on their way. Runs up to 16 beyond the newest are opened,"
        " one further ahead is refused as `unknown-run`. A run that had not ended is given up as `timeout`,"
        " inferred, and its own ending may still be told.",
        {
            "unknown, run 2": (UNKNOWN, {"run": 2}),
            "running, run 2": (RUNNING, {"run": 2}),
            "completed, run 2": (COMPLETED, {"run": 2}),
            "completed, run 3": (COMPLETED, {"run": 3}),
            "completed, run 18": (COMPLETED, {"run": 18}),
        },
    ),
)


def outcome(situation: Situation, kind: str, values: dict[str, Any]) -> str:
    """What one fact does in a situation, in words."""
    told = {"at": LATER, **MORE.get(kind, {}), **values}
    if kind == "retried":
        told["follows_run"] = max(told.get("run", situation.newest + 1) - 1, 1)
    state, work = fold(situation.task, [fact(kind, **told)], context(), older=situation.older)
    if work.refused:
        slug = work.refused[0].slug
        return "refused" if slug == "refused-change" else f"refused: {slug}"
    if state is None:
        return "nothing"
    return ", ".join(_effects(situation, state, work)) or "nothing"


def _effects(situation: Situation, state: TaskState, work: Folded) -> list[str]:
    """What is different in the task, and what is only kept where nothing is."""
    effects = [*_given_up(situation, work), *_moved(situation, state), *_noted(situation, state, work)]
    if work.sets:
        effects.append("described")
    if work.fills:
        effects.append("gaps filled")
    if work.calls or work.metrics or work.artifacts or "run" in (entry.kind for entry in work.entries):
        effects.append("kept")
    return effects or (["logged"] if work.entries else [])


def _given_up(situation: Situation, work: Folded) -> list[str]:
    return [
        f"run {number} → timeout"
        for number, run in work.older.items()
        if run.inferred and number >= situation.newest
        if not (situation.task is not None and situation.task.final and number == situation.newest)
    ]


def _moved(situation: Situation, state: TaskState) -> list[str]:
    if situation.task is None and state.run_number == 1:
        return [f"→ {state.status}"]
    if state.run_number > situation.newest:
        return [f"run {state.run_number} → {state.status}"]
    return [f"→ {state.status}"] if situation.task and situation.task.status != state.status else []


def _noted(situation: Situation, state: TaskState, work: Folded) -> list[str]:
    """Changes that leave the status as it was."""
    before = situation.task
    if before is None or (before.run_number, before.status) != (state.run_number, state.status):
        return []
    differences = {
        "start filled in": before.started_at != state.started_at,
        "asked to stop": before.cancel_requested_at != state.cancel_requested_at,
        "shown": before.progress != state.progress,
        "late outcome kept": work.older != situation.older,
    }
    return [words for words, happened in differences.items() if happened]


def tried(chapter: Chapter) -> dict[str, tuple[str, ...]]:
    """What really happens: kind -> outcome per column."""
    return {
        kind: tuple(outcome(situation, kind, values) for situation, values in chapter.columns.values())
        for kind in KINDS
    }


PREAMBLE = """# Every fact in every state

Made from `tests/domain/lifecycle_decisions.py` by `python -m tests.domain.lifecycle_table`; the tests try
each cell. The rules behind it are in [the lifecycle](../concepts/lifecycle.md), the code in
`src/headway/domain/lifecycle`.

| words | meaning |
|---|---|
| → *status* | the newest run moves to that status; *run 2 → …*: run 2 is opened and moves there |
| described | descriptive fields get new values |
| gaps filled | descriptive fields get values where none was known |
| start filled in | `started_at` becomes known, the status stays |
| shown | progress, phase and message are the task's new ones, the status stays |
| asked to stop | `cancel_requested_at` is set, the status stays |
| late outcome kept | the run keeps its guessed ending, its own one stands beside it |
| kept | a row of its own (call, metric, artifact, run value) is written, the status stays |
| logged | a log entry is written, nothing else |
| nothing | nothing is written, not even a log entry |
| refused | nothing is written but the refusal, which is answered with the state and counted |

Besides: a deleted task refuses every fact. A call or artifact whose id came before in the task is a
duplicate. Another project or agent kind than the one that is set is refused.
"""


def page() -> str:
    """The reference page: one Markdown table per chapter."""
    return "\n".join([PREAMBLE, *(_rendered(chapter) for chapter in CHAPTERS)])


def _rendered(chapter: Chapter) -> str:
    head = ["kind", *chapter.columns]
    rows = [[f"`{kind}`", *outcomes] for kind, outcomes in DECISIONS[chapter.title].items()]
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join([f"## {chapter.title}", "", chapter.text, "", *lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
