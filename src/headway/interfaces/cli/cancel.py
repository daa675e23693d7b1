"""`headway cancel`: the wish that a task stops; it is cancelled once the work has really stopped."""

from __future__ import annotations

import typer

from headway.interfaces.cli.connection import AS_JSON, DATA_DIR, connect
from headway.interfaces.cli.rendering import console, plain, print_json
from headway.interfaces.cli.show import checked_id


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
    answer = connect(data_dir).post(f"/tasks/{checked_id(task_id)}/cancel", {"reason": reason})
    if as_json:
        print_json(answer)
    elif answer.get("status") == "cancelled":
        console().print("Cancelled.")
    else:
        told = f"Asked to stop; it is {plain(answer.get('status'))} until the work has stopped."
        console().print(f"{told} Follow it: headway watch {task_id}")
