"""Money: whole nano-dollars inside, exact decimal text at the edge."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain.records import call_row
from headway.domain.usage import dollars, nano_dollars
from tests.domain.building import fact, moment

NANO = 1_000_000_000


@given(st.integers(-(10**18), 10**18))
def test_money_survives_the_way_out_and_back(nano: int) -> None:
    assert nano_dollars(dollars(nano)) == nano


@pytest.mark.parametrize(
    ("amount", "nano"),
    [
        ("0", 0),
        ("0.000000001", 1),
        ("0.0000000005", 0),  # half to even
        ("0.0000000015", 2),
        ("12.5", 12_500_000_000),
        (0.1, 100_000_000),  # a float means the number it prints as
        (0.1 + 0.2, 300_000_000),
        (3, 3_000_000_000),
        ("1e-3", 1_000_000),
        ("1e-999999999", 0),
    ],
)
def test_an_amount_in_dollars_is_rounded_half_to_even(amount: str | float, nano: int) -> None:
    assert nano_dollars(amount) == nano


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (-1, "-0.000000001"), (2 * NANO, "2")],
)
def test_dollars_are_the_shortest_exact_text(nano: int, text: str) -> None:
    assert dollars(nano) == text


@given(st.lists(st.decimals(0, 1_000, places=9), max_size=50))
def test_sums_of_nano_dollars_are_exact(amounts: list[Decimal]) -> None:
    assert dollars(sum(nano_dollars(str(amount)) for amount in amounts)) == dollars(int(sum(amounts) * NANO))


def test_a_cost_the_provider_reported_is_kept_as_its_own() -> None:
    row = call_row(fact("llm_call", cost_usd="0.02"), 1, 1, moment(0))

    assert (row.cost_nusd, row.cost_source, row.saved_nusd) == (20_000_000, "provider", None)


def test_a_call_without_a_cost_is_unpriced_and_not_free() -> None:
    row = call_row(fact("llm_call"), 1, 1, moment(0))

    assert (row.cost_nusd, row.cost_source) == (None, None)


def test_a_cache_hit_costs_nothing_and_keeps_what_it_would_have_cost() -> None:
    row = call_row(fact("llm_call", cost_usd="0.02", cache_hit=True), 1, 1, moment(0))

    assert (row.cost_nusd, row.saved_nusd) == (0, 20_000_000)


def test_a_call_without_an_id_gets_one_that_follows_from_its_place() -> None:
    first, again, other = (call_row(fact("llm_call"), number, 1, moment(0)).id for number in (1, 1, 2))

    assert first == again != other
