"""HEAD for every GET: the same handler, the same headers, no body made.

The framework would need a second route for each path. The HTTP server below drops the body by itself; handlers that
would make a large one ask `is_head` and make none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

_MARK = "hulta.head"


class HeadAsGet:
    """ASGI middleware that hands HEAD on as GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", _MARK: True}
        await self._app(scope, receive, send)


def is_head(request: Request) -> bool:
    """Whether only the headers are wanted."""
    return _MARK in request.scope
