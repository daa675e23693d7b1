"""`headway spool` in the list of commands; the bare SDK has it already and answers it without the server."""

from __future__ import annotations

import typer

from headway.sdk.spool_command import main


def register(app: typer.Typer) -> None:
    """Adds the command, which reads its words itself."""
    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": list[str]()}
    app.command("spool", context_settings=settings)(spool)


def spool(context: typer.Context) -> None:
    """Look at and send facts that wait on this machine."""
    raise typer.Exit(main(context.args))
