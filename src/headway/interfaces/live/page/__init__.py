"""The plain page at `/`: what runs now, what finished, one task's log. Static files, no build step, no outside host."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from headway.domain.errors import NotFound

router = APIRouter(include_in_schema=False)
_TYPES = {"page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _file(name: str, media_type: str) -> Response:
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    return Response(files(__name__).joinpath(name).read_bytes(), headers=headers, media_type=media_type)


@router.get("/")
async def page() -> Response:
    """The page; what it shows it asks for with the browser's cookie."""
    return _file("page.html", "text/html")


@router.get("/page/{name}")
async def page_part(name: str) -> Response:
    """Script, style or icon of the page."""
    if name not in _TYPES:
        raise NotFound
    return _file(name, _TYPES[name])


@router.get("/favicon.ico")
async def icon() -> Response:
    """The icon, where browsers look for it unasked."""
    return _file("icon.svg", _TYPES["icon.svg"])
