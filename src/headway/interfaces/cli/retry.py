"""`headway retry`: another run of a finished operation; tracked work only its own process can run again."""

from __future__ import annotations

import typer

from headway.interfaces.cli.connection import AS_JSON, DATA_DIR, checked_id, connect
from headway.interfaces.cli.rendering import console, print_json


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("retry")(retry)


def retry(
    task_id: str = typer.Argument(metavar="ID", help="Of the task."),
    data_dir: str | None = DATA_DIR,
    as_json: bool = AS_JSON,
) -> None:
    """Run a finished operation again."""
    with connect(data_dir) as server:
        answer = server.post(f"/tasks/{checked_id(task_id)}/retry")
    if as_json:
        print_json(answer)
    else:
        console().print(f"Run {answer.get('run_number')} is {answer.get('status')}.")
