"""Targets: what a camera writes into messages, header fields, challenges and descriptions."""

from __future__ import annotations

from contextlib import suppress

from media import rtsp, rtsp_auth, sdp
from media.audio_codecs import choose_audio
from media.codecs import choose_video
from media.errors import CodecError, ConfigError, MediaError, RtspError
from media.url import CameraUrl
from tests.fuzz.inputs import Input

SECRET = "Zq9secret"
URL = "rtsp://10.0.0.1/cam"
_LONG_ANSWER = 4096
"""Longer ones are refused unread by the server's side."""


def rtsp_message(content: bytes) -> None:
    """A head is refused, or is a message that says the same when it is written and read again."""
    try:
        message = rtsp.parse_head(content)
        size = rtsp.content_length(message.headers)
    except RtspError:
        return
    assert 0 <= size < 10**10
    assert rtsp.parse_head(message.to_bytes()) == message
    assert sum(len(name) + len(value) for name, value in message.headers.fields()) <= 4 * len(content)
    if isinstance(message, rtsp.Response):
        assert "://" in rtsp.content_base(message, URL)


def rtsp_fields(content: bytes) -> None:
    """Values of header fields: what is read of them is in its range."""
    text = Input(content).text()
    with suppress(RtspError):
        identifier, timeout_s = rtsp.parse_session(text)
        assert identifier
        assert 0 < timeout_s < 10**10
    with suppress(RtspError):
        transports = rtsp.parse_transports(text)
        assert 0 < len(transports) <= len(text) + 1
        for transport in transports:
            _in_range(transport)
    for track in rtsp.parse_rtp_info(text):
        assert track.sequence is None or 1 < track.sequence < 1 << 16
        assert track.rtp_timestamp is None or 0 <= track.rtp_timestamp < 1 << 32
    assert all(method == method.strip() for method in rtsp.parse_public(text))


def _in_range(transport: rtsp.Transport) -> None:
    assert transport.ssrc is None or 0 <= transport.ssrc < 1 << 32
    with suppress(RtspError):
        channels = transport.interleaved
        assert channels is None or (0 <= channels[0] <= 254 and channels[1] == channels[0] + 1)
    with suppress(RtspError):
        ports = transport.client_port
        assert ports is None or all(0 < port < 1 << 16 for port in ports)


def rtsp_auth_fields(content: bytes) -> None:
    """Challenges are answered without the password in the answer, and the answer proves the login."""
    text = Input(content).text()
    headers = rtsp.Headers({"WWW-Authenticate": text})
    challenges = rtsp_auth.parse_challenges(headers)
    assert len(challenges) <= len(text)
    answer = rtsp_auth.authorize(challenges, "PLAY", URL, "op", SECRET, nonce_count=1, cnonce="c")
    if answer is not None and answer.startswith("Digest "):
        assert SECRET not in answer
        proven = [rtsp_auth.verify(answer, "PLAY", "op", SECRET, each.realm, each.nonce) for each in challenges]
        assert any(proven) or len(answer) > _LONG_ANSWER
    assert not rtsp_auth.verify(text, "PLAY", "op", SECRET, "realm", "nonce")


def sdp_description(content: bytes) -> None:
    """A description is refused, or its media are few and usable, whatever codec they name."""
    try:
        description = sdp.parse(content)
    except MediaError:
        return
    assert 0 < len(description.media) <= 64
    for media in description.media:
        assert 0 <= media.payload_type < 128
        assert 0 <= media.clock_rate < 1 << 32
        assert media.kind == media.kind.lower()
        assert sdp.join_control(URL, media.control)
    for choose in (choose_video, choose_audio):
        with suppress(CodecError):
            choose(description.media, lambda _unit: None)


def camera_url(content: bytes) -> None:
    """A URL is refused, or reads back from what is stored of it, and does not show its password."""
    try:
        url = CameraUrl.parse("rtsp://" + Input(content).text())
    except ConfigError:
        return
    assert CameraUrl.parse(url.unredacted()) == url
    secret = url.with_credentials("op", SECRET)
    assert SECRET not in f"{secret}{secret!r}"
    assert CameraUrl.parse(secret.unredacted()) == secret
