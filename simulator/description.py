"""The session description of a simulated camera (RFC 4566)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.rtp_stream import PAYLOAD_TYPE
from simulator.timetable import RTP_CLOCK_RATE

if TYPE_CHECKING:
    from simulator.camera import Camera

TRACK, SOUND_TRACK = "track1", "track2"


def describe(camera: Camera) -> bytes:
    """One video track, with its parameter sets where its codec describes them; and what the camera hears."""
    codec = camera.source.codec
    described = camera.conditions is None or camera.conditions.describes_parameters
    fmtp = codec.fmtp(camera.source.parameters, described=described)
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
        f"a=rtpmap:{PAYLOAD_TYPE} {codec.encoding}/{RTP_CLOCK_RATE}",
        *([f"a=fmtp:{PAYLOAD_TYPE} {fmtp}"] if fmtp else []),
        f"a=control:{TRACK}",
        *_sound(camera),
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


def _sound(camera: Camera) -> tuple[str, ...]:
    if camera.microphone is None:
        return ()
    reel = camera.microphone.reel
    kind = reel.payload_type
    fmtp = (f"a=fmtp:{kind} {reel.fmtp}",) if reel.fmtp else ()
    return (f"m=audio 0 RTP/AVP {kind}", f"a=rtpmap:{kind} {reel.rtpmap}", *fmtp, f"a=control:{SOUND_TRACK}")
