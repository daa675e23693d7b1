"""How long runs of a kind typically take: looked up when tasks without an estimate are created.

The figure becomes the task's weight in its project's progress and is frozen there, so a minute's age does no harm.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from headway.store.port import Batch, Ledger

_FRESH_S = 60.0
_LOOK_UPS = 20  # of kinds not known yet, per commit; the rest go without
_KINDS = 10_000  # remembered at most

Kind = tuple[str | None, str | None]  # agent kind, task type


class Typical:
    """Remembers typical durations by tenant and kind for a minute."""

    def __init__(self, ledger: Ledger) -> None:
        """Look durations up in this ledger."""
        self._ledger = ledger
        self._known: dict[tuple[str, Kind], tuple[float, int | None]] = {}  # -> (monotonic time, ms)

    async def of(self, tenant_id: str, batches: Sequence[Batch]) -> dict[Kind, int]:
        """Typical durations in ms of the kinds that tasks in these batches are created as."""
        kinds = {
            (fact.agent, fact.task_type)  # type: ignore[union-attr]
            for batch in batches
            for fact in batch.facts
            if fact.kind == "created"
            and getattr(fact, "task_type", None) is not None
            and not fact.estimate_ms  # type: ignore[union-attr]
        }
        found: dict[Kind, int] = {}
        look_ups = 0
        for kind in kinds:
            at, typical = self._known.get((tenant_id, kind), (float("-inf"), None))
            if time.monotonic() - at > _FRESH_S and look_ups < _LOOK_UPS:
                look_ups += 1
                typical = await self._ledger.typical_ms(
                    tenant_id, agent_kind=kind[0], task_type=kind[1] or ""
                )
                self._remember(tenant_id, kind, typical)
            if typical is not None:
                found[kind] = typical
        return found

    def _remember(self, tenant_id: str, kind: Kind, typical: int | None) -> None:
        if len(self._known) >= _KINDS:
            self._known.clear()
        self._known[tenant_id, kind] = (time.monotonic(), typical)
