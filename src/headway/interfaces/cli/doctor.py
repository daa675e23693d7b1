"""`headway doctor`: checks one after the other, each with what it found and what to do about it."""

from __future__ import annotations

import typer
from rich.table import Table

from headway.interfaces.cli.checks import CHECKS as LIGHT_CHECKS
from headway.interfaces.cli.checks import Check, Finding, Patient, Verdict
from headway.interfaces.cli.connection import AS_JSON, configuration
from headway.interfaces.cli.rendering import STYLES, console, plain, print_json
from headway.interfaces.cli.server_checks import CHECKS as SERVER_CHECKS


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("doctor")(doctor)


def doctor(
    data_dir: str | None = typer.Option(None, "--data-dir", help="Folder of the Headway on this machine."),
    database_url: str | None = typer.Option(None, "--database-url", help="Instead of HEADWAY_DATABASE_URL."),
    as_json: bool = AS_JSON,
) -> None:
    """Check this installation and say what to do about what is wrong.

    Exits with 1 if anything fails.
    """
    patient = Patient(config=configuration(data_dir), data_dir=data_dir, database_url=database_url)
    found = [(name, examine(check, patient)) for name, check in {**LIGHT_CHECKS, **SERVER_CHECKS}.items()]
    failed = any(finding.verdict is Verdict.FAIL for _, finding in found)
    if as_json:
        checks = [
            {"check": name, "result": finding.verdict, "found": finding.found, "advice": finding.advice}
            for name, finding in found
        ]
        print_json({"ok": not failed, "checks": checks})
    else:
        console().print(_table(found))
    raise typer.Exit(1 if failed else 0)


def examine(check: Check, patient: Patient) -> Finding:
    """What a check finds; one that the system itself stops has failed, and the others go on."""
    try:
        return check(patient)
    except OSError as error:
        return Finding(verdict=Verdict.FAIL, found=str(error), advice="see what the system says")


def _table(found: list[tuple[str, Finding]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, finding in found:
        text = plain(finding.found) + (f"\n[dim]→ {plain(finding.advice)}[/]" if finding.advice else "")
        table.add_row(f"[{STYLES[finding.verdict]}]{finding.verdict}[/]", name, text)
    return table
