"""What `headway up` sees to before it serves: a schema that fits, and an owner with a key in the data folder."""

from __future__ import annotations

from pathlib import Path

from headway.app import migrate
from headway.domain.access import Role
from headway.domain.errors import NotAuthenticated, SchemaOutdated
from headway.interfaces.cli import data_folder
from headway.interfaces.cli.data_folder import Credentials
from headway.interfaces.cli.starting import with_services
from headway.services.suite import Services
from headway.settings import Settings

TENANT, KEY = "local", "headway up"


def prepare_schema(settings: Settings) -> None:
    """An embedded file is migrated; another database is only set up where it is empty.

    Raises:
        SchemaOutdated: Another database has an older schema, which other servers may be using.
    """
    if settings.database_url.startswith("sqlite:"):
        migrate(settings)
        return
    try:
        with_services(settings, _nothing)
    except SchemaOutdated as error:
        if error.concerned.get("revision") is not None:
            raise
        migrate(settings)


async def _nothing(services: Services) -> None:
    """Opening the store was all that was wanted."""


async def credentials(services: Services, folder: Path, url: str) -> Credentials:
    """The key in the data folder if it still speaks for an owner, else a new one; the first start makes the tenant."""
    kept = data_folder.read_credentials(folder)
    if kept is not None:
        try:
            actor = await services.identity.actor_of_key(kept.api_key)
        except NotAuthenticated:
            pass  # of another database, or revoked
        else:
            if actor.role is Role.OWNER:
                return Credentials(
                    url=url, api_key=kept.api_key, tenant_id=actor.tenant_id, user_id=actor.user_id
                )
    accounts = services.accounts
    if await accounts.owner() is None:
        minted = (await accounts.create_tenant(name=TENANT))[1]
    else:
        minted = await accounts.create_key(await accounts.owner_actor(), name=KEY)
    key = minted.kept
    return Credentials(url=url, api_key=minted.api_key, tenant_id=key.tenant_id, user_id=key.user_id)
