"""Every pair of (state, kind of fact) is decided, does what was decided, and is documented."""

from __future__ import annotations

import pytest

from headway.domain.facts import KINDS
from headway.domain.lifecycle import HANDLERS
from tests.domain.lifecycle_decisions import DECISIONS
from tests.domain.lifecycle_table import CHAPTERS, PAGE, Chapter, page, tried


def test_every_kind_of_fact_has_one_rule() -> None:
    assert HANDLERS.keys() == KINDS.keys() - {"heartbeat"}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.title)
def test_every_kind_of_fact_does_in_every_state_what_was_decided(chapter: Chapter) -> None:
    assert DECISIONS[chapter.title].keys() == KINDS.keys()
    assert tried(chapter) == DECISIONS[chapter.title]


def test_a_fact_without_a_run_from_before_a_retry_is_decided_like_one_of_the_earlier_run() -> None:
    [chapter] = [chapter for chapter in CHAPTERS if chapter.title == "A fact of an earlier run"]
    unnamed = chapter._replace(
        columns={name: (situation, {"at": 15}) for name, (situation, _) in chapter.columns.items()}
    )

    outcomes = tried(unnamed)

    named_in_any_case = "retried"
    assert outcomes == {**DECISIONS[chapter.title], named_in_any_case: outcomes[named_in_any_case]}


def test_the_documented_table_is_the_decided_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
