"""Who one is, API keys and sign-in links as clients read them."""

from __future__ import annotations

from datetime import datetime

from headway.interfaces.rest.shapes.shape import Shape


class MeShape(Shape):
    """Whom the credential speaks for."""

    user_id: str
    tenant_id: str
    email: str | None
    role: str


class KeyShape(Shape):
    """An API key without its text."""

    id: str
    name: str
    user_id: str
    role: str | None  # null: the user's own
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewKeyShape(KeyShape):
    """An API key, once with its text."""

    api_key: str


class SignInLinkShape(Shape):
    """A link that signs one browser in, once."""

    sign_in_url: str
    expires_at: datetime


class HealthShape(Shape):
    """The server answers."""

    status: str
    version: str
