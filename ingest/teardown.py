"""Telling a camera that a session is over, until it has heard it (RFC 2326 10.7).

A camera that is not told goes on sending datagrams to ports that nobody listens to, and keeps a place taken until its
session expires: after a few such ends it answers 453 to everybody. So TEARDOWN is not sent into the blue: it is
repeated, on new connections where the old one is gone, until there is an answer or the session has expired by itself.
None of that keeps the recorder waiting, it happens beside the next session.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from ingest import policies
from ingest.connect import connect
from ingest.login import ATTEMPTS
from media.errors import SourceError
from storage.waiting import first_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ingest.approach import Approach
    from ingest.login import Login
    from ingest.session import RtspSession
    from media.rtsp import Response
    from storage.clock import Clock

ANSWER_S = 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 16.0
MOST_FAREWELLS = 512
"""At a time. More sessions than that do not end without their host ending, and then nothing is repeated."""

log = structlog.get_logger()


class Farewell:
    """One session's end. `begin` sends; `say` returns once the camera has answered, or there is nothing left to end."""

    def __init__(
        self, *, approach: Approach, login: Login, url: str, session_id: str, timeout_s: int, clock: Clock
    ) -> None:
        self._approach = approach
        self._login = login
        self._url = url
        self._session_id = session_id
        self._expires_us = clock.boot_us() + timeout_s * 1_000_000
        self._clock = clock
        self._sent: asyncio.Future[Response] | None = None

    def begin(self, session: RtspSession) -> None:
        """Send TEARDOWN at once, as far as it still gets through: whatever comes next may be the end of the process."""
        if session.connected:
            try:
                self._sent = self._request(session)
            except SourceError as error:
                log.debug("teardown_failed", reason=error.reason.value)

    def _request(self, session: RtspSession) -> asyncio.Future[Response]:
        headers = {"Session": self._session_id, **self._login.field("TEARDOWN", self._url)}
        return session.send("TEARDOWN", self._url, headers)

    async def say(self, session: RtspSession, turn: Callable[[], Awaitable[None]], *, insist: bool) -> bool:
        """On `session`, and if it is needed and `insist`, on new connections, each after its `turn`.

        Returns whether the camera has heard it.
        """
        if await self._told(session):
            return True
        pause_s = FIRST_PAUSE_S
        while insist and self._clock.boot_us() + pause_s * 1_000_000 < self._expires_us:
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            await turn()
            try:
                session = await connect(self._approach, self._clock)
            except SourceError as error:
                log.debug("teardown_delayed", reason=error.reason.value)
                continue
            if await self._told(session):
                return True
        return False

    async def _told(self, session: RtspSession) -> bool:
        """Whether the camera answered, and the session is over."""
        try:
            for _attempt in range(ATTEMPTS + 1):
                answer, self._sent = self._sent or self._request(session), None
                await first_of(asyncio.wait([answer]), self._clock.sleep(ANSWER_S))
                if not answer.done():
                    return False
                if answer.result().status != 401 or not self._login.may_repeat(answer.result()):
                    return answer.result().status in policies.TEARDOWN_DONE
        except SourceError as error:
            log.debug("teardown_failed", reason=error.reason.value)
        finally:
            session.close()
        return False


class Farewells:
    """Those of a process that are being said. New connections wait for their `turn` among all cameras'."""

    def __init__(self, turn: Callable[[], Awaitable[None]]) -> None:
        self._turn = turn
        self._tasks: set[asyncio.Task[bool]] = set()

    def start(self, farewell: Farewell, session: RtspSession, *, insist: bool) -> None:
        """Once at once; the rest goes on beside everything else, except where there are too many."""
        farewell.begin(session)
        if len(self._tasks) >= MOST_FAREWELLS:
            session.close()
            return
        task = asyncio.ensure_future(farewell.say(session, self._turn, insist=insist))
        self._tasks.add(task)
        task.add_done_callback(self._said)
        task.add_done_callback(lambda _task: session.close())

    def _said(self, task: asyncio.Task[bool]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("teardown_defect", exc_info=task.exception())

    async def finish(self, clock: Clock, seconds: float) -> None:
        """The process ends: give them this long, then leave it at that."""
        if self._tasks:
            await first_of(asyncio.wait(self._tasks), clock.sleep(seconds))
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
