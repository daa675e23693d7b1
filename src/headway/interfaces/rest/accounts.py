"""`/me`, `/keys` and `/auth`: who one is, API keys, sign-in links and signing in and out of a browser."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from headway.domain import ids
from headway.domain.errors import NotAuthenticated, NotFound
from headway.domain.forms import checked
from headway.interfaces.rest.asking import ActorDep, AskedDep, ServicesDep
from headway.interfaces.rest.body import headers_of
from headway.interfaces.rest.credentials import cookie_name, session_of
from headway.interfaces.rest.forms import form_schema, json_body
from headway.interfaces.rest.shapes.accounts import KeyShape, MeShape, NewKeyShape, SignInLinkShape
from headway.interfaces.rest.shapes.shape import Listing
from headway.services.accounts import KEY_RULES, SIGN_IN_FOR

router = APIRouter(tags=["accounts"])
page_router = APIRouter(include_in_schema=False)
SIGN_IN_PATH = "/sign-in"
_KEY_FIELDS = tuple(KeyShape.model_fields)
_USED_LINK = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Headway</title>
<h1>This sign-in link is used up</h1>
<p>It works once and within ten minutes. <code>headway open</code> makes a fresh one.</p></html>"""


@router.get("/me")
async def get_me(actor: ActorDep) -> MeShape:
    """Whom the credential speaks for."""
    return MeShape(user_id=actor.user_id, tenant_id=actor.tenant_id, email=actor.email, role=actor.role.value)


@router.get("/keys")
async def list_keys(actor: ActorDep, services: ServicesDep) -> Listing[KeyShape]:
    """API keys, newest first; others than owner and admin see their own."""
    found = await services.accounts.list_keys(actor)
    return Listing(items=[KeyShape(**{name: getattr(key, name) for name in _KEY_FIELDS}) for key in found])


@router.post("/keys", status_code=201, openapi_extra=json_body(form_schema(KEY_RULES)))
async def create_key(asked: AskedDep, actor: ActorDep, services: ServicesDep) -> NewKeyShape:
    """A new API key that speaks for oneself; its text is shown this once."""
    actor.require_write()
    made = await services.accounts.create_key(actor, **checked(asked.content, KEY_RULES))
    values = {name: getattr(made.kept, name) for name in _KEY_FIELDS}
    return NewKeyShape(**values, api_key=made.api_key)


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(
    key_id: Annotated[str, Path(max_length=36)], actor: ActorDep, services: ServicesDep
) -> Response:
    """The key works no more."""
    found = ids.canonical(key_id)
    if found is None:
        raise NotFound
    await services.accounts.revoke_key(actor, found)
    return Response(status_code=204)


@router.post("/auth/sign-in-links", status_code=201)
async def create_sign_in_link(request: Request, actor: ActorDep, services: ServicesDep) -> SignInLinkShape:
    """A link that signs one browser in as oneself, once, within ten minutes."""
    token = await services.accounts.create_sign_in(actor)
    base = str(request.base_url).rstrip("/")
    return SignInLinkShape(
        sign_in_url=f"{base}{SIGN_IN_PATH}?token={token}", expires_at=datetime.now(UTC) + SIGN_IN_FOR
    )


@router.post("/auth/logout", status_code=204)
async def sign_out(request: Request, actor: ActorDep, services: ServicesDep) -> Response:
    """This browser is signed out."""
    token = session_of(request.scope, headers_of(request.scope))
    if token is not None:
        await services.accounts.sign_out(token)
    response = Response(status_code=204)
    response.delete_cookie(cookie_name(request.scope), httponly=True, samesite="lax")
    return response


@page_router.get(SIGN_IN_PATH)
async def sign_in(
    request: Request, services: ServicesDep, token: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The browser is signed in, and the token gone from its address."""
    try:
        session = await services.accounts.sign_in(token)
    except NotAuthenticated:
        return HTMLResponse(_USED_LINK, 401, {"Cache-Control": "no-store"})
    response = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
    response.set_cookie(
        cookie_name(request.scope),
        session.token,
        expires=session.expires_at,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response
