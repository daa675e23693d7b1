"""Runs one command line of `headway` and turns what became of it into an exit code.

Only the module of the command that was called is loaded; the others are known here by name and one sentence.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import typer

from headway import __version__
from headway.domain.errors import AccessDenied, HeadwayError, InvalidInput, NotFound
from headway.sdk.transport import Unreachable

DONE, FAILED, WRONG_USE, NO_SERVER, NOT_ALLOWED, NOT_FOUND = range(6)
INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended
NO_SERVER_HINT = "start one with `headway up`, or name one with HEADWAY_URL and HEADWAY_API_KEY"


class Entry(NamedTuple):
    """A command before its module is loaded."""

    module: str  # has `register(app)`
    about: str
    panel: str


_START, _LOOK, _ACT, _KEEP = "Start", "Look", "Act", "Look after"
COMMANDS: dict[str, Entry] = {
    "up": Entry("up", "Start Headway on this machine, or print how to sign in to the one that runs.", _START),
    "open": Entry("open_page", "Open the page of the running Headway, signed in.", _START),
    "demo": Entry(
        "demo.command", "Run real work on this machine and report it, to see Headway at work.", _START
    ),
    "server": Entry("server", "Serve a database that is already set up (HEADWAY_DATABASE_URL).", _START),
    "migrate": Entry("migrate", "Bring the schema of the database up to date.", _START),
    "tasks": Entry("tasks", "List tasks, newest first.", _LOOK),
    "show": Entry("show", "Show everything about one task.", _LOOK),
    "watch": Entry("watch", "Follow what happens, live.", _LOOK),
    "export": Entry("export.command", "Write tasks, runs, logs, LLM calls or metrics to a file.", _LOOK),
    "cancel": Entry("cancel", "Ask for a task to be cancelled.", _ACT),
    "retry": Entry("retry", "Run a finished operation again.", _ACT),
    "key": Entry("key", "Create, list and revoke API keys.", _KEEP),
    "tenant": Entry("tenant", "Create and list tenants.", _KEEP),
    "spool": Entry("spool", "Look at and send facts that wait on this machine.", _KEEP),
    "audit": Entry("audit", "Recount every figure from its rows and print each difference.", _KEEP),
    "doctor": Entry("doctor", "Check this installation and say what to do about what is wrong.", _KEEP),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code.

    Args:
        argv: the words after `headway`; those of the process when left out.

    Returns:
        0 done, 1 it failed, 2 wrong use, 3 no server, 4 not allowed, 5 not found.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _speak_utf8()
    try:
        _application(words)(args=words or ["--help"], prog_name="headway")
    except SystemExit as ending:
        return _code(ending)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (HeadwayError, Unreachable) as error:
        return _told(error, as_json="--json" in words)
    return DONE


def _application(words: Sequence[str]) -> typer.Typer:
    app = typer.Typer(
        name="headway",
        help="The truth about the work your agents and background jobs do.",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    called = next((word for word in words if not word.startswith("-")), None)
    for name, entry in COMMANDS.items():
        if name == called:
            importlib.import_module(f"headway.interfaces.cli.{entry.module}").register(app)
        else:
            app.command(name, help=entry.about, rich_help_panel=entry.panel)(_not_loaded)
    return app


def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True),
) -> None:
    if version:
        print(f"headway {__version__}")
        raise typer.Exit


def _not_loaded() -> None:
    """Stands for a command that was not called."""


def _code(ending: SystemExit) -> int:
    if ending.code is None:
        return DONE
    return ending.code if isinstance(ending.code, int) else FAILED


def _told(error: HeadwayError | Unreachable, *, as_json: bool) -> int:
    """Prints the error for people or, where JSON was asked for, for programs; its exit code."""
    code = exit_code(error)
    detail = error.detail if isinstance(error, HeadwayError) else str(error)
    concerned = dict(error.concerned) if isinstance(error, HeadwayError) else {}
    hint = concerned.pop("hint", NO_SERVER_HINT if isinstance(error, Unreachable) else None)
    if as_json:
        slug = error.slug if isinstance(error, HeadwayError) else "no-server"
        problem = {"error": slug, "detail": detail, "hint": hint, "exit_code": code, **concerned}
        print(json.dumps(problem, ensure_ascii=False, default=str), file=sys.stderr)
    else:
        print(f"Error: {detail}", file=sys.stderr)
        if hint:
            print(f"  → {hint}", file=sys.stderr)
    return code


def exit_code(error: HeadwayError | Unreachable) -> int:
    """The exit code that stands for an error."""
    table: tuple[tuple[type[Exception], int], ...] = (
        (Unreachable, NO_SERVER),
        (AccessDenied, NOT_ALLOWED),
        (NotFound, NOT_FOUND),
        (InvalidInput, WRONG_USE),
    )
    if isinstance(error, HeadwayError) and error.slug == "invalid-setting":
        return WRONG_USE
    return next((code for kind, code in table if isinstance(error, kind)), FAILED)


def _speak_utf8() -> None:
    """Consoles and pipes of Windows, and of the C locale, would refuse signs that task names contain."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Callable[..., None] | None = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")
