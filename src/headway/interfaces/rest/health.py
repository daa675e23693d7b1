"""`/healthz` and `/readyz`: whether the server answers, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter

from headway import __version__
from headway.interfaces.rest.asking import ServicesDep
from headway.interfaces.rest.shapes.accounts import HealthShape

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> HealthShape:
    """The server answers."""
    return HealthShape(status="ok", version=__version__)


@router.get("/readyz")
async def readyz(services: ServicesDep) -> HealthShape:
    """The server answers, and so does its database."""
    await services.system.require_ready()
    return HealthShape(status="ok", version=__version__)
