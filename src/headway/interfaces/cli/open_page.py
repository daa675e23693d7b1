"""`headway open`: the page of the running Headway in the browser, through a fresh sign-in link."""

from __future__ import annotations

import webbrowser

import typer

from headway.interfaces.cli.connection import AS_JSON, DATA_DIR, connect
from headway.interfaces.cli.rendering import console, print_json
from headway.interfaces.cli.sign_in import sign_in_url


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("open")(open_page)


def open_page(
    no_browser: bool = typer.Option(False, "--no-browser", help="Only print the link."),
    data_dir: str | None = DATA_DIR,
    as_json: bool = AS_JSON,
) -> None:
    """Open the page of the running Headway, signed in."""
    with connect(data_dir) as server:
        link = sign_in_url(server)
    opened = not (no_browser or as_json) and webbrowser.open(link)
    if as_json:
        print_json({"url": server.url, "sign_in_url": link})
    elif opened:
        console().print(f"Opened {server.url}")
    else:
        console().print(f"Sign in, once and within ten minutes: {link}", soft_wrap=True)
