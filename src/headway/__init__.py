"""Headway: the truth about the work your agents and background jobs do.

`import headway` loads nothing; each public name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.sdk.api import attach as attach
    from headway.sdk.api import configure as configure
    from headway.sdk.api import create_task as create_task
    from headway.sdk.api import current_task as current_task
    from headway.sdk.api import flush as flush
    from headway.sdk.api import task as task
    from headway.sdk.async_client import AsyncClient as AsyncClient
    from headway.sdk.client import Client as Client
    from headway.sdk.failure import Cancelled as Cancelled
    from headway.sdk.integrations.stdlib_logging import LoggingHandler as LoggingHandler
    from headway.sdk.progress import tqdm as tqdm
    from headway.sdk.progress import trange as trange
    from headway.sdk.redaction import redact as redact
    from headway.sdk.task_handle import TaskHandle as TaskHandle
    from headway.sdk.tracking import tracked as tracked

__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": ("headway.sdk.async_client", "AsyncClient"),
    "Cancelled": ("headway.sdk.failure", "Cancelled"),
    "Client": ("headway.sdk.client", "Client"),
    "LoggingHandler": ("headway.sdk.integrations.stdlib_logging", "LoggingHandler"),
    "TaskHandle": ("headway.sdk.task_handle", "TaskHandle"),
    "attach": ("headway.sdk.api", "attach"),
    "configure": ("headway.sdk.api", "configure"),
    "create_task": ("headway.sdk.api", "create_task"),
    "current_task": ("headway.sdk.api", "current_task"),
    "flush": ("headway.sdk.api", "flush"),
    "redact": ("headway.sdk.redaction", "redact"),
    "task": ("headway.sdk.api", "task"),
    "tqdm": ("headway.sdk.progress", "tqdm"),
    "tracked": ("headway.sdk.tracking", "tracked"),
    "trange": ("headway.sdk.progress", "trange"),
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'headway' has no attribute {name!r}")
    import importlib

    module, attribute = home
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted(__all__)
