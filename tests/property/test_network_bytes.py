"""Whatever the network brings: only declared errors, and a result that does not depend on how it was cut."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from media import rtsp, rtsp_auth, sdp
from media.errors import ConfigError, MediaError, RtspError
from media.h264_parameters import ParameterSets
from media.h264_sps import parse_pps_id, parse_sps
from media.interleaved import InterleavedReader
from media.nal import split_annex_b, split_length_prefixed
from media.rtcp import parse_sender_report
from media.rtp import RtpReceiver
from media.url import CameraUrl
from tests.builders_h264 import PPS, SPS, Receiver, frame, packet

Event = object

# Text of which some has to do with the matter: pure noise never gets past the first character.
WORDS = [
    "RTSP/1.0 ",
    "200",
    " OK",
    "\r\n",
    "\n",
    "PLAY rtsp://c/ ",
    "CSeq: 1",
    "Content-Length: ",
    "5",
    ":",
    ";",
    "=",
    ",",
]
WORDS += ["interleaved=", "0-1", "ssrc=", "timeout", "url=", "seq=", "rtptime", '"', "\\", "Digest ", "Basic ", "nonce"]
WORDS += [
    "m=video 0 RTP/AVP 96",
    "a=rtpmap:96 H264/90000",
    "a=fmtp:96 ",
    "a=control:",
    "*",
    "rtsp://",
    "@",
    "[",
    "]",
    "/",
]
texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=30).map("".join)

pieces = st.one_of(
    st.binary(max_size=20),
    texts.map(str.encode),
    st.builds(frame, st.integers(0, 255), st.binary(max_size=30)),
    st.sampled_from(
        [
            b"\r\n",
            b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n",
            b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            b"PLAY rtsp://cam/ RTSP/1.0\r\n\r\n",
            b"RTSP/1.0 200 OK\r\nContent-Length: 999999\r\n\r\n",
        ]
    ),
)


def events_of(stream: bytes, cuts: list[int]) -> list[Event]:
    """What a reader makes of a stream that arrives in parts; the last event may be an error."""
    events: list[Event] = []
    reader = InterleavedReader(
        lambda channel, buffer, start, end: events.append((channel, bytes(buffer[start:end]))), events.append
    )
    bounds = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    try:
        for start, end in pairwise(bounds):
            reader.get_buffer()[: end - start] = stream[start:end]
            reader.received(end - start)
    except RtspError as error:
        events.append(str(error))
    return events


@given(st.lists(pieces, max_size=12).map(b"".join), st.lists(st.integers(0, 1 << 16), max_size=20))
def test_framing_does_not_depend_on_the_reads(stream: bytes, cuts: list[int]) -> None:
    """All at once, byte by byte, or anything between: the same frames, messages and error."""
    whole = events_of(stream, [])
    assert events_of(stream, cuts) == whole
    assert events_of(stream, list(range(len(stream)))) == whole


@given(texts)
def test_texts_raise_only_declared_errors(text: str) -> None:
    """Every parser of a header field and of a description."""
    for parse in (
        rtsp.parse_session,
        rtsp.parse_transports,
        lambda value: [transport.interleaved for transport in rtsp.parse_transports(value)],
        lambda value: [transport.ssrc for transport in rtsp.parse_transports(value)],
        rtsp.parse_rtp_info,
        rtsp.parse_public,
        lambda value: rtsp.parse_head(value.encode("utf-8", "replace")),
        lambda value: rtsp.content_length(rtsp.Headers({"Content-Length": value})),
        sdp.parse,
        lambda value: sdp.parse(f"m=video 0 RTP/AVP 96\r\n{value}"),
        ParameterSets.from_sprop,
        lambda value: rtsp_auth.parse_challenges(rtsp.Headers({"WWW-Authenticate": value})),
    ):
        with suppress(MediaError):
            parse(text)
    assert not rtsp_auth.verify(text, "PLAY", "u", "p\x00", "r", "n")


@given(texts)
def test_a_camera_url_is_refused_or_reads_back(text: str) -> None:
    """And `ConfigError` is the only error."""
    try:
        url = CameraUrl.parse(f"rtsp://{text}")
    except ConfigError:
        return
    assert CameraUrl.parse(url.unredacted()) == url
    assert "@" not in url.request_url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]


@given(st.text(), st.text(), st.text(), st.text(max_size=20), st.sampled_from([(), ("auth",)]))
def test_every_login_can_be_proven(user: str, password: str, realm: str, nonce: str, qop: tuple[str, ...]) -> None:
    """The server accepts what the client answers, whatever the characters, but for line breaks."""
    challenge = rtsp_auth.Challenge(scheme="Digest", realm=realm, nonce=nonce, qop=qop)
    challenges = rtsp_auth.parse_challenges(rtsp.Headers({"WWW-Authenticate": challenge.to_header()}))
    assert challenges == (challenge,)
    header = rtsp_auth.authorize(challenges, "PLAY", "rtsp://c/", user, password, nonce_count=1, cnonce="c")
    assert header is not None
    assert rtsp_auth.verify(header, "PLAY", user, password, realm, nonce)
    assert not rtsp_auth.verify(header, "PLAY", user, password + "x", realm, nonce)


@given(st.binary(max_size=200))
def test_bytes_raise_only_declared_errors(noise: bytes) -> None:
    """Every parser of packets, NAL units and parameter sets."""
    for parse in (
        lambda: parse_sender_report(noise, 0, len(noise)),
        lambda: split_annex_b(noise),
        lambda: split_length_prefixed(noise),
        lambda: parse_sps(noise),
        lambda: parse_pps_id(noise),
        lambda: ParameterSets().updated(noise),
    ):
        with suppress(MediaError):
            parse()


@given(st.data())
def test_a_damaged_sps_is_refused_or_sane(data: st.DataObject) -> None:
    """Bits flipped, bytes cut off: an error or a size that a file can hold."""
    nal = bytearray(SPS)
    for _ in range(data.draw(st.integers(1, 5))):
        nal[data.draw(st.integers(1, len(nal) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        track = ParameterSets(sps=(bytes(nal[: data.draw(st.integers(0, len(nal)))]),), pps=(PPS,)).track()
    except MediaError:
        return
    assert 0 < track.width < 1 << 16
    assert 0 < track.height < 1 << 16


headers = st.sampled_from([0x80, 0x90, 0xA0, 0x81, 0x8F, 0xB0, 0x40])
kinds = st.sampled_from([0x7C, 0x78, 0x65, 0x67, 0x41, 0x00, 0x7D, 0x1C])
payloads = st.builds(lambda kind, rest: bytes([kind]) + rest, kinds, st.binary(max_size=30)) | st.binary(max_size=5)


@given(st.lists(st.tuples(headers, payloads, st.integers(0, 5), st.integers(0, 2), st.booleans()), max_size=30))
def test_packets_of_any_content_raise_only_declared_errors(
    packets: list[tuple[int, bytes, int, int, bool]],
) -> None:
    """Whatever comes before, an intact unit after it comes out bit-identical, and memory stays bounded."""
    end = Receiver(max_unit_bytes=300)
    receiver = RtpReceiver(96, end.depacketizer)
    sequence = 0
    for first, payload, skipped, timestamp, marker in packets:
        sequence += 1 + skipped
        content = packet(payload, sequence, timestamp, marker=marker)
        try:
            receiver.receive(bytes([first]) + content[1:], 0, len(content))
        except MediaError:
            assert first == 0x40
            break
        assert len(end.depacketizer._nals) <= 300
        end.units.clear()
    for timestamp in (3, 4):
        for nal, marker in ((SPS, False), (PPS, False), (b"\x65\x88intact", True)):
            sequence += 1
            content = packet(nal, sequence, timestamp, marker=marker)
            receiver.receive(content, 0, len(content))
    assert end.nals[-1] == [SPS, PPS, b"\x65\x88intact"]
    assert end.lost[-1] == 0
