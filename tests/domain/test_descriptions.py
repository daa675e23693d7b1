"""What a task is called and belongs to: filled in, changed, frozen, refused."""

from __future__ import annotations

import pytest

from headway.domain.lifecycle import Applied, Refused, apply
from tests.domain.building import PROJECT, SENDER, TASK, after, changed, context, fact, folded, moment


def test_a_fact_for_an_unknown_task_opens_a_placeholder_of_its_sender_which_created_fills_in() -> None:
    placeholder = after(fact("progress", 10))

    task, work = folded(
        placeholder,
        [fact("created", 1, project="shop", agent="importer", estimate_ms=5_000)],
        of=context(user_id="0199a000-0000-7000-8000-0000000000ff"),
    )

    assert (placeholder.named, placeholder.user_id, placeholder.created_at) == (False, SENDER, moment(10))
    assert changed(placeholder, task) == {
        "named": True,
        "created_at": moment(1),
        "run_created_at": moment(1),
        "project_id": PROJECT,
        "agent_kind": "importer",
        "weight_ms": 5_000,
    }
    assert work.sets == {"name": "Import catalogue", "estimate_ms": 5_000}


def test_a_refused_fact_opens_no_placeholder() -> None:
    state_and_verdict = apply(None, fact("retried"), moment(1), context())

    assert state_and_verdict == Refused(
        "refused-change", None, "the task is pending: it cannot be retried before it has ended"
    )


@pytest.mark.parametrize("kind", ["heartbeat", "timeout"])
def test_an_unknown_task_stays_unknown_when_nothing_is_told_of_it(kind: str) -> None:
    assert apply(None, fact(kind), moment(1), context()) == Applied(None, [])


def test_an_unknown_task_needs_a_sender() -> None:
    with pytest.raises(ValueError, match="sender"):
        apply(None, fact("started"), moment(1))


def test_created_never_resets_what_is_known() -> None:
    task, work = folded(
        None, [fact("created", 0, description="all of it"), fact("created", 1, name="Other", priority=1)]
    )

    assert work.sets == {"name": "Import catalogue", "description": "all of it"}
    assert work.fills == {"priority": 1}
    assert (task.created_at, task.named) == (moment(0), True)


def test_the_weight_is_the_estimate_else_what_is_typical_and_frozen_at_creation() -> None:
    typical = context(typical_ms={("importer", "import"): 7_000})

    def weight(**values: object) -> int:
        return after(fact("created", **values), of=typical).weight_ms

    assert weight(estimate_ms=5_000) == 5_000
    assert weight(agent="importer", task_type="import") == 7_000
    assert weight(agent="importer") == 1_000
    named = after(fact("created", estimate_ms=5_000))
    assert folded(named, [fact("updated", 1, estimate_ms=9_000)])[0].weight_ms == 5_000


@pytest.mark.parametrize("kind", ["created", "updated"])
def test_project_and_agent_kind_are_frozen_once_set(kind: str) -> None:
    task = after(fact("created", project=PROJECT, agent="importer"))

    def wish(**values: object) -> Applied | Refused:
        return apply(task, fact(kind, 1, **values), moment(2), context())

    assert wish(project="office") == Refused(
        "refused-change", "pending", "the task is pending: its project cannot change"
    )
    assert wish(agent="coder") == Refused(
        "refused-change", "pending", "the task is pending: its agent kind cannot change"
    )
    assert isinstance(wish(project=PROJECT, agent="importer"), Applied)


@pytest.mark.parametrize("kind", ["created", "updated"])
def test_a_project_or_parent_that_the_sender_may_not_name_is_refused(kind: str) -> None:
    parent = TASK[:-1] + "9"

    in_project = apply(None, fact(kind, project="secret"), moment(2), context())
    below = apply(None, fact(kind, parent_id=parent), moment(2), context(hidden=frozenset({parent})))

    assert in_project == Refused("not-found", None, "there is no such project, or you may not see it")
    assert below == Refused("not-found", None, "there is no such parent, or you may not see it")


def test_a_refused_update_sets_nothing() -> None:
    task = after(fact("started", 10), fact("completed", 20))

    now, work = folded(task, [fact("updated", 30, project=PROJECT, progress=50.0, name="New")])

    assert ([refusal.detail for refusal in work.refused], work.sets) == (
        ["the task is completed: it cannot make progress"],
        {},
    )
    assert now == task
