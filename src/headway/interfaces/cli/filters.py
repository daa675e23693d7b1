"""The filters that several commands share, as options and as parameters of the API."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from headway.domain.limits import STATUSES

STATUS = typer.Option(None, "--status", "-s", help=f"One of {', '.join(STATUSES)}; may be repeated.")
PROJECT = typer.Option(None, "--project", "-p", help="Slug or id; may be repeated.")
AGENT = typer.Option(None, "--agent", "-a", help="Kind of agent; may be repeated.")
AGENT_ID = typer.Option(None, "--agent-id", help="One instance of a kind; may be repeated.")
TYPE = typer.Option(None, "--type", "-t", help="Type of task; may be repeated.")
LABEL = typer.Option(None, "--label", "-l", help="key=value; may be repeated, all must be there.")
PARENT = typer.Option(None, "--parent", help="Id of the task they are part of.")
WORDS = typer.Option(None, "--words", "-q", help="Words of the name; all must be there.")
SINCE = typer.Option(None, "--since", help="Created at or after: 90s, 30m, 2h, 7d, or an ISO 8601 time.")
UNTIL = typer.Option(None, "--until", help="Created before: 90s, 30m, 2h, 7d ago, or an ISO 8601 time.")

_AGO = re.compile(r"(\d+)\s*(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parameters(
    *,
    status: list[str] | None = None,
    project: list[str] | None = None,
    agent: list[str] | None = None,
    agent_id: list[str] | None = None,
    type: list[str] | None = None,
    label: list[str] | None = None,
    parent: str | None = None,
    words: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> dict[str, Any]:
    """The filters as the API takes them.

    Raises:
        typer.BadParameter: A status or a time is not one.
    """
    for name in status or ():
        if name not in STATUSES:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(STATUSES)}", param_hint="--status")
    return {
        "status": status,
        "project": project,
        "agent": agent,
        "agent_id": agent_id,
        "type": type,
        "label": label,
        "parent": parent,
        "q": words,
        "created_after": moment(since, "--since"),
        "created_before": moment(until, "--until"),
    }


def moment(text: str | None, option: str) -> str | None:
    """A point in time as the API takes it; a length counts back from now, a time without zone is local.

    Raises:
        typer.BadParameter: It is neither.
    """
    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        at = datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
    else:
        try:
            at = datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            raise typer.BadParameter(
                f"{text!r} is neither a length like 30m nor an ISO 8601 time", param_hint=option
            ) from None
    return at.isoformat().replace("+00:00", "Z")
