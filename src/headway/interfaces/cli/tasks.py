"""`headway tasks`: one page of tasks, filtered, with the cursor to the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from headway.interfaces.cli import filters
from headway.interfaces.cli.connection import AS_JSON, DATA_DIR, connect
from headway.interfaces.cli.rendering import console, print_json
from headway.interfaces.cli.task_table import task_table


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("tasks")(tasks)


def tasks(
    status: list[str] | None = filters.STATUS,
    project: list[str] | None = filters.PROJECT,
    agent: list[str] | None = filters.AGENT,
    agent_id: list[str] | None = filters.AGENT_ID,
    type_: list[str] | None = filters.TYPE,
    label: list[str] | None = filters.LABEL,
    parent: str | None = filters.PARENT,
    words: str | None = filters.WORDS,
    since: str | None = filters.SINCE,
    until: str | None = filters.UNTIL,
    oldest_first: bool = typer.Option(False, "--oldest-first", help="Oldest first instead of newest first."),
    limit: int = typer.Option(50, "--limit", "-n", min=1, help="How many at most."),
    cursor: str | None = typer.Option(None, "--cursor", help="Go on where the last page ended."),
    count: bool = typer.Option(False, "--count", help="Say how many match in all."),
    data_dir: str | None = DATA_DIR,
    as_json: bool = AS_JSON,
) -> None:
    """List tasks, newest first."""
    wanted = filters.parameters(
        status=status,
        project=project,
        agent=agent,
        agent_id=agent_id,
        type=type_,
        label=label,
        parent=parent,
        words=words,
        since=since,
        until=until,
    )
    order = "created_at" if oldest_first else "-created_at"
    items: list[dict[str, Any]] = []
    with connect(data_dir) as server:
        for page in server.pages(
            "/tasks", limit=limit, cursor=cursor, order=order, count=count or None, **wanted
        ):
            items.extend(page["items"])
    found = {**page, "items": items}
    if as_json:
        print_json(found)
    else:
        _print(items, found)


def _print(items: Sequence[dict[str, Any]], page: dict[str, Any]) -> None:
    screen = console()
    if not items:
        screen.print("No task matches.")
        return
    screen.print(task_table(items, width=screen.width))
    if page.get("total") is not None:
        screen.print(f"{page['total']} tasks match.")
    if page.get("next_cursor"):
        screen.print(f"There are more: --cursor {page['next_cursor']}", soft_wrap=True)
