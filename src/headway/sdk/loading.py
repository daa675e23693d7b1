"""Imports made by the sender's thread, and forks, take turns.

A child forked while another thread is in the middle of an import would wait for that import for ever.
"""

from __future__ import annotations

import threading

FORK_WAIT_S = 1.0

turn = threading.RLock()  # held while something is imported late, and during a fork


def before_fork() -> None:
    """No import of the sender's thread is under way until the fork is over."""
    turn.acquire(timeout=FORK_WAIT_S)


def after_fork() -> None:
    """In both processes: imports may go on."""
    try:
        turn.release()
    except RuntimeError:  # it was not to be had in time
        return
