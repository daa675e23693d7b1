"""What the commands that need the house itself share: settings, an opened store, an orderly stop.

Only this module and those that import it load server code; the commands that speak HTTP never do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TypeVar

from headway.app import services_for
from headway.services.suite import Services
from headway.settings import Settings, load_settings

T = TypeVar("T")


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


def with_services(settings: Settings, act: Callable[[Services], Awaitable[T]]) -> T:
    """What the act comes to, with the store open around it.

    Raises:
        SchemaOutdated: The database's schema does not fit this version; the message names what to run.
        StoreUnavailable: The database cannot be reached.
    """
    return asyncio.run(_with_services(settings, act))


async def _with_services(settings: Settings, act: Callable[[Services], Awaitable[T]]) -> T:
    services = services_for(settings)
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
