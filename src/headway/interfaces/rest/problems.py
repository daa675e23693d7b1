"""The one table from errors to HTTP statuses, and problems as RFC 9457 documents.

A request that can be read but breaks a rule of a field is 422, one that cannot be read 400.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from headway.domain import errors
from headway.interfaces.rest.problem_texts import TEXTS
from headway.interfaces.rest.wire import printable

_log = logging.getLogger("headway.rest")
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
TYPE_PREFIX = "/problems/"

STATUSES: dict[type[errors.HeadwayError], int] = {
    errors.InvalidFact: 422,
    errors.BatchTooLarge: 413,
    errors.SequenceGap: 409,
    errors.IdempotencyMismatch: 422,
    errors.InvalidInput: 400,
    errors.NotFound: 404,
    errors.NotAuthenticated: 401,
    errors.AccessDenied: 403,
    errors.Conflict: 409,
    errors.Unavailable: 503,
    errors.SchemaOutdated: 503,
    errors.HeadwayError: 500,
}
_HTTP_SLUGS = {404: "not-found", 405: "method-not-allowed", 415: "unsupported-media-type"}
_VALIDATION_SLUGS = {
    "missing": "missing-field",
    "extra_forbidden": "unknown-field",
    "string_too_long": "too-long",
    "string_too_short": "too-short",
    "too_long": "too-long",
    "too_short": "too-short",
    "greater_than_equal": "out-of-range",
    "less_than_equal": "out-of-range",
    "greater_than": "out-of-range",
    "less_than": "out-of-range",
    "literal_error": "out-of-range",
    "enum": "out-of-range",
    "finite_number": "not-finite",
    "bad_text": "bad-text",
}
_LIMITS = ("limit_value", "max_length", "min_length", "ge", "le", "gt", "lt", "expected")
_encoder = msgspec.json.Encoder(enc_hook=str)


class UnsupportedMediaType(errors.InvalidInput):
    """The body has a content type or encoding that is not read here."""

    slug = "unsupported-media-type"


class ForeignRequest(errors.AccessDenied):
    """The request comes from another web page, or under a name this server does not answer to."""

    slug = "foreign-request"


STATUSES[UnsupportedMediaType] = 415


def status_of(error: errors.HeadwayError) -> int:
    """The HTTP status that an error stands for."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def problem_response(error: errors.HeadwayError) -> Response:
    """The answer to a request that ended in an error."""
    concerned = dict(error.concerned)
    slug = concerned.pop("problem", None) or getattr(error, "problem", None) or error.slug
    status, headers = status_of(error), {}
    if status == 503:
        headers["Retry-After"] = str(math.ceil(concerned.get("retry_after_s", RETRY_AFTER_S)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(slug, status, error.detail, concerned, headers)


def problem(
    slug: str,
    status: int,
    detail: str,
    concerned: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document (RFC 9457). What `concerned` calls `status` is the task's and told as `task_status`."""
    title = (TEXTS.get(slug) or TEXTS["error"]).rstrip(".")
    content = {
        "type": TYPE_PREFIX + slug,
        "title": title,
        "status": status,
        "detail": printable(detail, 2_000),
    }
    for name, value in (concerned or {}).items():
        content["task_status" if name == "status" else name] = value
    return Response(_encoded(content), status, dict(headers or {}), MEDIA_TYPE)


def _encoded(content: dict[str, Any]) -> bytes:
    try:
        return _encoder.encode(content)
    except UnicodeEncodeError:  # a lone surrogate of the input came back in what is concerned
        return _encoder.encode({name: content[name] for name in ("type", "title", "status", "detail")})


def install(app: FastAPI) -> None:
    """The app answers every error as a problem and serves a text for each type of problem."""
    app.add_exception_handler(errors.HeadwayError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_surprise)
    app.add_api_route(
        TYPE_PREFIX + "{slug}", problem_text, include_in_schema=False, response_class=PlainTextResponse
    )


async def problem_text(slug: str) -> PlainTextResponse:
    """What a type of problem means."""
    if slug not in TEXTS:
        raise errors.NotFound
    return PlainTextResponse(f"{slug}\n\n{TEXTS[slug]}\n")


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.HeadwayError)
    return problem_response(error)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    slug = _HTTP_SLUGS.get(error.status_code, "invalid-input" if error.status_code < 500 else "error")
    return problem(slug, error.status_code, str(error.detail), headers=error.headers)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [_validation(item) for item in error.errors()]
    first = found[0]
    concerned = {name: first[name] for name in ("field", "limit") if name in first}
    detail = "; ".join(f"{item['field']}: {item['detail']}" for item in found)
    return problem(first["problem"], 422, detail, concerned | ({"errors": found} if len(found) > 1 else {}))


def _validation(item: Any) -> dict[str, Any]:
    place: Sequence[Any] = item["loc"]
    context: Mapping[str, Any] = item.get("ctx") or {}
    limits = [context[name] for name in _LIMITS if name in context]
    told = {
        "problem": _VALIDATION_SLUGS.get(item["type"], "wrong-type"),
        "field": printable(".".join(str(part) for part in place[1:]) or str(place[0]), 200),
        "detail": printable(item["msg"]),
    }
    return told | ({"limit": limits[0]} if limits else {})


async def _on_surprise(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem("error", 500, "Something went wrong in Headway; its log says what.")
