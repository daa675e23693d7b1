"""`headway up`: one process with everything, on an embedded database, for the person at this machine."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

import typer

from headway.app import Ready, serve
from headway.domain.errors import HeadwayError
from headway.interfaces.cli import data_folder
from headway.interfaces.cli.connection import Server
from headway.interfaces.cli.data_folder import Running
from headway.interfaces.cli.rendering import console, print_json
from headway.interfaces.cli.sign_in import sign_in_url
from headway.interfaces.cli.starting import settings_of, until_stopped
from headway.settings import Settings


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("up")(up)


def up(
    port: int | None = typer.Option(
        None, "--port", help="Port to listen on; 0 takes a free one. 8400 if left out."
    ),
    data_dir: Path | None = typer.Option(
        None, "--data-dir", help="Folder for the database and the key. The user's own if left out."
    ),
    database_url: str | None = typer.Option(
        None, "--database-url", help="Another database: sqlite:///file or postgresql://user@host/database."
    ),
    no_browser: bool = typer.Option(False, "--no-browser", help="Do not open the page in the browser."),
    as_json: bool = typer.Option(
        False, "--json", help="Print url, sign_in_url, api_key and data_dir as JSON; no browser."
    ),
) -> None:
    """Start Headway on this machine, or print how to sign in to the one that runs."""
    settings = settings_of(port=port, data_dir=data_dir, database_url=database_url)
    data_folder.make(settings.data_dir)
    browser = not (no_browser or as_json or os.environ.get("CI")) and sys.stdout.isatty()
    with data_folder.claimed(settings.data_dir) as mine:
        if mine:
            _serve(settings, as_json=as_json, browser=browser)
        else:
            _tell_running(settings, as_json=as_json, browser=browser)


def _serve(settings: Settings, *, as_json: bool, browser: bool) -> None:
    """Answers until Ctrl-C; tells where as soon as it does."""

    def on_ready(ready: Ready) -> None:
        assert ready.credentials is not None
        assert ready.sign_in_url is not None
        data_folder.announce(settings.data_dir, Running(pid=os.getpid(), url=ready.url))
        _tell(settings, ready.url, ready.sign_in_url, ready.credentials.api_key, as_json=as_json)
        if not as_json:
            console().print("Stop it with Ctrl-C.")
        if browser:
            webbrowser.open(ready.sign_in_url)

    with until_stopped():
        serve(settings, first_owner=True, on_ready=on_ready)


def _tell_running(settings: Settings, *, as_json: bool, browser: bool) -> None:
    running = data_folder.running(settings.data_dir)
    api_key = data_folder.api_key(settings.data_dir)
    if running is None or api_key is None:
        raise HeadwayError(
            f"another process serves {settings.data_dir}, but does not say where",
            hint=f"look at {settings.data_dir / data_folder.STATE}, or stop that process",
        )
    with Server(running.url, api_key) as server:
        link = sign_in_url(server)
    if not as_json:
        console().print(f"Headway already runs here, as process {running.pid}.")
    _tell(settings, running.url, link, api_key, as_json=as_json)
    if browser:
        webbrowser.open(link)


def _tell(settings: Settings, url: str, link: str, api_key: str, *, as_json: bool) -> None:
    """Prints where Headway is and how to get in."""
    if as_json:
        data_dir = str(settings.data_dir)
        print_json({"url": url, "sign_in_url": link, "api_key": api_key, "data_dir": data_dir})
        return
    screen = console()
    screen.print(f"Headway: {url}", soft_wrap=True)
    screen.print(f"Sign in: {link}  (once, within ten minutes)", soft_wrap=True)
    screen.print(f"Data:    {settings.data_dir}", soft_wrap=True, markup=False)
