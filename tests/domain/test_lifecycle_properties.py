"""Whatever arrives, in whatever order and however often: what must hold of every task and every tally."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headway.domain.contribution import Contribution
from headway.domain.facts import KINDS
from headway.domain.lifecycle import Refused, apply
from headway.domain.tally import GAUGE_INDEX
from headway.domain.task import FINAL, Run, TaskState
from tests.domain.bookkeeping import Book, nonzero, recounted
from tests.domain.building import LEASE, PROJECT, SENDER, TASK, context, fact

TASKS = [TASK, TASK[:-1] + "2"]
IDS = [f"0199a000-0000-7000-8000-00000000c00{digit}" for digit in range(4)]
ENDINGS = ("completed", "failed", "cancelled")
TOKENS = st.integers(0, 1_000)

maybe = st.none()
times = st.integers(0, 3_000)
runs = st.one_of(maybe, maybe, st.integers(1, 4), st.just(40))
projects = st.one_of(maybe, st.sampled_from([PROJECT, "office", "secret"]))
agents = st.one_of(maybe, st.sampled_from(["importer", "coder"]))
progress = st.one_of(maybe, st.floats(0, 100))
texts = st.one_of(maybe, st.sampled_from(["reading", "writing"]))

VALUES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "created": st.fixed_dictionaries(
        {"project": projects, "agent": agents, "estimate_ms": st.one_of(maybe, st.integers(0, 10**6))}
    ),
    "updated": st.fixed_dictionaries(
        {"project": projects, "agent": agents, "progress": progress, "phase": texts}
    ),
    "progress": st.fixed_dictionaries(
        {"progress": progress, "message": st.just("400 of 1000"), "phase": texts}
    ),
    "llm_call": st.fixed_dictionaries(
        {
            "id": st.one_of(maybe, st.sampled_from(IDS)),
            "input_tokens": TOKENS,
            "output_tokens": TOKENS,
            "cost_usd": st.one_of(maybe, st.sampled_from(["0.000000001", "12.5", "0"])),
            "ok": st.booleans(),
            "cache_hit": st.booleans(),
            "template": texts,
            "duration_ms": st.one_of(maybe, st.integers(0, 10**6)),
        }
    ),
    "artifact": st.fixed_dictionaries({"id": st.one_of(maybe, st.sampled_from(IDS))}),
    "retried": st.fixed_dictionaries({"follows_run": st.integers(1, 4)}),
}


@st.composite
def any_fact(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(sorted(KINDS)))
    values = draw(VALUES.get(kind, st.just({})))
    return fact(kind, draw(times), run=draw(runs), task_id=draw(st.sampled_from(TASKS)), **values)


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[Any]]:
    """Facts of two tasks in any order, some of them again, cut into batches anywhere."""
    facts = draw(st.lists(any_fact(), max_size=30))
    if facts:
        facts += draw(st.lists(st.sampled_from(facts), max_size=8))
    facts = draw(st.permutations(facts))
    cuts = sorted(draw(st.lists(st.integers(0, len(facts)), max_size=5)))
    return [facts[start:end] for start, end in zip([0, *cuts], [*cuts, len(facts)], strict=True)]


contexts = st.builds(
    context,
    received=st.integers(0, 4_000),
    user_id=st.sampled_from([SENDER, SENDER[:-1] + "b"]),
    lease=st.sampled_from([None, LEASE]),
)


def of_task(batch: Sequence[Any], task_id: str) -> list[Any]:
    return [told for told in batch if told.task_id == task_id]


def assert_task_is_sound(book: Book) -> None:
    state = book.state
    if state is None:
        assert book.seqs == []
        return
    for run in book.runs:
        assert_run_is_sound(run)
    assert [run.number for run in book.runs] == list(range(1, state.run_number + 1))
    assert all(run.status in FINAL for run in book.runs[:-1])
    assert sorted(book.seqs) == list(range(1, state.entry_seq + 1))
    assert_sums_follow_from_rows(state, book)
    assert state.lease_ends_at is None or not state.final
    assert state.progress is None or 0 <= state.progress <= 100
    assert state.status != "completed" or state.progress == 100


def assert_run_is_sound(run: Run) -> None:
    assert (run.started_at is None) == (run.status == "pending")
    assert (run.finished_at is not None) == (run.status in FINAL)
    if run.finished_at is not None:
        assert run.started_at is not None
        assert run.started_at <= run.finished_at
    assert run.inferred == (run.status == "timeout")
    assert run.late_outcome is None or run.inferred


def assert_sums_follow_from_rows(state: TaskState, book: Book) -> None:
    statuses = [run.status for run in book.runs]
    assert (state.total_runs, state.succeeded_runs, state.failed_runs) == (
        len(statuses),
        statuses.count("completed"),
        statuses.count("failed") + statuses.count("timeout"),
    )
    calls = book.calls
    assert len({call.id for call in calls}) == len(calls) == state.llm_calls
    assert state.input_tokens == sum(call.input_tokens for call in calls)
    assert state.output_tokens == sum(call.output_tokens for call in calls)
    assert state.cost_nusd == sum(call.cost_nusd or 0 for call in calls)
    assert state.unpriced_calls == sum(call.cost_nusd is None for call in calls)


def assert_finality(before: Sequence[Run], after: Sequence[Run]) -> None:
    """A run that ended stays as it ended, but for a guess that its own ending replaces."""
    for old, new in zip(before, after, strict=False):
        if old.status in FINAL and not old.inferred:
            assert (new.status, new.finished_at) == (old.status, old.finished_at)
        if old.inferred and not new.inferred:
            assert new.status in ENDINGS
        if old.late_outcome is not None:
            assert new == old


@given(deliveries(), st.data())
def test_no_order_and_no_duplication_of_facts_breaks_a_task_or_a_tally(
    batches: list[list[Any]], data: st.DataObject
) -> None:
    tallies = Contribution()
    books = {task_id: Book(tallies) for task_id in TASKS}
    for batch in batches:
        of = data.draw(contexts)
        for task_id, book in books.items():
            before, version = book.runs, book.state.version if book.state else 0

            work = book.take(of_task(batch, task_id), of)

            assert_finality(before, book.runs)
            assert_task_is_sound(book)
            assert (book.state.version if book.state else 0) == version + work.changed
        assert nonzero(tallies) == nonzero(recounted(list(books.values())))
        assert_gauges_count_tasks(tallies, list(books.values()))


def assert_gauges_count_tasks(tallies: Contribution, books: Sequence[Book]) -> None:
    assert all(amount >= 0 for row in [*tallies.gauges.values(), *tallies.runs.values()] for amount in row)
    statuses = ["pending", "running", *sorted(FINAL)]
    counted = {
        status: sum(row[GAUGE_INDEX[status]] for row in tallies.gauges.values()) for status in statuses
    }
    states = [book.state.status for book in books if book.state]
    assert counted == {status: states.count(status) for status in statuses}


@given(deliveries(), contexts)
def test_it_makes_no_difference_where_batches_are_cut(batches: list[list[Any]], of: Any) -> None:
    whole = [told for batch in batches for told in batch]
    for task_id in TASKS:
        cut, uncut = Book(Contribution()), Book(Contribution())
        for batch in batches:
            cut.take(of_task(batch, task_id), of)
        uncut.take(of_task(whole, task_id), of)

        assert without_version(cut.state) == without_version(uncut.state)
        assert (cut.older, cut.calls, sorted(cut.seqs)) == (uncut.older, uncut.calls, sorted(uncut.seqs))


def without_version(state: TaskState | None) -> TaskState | None:
    return replace(state, version=0) if state else None


@given(deliveries(), any_fact())
def test_a_refused_fact_changes_nothing(batches: list[list[Any]], last: Any) -> None:
    book = Book(Contribution())
    for batch in batches:
        book.take(of_task(batch, TASK), context())
    last = replace(last, task_id=TASK)
    before, older = book.state, book.older

    refused = isinstance(apply(before, last, context().received_at, context()), Refused)
    work = book.take([last], context())

    assert len(work.refused) <= refused or older  # what is late can only be judged with the earlier runs
    if work.refused:
        assert (book.state, book.older, work.entries, work.changed) == (before, older, [], False)


@st.composite
def one_run(draw: st.DrawFn) -> list[Any]:
    """What a process that works well reports about one run: each at its own time, the ending last."""
    phases = st.sampled_from(["reading", "writing"])
    reports = draw(st.lists(st.tuples(st.floats(0, 100), phases), max_size=6))
    facts = [fact("created", 0), fact("started", 10)]
    facts += [
        fact("progress", 20 + at, progress=percent, phase=phase, message=str(at))
        for at, (percent, phase) in enumerate(reports)
    ]
    return [*facts, fact(draw(st.sampled_from(ENDINGS)), 100)]


@given(one_run(), st.data())
def test_a_run_comes_to_the_same_in_whatever_order_its_facts_arrive(
    facts: list[Any], data: st.DataObject
) -> None:
    in_order, shuffled = Book(Contribution()), Book(Contribution())

    in_order.take(facts, context())
    shuffled.take(data.draw(st.permutations(facts)), context())

    assert shuffled.state == in_order.state
    assert nonzero(shuffled.tallies) == nonzero(in_order.tallies)


@given(one_run(), st.data())
def test_a_guessed_timeout_leaves_no_trace_once_everything_has_arrived(
    facts: list[Any], data: st.DataObject
) -> None:
    undisturbed, interrupted = Book(Contribution()), Book(Contribution())
    told = data.draw(st.integers(1, len(facts)))

    undisturbed.take(facts, context())
    interrupted.take([*facts[:told], fact("timeout", 90), *facts[told:]], context())

    shown, expected = interrupted.state, undisturbed.state
    assert shown is not None
    assert expected is not None
    assert replace(shown, entry_seq=expected.entry_seq) == expected
    assert nonzero(interrupted.tallies) == nonzero(undisturbed.tallies)
