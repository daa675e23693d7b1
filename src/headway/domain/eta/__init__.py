"""How long a running task will still take: from finished runs like it and from its own reports of progress.

Pure arithmetic over what the caller hands in; reading the history and knowing the time is the caller's part.
"""

from __future__ import annotations

from headway.domain.eta.combination import estimate
from headway.domain.eta.values import Eta, FinishedRun, NoEta, ProgressReport

__all__ = ["Eta", "FinishedRun", "NoEta", "ProgressReport", "estimate"]
