"""Who may watch: the login that every simulated camera asks for, if any."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from media.rtsp_auth import Challenge, verify

if TYPE_CHECKING:
    from media.rtsp import Request
    from simulator.options import Credentials

REALM = "hulta simulator"


class Guard:
    """Checks the requests of one connection, with a nonce of its own as most cameras do."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._nonce = secrets.token_hex(16)

    def admits(self, request: Request) -> bool:
        """Whether a request proves the login, by one of the schemes on offer."""
        credentials = self._credentials
        if credentials is None:
            return True
        header = request.headers.get("Authorization", "")
        scheme = header.partition(" ")[0].lower()
        return scheme in credentials.schemes and verify(
            header, request.method, credentials.username, credentials.password, REALM, self._nonce
        )

    def challenges(self) -> list[tuple[str, str]]:
        """The header fields of a 401, one per scheme in order of preference."""
        schemes = self._credentials.schemes if self._credentials else ("digest", "basic")
        challenges = (Challenge(scheme=scheme.capitalize(), realm=REALM, nonce=self._nonce) for scheme in schemes)
        return [("WWW-Authenticate", challenge.to_header()) for challenge in challenges]
