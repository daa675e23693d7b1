"""Headway: the truth about the work your agents and background jobs do.

The public names stand here and are imported when they are first used, so that `import headway` stays quick
and loads neither server code nor a library. Everything else is internal, whatever it is called.
"""

from importlib import import_module

__version__ = "0.1.0"

# Type checkers take this for true; importing `typing` for it would cost more than the rest of this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from headway.domain.errors import HeadwayError
    from headway.sdk.api import attach, configure, create_task, current_task, flush, task
    from headway.sdk.async_client import AsyncClient
    from headway.sdk.client import Client
    from headway.sdk.failure import Cancelled
    from headway.sdk.integrations.stdlib_logging import LoggingHandler
    from headway.sdk.progress import tqdm, trange
    from headway.sdk.redaction import redact
    from headway.sdk.task_handle import TaskHandle
    from headway.sdk.tracking import tracked

__all__ = [
    "AsyncClient",
    "Cancelled",
    "Client",
    "HeadwayError",
    "LoggingHandler",
    "TaskHandle",
    "attach",
    "configure",
    "create_task",
    "current_task",
    "flush",
    "redact",
    "task",
    "tqdm",
    "tracked",
    "trange",
]

_HOMES = {
    "AsyncClient": "headway.sdk.async_client",
    "Cancelled": "headway.sdk.failure",
    "Client": "headway.sdk.client",
    "HeadwayError": "headway.domain.errors",
    "LoggingHandler": "headway.sdk.integrations.stdlib_logging",
    "TaskHandle": "headway.sdk.task_handle",
    "attach": "headway.sdk.api",
    "configure": "headway.sdk.api",
    "create_task": "headway.sdk.api",
    "current_task": "headway.sdk.api",
    "flush": "headway.sdk.api",
    "redact": "headway.sdk.redaction",
    "task": "headway.sdk.api",
    "tqdm": "headway.sdk.progress",
    "tracked": "headway.sdk.tracking",
    "trange": "headway.sdk.progress",
}


def __getattr__(name: str) -> object:
    """The public name, imported from its home at its first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'headway' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    """The public names, also those not used yet."""
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "import_module"})
