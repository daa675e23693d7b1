"""Whether this server can do its work right now."""

from __future__ import annotations

import asyncio

from headway.domain.errors import StoreUnavailable
from headway.store.port import Accounts

PATIENCE_S = 5.0


class SystemService:
    """Looks at the server itself."""

    def __init__(self, accounts: Accounts) -> None:
        """Ask this store."""
        self._accounts = accounts

    async def require_ready(self) -> None:
        """The store answers.

        Raises:
            StoreUnavailable: It does not, or not in time.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._accounts.first_owner()
        except TimeoutError:
            raise StoreUnavailable(f"the database did not answer within {PATIENCE_S:g} s") from None
