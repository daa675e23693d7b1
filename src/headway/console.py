"""The console script `headway`, which starts with the standard library alone.

It only chooses who answers: `spool` belongs to the bare SDK, every other command to the server's CLI.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from typing import cast

import headway

SERVER_PACKAGES = ("typer", "rich", "fastapi", "uvicorn", "msgspec", "sqlalchemy", "alembic", "pydantic")
WRONG_USE = 2

Command = Callable[[Sequence[str]], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code.

    Args:
        argv: the words after `headway`; those of the process when left out.

    Returns:
        0 done, 1 it failed, 2 wrong use (also: the server extra is missing), 3 no server, 4 not allowed,
        5 not found.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["spool"]:
        return _command("headway.sdk.spool_command")(words[1:])
    if words[:1] == ["--version"]:
        print(f"headway {headway.__version__}")
        return 0
    if any(importlib.util.find_spec(name) is None for name in SERVER_PACKAGES):
        print("This command needs the server: pip install 'headway[server]'", file=sys.stderr)
        return WRONG_USE
    return _command("headway.interfaces.cli.main")(words)


def _command(module: str) -> Command:
    return cast(Command, importlib.import_module(module).main)
