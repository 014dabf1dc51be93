"""`serve` while the catalog cannot be opened: it answers 503 and tries again, instead of not answering at all."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from starlette.responses import JSONResponse

from media.errors import HultaError
from server.problems import UNAVAILABLE, problem
from storage.waiting import pause

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.types import ASGIApp, Receive, Scope, Send

    from storage.clock import Clock

RETRY_S = 1.0
FIRST_ATTEMPT_S = 3.0

log = structlog.get_logger(__name__)


class CatalogDoor:
    """An ASGI application that is the real one as soon as that can be opened."""

    def __init__(self, open_app: Callable[[], AbstractAsyncContextManager[ASGIApp]], clock: Clock) -> None:
        self._open_app = open_app
        self._clock = clock
        self._app: ASGIApp | None = None
        self._complaint = "it is being opened"
        self._tried = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say that it is too early."""
        app = self._app or (_alive if scope["path"] == "/healthz" else self._too_early())
        await app(scope, receive, send)

    async def keep_open(self, stop: asyncio.Event) -> None:
        """Open the application, until `stop`; try again where that fails."""
        while not stop.is_set():
            try:
                async with self._open_app() as self._app:
                    self._tried.set()
                    await stop.wait()
            except HultaError as error:
                if str(error) != self._complaint:
                    log.error("catalog_not_opened", error=error)  # noqa: TRY400 - the message says it all
                self._complaint = str(error)
            finally:
                self._app = None
                self._tried.set()
            await pause(self._clock, RETRY_S, stop)

    async def tried(self) -> None:
        """Wait for the outcome of the first attempt, but not for long: who asks in the first moment gets an answer."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), FIRST_ATTEMPT_S)

    def _too_early(self) -> ASGIApp:
        return problem(503, "The catalog cannot be opened", self._complaint, kind=UNAVAILABLE)


_alive = JSONResponse({"status": "ok"})
