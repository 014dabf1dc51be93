"""Logging in to a camera: what is answered to its challenges, and what is not (RFC 7616, RFC 7617)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from media import rtsp_auth

if TYPE_CHECKING:
    from ingest.approach import CameraMemory
    from media.rtsp import Response
    from media.url import CameraUrl

ATTEMPTS = 2
"""One for the challenge, one for a stale nonce. More would lock the account."""


class Login:
    """One session's. Without a user name nothing is ever answered.

    A password is sent as it is (Basic) only to a camera that never offered Digest, or inside TLS. Otherwise whoever
    stands between could take Digest off the list, and read it.
    """

    def __init__(self, url: CameraUrl, memory: CameraMemory, *, encrypted: bool) -> None:
        self._username = url.username
        self._password = url.password
        self._memory = memory
        self._encrypted = encrypted
        self._challenges: tuple[rtsp_auth.Challenge, ...] = ()
        self._nonce_count = 0
        self._scheme: str | None = None
        self.withheld = ""
        """Why no answer is given to what the camera asks for, where there could be one."""

    @property
    def possible(self) -> bool:
        """Whether there are credentials at all."""
        return bool(self._username)

    @property
    def scheme(self) -> str | None:
        """What was answered with: "Basic", "Digest MD5"; None where nothing was."""
        return self._scheme

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
        """Remember what a 401 asks for, as far as it is answered."""
        challenges = rtsp_auth.parse_challenges(refusal.headers)
        if any(challenge.scheme == "Digest" for challenge in challenges):
            self._memory.digest_offered = True
        if self._memory.digest_offered and not self._encrypted:
            usable = tuple(challenge for challenge in challenges if challenge.scheme == "Digest")
            if challenges and not usable:
                self.withheld = "it asks for the password as it is, and has offered Digest before"
            challenges = usable
        self._challenges = challenges
        self._nonce_count = 0

    def may_repeat(self, refusal: Response) -> bool:
        """Whether a request that met this 401 is worth another try: a first challenge, or a nonce too old."""
        if not self._username:
            return False
        known = bool(self._challenges)
        self.learn(refusal)
        return bool(self._challenges) and (not known or any(challenge.stale for challenge in self._challenges))
