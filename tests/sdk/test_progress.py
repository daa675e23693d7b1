from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import tqdm as real_tqdm

import headway
from headway.sdk import progress_report
from headway.sdk.outbox import Outbox
from headway.sdk.plain_bar import PlainBar
from tests.sdk import programs
from tests.sdk.receiver import Receiver


@pytest.fixture
def unthrottled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_report, "EVERY_S", 0.0)


def told(receiver: Receiver) -> list[tuple[Any, Any]]:
    return [(fact.get("progress"), fact.get("message")) for fact in receiver.of_kind("progress")]


def test_track_shows_a_bar_and_reports_the_same_progress(
    outbox: Outbox, receiver: Receiver, unthrottled: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with headway.task("rows") as task:
        assert [row * 2 for row in task.track([1, 2, 3, 4])] == [2, 4, 6, 8]

    assert headway.flush()
    assert told(receiver)[:4] == [(25, "1 of 4"), (50, "2 of 4"), (75, "3 of 4"), (100, "4 of 4")]
    assert "rows: 100%" in capsys.readouterr().err
    assert receiver.facts[-1]["kind"] == "completed"


def test_progress_is_reported_at_most_twice_a_second_but_the_end_always(
    outbox: Outbox, receiver: Receiver
) -> None:
    with headway.task("many") as task:
        for _ in task.track(range(100_000), desc="many"):
            pass

    assert headway.flush()
    assert len(told(receiver)) < 10
    assert told(receiver)[-1] == (100, "100,000 of 100,000")


async def test_track_counts_asynchronous_iterables(
    outbox: Outbox, receiver: Receiver, unthrottled: None
) -> None:
    async def rows() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    async with headway.task("rows") as task:
        assert [row async for row in task.track(rows(), total=3)] == [0, 1, 2]  # type: ignore[arg-type]

    assert await asyncio.to_thread(headway.flush)
    assert told(receiver)[0][0] == pytest.approx(100 / 3)
    assert told(receiver)[-1] == (100, "3 of 3")


def test_the_drop_in_is_tqdm_and_reports_to_the_current_task(
    outbox: Outbox, receiver: Receiver, unthrottled: None
) -> None:
    assert issubclass(headway.tqdm, real_tqdm.tqdm)
    with headway.task("download"):
        with headway.tqdm(total=10, desc="chunks", unit="MB", file=io.StringIO()) as bar:
            bar.update(4)
            bar.set_postfix(rate=3)
            bar.update(6)
        assert (bar.n, len(bar)) == (10, 10)

    assert headway.flush()
    assert told(receiver)[:2] == [(40, "4 of 10 MB"), (100, "10 of 10 MB")]


def test_the_bar_of_an_inner_loop_leaves_the_progress_to_the_outer_one(
    outbox: Outbox, receiver: Receiver, unthrottled: None
) -> None:
    with headway.task("nested"):
        for _ in headway.trange(2, file=io.StringIO()):
            for _ in headway.trange(3, file=io.StringIO()):
                pass

    assert headway.flush()
    assert {message for _, message in told(receiver)} == {"1 of 2", "2 of 2"}


def test_without_a_task_a_bar_makes_one_that_ends_with_the_loop(outbox: Outbox, receiver: Receiver) -> None:
    for _ in headway.tqdm([1, 2], desc="whole", file=io.StringIO()):
        pass
    for _ in headway.tqdm([1, 2], desc="left early", file=io.StringIO()):
        break
    with contextlib.suppress(RuntimeError), headway.tqdm(total=2, desc="failed", file=io.StringIO()) as bar:
        bar.update(1)
        raise RuntimeError("stop")

    assert headway.flush()
    names = {fact["task_id"]: fact["name"] for fact in receiver.of_kind("created")}
    endings = {
        names[fact["task_id"]]: fact["kind"]
        for fact in receiver.facts
        if fact["kind"] in ("completed", "cancelled", "failed")
    }
    assert endings == {"whole": "completed", "left early": "cancelled", "failed": "failed"}
    assert receiver.one("cancelled")["reason"] == "the loop was left after 0 of 2"


def test_a_switched_off_bar_still_reports(outbox: Outbox, receiver: Receiver, unthrottled: None) -> None:
    with headway.task("quiet") as task:
        for _ in headway.tqdm([1, 2], disable=True, task=task):
            pass
        bar = headway.tqdm(total=4, disable=True)
        bar.update(2)
        bar.close()

    assert headway.flush()
    assert [percent for percent, _ in told(receiver)] == [50, 100, 100, 50, 50]


def test_items_without_a_length_are_counted_without_a_percentage(
    outbox: Outbox, receiver: Receiver, unthrottled: None
) -> None:
    with headway.task("endless") as task:
        for _ in task.track(iter("ab")):
            pass

    assert headway.flush()
    assert told(receiver)[:2] == [(None, "1"), (None, "2")]


def test_without_tqdm_a_small_bar_takes_its_place(receiver: Receiver, tmp_path: Path) -> None:
    source = """
import sys
sys.modules["tqdm"] = None  # as if it were not installed
import headway
with headway.task("rows") as task:
    for _ in task.track(range(3)):
        pass
    with headway.tqdm(total=4, desc="by hand", disable=False) as bar:
        bar.update(4)
        bar.set_postfix(rows=4)
"""
    finished = programs.run(source, programs.environment(tmp_path, receiver), tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert "by hand: 100%|██████████████████████████████| 4/4" in finished.stderr
    assert "rows=4" in finished.stderr
    assert [fact["progress"] for fact in receiver.of_kind("progress")][-1] == 100


def test_the_small_bar_draws_on_a_terminal_and_keeps_quiet_elsewhere() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, pipe = Terminal(), io.StringIO()

    assert list(PlainBar([1, 2], desc="rows", file=terminal)) == [1, 2]
    assert list(PlainBar([1, 2], file=pipe)) == [1, 2]
    bar = PlainBar(file=terminal, leave=False, desc="unknown total", unit="row")
    bar.update(3)
    assert str(bar).startswith("unknown total: 3 row [")
    bar.close()
    bar.close()

    assert "rows: 100%|" in terminal.getvalue()
    assert pipe.getvalue() == ""
