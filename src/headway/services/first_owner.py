"""The first tenant of a machine's own Headway: its owner, and the key that programs of this user find in a file."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headway.domain.access import Actor
from headway.domain.errors import NotAuthenticated
from headway.services.accounts import AccountsService
from headway.services.identity import IdentityService

FILE_NAME = "credentials.json"
TENANT_NAME = "local"
KEY_NAME = "headway up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How programs of this user reach the server."""

    url: str
    api_key: str
    tenant_id: str
    user_id: str


async def ensure_first_owner(
    accounts: AccountsService, identity: IdentityService, data_dir: Path, url: str
) -> tuple[Actor, Credentials]:
    """There is a tenant with an owner, and `credentials.json` holds the server's URL and a key of the owner.

    Args:
        accounts: Of the server.
        identity: Of the server.
        data_dir: Where the file is; a key in it that still holds is kept.
        url: Of the server.
    """
    file = data_dir / FILE_NAME
    api_key = _read(file).get("api_key")
    actor = await _actor_of(identity, api_key) if isinstance(api_key, str) else None
    if actor is None or not isinstance(api_key, str):
        if await accounts.owner() is None:
            _, minted = await accounts.create_tenant(name=TENANT_NAME)
        else:
            minted = await accounts.create_key(await accounts.owner_actor(), name=KEY_NAME)
        api_key = minted.api_key
        actor = await identity.actor_of_key(api_key)
    found = Credentials(url=url, api_key=api_key, tenant_id=actor.tenant_id, user_id=actor.user_id)
    _write(file, asdict(found))
    return actor, found


async def _actor_of(identity: IdentityService, api_key: str) -> Actor | None:
    try:
        return await identity.actor_of_key(api_key)
    except NotAuthenticated:
        return None


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(file: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step, readable by its owner alone from its first byte on."""
    new = file.with_name(f".{FILE_NAME}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(
            os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as stream:
            json.dump(content, stream, indent=2)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
