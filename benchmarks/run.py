"""Runs the benchmarks behind `make bench`, or with --scale those behind `make bench-scale`, and prints one table.

    python -m benchmarks.run [--scale] [--quick] [NAME …]

Each benchmark runs in a process of its own, one after the other; each writes benchmarks/results/NAME.json. The table
goes to the screen and, with every figure measured so far, to benchmarks/RESULTS.md. The exit code is 1 when a
benchmark fails, not when a bar is missed: a busy machine must not look like a broken one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.results import Figure

BENCHMARKS = ("ingest", "single_fact", "server", "sdk", "eta")
SCALE = ("scale", "progress_spread")
QUICK = frozenset({"ingest", "single_fact", "server"})
PAGE = Path(__file__).parent / "RESULTS.md"


def main(arguments: list[str] | None = None) -> int:
    """Run, print and write; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument(
        "--scale", action="store_true", help="the reading rows and the spread progress instead"
    )
    parser.add_argument("--quick", action="store_true", help="a fraction of the work")
    options = parser.parse_args(arguments)
    chosen = options.names or (SCALE if options.scale else BENCHMARKS)
    failed = [name for name in chosen if not _ran(name, quick=options.quick)]
    _write_page()
    shown = [content for name in chosen if (content := _read(name)) is not None and name not in failed]
    print("\n" + "\n".join(_section(content) for content in shown), flush=True)
    for name in failed:
        print(f"{name} failed; what it says is above", file=sys.stderr)
    return 1 if failed else 0


def _ran(name: str, *, quick: bool) -> bool:
    print(f"\n== {name} ==", flush=True)
    words = [sys.executable, "-m", f"benchmarks.{name}"]
    if quick and name in QUICK:
        words.append("--quick")
    root = Path(__file__).parents[1]
    path = os.pathsep.join([str(root), str(root / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return (
        subprocess.run(words, cwd=root, env={**os.environ, "PYTHONPATH": path}, check=False).returncode == 0
    )


def _read(name: str) -> dict[str, Any] | None:
    """A benchmark's figures with the time and load of their run; None when it has not been run."""
    content = results.read(name)
    if content is None or "figures" in content:
        return content
    return {"benchmark": name, "figures": [asdict(figure) for figure in _backtested(content)]}


def _backtested(content: dict[str, Any]) -> list[Figure]:
    """What the backtest of the remaining time found, data set by data set."""
    figures = []
    for data_set, found in content.items():
        whole = found["all"]
        figures.append(
            Figure(
                name=f"remaining time, {data_set}: coverage of the 80 % interval",
                value=whole["coverage"],
                unit="",
                bar=0.75,
                bar_to=0.85,
                note=f"{whole['answered']:,} of {whole['questions']:,} questions answered, {found['runs']:,} runs",
            )
        )
        for rival, told in (
            ("against_average", "average_duration"),
            ("against_progress", "elapsed_by_progress"),
        ):
            if whole[rival] is not None:
                own, other = whole[rival]["estimate"]["median_ms"], whole[rival][told]["median_ms"]
                figures.append(
                    Figure(
                        name=f"remaining time, {data_set}: median error / that of {told.replace('_', ' ')}",
                        value=own / other,
                        unit="",
                        bar=1,
                        at_most=True,
                        note=f"{own:,.0f} ms against {other:,.0f} ms",
                    )
                )
    return figures


def _section(content: dict[str, Any]) -> str:
    text = f"### {content['benchmark']}\n\n{results.table(results.figures_of(content))}\n"
    if "measured_at" not in content:
        return text
    load = content["load_average"]
    return f"{text}\nMeasured {content['measured_at']}; load average {load['before']} before, {load['after']} after.\n"


def _write_page() -> None:
    """Write the committed page from all results there are."""
    found = [content for name in (*BENCHMARKS, *SCALE) if (content := _read(name)) is not None]
    if not found:
        return
    machine = results.machine()
    head = (
        "# Results\n\nWritten by `make bench` and `make bench-scale`; every figure is measured, none is typed."
        " Rates depend on the machine and on what else it does; where a limit of the same database stands"
        f" beside a figure, both come from one run.\n\n{machine['system']}, {machine['cores']} cores,"
        f" Python {machine['python']}, SQLite {machine['sqlite']}.\n"
    )
    PAGE.write_text(head + "\n" + "\n".join(_section(content) for content in found), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
