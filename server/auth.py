"""Who may use the API.

On loopback it is open, but only to requests that were meant for it: the Host header must name this host, or a page of
any website could read footage through a name that it rebinds to 127.0.0.1. On every other address each request needs
the token, from the first day. The token is accepted as `Authorization: Bearer` and, because browsers, VLC and ffmpeg
cannot send that from a URL bar, as the password of Basic authentication with any user name (decision 0046).

Whatever changes something or lasts (POST, DELETE, a WebSocket) is refused to a page of another site, which its Origin
header tells: browsers hold only other requests back, and would even add the password.

`/healthz` and `/readyz` say nothing about cameras and are open everywhere.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING

from server.problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Gate:
    """ASGI middleware in front of every route: nothing behind it can forget to ask."""

    def __init__(self, app: ASGIApp, *, token: str | None) -> None:
        self._app = app
        self._token = token.encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it here."""
        if scope["type"] == "lifespan" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if _changes_or_lasts(scope) and not _same_origin(headers):
            refusal = problem(403, "Another site may not ask for this", "The Origin header names another address.")
        elif self._token is None:
            if _host_name(headers.get(b"host", "")) in LOOPBACK_NAMES:
                await self._app(scope, receive, send)
                return
            refusal = problem(
                403, "This address is not one of this host's", "Use 127.0.0.1 or localhost, with the same port."
            )
        elif self._accepts(headers.get(b"authorization", "")):
            await self._app(scope, receive, send)
            return
        else:
            refusal = problem(401, "A token is needed", "Send the token of this server as `Authorization: Bearer`.")
            refusal.headers["WWW-Authenticate"] = 'Basic realm="hulta", charset="UTF-8", Bearer realm="hulta"'
        await refusal(scope, receive, send)

    def _accepts(self, authorization: str) -> bool:
        scheme, _, credentials = authorization.partition(" ")
        given = credentials.strip().encode("latin-1")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif scheme.lower() != "bearer":
            return False
        assert self._token is not None
        return hmac.compare_digest(given, self._token)


def _changes_or_lasts(scope: Scope) -> bool:
    """What a page of another site could have a browser do in its name: no rule of browsers stops a WebSocket."""
    return scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS


def _same_origin(headers: dict[bytes, str]) -> bool:
    """Whether a browser says that a page of ours asks; programs say nothing (RFC 6454, 7)."""
    origin = headers.get(b"origin")
    return origin is None or origin.lower().partition("://")[2] == headers.get(b"host", "").lower()


def _host_name(host: str) -> str:
    """The name of a Host header without its port."""
    if host.startswith("["):
        return (host.partition("]")[0] + "]").lower()
    return host.partition(":")[0].lower()
