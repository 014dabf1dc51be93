"""How a camera is reached: its URL, the networks it may live in, and what its packets travel on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.url import CameraUrl

Way = Literal["tcp", "udp"]
SourceName = Literal["rtsp", "libav"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """What a session depends on. A change of it needs another session."""

    url: CameraUrl
    source: SourceName = "rtsp"
    """What speaks to it: "rtsp", our own client, or "libav" (`ingest.libav_source`)."""
    networks: Sequence[str] = ()
    """Those that the camera may live in, and nothing outside of them is ever spoken to; empty for the default rule."""
    transport: Way = "tcp"
    """What packets travel on: the RTSP connection itself, or datagrams beside it."""
    tls_ca: str = ""
    """A file with the authorities that may have signed the camera's certificate; empty for those of this host."""
    tls_pin: str = ""
    """"sha256/..." of the public key that the camera must have, whoever signed it; see `ingest.tls`."""


@dataclass(slots=True, kw_only=True)
class CameraMemory:
    """What one session learned about a camera that later ones need to know, as long as the process lives."""

    digest_offered: bool = False
    """From then on a password is not sent as it is (`ingest.login`)."""
    every_track: bool = False
    """It sends nothing unless all its tracks are set up (`policies.wants_every_track`)."""
    renewed_for_sync: bool = False
    """A session was ended because no sync sample came, and none came since (`ingest.watch`)."""
    redirect: str = ""
    """Where the camera said to go next, in a REDIRECT request."""
