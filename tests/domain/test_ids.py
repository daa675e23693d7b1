"""Identifiers: ever rising within a process, never the same in two, in one spelling."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain import ids


def test_a_uuid7_is_one_by_the_standard() -> None:
    made = uuid.UUID(ids.uuid7())

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert ids.is_canonical(str(made))


def test_each_uuid7_is_later_than_all_before() -> None:
    made = [ids.uuid7() for _ in range(20_000)]  # many more than fit one millisecond's counter

    assert made == sorted(set(made))


def test_uuid7_carries_the_time_it_was_made() -> None:
    before, made, after = ids.uuid7(), ids.uuid7(), ids.uuid7()

    assert int(before[:8], 16) <= int(made[:8], 16) <= int(after[:8], 16)


def test_threads_never_make_the_same_uuid7_and_each_sees_its_own_rise() -> None:
    with ThreadPoolExecutor(8) as threads:
        parts = list(threads.map(lambda _: [ids.uuid7() for _ in range(2_000)], range(8)))

    assert all(part == sorted(part) for part in parts)
    assert len({made for part in parts for made in part}) == 16_000


FORKING = """
import os
from headway.domain import ids
reading, writing = os.pipe()
ids.uuid7()
with ids._clock.lock:  # as another thread might hold it in the moment of the fork
    child = os.fork()
    if child == 0:
        os.write(writing, b" ".join(ids.uuid7().encode() for _ in range(500)))
        os._exit(0)
os.close(writing)
theirs = os.fdopen(reading).read().split()
assert os.waitpid(child, 0)[1] == 0
print(len({*theirs, *(ids.uuid7() for _ in range(500))}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_makes_other_ids_even_while_the_lock_was_held() -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60, check=False
    )

    assert (run.stdout, run.stderr) == ("1000\n", "")


@given(st.uuids(), st.text())
def test_uuid5_is_the_standard_one(namespace: uuid.UUID, name: str) -> None:
    assert ids.uuid5(str(namespace), name) == str(uuid.uuid5(namespace, name))


@given(st.uuids())
def test_every_common_spelling_comes_to_the_canonical_one(made: uuid.UUID) -> None:
    spellings = [str(made), str(made).upper(), made.hex, made.hex.upper()]

    assert {ids.canonical(spelling) for spelling in spellings} == {str(made)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop",
        "0199a000-0000-7000-8000-00000000000",
        "0199a000-0000-7000-8000-00000000000g",
        "0199a000-0000-7000-8000-000000000001\n",
        " 0199a000-0000-7000-8000-000000000001",
        "٠" * 32,
    ],
)
def test_what_is_no_uuid_has_no_canonical_spelling(text: str) -> None:
    assert ids.canonical(text) is None
    assert not ids.is_canonical(text)
