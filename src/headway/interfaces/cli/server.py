"""`headway server`: the same server as `headway up`, for a database that others set up and a service manager runs."""

from __future__ import annotations

import os

import typer

from headway.app import Ready, serve
from headway.domain.errors import InvalidInput
from headway.interfaces.cli.rendering import console, print_json
from headway.interfaces.cli.starting import settings_of, until_stopped, with_services
from headway.services.suite import Services

NAME = "HEADWAY_DATABASE_URL"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("server")(server)


def server(
    host: str | None = typer.Option(None, "--host", help="Address to listen on. 127.0.0.1 if left out."),
    port: int | None = typer.Option(
        None, "--port", help="Port to listen on; 0 takes a free one.  8400 if left out."
    ),
    database_url: str | None = typer.Option(None, "--database-url", help=f"Instead of {NAME}."),
    as_json: bool = typer.Option(False, "--json", help="Print the address as JSON once it answers."),
) -> None:
    """Serve a database that is already set up (HEADWAY_DATABASE_URL).

    It makes no schema, tenant or key: `headway migrate` and `headway tenant create` do.
    """
    settings = settings_of(host=host, port=port, database_url=database_url)
    if not settings.database_url_given:
        raise InvalidInput(
            f"{NAME} is not set", hint="`headway up` starts with a database of its own", field=NAME
        )

    with_services(settings, _nothing)  # what keeps it from starting is told in a sentence, not in a log

    def on_ready(ready: Ready) -> None:
        if as_json:
            print_json({"url": ready.url, "pid": os.getpid()})
        else:
            console().print(f"Headway: {ready.url}", soft_wrap=True)

    with until_stopped():
        serve(settings, on_ready=on_ready)


async def _nothing(services: Services) -> None:
    """Opening the store was all that was wanted."""
