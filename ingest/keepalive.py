"""What keeps a session alive that plays: a request now and then, of a kind that this camera takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest import policies
from media import rtsp
from media.errors import SourceError

if TYPE_CHECKING:
    import asyncio

    from ingest.login import Login
    from ingest.session import RtspSession

LONGEST_TIMEOUT_S = 60


class KeepAlive:
    """One session's. `due` is called while it plays."""

    def __init__(self, session: RtspSession, login: Login) -> None:
        self._session = session
        self._login = login
        self._method = "OPTIONS"
        self._public: frozenset[str] = frozenset()
        self._asked: asyncio.Future[rtsp.Response] | None = None
        self._login_repeated = False
        self._last_us = 0
        self._url = ""
        self._headers: dict[str, str] = {}
        self._every_us = LONGEST_TIMEOUT_S * 500_000

    def begin(self, url: str, session_id: str, timeout_s: int, boot_us: int) -> None:
        """The session plays: ask for `url`, twice in the time after which the camera would give it up."""
        self._url, self._headers, self._last_us = url, {"Session": session_id}, boot_us
        self._every_us = min(timeout_s, LONGEST_TIMEOUT_S) * 500_000

    def due(self, boot_us: int) -> None:
        """Ask, if it is time to."""
        if boot_us - self._last_us <= self._every_us or not self._session.connected:
            return
        if self._asked is not None and not self._asked.done():
            self._method = policies.next_keepalive(self._method, None, self._public)
        self._last_us = boot_us
        self._login_repeated = False
        self._ask()

    def _ask(self) -> None:
        headers = {**self._headers, **self._login.field(self._method, self._url)}
        try:
            self._asked = self._session.send(self._method, self._url, headers)
        except SourceError as error:
            self._session.fail(error.reason, str(error))
        else:
            self._asked.add_done_callback(self._answered)

    def _answered(self, answer: asyncio.Future[rtsp.Response]) -> None:
        """What the camera says to it. Only a nonce that became too old is answered, and only once."""
        if answer.cancelled() or self._session.failure.done() or not self._session.connected:
            return
        response = answer.result()
        if response.status == 401 and not self._login_repeated and self._login.possible:
            self._login_repeated = True
            self._login.learn(response)
            self._ask()
            return
        if self._method == "OPTIONS" and "Public" in response.headers:
            self._public = rtsp.parse_public(response.headers["Public"])
        self._method = policies.next_keepalive(self._method, response, self._public)
