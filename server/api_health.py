"""For machines that watch machines: /healthz, /readyz, /metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from media.errors import CatalogError
from server import metrics
from server.parts import GivenParts, parts_of
from server.problems import problem

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=None)
async def healthz() -> JSONResponse:
    """Whether this process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", response_model=None)
async def readyz(request: Request) -> JSONResponse:
    """Questions can be answered: the catalog does, and which of the other processes do."""
    parts = parts_of(request)
    roles = {name: state is not None for name, state in (await parts.fleet.states()).items()}
    try:
        await parts.catalog.inventory.policies()
    except CatalogError:
        return problem(503, "The catalog does not answer", roles=roles)
    return JSONResponse({"status": "ready", "roles": roles})


@router.get("/metrics", response_class=Response)
async def get_metrics(parts: GivenParts) -> Response:
    """Prometheus text."""
    text, media_type = await metrics.render(parts)
    return Response(text, media_type=media_type)
