"""Logging in to a camera: what is answered to its challenges, and what is not (RFC 7616, RFC 7617)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from media import rtsp_auth

if TYPE_CHECKING:
    from media.rtsp import Response

ATTEMPTS = 2
"""One for the challenge, one for a stale nonce. More would lock the account."""


class Login:
    """One session's. Without a `username` nothing is ever answered."""

    def __init__(self, username: str | None, password: str | None) -> None:
        self._username = username
        self._password = password
        self._challenges: tuple[rtsp_auth.Challenge, ...] = ()
        self._nonce_count = 0
        self._scheme: str | None = None

    @property
    def scheme(self) -> str | None:
        """What was answered with: "Basic", "Digest MD5"; None where nothing was."""
        return self._scheme

    @property
    def possible(self) -> bool:
        """Whether there are credentials at all."""
        return bool(self._username)

    def field(self, method: str, url: str) -> dict[str, str]:
        """The Authorization field of a request, as far as a challenge was seen."""
        if not self._challenges or not self._username:
            return {}
        self._nonce_count += 1
        authorization = rtsp_auth.authorize(
            self._challenges,
            method,
            url,
            self._username,
            self._password or "",
            nonce_count=self._nonce_count,
            cnonce=secrets.token_hex(8),
        )
        if authorization is None:
            return {}
        self._scheme = rtsp_auth.scheme_of(authorization)
        return {"Authorization": authorization}

    def learn(self, refusal: Response) -> None:
        """Remember what a 401 asks for."""
        self._challenges = rtsp_auth.parse_challenges(refusal.headers)
        self._nonce_count = 0

    def may_repeat(self, refusal: Response) -> bool:
        """Whether a request that met this 401 is worth another try: a first challenge, or a nonce too old."""
        if not self._username:
            return False
        known = bool(self._challenges)
        self.learn(refusal)
        return bool(self._challenges) and (not known or any(challenge.stale for challenge in self._challenges))
