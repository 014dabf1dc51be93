"""Where this client deviates from RFC 2326 because cameras do, each deviation by name and with its reason.

Nothing of the kind stands anywhere else. Forms that are merely written oddly are the parsers' matter (`media.rtsp`,
`media.rtsp_fields`, `media.sdp`, `media.rtp`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media.rtsp import Response

TEARDOWN_DONE = frozenset({200, 454, 500})
"""Answers to TEARDOWN after which there is no session any more. 454: it was gone already. 500: Hikvision DS-2CD2032
with firmware 5.4.41 ties the session to its connection and says so (quirk I7)."""

ENDED_CONNECTION_US = 1_000_000
"""A camera that sends datagrams may close the RTSP connection: RFC 2326 1.6 lets a session go on without it, and some
do so behind PLAY. The session lives as long as packets come, and ends after this much silence; where the connection
ended because the camera did, that is sooner than any other sign of it."""

_H264DVR = re.compile(r"(?i)h264dvr")
_LIVE555 = re.compile(rb"LIVE555 Streaming Media v(\d{4}\.\d\d\.\d\d)")
_LIVE555_MENDED = b"2017.06.04"


def wants_every_track(describe: Response, transport: str) -> bool:
    """H264DVR 1.0 sends nothing over UDP unless its sound is set up as well (quirk S22).

    So it is, and what comes of it is discarded. The same is tried with any camera that sent nothing over UDP and
    offers more than was asked for (`CameraMemory.every_track`).
    """
    return transport == "udp" and bool(_H264DVR.search(describe.headers.get("Server", "")))


def leaks_sessions(describe: Response) -> bool:
    """live555 before 2017.06.04 goes on sending into a closed connection's descriptor, so into the next connection.

    (Quirk I3: Reolink, Foscam, Anjvision.) So its TEARDOWN is repeated on new connections until it is answered, as
    otherwise only over UDP. What comes of an old session all the same is told by its SSRC and dropped
    (`ingest.stale`): to wait the 65 s until the camera gives it up would lose what can be recorded meanwhile.
    """
    found = _LIVE555.search(describe.body)
    return found is not None and found[1] < _LIVE555_MENDED


def session_id(first: str, answered: str) -> str:
    """The first one, whatever later answers say: H264DVR 1.0 counts on with each SETUP and knows the first (S21)."""
    return first or answered


def next_keepalive(method: str, answer: Response | None, public: frozenset[str]) -> str:
    """What keeps a session alive the next time, after `method` met this answer, or none.

    OPTIONS first, which everybody answers. Then SET_PARAMETER where it is advertised, else GET_PARAMETER: GW cameras
    ignore the latter and drop the session each minute (quirk S19), and rtsp-simple-server 0.19.3 drops it for a method
    that it does not know. Tapo advertises SET_PARAMETER and answers 400, with the number of the request before (S20):
    whatever is refused or not answered gives way to the next one, and OPTIONS stays where nothing else is left.
    """
    wanted = [name for name in ("SET_PARAMETER", "GET_PARAMETER") if name in public]
    if method == "OPTIONS":
        return wanted[0] if wanted and answer is not None and answer.ok else method
    if answer is not None and answer.ok:
        return method
    later = wanted[wanted.index(method) + 1 :] if method in wanted else []
    return later[0] if later else "OPTIONS"
