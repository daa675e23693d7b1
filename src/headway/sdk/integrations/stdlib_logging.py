"""From the standard library's logging to the log of the current task."""

from __future__ import annotations

import logging
from typing import Any

from headway.sdk import api, failure, notices

_THRESHOLDS = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


class LoggingHandler(logging.Handler):
    """Puts each record into the log of the task its code belongs to; others are left alone."""

    def emit(self, record: logging.LogRecord) -> None:
        """The record is in the current task's log."""
        if record.name == notices.LOGGER or record.name.startswith(f"{notices.LOGGER}."):
            return  # what the SDK says of itself would come back to it
        task = api.current_task()
        if task is None:
            return
        try:
            task.log(record.getMessage(), level=_level(record.levelno), data=_data(record))
        except Exception:  # noqa: BLE001  formatting runs code of the user; logging has its own way to say so
            self.handleError(record)


def _level(number: int) -> str:
    return next((name for threshold, name in _THRESHOLDS if number >= threshold), "debug")


def _data(record: logging.LogRecord) -> dict[str, Any]:
    data: dict[str, Any] = {"logger": record.name, "file": record.pathname, "line": record.lineno}
    if record.exc_info and record.exc_info[1] is not None:
        data["stack"] = failure.stack_of(record.exc_info[1])
    return data
