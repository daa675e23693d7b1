"""Headway: the truth about the work your agents and background jobs do."""

__version__ = "0.1.0"
