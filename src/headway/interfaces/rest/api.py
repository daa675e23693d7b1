"""Puts the REST API together: its routers, its problems, its OpenAPI document and the page that shows it."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, Response

from headway import __version__
from headway.domain.errors import NotFound
from headway.interfaces.rest import accounts, facts, health, overviews, problems, records, tasks
from headway.interfaces.rest.forms import batch_schema

PREFIX = "/api/v1"
UNVERSIONED = "/api"
OPENAPI_PATH = "/openapi.json"
_ABOUT = """The truth about the work your agents and background jobs do.

Lists answer `{items, next_cursor}`; a repeated parameter is OR. Errors are `application/problem+json` (RFC 9457).
Unknown is `null`, never 0. Durations are seconds, money is a decimal text in dollars, times are UTC.
A write with an `Idempotency-Key` may be repeated: it takes effect once and gives the same answer for a day."""
_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_DOCS = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Headway API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>"""
_START = f"SwaggerUIBundle({{url: '{OPENAPI_PATH}', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null}});"
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "`/problems/` and the name of the problem; stable."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
        "limit": {},
    },
    "additionalProperties": True,
}
_REFUSAL = {
    "type": "object",
    "required": ["seq", "type", "status", "detail"],
    "properties": {
        "seq": {"type": "integer"},
        "type": {"type": "string"},
        "status": {"type": ["string", "null"], "description": "Of the task at that moment."},
        "detail": {"type": "string"},
        "task_id": {"type": "string"},
        "kind": {"type": "string"},
        "field": {"type": "string"},
        "limit": {},
    },
}
_RECEIVED = {
    "type": "object",
    "required": ["acked_seq", "applied", "duplicates", "refused", "warnings", "cancel_requested"],
    "properties": {
        "acked_seq": {"type": "integer"},
        "applied": {"type": "integer"},
        "duplicates": {"type": "integer"},
        "refused": {"type": "array", "items": _REFUSAL},
        "warnings": {"type": "array", "items": {"type": "string"}},
        "cancel_requested": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["task_id", "reason"],
                "properties": {"task_id": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}


def new_app(lifespan: Any) -> FastAPI:
    """An app without routes but those of its documentation."""
    app = FastAPI(
        title="Headway",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]
    problems.install(app)
    app.add_api_route(OPENAPI_PATH, lambda: app.openapi(), include_in_schema=False)
    app.add_api_route("/docs", _docs_page, include_in_schema=False)
    app.add_api_route("/docs/{name}", _docs_asset, include_in_schema=False)
    return app


def install(app: FastAPI) -> None:
    """The app answers the REST API."""
    for router in (tasks.router, records.router, overviews.status_router, overviews.router, accounts.router):
        app.include_router(router, prefix=PREFIX)
    for router in (tasks.router, overviews.status_router):  # clients of these exist that know no version
        app.include_router(router, prefix=UNVERSIONED, include_in_schema=False)
    app.include_router(health.router)
    app.include_router(accounts.page_router)


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an app, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _with_problems(
            get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
        )
    return app.openapi_schema


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["paths"][facts.PATH] = {"post": _facts_operation()}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            responses["4XX"] = responses["5XX"] = {
                "description": "A problem (RFC 9457).",
                "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
            if path.startswith(PREFIX):
                operation["security"] = [{"key": []}]
    document["paths"] = dict(sorted(document["paths"].items()))
    return document


def _facts_operation() -> dict[str, Any]:
    schema = batch_schema()
    return {
        "tags": ["facts"],
        "summary": "Receive Facts",
        "description": "A batch of consecutive facts of one producer is durable; what was refused is told one by one.",
        "operationId": "receive_facts",
        "requestBody": {
            "required": True,
            "content": {media: {"schema": schema} for media in ("application/json", "application/msgpack")},
        },
        "responses": {
            "200": {"description": "Durable.", "content": {"application/json": {"schema": _RECEIVED}}}
        },
    }


async def _docs_page() -> HTMLResponse:
    return HTMLResponse(_DOCS, headers={"Content-Security-Policy": _DOCS_POLICY})


async def _docs_asset(name: str) -> Response:
    if name == "start.js":
        return Response(_START, media_type="text/javascript")
    if name not in _ASSETS:
        raise NotFound
    # Only the assets of the package are used: they are bundled, so the page asks no other host for anything.
    content = files("fastapi_offline").joinpath("static", name).read_bytes()
    return Response(content, media_type=_ASSETS[name], headers={"Cache-Control": "max-age=86400"})


def document_text(app: FastAPI) -> str:
    """The OpenAPI document as it is committed: indented, with a final newline."""
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"
