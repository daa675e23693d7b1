"""The audit: every kept figure against the rows behind it."""

from __future__ import annotations

from dataclasses import dataclass

from headway.domain.views import Difference
from headway.store.port import Accounts, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAudit:
    """What recounting one tenant found."""

    tenant_id: str
    tenant_name: str
    differences: tuple[Difference, ...]  # none: every figure is what its rows come to


class AuditService:
    """Recounts from the rows."""

    def __init__(self, ledger: Ledger, accounts: Accounts) -> None:
        """Audit this store."""
        self._ledger = ledger
        self._accounts = accounts

    async def run(self) -> list[TenantAudit]:
        """Every tenant's figures against their rows, oldest tenant first; for whoever runs the server."""
        return [
            TenantAudit(
                tenant_id=tenant_id,
                tenant_name=name,
                differences=tuple(await self._ledger.recount(tenant_id)),
            )
            for tenant_id, name in await self._accounts.list_tenants()
        ]
