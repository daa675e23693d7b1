"""An open run holds a lease from the receipt of its newest fact or heartbeat."""

from __future__ import annotations

import pytest

from headway.domain.facts import KINDS
from tests.domain.building import LEASE, after, context, fact, folded, moment


def test_any_fact_of_a_heartbeating_producer_holds_a_lease_from_its_receipt() -> None:
    task = after(fact("created", 0), of=context(100, lease=LEASE))

    assert task.lease_ends_at == moment(190)


def test_a_heartbeat_renews_the_lease_only_once_a_third_of_it_is_gone() -> None:
    task = after(fact("started", 0), of=context(100, lease=LEASE))

    soon, _ = folded(task, [fact("heartbeat", 130)], of=context(130, lease=LEASE))
    later, _ = folded(task, [fact("heartbeat", 131)], of=context(131, lease=LEASE))

    assert (soon.lease_ends_at, later.lease_ends_at) == (moment(190), moment(221))
    assert later.version == task.version


def test_a_producer_that_does_not_heartbeat_neither_takes_nor_renews_a_lease() -> None:
    unleased = after(fact("started", 0))
    leased = after(fact("started", 0), of=context(100, lease=LEASE))

    now, _ = folded(leased, [fact("log", 150)], of=context(150))

    assert (unleased.lease_ends_at, now.lease_ends_at) == (None, moment(190))


@pytest.mark.parametrize("ending", ["completed", "failed", "cancelled", "timeout"])
def test_an_ended_run_holds_no_lease(ending: str) -> None:
    task = after(fact("started", 0), fact(ending, 10), of=context(100, lease=LEASE))

    assert task.lease_ends_at is None


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"created", "updated", "links", "retried"}))
def test_an_earlier_run_does_not_keep_its_successor_alive(kind: str) -> None:
    task, before = folded(
        None,
        [fact("started", 0), fact("timeout", 1), fact("retried", 2), fact("started", 3, run=2)],
        of=context(100, lease=LEASE),
    )

    now, _ = folded(task, [fact(kind, 150, run=1)], of=context(180, lease=LEASE), older=before.older)

    assert (task.lease_ends_at, now.lease_ends_at) == (moment(190), moment(190))
