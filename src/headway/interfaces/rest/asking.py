"""What handlers share: who asks, which services answer, and single writes that may be repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, cast

import msgspec
from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from headway.domain.access import Actor
from headway.domain.errors import InvalidFact
from headway.domain.limits import NAME_LENGTH
from headway.interfaces.rest.body import read_object
from headway.interfaces.rest.credentials import actor_of
from headway.services.recording import Wish
from headway.services.suite import Services

_encode = msgspec.json.Encoder().encode


def services_of(request: Request) -> Services:
    """The services of the app that was asked."""
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(services_of)]


async def current_actor(request: Request, services: ServicesDep) -> Actor:
    """Whom the request speaks for."""
    return await actor_of(request.scope, services.identity)


ActorDep = Annotated[Actor, Depends(current_actor)]


class Asked(BaseModel):
    """A single write as it was sent."""

    model_config = {"arbitrary_types_allowed": True, "frozen": True}

    content: Any
    wish: Wish


async def asked(request: Request) -> Asked:
    """The decoded body of a single write, and how to recognise it when it comes again."""
    content, raw = await read_object(request.scope, request.receive)
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= NAME_LENGTH:
        raise InvalidFact(
            "too-long" if key else "too-short",
            "Idempotency-Key",
            f"must have 1 to {NAME_LENGTH} characters",
            limit=NAME_LENGTH,
        )
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + raw).hexdigest()
    return Asked(content=content, wish=Wish(key=key, request_hash=digest, size=len(raw) or 1))


AskedDep = Annotated[Asked, Depends(asked)]


async def answer_once(
    services: Services, actor: Actor, wish: Wish, status: int, act: Callable[[str], Awaitable[BaseModel]]
) -> Response:
    """The answer of `act`, or the one it gave when the same Idempotency-Key came first."""

    async def plain(producer: str) -> Any:
        return (await act(producer)).model_dump(mode="json")

    written = await services.recording.once(actor, wish, status, plain)
    headers = {"Idempotent-Replayed": "true"} if written.replayed else None
    return Response(_encode(written.body), written.status, headers, "application/json")
