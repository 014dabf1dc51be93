"""Errors as clients see them: RFC 9457 problem details, for our own errors and for the framework's alike.

400 the range or a parameter is wrong      404 unknown camera, segment or page, or nothing in the range      409 exists
401/403 see auth      405 wrong method      406 not in this form      413, 415 see api_live
416 the byte range lies outside      503 a part below is down, or too many are here already
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from media.errors import (
    Conflict,
    HultaError,
    NoFootage,
    NotFound,
    ObjectMissing,
    StorageError,
    TooMany,
    Unfit,
    UsageError,
)
from server.log import scrub

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_LOGGED = "hulta.logged"

WRONG_REQUEST = "urn:hulta:problem:wrong-request"
NOT_FOUND = "urn:hulta:problem:not-found"
CONFLICT = "urn:hulta:problem:conflict"
NO_FOOTAGE = "urn:hulta:problem:no-footage"
MISSING_OBJECT = "urn:hulta:problem:missing-object"
UNAVAILABLE = "urn:hulta:problem:unavailable"
UNFIT = "urn:hulta:problem:unfit"
TOO_MANY = "urn:hulta:problem:too-many"
"""Types that clients may switch on. Other problems have only their HTTP status: `about:blank`, RFC 9457, 4.2.1."""

_KINDS: tuple[tuple[type[HultaError], int, str, str], ...] = (
    (UsageError, 400, WRONG_REQUEST, "The request is wrong"),
    (NotFound, 404, NOT_FOUND, "Not found"),
    (Conflict, 409, CONFLICT, "It exists already"),
    (NoFootage, 404, NO_FOOTAGE, "No footage"),
    (ObjectMissing, 404, MISSING_OBJECT, "The footage is missing from the object store"),
    (Unfit, 406, UNFIT, "It cannot be given in this form"),
    (TooMany, 503, TOO_MANY, "Too many at once"),
    (StorageError, 503, UNAVAILABLE, "A part of the server is not available"),
)


def problem(
    status: int,
    title: str,
    detail: str = "",
    *,
    kind: str = "about:blank",
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> JSONResponse:
    """A problem details response. `members` are extension members (RFC 9457, 3.2)."""
    body = {"type": kind, "title": title, "status": status, **({"detail": detail} if detail else {}), **members}
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def install(app: FastAPI) -> None:
    """Answer every error of this application with problem details."""
    app.add_exception_handler(HultaError, _hulta_error)
    app.add_exception_handler(RequestValidationError, _invalid_parameter)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _unexpected)


async def _hulta_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HultaError)
    return describe(error)


def describe(error: HultaError) -> JSONResponse:
    """One of our own errors."""
    for error_type, status, kind, title in _KINDS:
        if isinstance(error, error_type):
            detail = f"{error} ({error.hint})" if error.hint else str(error)
            return problem(status, title, scrub(detail), kind=kind)
    log.error("request_failed", error=error)
    return problem(500, "The server failed")


async def _invalid_parameter(_request: Request, error: Exception) -> JSONResponse:
    """Name the parameters, not their values."""
    assert isinstance(error, RequestValidationError)
    faults = [f"{fault['loc'][-1]}: {fault['msg'].partition(',')[0]}" for fault in error.errors()]
    return problem(400, "A parameter is wrong", "; ".join(faults), kind=WRONG_REQUEST)


async def _http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    return problem(
        error.status_code, phrase, "" if error.detail == phrase else str(error.detail), headers=error.headers
    )


class LoggedOnce:
    """ASGI middleware around the framework, which raises again what `_unexpected` has logged and answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through."""
        try:
            await self._app(scope, receive, send)
        except Exception:
            if not scope.get(_LOGGED):
                raise


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours. What it says stays in the log."""
    request.scope[_LOGGED] = True
    log.error("request_failed", path=request.url.path, exc_info=error)
    return problem(500, "The server failed")
