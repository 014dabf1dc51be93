"""Alerts as a POST of JSON to a URL of the administrator's.

Any address is allowed, it is the administrator's own; but a redirect is not followed: it would carry token and alerts
to wherever the answer says. Headers:

    Authorization: Bearer <token>                       where a token is configured
    Hulta-Signature: t=<seconds since 1970>,v1=<hex>    where a secret is: HMAC-SHA-256 over "<seconds>." and the body
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playback.timerange import format_instant
from server.alert_channel import AlertNotSentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.alert import Alert
    from server.settings_alerts import WebhookRules
    from storage.clock import Clock

TIMEOUT_S = 10.0
MOST_ANSWER_BYTES = 65_536


class Webhook:
    """A `Sender`."""

    name = "webhook"

    def __init__(self, rules: WebhookRules, host: str, clock: Clock) -> None:
        self._rules = rules
        self._host = host
        self._clock = clock

    def send(self, alerts: Sequence[Alert]) -> None:
        """See `Sender.send`: any 2xx means taken."""
        now_us = self._clock.wall_us()
        body = json.dumps(
            {"host": self._host, "sent": format_instant(now_us), "alerts": [alert.to_json() for alert in alerts]}
        ).encode()
        status = self._post(body, self._headers(body, now_us // 1_000_000))
        if not 200 <= status < 300:
            what = "redirects, which is not followed" if 300 <= status < 400 else "does not take alerts"
            raise AlertNotSentError(f"{self._rules.origin} answers {status}: it {what}")

    def _headers(self, body: bytes, now_s: int) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "hulta"}
        if self._rules.token is not None:
            headers["Authorization"] = f"Bearer {self._rules.token.get_secret_value()}"
        if self._rules.secret is not None:
            headers["Hulta-Signature"] = f"t={now_s},v1={sign(body, now_s, self._rules.secret.get_secret_value())}"
        return headers

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        connection = None
        try:
            connection = self._connection()
            connection.request("POST", self._target(), body, headers)
            answer = connection.getresponse()
            answer.read(MOST_ANSWER_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AlertNotSentError(f"{self._rules.origin}: {_why(error)}") from None
        finally:
            if connection is not None:
                connection.close()
        return answer.status

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._rules.url.get_secret_value())
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
        trust = ssl.create_default_context(cafile=self._rules.ca)
        return http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_S, context=trust)

    def _target(self) -> str:
        parts = urlsplit(self._rules.url.get_secret_value())
        return f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"


def sign(body: bytes, now_s: int, secret: str) -> str:
    """What the receiver computes as well, and compares in constant time.

    With the time in it, nobody can send an old alert again later.
    """
    return hmac.new(secret.encode(), b"%d." % now_s + body, hashlib.sha256).hexdigest()


def _why(error: Exception) -> str:
    """What went wrong, without a word of what the other side sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
