"""The values of RTSP header fields, as cameras write them."""

from __future__ import annotations

import pytest

from media.errors import RtspError
from media.rtsp import (
    RtpInfo,
    parse_public,
    parse_rtp_info,
    parse_session,
    parse_transport,
    parse_transports,
)


@pytest.mark.parametrize(
    ("value", "session"),
    [
        ("12345678", ("12345678", 60)),
        ("       708345999;timeout=60", ("708345999", 60)),
        ("9a90de54; timeout=120", ("9a90de54", 120)),
        ("ABC;timeout=15;x", ("ABC", 15)),
        ('ABC;Timeout="30"', ("ABC", 30)),
        ("ABC;timeout=soon", ("ABC", 60)),
    ],
)
def test_a_session(value: str, session: tuple[str, int]) -> None:
    """Id and timeout, 60 s when absent (quirks S3 S4)."""
    assert parse_session(value) == session


@pytest.mark.parametrize("value", ["", " ;timeout=60", "ABC;timeout=0"])
def test_a_session_without_id_or_time_is_refused(value: str) -> None:
    """A timeout of 0 would ask for endless keepalives (quirk S4)."""
    with pytest.raises(RtspError, match="Session"):
        parse_session(value)


def test_a_transport_in_any_order() -> None:
    """Luckfox puts ssrc first (quirk S9)."""
    transport = parse_transport('RTP/AVP/TCP;ssrc=22345684;interleaved=0-1;mode="play";unicast')
    assert (transport.protocol, transport.tcp, transport.interleaved, transport.ssrc) == (
        "RTP/AVP/TCP",
        True,
        (0, 1),
        0x22345684,
    )
    assert transport["Mode"] == "play"
    assert "unicast" in transport
    assert transport.get("server_port") is None


@pytest.mark.parametrize(
    ("value", "ssrc"),
    [("ssrc= d6d6627", 0xD6D6627), ("ssrc=dcc4a0d8", 0xDCC4A0D8), ("ssrc=123456789", None), ("", None)],
)
def test_a_promised_ssrc(value: str, ssrc: int | None) -> None:
    """With a blank and 7 digits from Hikvision (quirk S10); nonsense is none."""
    assert parse_transport(f"RTP/AVP/TCP;{value}").ssrc == ssrc


@pytest.mark.parametrize(
    ("value", "channels"), [("0-1", (0, 1)), ("4-5", (4, 5)), ("2", (2, 3)), (" 254 - 255 ", (254, 255))]
)
def test_interleaved_channels(value: str, channels: tuple[int, int]) -> None:
    """The server's choice counts."""
    assert parse_transport(f"RTP/AVP/TCP;interleaved={value}").interleaved == channels


@pytest.mark.parametrize("value", ["2-5", "1-2", "1", "", "a-b", "256-257", "-1-0", "0-1-2"])
def test_odd_interleaved_channels_are_refused(value: str) -> None:
    """Quirk I6."""
    with pytest.raises(RtspError, match="interleaved"):
        _ = parse_transport(f"RTP/AVP/TCP;interleaved={value}").interleaved


def test_a_transport_over_udp_has_no_channels() -> None:
    """And is told apart."""
    transport = parse_transport("RTP/AVP;unicast;ssrc=1;server_port=6970-6971")
    assert transport.interleaved is None
    assert not transport.tcp


def test_a_client_may_offer_several_transports() -> None:
    """In order of preference."""
    offers = parse_transports("RTP/AVP;unicast;client_port=5000-5001, RTP/AVP/TCP;unicast;interleaved=0-1")
    assert [offer.tcp for offer in offers] == [False, True]


def test_no_transport_is_refused() -> None:
    """An empty field names none."""
    with pytest.raises(RtspError, match="no transport"):
        parse_transport(" , ;interleaved=0-1"[:3])


def test_rtp_info_of_two_tracks() -> None:
    """Relative URLs, an empty last part (quirks S13 S15)."""
    tracks = parse_rtp_info("url=trackID=1;seq=4711;rtptime=90000, url=rtsp://cam/a,b/trackID=2;seq=65535;rtptime=5;")
    assert tracks == (
        RtpInfo(url="trackID=1", sequence=4711, rtp_timestamp=90000, ssrc=None),
        RtpInfo(url="rtsp://cam/a,b/trackID=2", sequence=65535, rtp_timestamp=5, ssrc=None),
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("seq=7;rtptime=-1", (7, None, None)),
        ("seq=0;rtptime=0", (None, 0, None)),
        ("seq=1", (None, None, None)),
        ("seq=70000;rtptime=4294967296", (None, None, None)),
        ("ssrc=dcc4a0d8", (None, None, 0xDCC4A0D8)),
    ],
)
def test_nonsense_in_rtp_info_is_absent(value: str, expected: tuple[int | None, ...]) -> None:
    """Quirks S11 S16 S17."""
    (track,) = parse_rtp_info(f"url=x;{value}")
    assert (track.sequence, track.rtp_timestamp, track.ssrc) == expected


def test_rtp_info_without_a_url_says_nothing() -> None:
    """As an empty one does."""
    assert parse_rtp_info("seq=1;rtptime=2") == parse_rtp_info("") == ()


def test_the_methods_of_a_camera() -> None:
    """However they are written."""
    public = parse_public("OPTIONS, DESCRIBE,SETUP , play, SET_PARAMETER,")
    assert public == {"OPTIONS", "DESCRIBE", "SETUP", "PLAY", "SET_PARAMETER"}


@pytest.mark.parametrize(("value", "ports"), [("5000-5001", (5000, 5001)), ("5000", (5000, 5001)), ("7-9", (7, 9))])
def test_client_ports(value: str, ports: tuple[int, int]) -> None:
    """Where packets are to go over UDP; RTCP is on the next port unless another is named."""
    assert parse_transport(f"RTP/AVP;client_port={value}").client_port == ports
    assert parse_transport("RTP/AVP;unicast").client_port is None


@pytest.mark.parametrize("value", ["", "x", "0-1", "5000-5000", "65535", "65536-65537", "-5", "5000-"])
def test_client_ports_that_are_none_are_refused(value: str) -> None:
    """Before anything is sent there."""
    with pytest.raises(RtspError, match="client ports"):
        _ = parse_transport(f"RTP/AVP;client_port={value}").client_port
