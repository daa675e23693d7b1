"""`headway migrate`: the schema of the database, brought to what this version works with."""

from __future__ import annotations

import typer

from headway.app import migrate as migrate_schema
from headway.interfaces.cli import data_folder
from headway.interfaces.cli.connection import AS_JSON
from headway.interfaces.cli.rendering import console, print_json
from headway.interfaces.cli.starting import settings_of


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("migrate")(migrate)


def migrate(
    database_url: str | None = typer.Option(None, "--database-url", help="Instead of HEADWAY_DATABASE_URL."),
    data_dir: str | None = typer.Option(None, "--data-dir", help="Folder of the embedded database."),
    as_json: bool = AS_JSON,
) -> None:
    """Bring the schema of the database up to date."""
    settings = settings_of(database_url=database_url, data_dir=data_dir)
    if settings.database_url.startswith("sqlite:"):
        data_folder.make(settings.data_dir)
    applied = migrate_schema(settings.database_url)
    if as_json:
        print_json({"applied": applied})
    elif applied:
        console().print(f"Applied {', '.join(applied)}.")
    else:
        console().print("The schema is up to date.")
