"""`headway tenant`: the tenants of the database, for whoever runs the server."""

from __future__ import annotations

import typer

from headway.interfaces.cli.connection import AS_JSON
from headway.interfaces.cli.rendering import console, plain, print_json
from headway.interfaces.cli.starting import settings_of, with_services
from headway.services.suite import Services

DATABASE = typer.Option(None, "--database-url", help="Instead of HEADWAY_DATABASE_URL.")
FOLDER = typer.Option(None, "--data-dir", help="Folder of the embedded database.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="Create and list tenants.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(list_tenants)
    app.add_typer(group, name="tenant")


def create(
    name: str = typer.Option(..., "--name", help="What it is called."),
    owner: str | None = typer.Option(None, "--owner", help="Mail address of its owner."),
    database_url: str | None = DATABASE,
    data_dir: str | None = FOLDER,
    as_json: bool = AS_JSON,
) -> None:
    """Create a tenant, its owner and the owner's key, which is shown once."""
    email = {} if owner is None else {"owner_email": owner}

    async def act(services: Services) -> tuple[str, str]:
        user, minted = await services.accounts.create_tenant(name=name, **email)
        return user.tenant_id, minted.api_key

    tenant_id, api_key = with_services(settings_of(database_url=database_url, data_dir=data_dir), act)
    if as_json:
        print_json({"id": tenant_id, "owner_api_key": api_key})
    else:
        console().print(f"Tenant {tenant_id}. Its owner's key, shown only now:\n{api_key}", soft_wrap=True)


def list_tenants(
    database_url: str | None = DATABASE, data_dir: str | None = FOLDER, as_json: bool = AS_JSON
) -> None:
    """List the tenants, oldest first."""

    async def act(services: Services) -> list[tuple[str, str]]:
        return await services.accounts.list_tenants()

    found = with_services(settings_of(database_url=database_url, data_dir=data_dir), act)
    if as_json:
        print_json({"items": [{"id": tenant_id, "name": name} for tenant_id, name in found]})
        return
    for tenant_id, name in found:
        console().print(f"{tenant_id}  {plain(name)}")
