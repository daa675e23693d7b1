"""`headway audit`: every kept figure recounted from its rows, straight from the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import typer

from headway.interfaces.cli.connection import AS_JSON
from headway.interfaces.cli.rendering import console, plain, print_json
from headway.interfaces.cli.starting import settings_of, with_services
from headway.services.audit import TenantAudit
from headway.services.suite import Services


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("audit")(audit)


def audit(
    database_url: str | None = typer.Option(None, "--database-url", help="Instead of HEADWAY_DATABASE_URL."),
    data_dir: str | None = typer.Option(None, "--data-dir", help="Folder of the embedded database."),
    as_json: bool = AS_JSON,
) -> None:
    """Recount every figure from its rows and print each difference.

    Exits with 1 if there is any.
    """
    settings = settings_of(database_url=database_url, data_dir=data_dir)
    found = with_services(settings, _run)
    count = sum(len(tenant.differences) for tenant in found)
    if as_json:
        print_json(
            {"clean": count == 0, "differences": count, "tenants": [asdict(tenant) for tenant in found]}
        )
    else:
        _print(found, count)
    raise typer.Exit(1 if count else 0)


async def _run(services: Services) -> list[TenantAudit]:
    return await services.audit.run()


def _print(found: Sequence[TenantAudit], count: int) -> None:
    screen = console()
    for tenant in found:
        for difference in tenant.differences:
            screen.print(
                f"[red]{plain(difference.figure)}[/] of {plain(difference.key)} in {plain(tenant.tenant_name)}: "
                f"kept {plain(str(difference.kept))}, counted {plain(str(difference.counted))}",
                soft_wrap=True,
            )
    checked = f"{len(found)} tenant{'' if len(found) == 1 else 's'} recounted"
    screen.print(f"{checked}: {'no differences' if count == 0 else f'{count} differences'}.")
