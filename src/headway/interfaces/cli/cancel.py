"""`headway cancel`: the wish that a task stops; it is cancelled once the work has really stopped."""

from __future__ import annotations

import typer

from headway.interfaces.cli.connection import AS_JSON, DATA_DIR, checked_id, connect
from headway.interfaces.cli.rendering import console, plain, print_json


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("cancel")(cancel)


def cancel(
    task_id: str = typer.Argument(metavar="ID", help="Of the task."),
    reason: str = typer.Option(..., "--reason", "-r", help="Why; everybody who looks at the task sees it."),
    data_dir: str | None = DATA_DIR,
    as_json: bool = AS_JSON,
) -> None:
    """Ask for a task to be cancelled."""
    if not reason.strip():
        raise typer.BadParameter("say why the task is cancelled", param_hint="--reason")
    with connect(data_dir) as server:
        answer = server.post(f"/tasks/{checked_id(task_id)}/cancel", {"reason": reason})
    if as_json:
        print_json(answer)
    elif answer.get("status") == "cancelled":
        console().print("Cancelled.")
    else:
        told = f"Asked to stop; it is {plain(answer.get('status'))} until the work has stopped."
        console().print(f"{told} Follow it: headway watch {task_id}")
