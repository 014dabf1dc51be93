"""Session descriptions as cameras write them."""

from __future__ import annotations

import pytest

from media.errors import SdpError
from media.sdp import MediaDescription, SessionDescription, join_control, parse

AXIS = """v=0\r
o=- 1 1 IN IP4 10.17.0.11\r
s=Session streamed with GStreamer\r
c=IN IP4 0.0.0.0\r
t=0 0\r
a=control:rtsp://10.17.0.11/axis-media/media.amp\r
m=video 0 RTP/AVP 96\r
b=AS:50000\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1;profile-level-id=4D0029;sprop-parameter-sets=Z00AKeKQDwBE/LgLcBAQGkHiRFQ=,aO48gA==\r
a=control:stream=0\r
m=audio 0 RTP/AVP 0\r
a=control:stream=1\r
"""


def only(text: str) -> MediaDescription:
    """The single media of a description."""
    (media,) = parse(text).media
    return media


def test_an_ordinary_description() -> None:
    """Video with its format parameters, audio by its static payload type."""
    assert parse(AXIS) == SessionDescription(
        control="rtsp://10.17.0.11/axis-media/media.amp",
        media=(
            MediaDescription(
                kind="video",
                transport="RTP/AVP",
                payload_type=96,
                encoding="H264",
                clock_rate=90000,
                fmtp={
                    "packetization-mode": "1",
                    "profile-level-id": "4D0029",
                    "sprop-parameter-sets": "Z00AKeKQDwBE/LgLcBAQGkHiRFQ=,aO48gA==",
                },
                control="stream=0",
            ),
            MediaDescription(
                kind="audio",
                transport="RTP/AVP",
                payload_type=0,
                encoding="PCMU",
                clock_rate=8000,
                control="stream=1",
            ),
        ),
    )


def test_bytes_and_single_line_feeds_are_read_too() -> None:
    """A name in another character set does not matter."""
    text = AXIS.replace("\r\n", "\n").replace("s=Session", "s=Bor\xe5s")
    assert parse(text.encode("latin-1")).media == parse(AXIS).media


def test_lines_may_be_missing_or_in_any_order() -> None:
    """No o= line, c= after a=, control anywhere (quirks D1 D2 S8)."""
    description = parse(
        "v=0\r\na=control:*\r\na=tool:x\r\nc=IN IP4 0.0.0.0\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\n"
    )
    assert description.control == "*"
    assert (description.media[0].payload_type, description.media[0].encoding) == (96, "")


def test_trailing_blanks_go() -> None:
    """Quirks D3 and D8."""
    media = only("m=video 0 RTP/AVP 96\t \r\na=rtpmap:96 H264/90000 \r\na=control:trackID=0 \r\n")
    assert (media.encoding, media.clock_rate, media.control) == ("H264", 90000, "trackID=0")


def test_media_without_a_payload_type_is_left_out() -> None:
    """TP-Link offers "smart/1/90000" beside two good ones (quirk D4)."""
    description = parse(AXIS + "m=application/TP-LINK 0 RTP/AVP smart/1/90000\r\na=rtpmap:95 TP-LINK/90000\r\n")
    assert [media.kind for media in description.media] == ["video", "audio"]


def test_empty_format_parameters_are_none() -> None:
    """Ubiquiti: "a=fmtp:96" and two media of one payload type (quirk D5)."""
    description = parse(
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96\r\n"
        "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/16000/1\r\na=fmtp:97 mode=AAC-hbr;Config=1408;\r\n"
        "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n"
    )
    assert [(media.encoding, media.clock_rate, media.fmtp) for media in description.media] == [
        ("H264", 90000, {}),
        ("MPEG4-GENERIC", 16000, {"mode": "AAC-hbr", "config": "1408"}),
        ("OPUS", 48000, {}),
    ]


def test_an_rtpmap_wins_over_the_static_table() -> None:
    """GW maps 8 to PCMU (quirk D6)."""
    assert only("m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMU/8000\r\n").encoding == "PCMU"
    assert only("m=audio 0 RTP/AVP 10\r\n").clock_rate == 44100


def test_of_several_formats_the_first_with_a_name_is_taken() -> None:
    """Others may be reserved for retransmission."""
    assert only("m=video 0 RTP/AVP 35 97\r\na=rtpmap:97 H264/90000\r\n").payload_type == 97


def test_other_transports_are_kept() -> None:
    """Quirk D9."""
    assert only("m=video 0 MP2T/H2221/UDP 33\r\n").transport == "MP2T/H2221/UDP"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=0\r\n",
        "<html>404</html>",
        "m=",
        "m=video",
        "m=video 0 RTP/AVP",
        "m=video 0 RTP/AVP -1",
        "m=video 0 RTP/AVP 128",
        "m=video 0 RTP/AVP ٣",
        "m=video 0 RTP/AVP 96\r\n" * 65,
    ],
)
def test_a_description_without_usable_media_is_refused(text: str) -> None:
    """As is one with absurdly many."""
    with pytest.raises(SdpError, match="session description"):
        parse(text)


@pytest.mark.parametrize(
    "attribute",
    [
        "rtpmap:96",
        "rtpmap:96 H264",
        "rtpmap:96 H264/0",
        "rtpmap:x H264/90000",
        "rtpmap:² H264/90000",
        "rtpmap:96 H264/²",
    ],
)
def test_a_broken_rtpmap_names_nothing(attribute: str) -> None:
    """The media stays, its encoding is unknown."""
    assert only(f"m=video 0 RTP/AVP 96\r\na={attribute}\r\n").encoding == ""


@pytest.mark.parametrize(
    ("base", "control", "url"),
    [
        ("rtsp://cam/live/", "trackID=0", "rtsp://cam/live/trackID=0"),
        ("rtsp://cam/live", "trackID=0", "rtsp://cam/live/trackID=0"),
        ("rtsp://cam/live", "/trackID=0", "rtsp://cam/live/trackID=0"),
        ("rtsp://cam/live?a=1&proto=Onvif", "trackID=0", "rtsp://cam/live?a=1&proto=Onvif/trackID=0"),
        ("rtsp://cam/live", "rtsp://cam/other", "rtsp://cam/other"),
        ("rtsp://cam/live", "*", "rtsp://cam/live"),
        ("rtsp://cam/live", None, "rtsp://cam/live"),
        ("rtsp://cam/live", "", "rtsp://cam/live"),
    ],
)
def test_control_urls_are_joined_by_text(base: str, control: str | None, url: str) -> None:
    """As cameras expect, not as RFC 3986 has it (quirk S7)."""
    assert join_control(base, control) == url
