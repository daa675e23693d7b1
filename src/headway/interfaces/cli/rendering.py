"""How values look in a terminal: times, durations, money, statuses and bars; programs get JSON instead."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

UNKNOWN = "–"
PIPE_WIDTH = 200  # characters; whoever reads a pipe is not short of room
STYLES = {
    "pending": "dim",
    "running": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "timeout": "magenta",
    "ok": "green",
    "warn": "yellow",
    "fail": "red",
    "warning": "yellow",
    "error": "red",
    "critical": "red bold",
    "debug": "dim",
}
_SIGNS = {"pending": "·", "running": "▶", "completed": "✓", "failed": "✗", "cancelled": "■", "timeout": "⌛"}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def console(*, error: bool = False) -> Console:
    """A console that follows the terminal's width and colours; pipes get plain text that is not cut."""
    stream = sys.stderr if error else sys.stdout
    return Console(file=stream, highlight=False, width=None if stream.isatty() else PIPE_WIDTH)


def print_json(value: Any) -> None:
    """Prints one line of JSON and hands it on at once, so that readers of a pipe see it."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def status(name: str | None, *, cancelling: bool = False) -> Text:
    """A status with its sign; a run that was asked to stop and still runs says so."""
    shown = name or UNKNOWN
    text = Text(f"{_SIGNS.get(shown, '?')} {shown}", style=STYLES.get(shown, ""))
    if cancelling and shown in ("running", "pending"):
        text.append(" (cancelling)", style="yellow")
    return text


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units: "2 min 5 s", "850 ms"."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    left, parts = round(seconds), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def percent(value: float | None) -> str:
    """A progress, or a dash when none was reported."""
    return UNKNOWN if value is None else f"{value:.0f} %"


def bar(value: float | None, width: int = 20) -> str:
    """A progress as a bar; an empty place when none was reported."""
    if value is None:
        return " " * width
    filled = round(value / 100 * width)
    return "█" * filled + "░" * (width - filled)


def eta(value: Mapping[str, Any] | None, reason: str | None = None) -> str:
    """The remaining time as a range with what it is based on, or why it is unknown."""
    if value is None:
        return f"unknown: {reason}" if reason else UNKNOWN
    low, median, high = (duration(value[name]) for name in ("low", "median", "high"))
    return f"{median} left (80 %: {low} to {high}, from {value['sample_size']} by {value['method']})"


def money(usd: str | float | None) -> str:
    """Dollars: cents where they suffice, more digits for the small sums of single calls."""
    if usd is None:
        return UNKNOWN
    amount = float(usd)
    return f"${amount:.2f}" if amount == 0 or amount >= 1 else f"${amount:.4f}"


def size(count: int | None) -> str:
    """A number of bytes in decimal units."""
    if count is None:
        return UNKNOWN
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def moment(text: str | None) -> datetime | None:
    """The time an API field carries."""
    return datetime.fromisoformat(text) if text else None


def clock(text: str | None) -> str:
    """A time in this machine's zone, without the day when it is today's."""
    at = moment(text)
    if at is None:
        return UNKNOWN
    local, today = at.astimezone(), datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S")


def short(text: str | None, width: int) -> str:
    """One line of at most `width` characters, safe to print as markup."""
    line = "".join(sign for sign in " ".join((text or "").split()) if sign.isprintable())
    return escape(line if len(line) <= width else line[: width - 1] + "…")


def plain(text: str | None) -> str:
    """A text that keeps its brackets and loses what would steer the terminal."""
    return escape("".join(sign for sign in text or "" if sign.isprintable() or sign in "\n\t"))
