"""Where a camera sends us (RFC 2326 11.3, 10.10), and how far we follow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from media.errors import ConfigError, GapReason, SourceError
from media.url import DEFAULT_PORTS, CameraUrl, redact

if TYPE_CHECKING:
    from ingest.approach import Approach

STATUSES = frozenset({301, 302, 303, 305, 307, 308})

MOST_REDIRECTS = 3
_SHOWN_CHARACTERS = 100


class RedirectedError(Exception):
    """The camera answered that its stream is elsewhere."""

    def __init__(self, location: str) -> None:
        super().__init__()
        self.location = location


def follow(original: Approach, present: CameraUrl, location: str) -> Approach:
    """The approach to `location`, to which a camera that was reached at `present` refers.

    Its address is checked when it is connected to, as any other. Credentials go nowhere but to the host that they
    were given for: neither to another one nor to whom the new URL itself names. Encryption is never given up, and
    a pinned key or an authority is asked for wherever the camera sends us.
    SourceError for what is not followed.
    """
    if location.startswith("/"):
        authority = present.request_url.partition("://")[2].partition("/")[0]
        location = f"{present.scheme}://{authority}{location}"
    try:
        url = CameraUrl.parse(location)
    except ConfigError as error:
        shown = redact(location)[:_SHOWN_CHARACTERS]
        raise SourceError(GapReason.UNSUPPORTED, f"the camera redirects to {shown!r}: {error}") from error
    if url.scheme not in DEFAULT_PORTS:
        raise SourceError(GapReason.UNSUPPORTED, f"the camera redirects to {url}: only rtsp and rtsps are followed")
    if present.scheme == "rtsps" and url.scheme != "rtsps":
        raise SourceError(GapReason.TLS, f"the camera redirects to {url}, which is not encrypted")
    ours = url.host.lower() == original.url.host.lower()
    credentials = (original.url.username, original.url.password) if ours else (None, None)
    return replace(original, url=url.with_credentials(*credentials))
