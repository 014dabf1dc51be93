"""What cameras write into their session descriptions, through the whole client.

Each case is named after its quirk in docs/quirks.md and a camera it was seen on. The stream is recorded whole, whatever
else was on offer.
"""

from __future__ import annotations

import base64

import pytest

from media.errors import GapReason
from tests.builders_h264 import PPS, SPS
from tests.builders_recorded import numbers
from tests.builders_scripted_camera import SDP, SPROP, conversation, described, filmed

HEAD = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=camera\nt=0 0\n"
VIDEO = f"""m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;sprop-parameter-sets={SPROP}
a=control:track1
"""
ANNEX_B_SUFFIX, ANNEX_B_PREFIX = (
    ",".join(base64.b64encode(before + nal + behind).decode() for nal in (SPS, PPS))
    for before, behind in ((b"", b"\x00\x00\x00\x01"), (b"\x00\x00\x00\x01", b""))
)

DESCRIPTIONS = {
    "D1 macro-video, V380: no o=, c= behind the attributes": f"v=0\ns=x\na=control:*\nc=IN IP4 0.0.0.0\nt=0 0\n{VIDEO}",
    "D2 Anpviz, Geovision: lines out of order": f"t=0 0\na=range:npt=0-\ns=x\nv=0\n{VIDEO}b=AS:500\ni=late\n",
    "D3 H264DVR: a blank behind the rtpmap": HEAD + VIDEO.replace("H264/90000", "H264/90000 "),
    "D4 TP-Link TL-IPC44AW: a section without a payload type": (
        f"{HEAD}{VIDEO}m=audio 0 RTP/AVP 8\na=control:track2\n"
        "m=application/TP-LINK 0 RTP/AVP smart/1/90000\na=control:track3\n"
    ),
    "D5 Ubiquiti: an empty fmtp, one payload type three times": (
        f"{HEAD}{VIDEO.replace(f' packetization-mode=1;sprop-parameter-sets={SPROP}', '')}"
        "m=audio 0 RTP/AVP 96\na=rtpmap:96 opus/48000/2\na=control:track2\n"
        "m=audio 0 RTP/AVP 96\na=rtpmap:96 mpeg4-generic/16000/1\na=control:track3\n"
    ),
    "D6 GW: payload type 8 mapped to PCMU": f"{HEAD}m=audio 0 RTP/AVP 8\na=rtpmap:8 PCMU/8000\na=control:a\n{VIDEO}",
    "D6 Anpviz: audio without what would decode it": (
        f"{HEAD}{VIDEO}m=audio 0 RTP/AVP 0\na=rtpmap:0 MPEG4-GENERIC/16000/2\na=control:track2\n"
    ),
    "D7 H264DVR: a frame rate of 0S, then one of 25": f"{HEAD}{VIDEO}a=framerate:0S\na=framerate:25\n",
    "D8 VStarcam: a tab and a blank behind the formats": f"{HEAD}{VIDEO}m=audio 0 RTP/AVP 8\t \na=control:track2\n",
    "D9 a section of another protocol": f"{HEAD}m=video 0 MP2T/H2221/UDP 33\na=control:ts\n{VIDEO}",
    "D10 static payload types have no rtpmap": f"{HEAD}{VIDEO}m=audio 0 RTP/AVP 10\na=control:track2\n",
    "V5 GW: parameter sets that end with a start code": SDP.replace(SPROP, ANNEX_B_SUFFIX),
    "V5 parameter sets that begin with one": SDP.replace(SPROP, ANNEX_B_PREFIX),
    "V6 VStarcam: junk for parameter sets": SDP.replace(SPROP, "6QDwBE/LCAAAH0gABOIAIAA=,AAAAAA=="),
    "V6 v4l2rtspserver: no fmtp at all": SDP.replace(
        f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={SPROP}\n", ""
    ),
    "V8 a profile-level-id that is none": SDP.replace(
        "packetization-mode=1", "profile-level-id=TeAo;packetization-mode=1"
    ),
    "V8 another": SDP.replace("packetization-mode=1", "packetization-mode=1;profile-level-id=5046302"),
    "CRLF and a zero byte at the end": SDP.replace("\n", "\r\n") + "\x00",
}


@pytest.mark.parametrize("sdp", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
async def test_a_description_leads_to_the_video(sdp: str) -> None:
    """Every frame is stored, undamaged."""
    async with filmed(conversation(describe=described(sdp))) as film:
        await film.play(30)
    assert numbers(film.record()) == list(range(30))
    assert (film.damage(), film.gap_reasons()) == (0, [GapReason.SHUTDOWN])


@pytest.mark.parametrize("sprop", [SPROP, ANNEX_B_SUFFIX, ANNEX_B_PREFIX], ids=["plain", "suffix", "prefix"])
async def test_parameter_sets_of_the_description_are_enough(sprop: str) -> None:
    """A camera that never sends them in the stream is recorded from its first sync sample on (quirk V5)."""
    async with filmed(conversation(describe=described(SDP.replace(SPROP, sprop)))) as film:
        film.sets = ()
        await film.play(30)
    assert numbers(film.record()) == list(range(30))
    (scan,) = film.scans()
    assert SPS in scan.track.sample_entry
    assert PPS in scan.track.sample_entry


REFUSED = {
    "J1 motion JPEG": (HEAD + "m=video 0 RTP/AVP 26\na=control:v\n", "unsupported: the camera offers JPEG"),
    "V17 packets out of order": (
        SDP.replace("packetization-mode=1", "packetization-mode=2;sprop-interleaving-depth=3"),
        "unsupported: the camera offers H264 out of order (packetization-mode=2, interleaved)",
    ),
    "no video": (HEAD + "m=audio 0 RTP/AVP 8\na=control:a\n", "unsupported: the camera offers no video"),
    "no media": (HEAD, "protocol: the camera's description is unusable"),
}


@pytest.mark.parametrize(("sdp", "words"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_recorded_is_named(sdp: str, words: str) -> None:
    """In the gap."""
    async with filmed(conversation(describe=described(sdp))) as film:
        assert film.told[0].startswith(words)
