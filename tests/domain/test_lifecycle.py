"""The sentences of the lifecycle, one by one; every cell of (state, kind) is in test_lifecycle_table."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.domain.building import (
    after,
    changed,
    context,
    fact,
    folded,
    moment,
)


def test_start_stamps_started_at() -> None:
    task = after(fact("created", 0), fact("started", 10))

    assert (task.status, task.started_at, task.start_known) == ("running", moment(10), True)


@pytest.mark.parametrize("ending", ["completed", "failed", "cancelled"])
def test_finishing_a_run_that_never_started_stamps_its_start_so_that_it_has_a_duration(ending: str) -> None:
    task = after(fact("created", 0), fact(ending, 20))

    assert (task.status, task.started_at, task.finished_at) == (ending, moment(20), moment(20))


def test_a_run_does_not_finish_before_it_started() -> None:
    task = after(fact("created", 0), fact("started", 10), fact("completed", 5))

    assert (task.started_at, task.finished_at) == (moment(10), moment(10))


def test_progress_on_a_pending_run_starts_it() -> None:
    task = after(fact("created", 0), fact("progress", 10, progress=5.0))

    assert (task.status, task.started_at, task.start_known, task.progress) == (
        "running",
        moment(10),
        False,
        5.0,
    )


def test_progress_may_go_down() -> None:
    task = after(fact("progress", 10, progress=80.0), fact("progress", 11, progress=60.0))

    assert task.progress == 60.0


def test_only_completion_sets_progress_to_a_hundred_and_other_endings_keep_the_last_value() -> None:
    begun = (fact("created", 0), fact("progress", 10, progress=40.0))

    assert after(*begun, fact("completed", 20)).progress == 100.0
    assert after(*begun, fact("failed", 20)).progress == 40.0
    assert after(*begun, fact("cancelled", 20)).progress == 40.0
    assert after(*begun, fact("timeout", 20)).progress == 40.0
    assert after(fact("created", 0), fact("failed", 20)).progress is None


def test_progress_older_than_the_last_applied_one_is_only_logged() -> None:
    told = fact("progress", 10, progress=40.0, phase="reading", message="400 of 1000")
    task = after(fact("created", 0), told)

    now, work = folded(task, [fact("progress", 9, progress=30.0, phase="opening", message="300")])

    assert changed(task, now) == {"started_at": moment(9)}  # it was seen working earlier than known
    assert [(entry.kind, entry.progress) for entry in work.entries] == [("progress", 30.0)]


def test_a_message_or_phase_alone_leaves_the_other_values_as_they_are() -> None:
    task = after(fact("progress", 10, progress=40.0, phase="reading", message="400 of 1000"))

    now, _ = folded(task, [fact("progress", 11, progress=None, phase="writing")])

    assert (now.progress, now.phase, now.message) == (40.0, "writing", "400 of 1000")


def test_cancelling_a_running_run_asks_it_to_stop_and_leaves_it_running() -> None:
    task = after(fact("created", 0), fact("started", 10))

    now, _ = folded(task, [fact("cancel_requested", 15, reason="too slow")])

    assert changed(task, now) == {"cancel_requested_at": moment(15), "cancel_reason": "too slow"}


def test_a_second_wish_to_cancel_changes_nothing() -> None:
    task = after(fact("started", 10), fact("cancel_requested", 15, reason="too slow"))

    now, work = folded(task, [fact("cancel_requested", 16, reason="wrong input")])

    assert (changed(task, now), work.entries) == ({}, [])


def test_a_running_run_is_cancelled_once_its_worker_acknowledges() -> None:
    task = after(fact("started", 10), fact("cancel_requested", 15), fact("cancelled", 17))

    assert (task.status, task.finished_at) == ("cancelled", moment(17))


def test_a_run_asked_to_stop_may_still_end_by_itself() -> None:
    task = after(fact("started", 10), fact("cancel_requested", 15), fact("completed", 17))

    assert task.status == "completed"


def test_cancelling_a_pending_run_ends_it() -> None:
    task = after(fact("created", 0), fact("cancel_requested", 15))

    assert (task.status, task.cancel_requested_at, task.finished_at) == ("cancelled", moment(15), moment(15))


def test_a_timeout_is_inferred_and_says_why() -> None:
    task = after(fact("created", 0), fact("started", 10))

    now, work = folded(task, [fact("timeout", 200, evidence={"lease_ended": "2026-03-01T12:01:40Z"})])

    assert (now.status, now.inferred, now.finished_at, now.failed_runs) == ("timeout", True, moment(200), 1)
    assert [(entry.level, entry.data) for entry in work.entries] == [
        ("error", {"lease_ended": "2026-03-01T12:01:40Z"})
    ]
    assert work.run_values == {
        1: {"error": {"message": "contact with the process was lost", "type": "LeaseExpired"}}
    }


@pytest.mark.parametrize("ending", ["completed", "failed", "cancelled"])
def test_the_own_ending_of_a_run_replaces_an_inferred_timeout(ending: str) -> None:
    lost = after(fact("created", 0), fact("started", 10), fact("timeout", 200))

    now, work = folded(lost, [fact(ending, 150)])

    assert (now.status, now.inferred, now.started_at, now.finished_at) == (
        ending,
        False,
        moment(10),
        moment(150),
    )
    assert (now.succeeded_runs, now.failed_runs) == (ending == "completed", ending == "failed")
    assert work.run_values[1]["error"] == (fact("failed").error if ending == "failed" else None)
    assert [entry.data for entry in work.entries] == [{"replaced": "timeout"}]


def test_progress_from_a_spool_shows_on_a_timed_out_run_without_reviving_it() -> None:
    lost = after(fact("started", 10), fact("progress", 20, progress=20.0), fact("timeout", 200))

    now, _ = folded(lost, [fact("progress", 150, progress=70.0), fact("failed", 160)])

    assert (now.status, now.progress, now.finished_at) == ("failed", 70.0, moment(160))


def test_a_run_that_started_after_it_had_been_given_up_has_its_real_duration() -> None:
    given_up = after(fact("created", 0), fact("timeout", 100))

    waking, _ = folded(given_up, [fact("started", 120)])
    now, _ = folded(waking, [fact("completed", 150)])

    assert (waking.status, waking.started_at, waking.finished_at) == ("timeout", moment(120), moment(120))
    assert (now.status, now.started_at, now.finished_at) == ("completed", moment(120), moment(150))


def test_work_first_seen_after_a_run_was_given_up_says_when_it_began() -> None:
    given_up = after(fact("created", 0), fact("timeout", 100))

    now, _ = folded(given_up, [fact("progress", 120), fact("progress", 130), fact("completed", 150)])

    assert (now.started_at, now.finished_at) == (moment(120), moment(150))


def test_a_run_given_up_that_never_started_starts_with_its_own_ending() -> None:
    given_up = after(fact("created", 0), fact("timeout", 100))

    now, _ = folded(given_up, [fact("cancelled", 150)])

    assert (now.started_at, now.finished_at) == (moment(150), moment(150))


def test_the_late_ending_of_a_run_that_a_newer_one_followed_is_kept_beside_the_guess() -> None:
    task, before = folded(
        None, [fact("started", 10), fact("timeout", 100), fact("retried", 110), fact("started", 111, run=2)]
    )

    now, work = folded(task, [fact("completed", 90, run=1, result={"rows": 3})], older=before.older)

    assert changed(task, now) == {}
    assert work.older[1] == before.older[1]._replace(late_outcome="completed")
    assert [(entry.run, entry.level, entry.data) for entry in work.entries] == [
        (1, "warning", {"late": True, "result": {"rows": 3}})
    ]


def test_repeating_the_same_ending_changes_nothing() -> None:
    task = after(fact("started", 10), fact("completed", 20))

    now, work = folded(task, [fact("completed", 30, result={"rows": 3})])

    assert (now, work.entries, work.changed) == (task, [], False)


def test_a_refused_change_names_the_state_and_the_wish_and_the_rest_still_counts() -> None:
    task = after(fact("started", 10), fact("completed", 20))

    now, work = folded(task, [fact("failed", 30, seq=7), fact("log", 31, seq=8)])

    assert [(refusal.seq, refusal.slug, refusal.status, refusal.detail) for refusal in work.refused] == [
        (7, "refused-change", "completed", "the task is completed: it cannot become failed")
    ]
    assert (now.status, [entry.kind for entry in work.entries]) == ("completed", ["log"])


def test_an_ending_before_the_start_is_applied_and_the_start_then_only_fills_in_when() -> None:
    ended = after(fact("created", 0), fact("completed", 20))

    now, _ = folded(ended, [fact("started", 10)])

    assert changed(ended, now) == {"started_at": moment(10), "start_known": True}


def test_a_task_started_before_anybody_created_it_existed_by_then() -> None:
    placeholder = after(fact("completed", 20))

    begun, _ = folded(placeholder, [fact("started", 10)])
    named, _ = folded(begun, [fact("created", 15)])

    assert (begun.created_at, begun.run_created_at) == (moment(10), moment(10))
    assert (named.created_at, named.run_created_at, named.started_at) == (moment(10), moment(10), moment(10))


def test_a_retry_opens_a_new_run_and_keeps_the_old_one() -> None:
    task, work = folded(
        None, [fact("created", 0), fact("started", 10), fact("failed", 20), fact("retried", 30)]
    )

    assert (task.run_number, task.status, task.run_created_at, task.started_at) == (
        2,
        "pending",
        moment(30),
        None,
    )
    assert (task.total_runs, task.failed_runs) == (2, 1)
    assert {number: run.status for number, run in work.older.items()} == {1: "failed"}


def test_retrying_a_run_that_is_not_the_newest_changes_nothing() -> None:
    task = after(fact("failed", 20), fact("retried", 30))

    now, work = folded(task, [fact("retried", 31, follows_run=1)])

    assert (now, work.entries) == (task, [])


def test_a_fact_without_a_run_from_before_the_newest_was_opened_is_late() -> None:
    task, before = folded(None, [fact("failed", 20), fact("retried", 30)])

    now, work = folded(task, [fact("progress", 15)], older=before.older)

    assert changed(task, now) == {}
    assert [(entry.run, entry.kind) for entry in work.entries] == [(1, "progress")]


def test_a_fact_of_the_next_run_gives_up_the_one_before() -> None:
    task, work = folded(None, [fact("started", 10), fact("started", 30, run=2)])

    assert (task.run_number, task.status, task.failed_runs) == (2, "running", 1)
    assert (work.older[1].status, work.older[1].inferred) == ("timeout", True)
    assert [(entry.run, entry.kind) for entry in work.entries] == [
        (1, "started"),
        (1, "timeout"),
        (2, "started"),
    ]


def test_after_a_restored_backup_runs_that_were_lost_are_opened_again() -> None:
    task, work = folded(
        after(fact("started", 10)), [fact("retried", 90, follows_run=3), fact("started", 91, run=4)]
    )

    assert (task.run_number, task.total_runs, task.status) == (4, 4, "running")
    assert {number: (run.status, run.inferred) for number, run in work.older.items()} == {
        1: ("timeout", True),
        2: ("timeout", True),
        3: ("timeout", True),
    }


def test_a_repeated_call_or_artifact_id_is_a_duplicate() -> None:
    same = "0199a000-0000-7000-8000-0000000000cc"
    facts = [fact("llm_call", 1, id=same, input_tokens=5), fact("artifact", 2, id=same)]  # two sorts of ids

    task, work = folded(None, [*facts, *facts])

    assert (work.duplicates, len(work.calls), len(work.artifacts)) == (2, 1, 1)
    assert (task.llm_calls, task.input_tokens, task.entry_seq) == (1, 5, 2)


def test_a_refused_call_is_no_duplicate_when_it_comes_again() -> None:
    same = "0199a000-0000-7000-8000-0000000000cc"
    task = after(fact("started", 10))

    _, work = folded(task, [fact("llm_call", 1, id=same, run=99), fact("llm_call", 1, id=same, run=1)])

    assert ([refusal.slug for refusal in work.refused], work.duplicates, len(work.calls)) == (
        ["unknown-run"],
        0,
        1,
    )


def test_a_time_in_the_future_is_set_to_the_receipt_and_the_original_kept() -> None:
    _, work = folded(None, [fact("log", 500)], of=context(100))

    assert [(entry.at, entry.original_at) for entry in work.entries] == [(moment(100), moment(500))]


def test_the_offset_of_a_clock_that_is_off_shifts_every_time() -> None:
    ahead = context(100, offset=timedelta(seconds=-3_600))

    _, work = folded(None, [fact("log", 3_650)], of=ahead)

    assert [(entry.at, entry.original_at) for entry in work.entries] == [(moment(50), None)]
