"""Figures beside their bars: one table for people, one JSON file per benchmark for everything else."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure."""

    name: str
    database: str = ""
    value: float | None  # None: could not be measured, `note` says why
    unit: str
    bar: float | None = None  # None: nothing to reach, printed beside the others
    goal: float | None = None
    at_most: bool = False  # the bar is a limit from above
    bar_to: float | None = None  # the upper end where the bar is a range
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None without a bar."""
        if self.bar is None:
            return None
        if self.value is None:
            return False
        if self.bar_to is not None:
            return self.bar <= self.value <= self.bar_to
        return self.value <= self.bar if self.at_most else self.value >= self.bar


def load_average() -> float | None:
    """Processes that wanted a core in the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def write(
    benchmark: str, figures: Sequence[Figure], *, load: tuple[float | None, float | None], details: Any = None
) -> None:
    """Write a benchmark's figures to its file in the results folder."""
    FOLDER.mkdir(exist_ok=True)
    content = {
        "benchmark": benchmark,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "load_average": {"before": load[0], "after": load[1]},
        "figures": [{**asdict(figure), "met": figure.met} for figure in figures],
        "details": details,
    }
    (FOLDER / f"{benchmark}.json").write_text(
        json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8"
    )


def read(benchmark: str) -> dict[str, Any] | None:
    """What a benchmark wrote last, or None."""
    file = FOLDER / f"{benchmark}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def figures_of(content: dict[str, Any]) -> list[Figure]:
    """The figures of a results file."""
    return [Figure(**{k: v for k, v in raw.items() if k != "met"}) for raw in content["figures"]]


def number(value: float | None) -> str:
    """A figure as people read it."""
    if value is None:
        return "–"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}"


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table, which reads well in a terminal, too."""
    head = ("figure", "database", "measured", "bar", "", "remarks")
    rows = [head, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _bar(figure: Figure) -> str:
    if figure.bar is None:
        return ""
    if figure.bar_to is not None:
        return f"{number(figure.bar)} to {number(figure.bar_to)}"
    bar = f"{'≤' if figure.at_most else '≥'} {number(figure.bar)}"
    return bar if figure.goal is None else f"{bar} (goal {number(figure.goal)})"


def _row(figure: Figure) -> tuple[str, ...]:
    bar = _bar(figure)
    verdict = {True: "met", False: "not met", None: ""}[figure.met]
    return (
        figure.name,
        figure.database,
        f"{number(figure.value)} {figure.unit}".strip(),
        bar,
        verdict,
        figure.note,
    )


def conclude(benchmark: str, figures: Sequence[Figure], load: float | None, *, details: Any = None) -> None:
    """Print the table, with the load before and after, and write the file."""
    after = load_average()
    write(benchmark, figures, load=(load, after), details=details)
    print(
        f"\n{table(figures)}\n\nload average {load} before, {after} after; {os.cpu_count()} cores", flush=True
    )
    if load is not None and load > 0.5:
        print("the machine was busy before the run: compare figures of this run only", file=sys.stderr)
