"""Tasks as rows of a table, as `tasks`, `show` and `watch` print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from headway.interfaces.cli.rendering import (
    UNKNOWN,
    bar,
    clock,
    duration,
    moment,
    percent,
    plain,
    short,
    status,
)

ID_WIDTH = 36
WITH_AGENT, WITH_ALL = 100, 130  # characters of the screen


def task_table(tasks: Sequence[Mapping[str, Any]], *, width: int, title: str | None = None) -> Table:
    """A table of tasks, one line each; where the screen is narrow, ids stay whole and other columns go.

    Args:
        tasks: as the API tells them.
        width: of the screen, in characters.
        title: above the table.
    """
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    table.add_column("id", no_wrap=True, min_width=ID_WIDTH)
    table.add_column("status", no_wrap=True, min_width=11)
    table.add_column("progress", no_wrap=True, min_width=8)
    table.add_column("name", overflow="ellipsis", no_wrap=True)
    table.add_column("took", no_wrap=True, justify="right", min_width=6)
    if width >= WITH_AGENT:
        table.add_column("agent", overflow="ellipsis", no_wrap=True, min_width=9)
    if width >= WITH_ALL:
        table.add_column("created", no_wrap=True, min_width=8)
    for task in tasks:
        cells = (
            task["id"],
            status(task["status"], cancelling=task.get("cancel_requested_at") is not None),
            progress(task) if width >= WITH_ALL else percent(task.get("progress")),
            name(task),
            duration(lasted(task)),
            short(task.get("agent") or UNKNOWN, 24),
            clock(task["created_at"]),
        )
        table.add_row(*cells[: len(table.columns)])
    return table


def progress(task: Mapping[str, Any], width: int = 10) -> str:
    """A bar with its figure; nothing where no progress was reported."""
    value = task.get("progress")
    return "" if value is None else f"{bar(value, width)} {percent(value):>5}"


def name(task: Mapping[str, Any], width: int = 60) -> str:
    """The name, with the number of the run where it is not the first."""
    run = task.get("run_number") or 1
    shown = short(task.get("name") or "(not named yet)", width)
    return shown if run == 1 else f"{shown} (run {run})"


def lasted(task: Mapping[str, Any], now: datetime | None = None) -> float | None:
    """How many seconds the newest run took, or has been going on for; None when it never started."""
    started, finished = moment(task.get("started_at")), moment(task.get("finished_at"))
    if started is None:
        return None
    return ((finished or now or datetime.now(UTC)) - started).total_seconds()


def log_line(entry: Mapping[str, Any], width: int) -> str:
    """One log entry as a line of markup."""
    told = [str(part) for part in (entry.get("phase"), entry.get("message")) if part]
    if entry.get("progress") is not None:
        told.append(percent(entry["progress"]))
    text = short(" · ".join(told) or str(entry.get("kind", "")), width)
    level = entry.get("level") or "info"
    colour = {"warning": "yellow", "error": "red", "critical": "red", "debug": "dim"}.get(level)
    text = f"[{colour}]{text}[/]" if colour else text
    return f"[dim]{clock(entry['at'])}[/] {plain(level):<7} {text}"
