"""The HTTP API, put together: routes inside, what guards them outside.

A request's way: security headers, HEAD, the gate (auth), the route, and back. Each of them fails with problem details.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from server import (
    api_camera_test,
    api_cameras,
    api_health,
    api_live,
    api_media,
    api_page,
    api_recording,
    api_remarks,
    problems,
)
from server.api_schema import describe
from server.auth import Gate
from server.head import HeadAsGet
from server.problems import LoggedOnce
from server.security_headers import SecurityHeaders
from server.version import VERSION

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from server.parts import Parts


PARTS = (
    api_camera_test,
    api_cameras,
    api_remarks,
    api_recording,
    api_media,
    api_live,
    api_health,
    api_page,
)


def guarded(api: ASGIApp, *, token: str | None) -> ASGIApp:
    """An application with what guards it around it. Without a token it must listen on loopback only."""
    return SecurityHeaders(HeadAsGet(Gate(LoggedOnce(api), token=token)))


def create_api(parts: Parts) -> FastAPI:
    """The routes alone."""
    api = FastAPI(
        title="Hulta",
        version=VERSION,
        summary="A recording server for a city's cameras.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # the framework's page loads scripts from elsewhere; ours is in api_page
        redoc_url=None,
    )
    api.state.parts = parts
    problems.install(api)
    api.openapi = lambda: describe(api)  # type: ignore[method-assign]
    for part in PARTS:
        api.include_router(part.router)
    return api
