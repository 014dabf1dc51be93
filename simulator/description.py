"""The session description of a simulated camera (RFC 4566, RFC 6184 section 8.2)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from simulator.rtp_stream import PAYLOAD_TYPE
from simulator.timetable import RTP_CLOCK_RATE

if TYPE_CHECKING:
    from simulator.camera import Camera

TRACK = "track1"


def describe(camera: Camera) -> bytes:
    """One video track of H.264, with its parameter sets."""
    parameters = camera.source.parameters
    sprop = ",".join(base64.b64encode(nal).decode() for nal in (*parameters.sps, *parameters.pps))
    described = camera.conditions is None or camera.conditions.describes_parameters
    profile_level_id = parameters.sps[0][1:4].hex().upper()
    lines = (
        "v=0",
        f"o=- {camera.uuid.int >> 96} 1 IN IP4 127.0.0.1",
        f"s={camera.name}",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=tool:hulta simulator",
        "a=range:npt=now-",
        "a=control:*",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/{RTP_CLOCK_RATE}",
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={profile_level_id}"
        + (f";sprop-parameter-sets={sprop}" if described else ""),
        f"a=control:{TRACK}",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()
