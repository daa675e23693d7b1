"""What the commands that need the house itself share: settings, an opened store, an orderly stop.

Only this module and those that import it load server code; the commands that speak HTTP never do.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TypeVar

from headway.app import assemble_services
from headway.domain.errors import HeadwayError
from headway.services.suite import Services
from headway.settings import Settings, load_settings

T = TypeVar("T")
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_BACKLOG = 2_048  # connections that may wait; the same as uvicorn's


def settings_of(**overrides: object) -> Settings:
    """The settings of this process; what deserves a warning is printed to standard error.

    Args:
        **overrides: fields given on the command line; None means not given.

    Raises:
        SettingsError: A value cannot be used.
    """
    settings, warnings = load_settings(os.environ, Path.cwd(), **overrides)
    for warning in warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    return settings


def listening(settings: Settings) -> socket.socket:
    """A socket on the address and port of the settings, taken from now on.

    Raises:
        HeadwayError: The port is taken, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":  # on Windows it would let two programs listen on one port
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((settings.host.strip("[]"), settings.port))
        found.listen(_BACKLOG)  # only now Linux says that another program listens there
    except OSError as error:
        found.close()
        raise _not_listening(settings, error) from error
    return found


def _not_listening(settings: Settings, error: OSError) -> HeadwayError:
    if error.errno == errno.EADDRINUSE:
        return HeadwayError(
            f"port {settings.port} of {settings.host} is taken by another program",
            hint="choose another one with --port, or let the system choose with --port 0",
        )
    if error.errno == errno.EACCES:
        return HeadwayError(f"port {settings.port} of {settings.host} is not allowed to this user")
    return HeadwayError(f"cannot listen on {settings.host}: {error.strerror or error}")


def url_of(listener: socket.socket) -> str:
    """The address under which this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def with_services(settings: Settings, act: Callable[[Services], Awaitable[T]]) -> T:
    """What the act comes to, with the store open around it.

    Raises:
        SchemaOutdated: The database's schema does not fit this version; the message names what to run.
        StoreUnavailable: The database cannot be reached.
    """
    return asyncio.run(_with_services(settings, act))


async def _with_services(settings: Settings, act: Callable[[Services], Awaitable[T]]) -> T:
    services = assemble_services(settings)
    async with services.opened():
        return await act(services)


@contextlib.contextmanager
def until_stopped() -> Iterator[None]:
    """Ctrl-C, and the polite signal of service managers, end the block in order and count as done."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
