"""The command line of `headway demo`: checks that a server is there, has the crew work, says what is next."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import headway
from headway.domain.errors import Conflict, HeadwayError
from headway.interfaces.cli.connection import API, AS_JSON, DATA_DIR, Server, configuration, connect
from headway.interfaces.cli.demo.crew import Outcome, run
from headway.interfaces.cli.demo.plan import Plan, make_plan
from headway.interfaces.cli.rendering import console, print_json
from headway.interfaces.cli.task_table import task_table
from headway.sdk.config import CREDENTIALS, PREFIX, Config

DELIVERY_S = 30.0


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo")(demo)


def demo(
    quick: bool = typer.Option(False, "--quick", help="Read few files: some seconds instead of a minute."),
    files: int | None = typer.Option(None, "--files", min=1, help="Read so many files at most."),
    output: Path | None = typer.Option(None, "--output", "-o", help="Folder for the report and the archive."),
    data_dir: str | None = DATA_DIR,
    as_json: bool = AS_JSON,
) -> None:
    """Run real work on this machine and report it, to see Headway at work.

    Several agents survey the source of Python's standard library, pack it, restore broken copies and write a
    report. Nothing is made up: what fails is really broken; no language model is called, so none is reported.
    """
    config = configuration(data_dir)
    if config.disabled:
        raise HeadwayError(
            "HEADWAY_DISABLED is set: nothing would be reported", hint="unset it and try again"
        )
    os.environ[PREFIX + "DATA_DIR"] = config.data_dir  # for the processes that the crew starts
    plan = make_plan(output or Path(config.data_dir, "demo"), quick=quick, files=files)
    screen = console(error=as_json)
    with connect(data_dir) as server:
        server.get("/tasks", limit=1)  # whether it is there and takes the key, before any work is done
        outcome = _work(plan, server, screen)
        if not headway.flush(DELIVERY_S):
            raise HeadwayError("not all is delivered yet", hint="`headway spool send` sends what is left")
        whole = server.get(f"/tasks/{outcome.task_id}")
        parts = server.items("/tasks", parent=outcome.task_id, order="created_at")
        family = [whole, *parts]
    if as_json:
        print_json(_summary(outcome, family))
    else:
        _print(screen, config, outcome, family)


def _work(plan: Plan, server: Server, screen: Console) -> Outcome:
    def cancel(task_id: str, reason: str) -> None:
        headway.flush(DELIVERY_S)  # a task that the server has not heard of cannot be cancelled
        with suppress(Conflict):  # it has just ended by itself
            server.post(f"/tasks/{task_id}/cancel", {"reason": reason})

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as progress:
        shown = progress.add_task(f"Surveying the library of {plan.version}", total=len(plan.sources))
        return run(plan, cancel=cancel, watch=lambda done: progress.update(shown, completed=done))


def _summary(outcome: Outcome, family: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "task_id": outcome.task_id,
        "report": str(outcome.report),
        "figures": outcome.figures,
        "tasks": [{name: task[name] for name in ("id", "name", "status", "run_number")} for task in family],
    }


def _print(screen: Console, config: Config, outcome: Outcome, family: list[dict[str, Any]]) -> None:
    screen.print(task_table(family, width=screen.width))
    for name, figure in outcome.figures.items():
        screen.print(f"{name.replace('_', ' '):>28}  {'unknown' if figure is None else f'{figure:,}'}")
    failed = next((task["id"] for task in family if task["status"] == "failed"), None)
    screen.print("\nLook at it:", style="bold")
    for about, line in (
        ("the page", "headway open"),
        ("the whole work", f"headway show {outcome.task_id}"),
        ("what failed, and why", f"headway show {failed}" if failed else None),
        ("the report", str(outcome.report)),
        (
            "the next one, live",
            "headway watch    # and `headway demo` in another terminal: it has estimates now",
        ),
        ("the stream", stream_command(config)),
    ):
        if line is not None:
            screen.print(f"  {about + ':':<22} {line}", soft_wrap=True, markup=False)


def stream_command(config: Config) -> str:
    """The command that follows the live stream with this machine's key, which it does not show."""
    key = "$HEADWAY_API_KEY"
    if not os.environ.get(PREFIX + "API_KEY"):
        file = Path(config.data_dir, CREDENTIALS).as_posix()
        key = rf"""$(sed -n 's/.*"api_key": *"\([^"]*\)".*/\1/p' '{file}')"""
    return f'curl -N -H "Authorization: Bearer {key}" {config.url}{API}/stream'
