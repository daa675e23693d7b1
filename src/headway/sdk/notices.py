"""What the SDK tells the program's log about itself: each thing once, so that an outage stays one line."""

from __future__ import annotations

from headway.sdk import loading

LOGGER = "headway"

_told: set[str] = set()


def warn(message: str) -> None:
    """Logs a warning of the SDK."""
    with loading.turn:
        import logging  # costs more than the rest of the SDK, and most programs never need it here

    logging.getLogger(LOGGER).warning(message)


def warn_once(topic: str, message: str) -> None:
    """Logs a warning unless this topic was warned of before."""
    if topic not in _told:
        _told.add(topic)
        warn(message)


def settled(topic: str) -> None:
    """The trouble is over: the next one of this topic is told again."""
    _told.discard(topic)
