"""The command line of `headway export`: what to write, in which form, and where to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import typer

from headway.interfaces.cli import filters
from headway.interfaces.cli.connection import AS_JSON, DATA_DIR, checked_id, connect
from headway.interfaces.cli.export.formats import WRITERS, require_library
from headway.interfaces.cli.export.rows import rows
from headway.interfaces.cli.rendering import console, print_json


class What(StrEnum):
    """What can be exported."""

    TASKS = "tasks"
    RUNS = "runs"
    LOGS = "logs"
    LLM_CALLS = "llm-calls"
    METRICS = "metrics"


class Form(StrEnum):
    """The forms of a file."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("export")(export)


def export(
    what: What = typer.Argument(help="Which rows."),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="File to write; standard output without."
    ),
    form: Form | None = typer.Option(
        None, "--format", "-f", help="Taken from the file's name when left out."
    ),
    task: str | None = typer.Option(None, "--task", help="Only rows of the task with this id."),
    status: list[str] | None = filters.STATUS,
    project: list[str] | None = filters.PROJECT,
    agent: list[str] | None = filters.AGENT,
    agent_id: list[str] | None = filters.AGENT_ID,
    type_: list[str] | None = filters.TYPE,
    label: list[str] | None = filters.LABEL,
    parent: str | None = filters.PARENT,
    words: str | None = filters.WORDS,
    since: str | None = filters.SINCE,
    until: str | None = filters.UNTIL,
    data_dir: str | None = DATA_DIR,
    as_json: bool = AS_JSON,
) -> None:
    """Write tasks, runs, logs, LLM calls or metrics to a file.

    The filters choose tasks; of these, all rows with all fields are written, oldest task first.
    """
    wanted = filters.parameters(
        status=status,
        project=project,
        agent=agent,
        agent_id=agent_id,
        type=type_,
        label=label,
        parent=parent,
        words=words,
        since=since,
        until=until,
    )
    chosen = form.value if form is not None else _form_of(output)
    require_library(chosen)
    with connect(data_dir) as server, _opened(output) as stream:
        found = rows(server, what.value, wanted, task=task and checked_id(task))
        count = WRITERS[chosen](found, stream)
    if output is not None and as_json:
        print_json({"what": what.value, "format": chosen, "rows": count, "output": str(output.resolve())})
    elif output is not None:
        console().print(f"{count} {what.value} written to {output}", markup=False, soft_wrap=True)


def _form_of(output: Path | None) -> str:
    suffix = "" if output is None else output.suffix.removeprefix(".").lower()
    return {"csv": "csv", "parquet": "parquet", "pq": "parquet"}.get(suffix, "jsonl")


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    """The stream to write to; a file appears under its name only once it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(output.name + ".part")
    try:
        with part.open("wb") as stream:
            yield stream
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
