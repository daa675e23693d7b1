"""`headway key`: API keys, through the running server, or straight in the database while none runs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import typer
from rich.table import Table

from headway.interfaces.cli.connection import AS_JSON, Server, checked_id, configuration
from headway.interfaces.cli.rendering import clock, console, plain, print_json
from headway.sdk.transport import Unreachable

LOOK_S = 2.0  # for the server of this machine
DATABASE = typer.Option(None, "--database-url", help="Go to this database instead of the running server.")
FOLDER = typer.Option(None, "--data-dir", help="Folder of the Headway on this machine.", show_default=False)

Key = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(list_keys)
    group.command("revoke")(revoke)
    app.add_typer(group, name="key")


def create(
    name: str = typer.Option(..., "--name", help="What it is for."),
    role: str | None = typer.Option(None, "--role", help="owner, admin, member or viewer; at most your own."),
    expires: int | None = typer.Option(None, "--expires", min=1, help="Days after which it works no more."),
    database_url: str | None = DATABASE,
    data_dir: str | None = FOLDER,
    as_json: bool = AS_JSON,
) -> None:
    """Create an API key; its text is shown this once."""
    wish = {"name": name, "role": role, "expires_days": expires}
    server = _running_server(database_url, data_dir)
    if server is not None:
        with server:
            made = server.post("/keys", {field: value for field, value in wish.items() if value is not None})
    else:
        made = _direct(database_url, data_dir, "create", **wish)
    if as_json:
        print_json({"api_key": made["api_key"], "id": made["id"]})
    else:
        console().print(f"Key {made['id']}, shown only now:\n{made['api_key']}", soft_wrap=True)


def list_keys(
    database_url: str | None = DATABASE, data_dir: str | None = FOLDER, as_json: bool = AS_JSON
) -> None:
    """List API keys, newest first, without their text."""
    server = _running_server(database_url, data_dir)
    if server is not None:
        with server:
            found = server.get("/keys")
    else:
        found = _direct(database_url, data_dir, "list")
    if as_json:
        print_json(found)
    else:
        console().print(_table(found["items"]))


def revoke(
    key_id: str = typer.Argument(metavar="ID", help="Of the key, as `headway key list` shows it."),
    database_url: str | None = DATABASE,
    data_dir: str | None = FOLDER,
    as_json: bool = AS_JSON,
) -> None:
    """Make an API key useless, at once."""
    server = _running_server(database_url, data_dir)
    if server is not None:
        with server:
            server.ask("DELETE", f"/keys/{checked_id(key_id)}")
    else:
        _direct(database_url, data_dir, "revoke", key_id=key_id)
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        console().print("Revoked.")


def _running_server(database_url: str | None, data_dir: str | None) -> Server | None:
    """The server to ask, or None when the database is to be used directly."""
    config = configuration(data_dir)
    if database_url is not None or config.url is None:
        return None
    server = Server(config.url, config.api_key)
    if config.local:  # the server of this machine may just not be running
        try:
            with server:
                server.transport.request("GET", "/healthz", timeout_s=LOOK_S)
        except Unreachable:
            return None
    return server


def _direct(database_url: str | None, data_dir: str | None, verb: str, **wish: Any) -> Key:
    """Does it as the owner of the oldest tenant, which whoever can open the database may."""
    from headway.interfaces.cli.starting import settings_of, with_services  # loads server code
    from headway.services.suite import Services

    async def act(services: Services) -> Key:
        accounts, owner = services.accounts, await services.accounts.owner_actor()
        if verb == "create":
            made = await accounts.create_key(owner, **wish)
            return {"api_key": made.api_key, "id": made.kept.id}
        if verb == "revoke":
            await accounts.revoke_key(owner, wish["key_id"])
            return {}
        return {"items": [_as_told(asdict(key)) for key in await accounts.list_keys(owner)]}

    return with_services(settings_of(database_url=database_url, data_dir=data_dir), act)


def _as_told(key: Key) -> Key:
    """The key as the API tells it."""
    told = {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in key.items()
    }
    del told["tenant_id"]
    return told


def _table(keys: list[Key]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "name", "role", "created", "last used", "expires", "revoked"):
        table.add_column(heading, no_wrap=heading == "id")
    for key in keys:
        table.add_row(
            key["id"],
            plain(key["name"]),
            key["role"] or "as its user",
            *(clock(key[name]) for name in ("created_at", "last_used_at", "expires_at", "revoked_at")),
        )
    return table
