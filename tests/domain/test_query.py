"""Cursors fit only the list they were given for; the words of a name are those it is found by."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headway.domain.errors import InvalidCursor
from headway.domain.query import WORD_LENGTH, WORDS_OF_NAME, seal, unseal, words_of

SECRET = b"one store's key"
LIST = "tenant a, newest first"
VALUES = st.lists(st.one_of(st.integers(), st.text(), st.none()), max_size=4)


@given(VALUES)
def test_a_cursor_gives_back_what_it_carries(values: list[Any]) -> None:
    assert unseal(SECRET, LIST, seal(SECRET, LIST, values)) == values


@pytest.mark.parametrize(
    ("secret", "bound_to"), [(SECRET, "tenant b, newest first"), (b"another store's key", LIST), (SECRET, "")]
)
def test_a_cursor_of_another_list_or_store_is_refused(secret: bytes, bound_to: str) -> None:
    cursor = seal(SECRET, LIST, [7, "id"])

    with pytest.raises(InvalidCursor):
        unseal(secret, bound_to, cursor)


@given(VALUES, st.integers(0, 10_000), st.integers(1, 255))
def test_a_cursor_with_any_byte_changed_is_refused(values: list[Any], place: int, flip: int) -> None:
    sealed = seal(SECRET, LIST, values)
    content = bytearray(base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)))
    content[place % len(content)] ^= flip
    tampered = base64.urlsafe_b64encode(bytes(content)).rstrip(b"=").decode()

    with pytest.raises(InvalidCursor):
        unseal(SECRET, LIST, tampered)


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    assume(text != seal(SECRET, LIST, []))
    with pytest.raises(InvalidCursor):
        unseal(SECRET, LIST, text)


def test_the_place_of_a_list_does_not_run_into_its_values() -> None:
    assert seal(SECRET, "a", ["b"]) != seal(SECRET, 'a\0["b"', [])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Import catalogue", ("import", "catalogue")),
        ("  import-catalogue_2 (IMPORT) ", ("import", "catalogue_2")),
        ("Straße ÜBER 東京", ("strasse", "über", "東京")),
        ("", ()),
        ("# %s '\"; --", ("s",)),
    ],
)
def test_the_words_of_a_name_are_distinct_and_without_case(name: str, words: tuple[str, ...]) -> None:
    assert words_of(name) == words


@given(st.text())
def test_words_are_few_and_short_and_are_their_own_words(name: str) -> None:
    words = words_of(name)

    assert len(words) <= WORDS_OF_NAME
    assert all(0 < len(word) <= WORD_LENGTH for word in words)
    assert words_of(" ".join(words)) == words
