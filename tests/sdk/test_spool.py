from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.sdk import locks, spool
from headway.sdk.backlog import MemoryBacklog, SpoolBacklog, remaining
from headway.sdk.spool import About, Spool, Weight

ABOUT = About(producer="", destination="http://127.0.0.1:1")


def line(number: int, size: int = 0) -> bytes:
    return json.dumps({"n": number, "fill": "x" * size}).encode() + b"\n"


def numbers(backlog: SpoolBacklog | MemoryBacklog) -> list[int]:
    """Everything that waits, acknowledged as it is read."""
    found = []
    while (batch := backlog.batch(7, 10_000)) is not None:
        facts = json.loads(b"[" + batch.facts() + b"]")
        assert [fact["seq"] for fact in facts] == list(range(batch.first_seq, batch.last_seq + 1))
        found += [fact["n"] for fact in facts]
        backlog.acknowledge(batch.last_seq)
    return found


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 1_000)


def test_what_was_appended_is_read_in_order_across_segments(tmp_path: Path, small_segments: None) -> None:
    writer = Spool(str(tmp_path), 10**9, ABOUT)
    backlog = SpoolBacklog(writer.folder, writer.about, on_removed=writer.forget)

    for number in range(500):
        assert writer.append(line(number), Weight.LIGHT)

    assert len(spool.segments(writer.folder)) > 5
    assert numbers(backlog) == list(range(500))
    assert len(spool.segments(writer.folder)) <= 2, "delivered segments are removed, all but one kept in case"
    backlog.close()
    writer.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no such modes")
def test_nobody_else_can_read_the_spool(tmp_path: Path) -> None:
    writer = Spool(str(tmp_path / "spool"), 10**9, ABOUT)
    writer.append(line(1), Weight.VITAL)

    for path in [tmp_path / "spool", Path(writer.folder), *Path(writer.folder).iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    writer.remove()


def test_a_torn_last_line_is_no_fact(tmp_path: Path) -> None:
    writer = Spool(str(tmp_path), 10**9, ABOUT)
    writer.append(line(1), Weight.LIGHT)
    writer.append(line(2)[:-5], Weight.LIGHT)
    writer.close()

    assert remaining(writer.folder) == 1
    backlog = SpoolBacklog(writer.folder, writer.about)
    assert numbers(backlog) == [1]
    backlog.close()


def test_pieces_that_a_crash_of_the_machine_left_inside_take_no_number(tmp_path: Path) -> None:
    writer = Spool(str(tmp_path), 10**9, ABOUT)
    for piece in (b"\0" * 50 + b"\n", line(1), b'"half of a line"}\n', line(2), b"\0\0\n", line(3)):
        writer.append(piece, Weight.LIGHT)
    writer.close()

    backlog = SpoolBacklog(writer.folder, writer.about)
    assert numbers(backlog) == [1, 2, 3]
    assert backlog.rewind(2)
    assert numbers(backlog) == [2, 3]
    backlog.close()


def test_reading_goes_on_where_the_last_reader_was_acknowledged(tmp_path: Path) -> None:
    writer = Spool(str(tmp_path), 10**9, ABOUT)
    for number in range(10):
        writer.append(line(number), Weight.LIGHT)
    first = SpoolBacklog(writer.folder, writer.about)
    first.batch(4, 10_000)
    first.acknowledge(4)
    first.close()

    second = SpoolBacklog(writer.folder, writer.about)
    batch = second.batch(100, 10_000)
    assert batch is not None
    assert (batch.first_seq, batch.last_seq) == (5, 10)
    assert remaining(writer.folder) == 6
    second.close()
    writer.close()


def test_a_batch_acknowledged_in_part_leaves_the_rest(tmp_path: Path) -> None:
    writer = Spool(str(tmp_path), 10**9, ABOUT)
    for number in range(10):
        writer.append(line(number), Weight.LIGHT)
    backlog = SpoolBacklog(writer.folder, writer.about)

    backlog.batch(10, 10_000)
    backlog.acknowledge(3)

    assert numbers(backlog) == list(range(3, 10))
    backlog.close()
    writer.close()


def test_a_new_producer_numbers_from_1_and_survives_reopening(tmp_path: Path) -> None:
    writer = Spool(str(tmp_path), 10**9, ABOUT)
    for number in range(6):
        writer.append(line(number), Weight.LIGHT)
    backlog = SpoolBacklog(writer.folder, writer.about)
    before = backlog.batch(2, 10_000)
    assert before is not None
    backlog.acknowledge(before.last_seq)
    backlog.batch(10, 10_000)
    assert backlog.renumber(skip=1) == 1
    backlog.close()

    about = About.read(writer.folder)
    assert about is not None
    again = SpoolBacklog(writer.folder, about)
    batch = again.batch(10, 10_000)
    assert batch is not None
    assert batch.producer not in (before.producer, writer.about.producer)
    assert (batch.first_seq, [json.loads(found)["n"] for found in batch.lines]) == (1, [3, 4, 5])
    again.close()
    writer.close()


def test_a_full_spool_drops_progress_keeps_calls_a_while_and_endings_for_ever(tmp_path: Path) -> None:
    writer = Spool(str(tmp_path), 10_000, ABOUT)
    while writer.append(line(1, 100), Weight.LIGHT):
        pass

    assert writer.append(line(2), Weight.SOLID)
    while writer.append(line(2, 100), Weight.SOLID):
        pass
    assert not writer.append(line(3), Weight.LIGHT)
    assert all(writer.append(line(4, 100), Weight.VITAL) for _ in range(100))
    assert not writer.has_room()
    writer.close()


def test_the_limit_counts_what_other_processes_left(tmp_path: Path) -> None:
    other = Spool(str(tmp_path), 10**9, ABOUT)
    other.append(line(1, 20_000), Weight.VITAL)

    writer = Spool(str(tmp_path), 10_000, ABOUT)

    assert not writer.append(line(1), Weight.LIGHT)
    assert writer.append(line(1), Weight.VITAL)
    other.remove()
    writer.recount_others(str(tmp_path))
    assert writer.append(line(1), Weight.LIGHT)
    writer.close()


def test_there_is_room_again_once_segments_were_delivered(tmp_path: Path, small_segments: None) -> None:
    writer = Spool(str(tmp_path), 5_000, ABOUT)
    backlog = SpoolBacklog(writer.folder, writer.about, on_removed=writer.forget)
    while writer.append(line(1, 50), Weight.LIGHT):
        pass

    numbers(backlog)

    assert writer.has_room()
    assert writer.append(line(2), Weight.LIGHT)
    backlog.close()
    writer.close()


def test_a_spool_is_locked_while_its_process_has_it(tmp_path: Path) -> None:
    writer = Spool(str(tmp_path), 10**9, ABOUT)
    lock = os.path.join(writer.folder, spool.LOCK)

    assert locks.acquire(lock) is None
    writer.close()
    fd = locks.acquire(lock)
    assert fd is not None
    os.close(fd)


def test_a_closed_spool_takes_nothing(tmp_path: Path) -> None:
    writer = Spool(str(tmp_path), 10**9, ABOUT)
    writer.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        writer.append(line(1), Weight.VITAL)


@settings(max_examples=60)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(0, 300)),
            st.tuples(st.just("junk"), st.sampled_from([b"\0\0\0\n", b'torn"}\n', b"{torn\n", b"\n"])),
            st.tuples(st.just("send"), st.integers(1, 9)),
            st.tuples(st.just("part"), st.integers(1, 9)),
            st.tuples(st.just("back"), st.integers(0, 5)),
            st.tuples(st.just("reopen"), st.none()),
        ),
        max_size=80,
    )
)
def test_whatever_happens_each_fact_keeps_its_number(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    root = tmp_path_factory.mktemp("spool")
    usual, spool.SEGMENT_BYTES = spool.SEGMENT_BYTES, 700
    writer = Spool(str(root), 10**9, ABOUT)
    backlog = SpoolBacklog(writer.folder, writer.about)
    appended, received = 0, dict[int, int]()
    try:
        for step, value in steps:
            if step == "append":
                appended += 1
                writer.append(line(appended, int(str(value))), Weight.LIGHT)
            elif step == "junk" and isinstance(value, bytes):
                writer.append(value, Weight.LIGHT)
            elif step in ("send", "part") and isinstance(value, int):
                batch = backlog.batch(value, 2_000)
                if batch is None:
                    continue
                acked = batch.last_seq if step == "send" else (batch.first_seq + batch.last_seq) // 2
                for seq, found in enumerate(batch.lines[: acked - batch.first_seq + 1], batch.first_seq):
                    assert received.setdefault(seq, json.loads(found)["n"]) == json.loads(found)["n"]
                backlog.acknowledge(acked)
            elif step == "back" and isinstance(value, int):
                backlog.rewind(max(len(received) - value, 1))
            else:
                backlog.close()
                backlog = SpoolBacklog(writer.folder, writer.about)
        while (batch := backlog.batch(5, 2_000)) is not None:
            for seq, found in enumerate(batch.lines, batch.first_seq):
                assert received.setdefault(seq, json.loads(found)["n"]) == json.loads(found)["n"]
            backlog.acknowledge(batch.last_seq)
        assert received == {number: number for number in range(1, appended + 1)}
    finally:
        spool.SEGMENT_BYTES = usual
        backlog.close()
        writer.remove()


def test_memory_serves_in_place_of_a_disk(tmp_path: Path) -> None:
    backlog = MemoryBacklog(limit_bytes=1_000)
    taken = [number for number in range(100) if backlog.append(line(number), Weight.LIGHT)]

    assert 10 < len(taken) < 100
    assert backlog.append(line(100), Weight.VITAL)
    assert numbers(backlog) == [*taken, 100]
    assert backlog.delivered(backlog.end())
