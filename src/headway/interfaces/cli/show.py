"""`headway show`: everything about one task, gathered from the API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from headway.interfaces.cli.connection import AS_JSON, DATA_DIR, Server, checked_id, connect
from headway.interfaces.cli.rendering import (
    UNKNOWN,
    bar,
    clock,
    console,
    duration,
    eta,
    money,
    percent,
    plain,
    print_json,
    short,
    size,
    status,
)
from headway.interfaces.cli.task_table import lasted, log_line, task_table

MOST_SHOWN = 200  # children and artifacts
VALUE_WIDTH = 2_000  # characters of a JSON value


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("show")(show)


def show(
    task_id: str = typer.Argument(metavar="ID", help="Of the task."),
    lines: int = typer.Option(10, "--lines", min=0, max=200, help="How many of the last log lines."),
    data_dir: str | None = DATA_DIR,
    as_json: bool = AS_JSON,
) -> None:
    """Show everything about one task."""
    with connect(data_dir) as server:
        found = gather(server, checked_id(task_id), lines)
    if as_json:
        print_json(found)
    else:
        _print(console(), found)


def gather(server: Server, task_id: str, lines: int) -> dict[str, Any]:
    """The task with its estimate, last log lines, runs, children and artifacts."""
    place = f"/tasks/{task_id}"
    task = server.get(place)
    state = server.get(f"/status/{task_id}")
    logs = server.get(f"{place}/logs", limit=lines, newest=True)["items"] if lines else []
    return {
        "task": task,
        "eta": state["eta"],
        "eta_reason": state["eta_reason"],
        "logs": logs,
        "runs": server.get(f"{place}/runs")["items"],
        "children": server.get("/tasks", parent=task_id, order="created_at", limit=MOST_SHOWN)["items"],
        "artifacts": server.get(f"{place}/artifacts", limit=MOST_SHOWN)["items"],
    }


def _print(screen: Console, found: Mapping[str, Any]) -> None:
    task = found["task"]
    screen.print(f"[bold]{plain(task.get('name') or '(not named yet)')}[/]")
    screen.print(_facts(found))
    if task.get("error"):
        _print_error(screen, task["error"])
    for name in ("input", "result", "metadata"):
        if task.get(name):
            screen.print(f"[bold]{name}[/] {short(json.dumps(task[name], ensure_ascii=False), VALUE_WIDTH)}")
    if len(found["runs"]) > 1:
        screen.print(_runs(found["runs"]))
    if found["children"]:
        screen.print(
            task_table(found["children"], width=screen.width, title=f"Children ({len(found['children'])})")
        )
    if found["artifacts"]:
        screen.print(_artifacts(found["artifacts"]))
    if found["logs"]:
        screen.print("[bold]Last log lines[/]")
        for entry in found["logs"]:
            screen.print(log_line(entry, screen.width - 20))


def _facts(found: Mapping[str, Any]) -> Table:
    task = found["task"]
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("id", task["id"]),
        ("status", status(task["status"], cancelling=task.get("cancel_requested_at") is not None)),
        ("progress", _progress(task)),
        ("remaining", None if task.get("finished_at") else eta(found["eta"], found["eta_reason"])),
        ("project", plain(task.get("project"))),
        ("agent", " ".join(plain(part) for part in (task.get("agent"), task.get("agent_id")) if part)),
        ("type", plain(task.get("task_type"))),
        ("run", _run(task)),
        ("created", clock(task["created_at"])),
        ("started", clock(task.get("started_at"))),
        ("finished", clock(task.get("finished_at"))),
        ("took", duration(lasted(task))),
        ("cost", _cost(task)),
        ("asked to stop", _cancellation(task)),
        (
            "links",
            "\n".join(f"{plain(name)}: {plain(url)}" for name, url in (task.get("links") or {}).items()),
        ),
    ):
        if value and value != UNKNOWN:
            table.add_row(f"[dim]{name}[/]", value)
    return table


def _progress(task: Mapping[str, Any]) -> str:
    told = " · ".join(plain(part) for part in (task.get("phase"), task.get("message")) if part)
    value = task.get("progress")
    if value is None:
        return told
    return f"{bar(value)} {percent(value)}" + (f"  {told}" if told else "")


def _run(task: Mapping[str, Any]) -> str:
    total = task.get("total_runs") or 1
    return "" if total == 1 else f"{task['run_number']} ({task.get('failed_runs', 0)} of {total} failed)"


def _cost(task: Mapping[str, Any]) -> str:
    calls = task.get("llm_calls") or 0
    if not calls:
        return "no LLM calls"
    unpriced = task.get("unpriced_calls") or 0
    tokens = f"{task['input_tokens']:,} tokens in, {task['output_tokens']:,} out"
    known = money(task.get("cost_usd")) + (f" and {unpriced} without a price" if unpriced else "")
    return f"{known} for {calls} LLM calls ({tokens})"


def _cancellation(task: Mapping[str, Any]) -> str:
    if not task.get("cancel_requested_at"):
        return ""
    return f"{clock(task['cancel_requested_at'])} {plain(task.get('cancel_reason'))}"


def _print_error(screen: Console, error: Mapping[str, Any]) -> None:
    screen.print(f"[red]{plain(error.get('type') or 'Error')}[/]: {plain(error.get('message'))}")
    if error.get("stack"):
        screen.print(f"[dim]{plain(error['stack'].rstrip())}[/]")


def _runs(runs: list[dict[str, Any]]) -> Table:
    table = Table(title="Runs", title_justify="left", box=None, pad_edge=False)
    for name in ("run", "status", "started", "took", "error"):
        table.add_column(name)
    for run in runs:
        error = run.get("error") or {}
        table.add_row(
            str(run["number"]),
            status(run["status"]),
            clock(run.get("started_at")),
            duration(lasted(run)),
            short(error.get("message"), 100),
        )
    return table


def _artifacts(artifacts: list[dict[str, Any]]) -> Table:
    table = Table(title="Artifacts", title_justify="left", box=None, pad_edge=False)
    for name in ("name", "type", "size", "kept by Headway", "sha256"):
        table.add_column(name, no_wrap=name == "name")
    for artifact in artifacts:
        table.add_row(
            plain(artifact["name"]),
            artifact["type"],
            size(artifact.get("size")),
            "yes" if artifact.get("stored") else f"no {plain(artifact.get('uri'))}",
            (artifact.get("sha256") or UNKNOWN)[:16],
        )
    return table
