"""What libav is told to open, for a camera that is reached by it: the URL, and everything it may not do. Pure.

One scheme allows the protocols it is made of and no other: `concat:`, `subfile:`, `crypto:`, `data:` and the like are
never among them. And it allows demuxers that read what they are given: none of playlists (HLS, DASH, concat, SDP),
which would open the URLs that somebody wrote into them. TLS is spoken for libav (`ingest.libav_lines`): it gets the URL
as it is inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ingest.libav_wire import Order
from media.errors import GapReason, SourceError
from media.url import DEFAULT_PORTS, ENCRYPTED

if TYPE_CHECKING:
    from media.url import CameraUrl

_STREAMS = "mpjpeg,mjpeg,jpeg_pipe,mpegts,h264,hevc"
_CONTAINERS = f"{_STREAMS},flv,live_flv,matroska,mov"

_PROTOCOLS = {
    "http": ("http,tcp", _CONTAINERS),
    "rtsp": ("rtsp,rtp,tcp", "rtsp"),
    "rtmp": ("rtmp,tcp", "flv,live_flv"),
    "tcp": ("tcp", _STREAMS),
    "udp": ("udp", _STREAMS),
}
_INSIDE = {"https": "http", "rtsps": "rtsp", "rtmps": "rtmp"}
SCHEMES = frozenset({*_PROTOCOLS, *ENCRYPTED})

_IO_TIMEOUT_US = 8_000_000
_COMMON = {
    "probesize": "2000000",
    "analyzeduration": "3000000",
    # Pictures without times are timed by arrival: none may wait until a frame rate is guessed.
    "fpsprobesize": "0",
}


def source_problem(source: str, scheme: str) -> str:
    """Why a camera with a URL of this scheme cannot be reached that way; empty if it can."""
    if source == "rtsp" and scheme not in DEFAULT_PORTS:
        return f"{scheme}:// is opened by `source: libav` only"
    return ""


def libav_order(url: CameraUrl, address: str) -> Order:
    """For a camera whose host is at `address`, which was checked. SourceError for a scheme that is not allowed."""
    scheme = _INSIDE.get(url.scheme, url.scheme)
    if scheme not in _PROTOCOLS:
        raise SourceError(
            GapReason.UNSUPPORTED,
            f"{url.scheme} is not opened by libav here",
            hint=f"allowed are {', '.join(sorted(SCHEMES))}",
        )
    protocols, formats = _PROTOCOLS[scheme]
    return Order(
        url=_pinned(url, scheme, address),
        datagrams=scheme == "udp",
        formats=formats,
        options={**_COMMON, "protocol_whitelist": protocols, **_options(url, scheme)},
        redirects_refused=scheme == "http",
    )


def _options(url: CameraUrl, scheme: str) -> dict[str, str]:
    timeout = str(_IO_TIMEOUT_US)
    if scheme == "http":
        return {
            "max_redirects": "0",  # they could lead anywhere
            "seekable": "0",
            "icy": "0",
            "user_agent": "hulta",
            "headers": f"Host: {_authority(url)}\r\n",
            "rw_timeout": timeout,
        }
    if scheme == "rtsp":
        return {"rtsp_transport": "tcp", "timeout": timeout}
    return {"rw_timeout": timeout} if scheme == "rtmp" else {"timeout": timeout}


def _authority(url: CameraUrl) -> str:
    return url.request_url.partition("://")[2].partition("/")[0].partition("?")[0]


def _pinned(url: CameraUrl, inside: str, address: str) -> str:
    """The URL with the address that was checked instead of the name, and the login."""
    rest = url.request_url.partition("://")[2]
    target = rest[len(_authority(url)) :]
    login = ""
    if url.username is not None:
        login = f"{quote(url.username, safe='')}:{quote(url.password or '', safe='')}@"
    host = f"[{address}]" if ":" in address else address
    return f"{inside}://{login}{host}:{url.port}{target}"
