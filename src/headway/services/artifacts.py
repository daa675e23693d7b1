"""The bytes of artifacts that Headway holds itself."""

from __future__ import annotations

from headway.domain import ids
from headway.domain.access import Actor
from headway.domain.errors import NotFound
from headway.domain.task import ArtifactRow
from headway.store.port import Ledger


class ArtifactService:
    """Finds artifacts by their id."""

    def __init__(self, ledger: Ledger) -> None:
        """Read from this ledger."""
        self._ledger = ledger

    async def get(self, viewer: Actor, artifact_id: str) -> ArtifactRow:
        """One artifact with its content, where Headway holds that.

        Raises:
            NotFound: There is none, or its task is not visible to the viewer.
        """
        found = ids.canonical(artifact_id)
        artifact = await self._ledger.get_artifact(viewer.tenant_id, found) if found else None
        if artifact is None or not await self._ledger.get_tasks(viewer, [artifact.task_id]):
            raise NotFound
        return artifact
