"""Targets: RTP payloads of every codec into access units, and what describes a stream."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from media import sdp
from media.aac_config import AacConfig
from media.access_unit import AccessUnit
from media.audio_codecs import audio_taker
from media.audio_description import describe_audio_entry
from media.av1 import Av1Depacketizer, split_obus
from media.av1_obu import SEQUENCE_HEADER, obu_content, obu_type
from media.av1_sequence import parse_sequence_header
from media.codecs import describe_entry
from media.errors import CodecError, SdpError
from media.h264 import H264Depacketizer
from media.h264_parameters import ParameterSets
from media.h265 import H265Depacketizer
from media.h265_parameters import H265ParameterSets
from media.nal import LENGTH_BYTES, split_annex_b, split_length_prefixed
from media.rtp import PayloadTaker
from media.track import Track
from tests.fuzz.inputs import Input, Payload, payloads

MOST_UNIT_BYTES = 3000
Emit = Callable[[AccessUnit], None]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """A video codec: how its units are made and taken apart, and a unit that must come out whole after anything."""

    make: Callable[[Emit], PayloadTaker]
    split: Callable[[bytearray], list[bytes]]
    is_sync: Callable[[bytes], bool]
    intact: bytes


PICTURES = {
    "h264": Pictures(
        make=lambda emit: H264Depacketizer(emit, max_unit_bytes=MOST_UNIT_BYTES),
        split=split_length_prefixed,
        is_sync=lambda nal: nal[0] & 0x1F == 5,
        intact=b"\x65\x88intact",
    ),
    "h265": Pictures(
        make=lambda emit: H265Depacketizer(emit, max_unit_bytes=MOST_UNIT_BYTES),
        split=split_length_prefixed,
        is_sync=lambda nal: 16 <= nal[0] >> 1 & 0x3F <= 23,
        intact=b"\x26\x01\x80intact",
    ),
}


def depacketize_pictures(codec: Pictures, content: bytes) -> None:
    """Nothing but CodecError; units of bytes that were sent, in order and bounded; and no grudge afterwards."""
    units: list[AccessUnit] = []
    taker = codec.make(units.append)
    sent = bytearray()
    pushed = largest = 0
    for payload in payloads(Input(content)):
        largest = max(largest, len(payload.content))
        sent += payload.content
        pushed += 1
        _push(taker, payload)
        # The bound is looked at before a payload is taken: what is held may pass it by one, and a length.
        assert len(taker._nals) <= MOST_UNIT_BYTES + largest + LENGTH_BYTES  # type: ignore[attr-defined]
    assert len(units) <= 2 * pushed
    for unit in units:
        _check_unit(codec, unit, bytes(sent))
    assert sum(len(unit.nals) for unit in units) <= 2 * len(sent) + 8 * pushed
    _push_later(taker, codec.intact)
    assert codec.split(units[-1].nals) == [codec.intact]
    assert units[-1].lost_packets == 0


def _push(taker: PayloadTaker, payload: Payload) -> None:
    with suppress(CodecError):
        content = b"before" + payload.content + b"after"
        taker.push(content, 6, 6 + len(payload.content), payload.timestamp, payload.marker, payload.lost)


def _push_later(taker: PayloadTaker, payload: bytes) -> None:
    """As units of later instants. The first may be too much for what has piled up; the second is told what was lost."""
    for _ in range(3):
        _push(taker, Payload(payload, (taker.timestamp + 3600) & 0xFFFFFFFF, marker=True, lost=0))


def _check_unit(codec: Pictures, unit: AccessUnit, sent: bytes) -> None:
    parts = codec.split(unit.nals)
    assert parts
    assert all(parts)
    assert unit.sync == any(map(codec.is_sync, parts))
    for part in parts:
        assert comes_from(part[2:], sent), "bytes that were not sent, or in another order"
    if unit.parameters is not None:
        with suppress(CodecError):
            _check_track(unit.parameters.track())


def comes_from(part: bytes, sent: bytes) -> bool:
    """Whether the bytes of `part` are in `sent` in this order, others between them or not."""
    at = 0
    for byte in part:
        at = sent.find(byte, at) + 1
        if not at:
            return False
    return True


def _check_track(track: Track) -> None:
    assert 0 < track.width < 1 << 16
    assert 0 < track.height < 1 << 16
    assert describe_entry(track.sample_entry) == (track.codec, track.width, track.height)


SOUNDS = {
    "aac": (
        "m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/16000/1\n"
        "a=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1408\n"
    ),
    "opus": "m=audio 0 RTP/AVP 98\na=rtpmap:98 opus/48000/2\n",
    "g711": "m=audio 0 RTP/AVP 0\n",
}


def depacketize_sound(section: str, content: bytes) -> None:
    """Nothing but CodecError; frames of bytes that were sent, each of some length in time."""
    units: list[AccessUnit] = []
    (media,) = sdp.parse(section).media
    taker = audio_taker(media, units.append)
    sent = bytearray()
    for payload in payloads(Input(content)):
        sent += payload.content
        _push(taker, payload)
    for unit in units:
        assert unit.nals
        assert unit.sync
        assert comes_from(bytes(unit.nals), bytes(sent))
        if unit.parameters is not None:
            track = unit.parameters.track()
            assert describe_audio_entry(track.sample_entry) == track.codec
    assert sum(len(unit.nals) for unit in units) <= len(sent)


def h264_parameter_sets(content: bytes) -> None:
    """Sets, as a byte stream: each is refused or describes pictures that a file can hold, in bounded memory."""
    _parameter_sets(ParameterSets(), content)


def h265_parameter_sets(content: bytes) -> None:
    """Likewise."""
    _parameter_sets(H265ParameterSets(), content)


def _parameter_sets(sets: ParameterSets | H265ParameterSets, content: bytes) -> None:
    with suppress(CodecError):
        for nal in split_annex_b(b"\x00\x00\x01" + content):
            with suppress(CodecError):
                sets = sets.updated(nal)  # type: ignore[assignment] # of the class it was
                assert sets.updated(nal) is sets
        if sets.complete:
            _check_track(sets.track())


def sprop_parameter_sets(content: bytes) -> None:
    """Sets in the description are refused or complete, whatever the base64."""
    sets = ParameterSets.from_sprop(Input(content).text())
    assert sets is None or sets.complete
    with suppress(SdpError):
        for media in sdp.parse(b"m=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\na=fmtp:96 " + content).media:
            described = H265ParameterSets.from_fmtp(media.fmtp)
            assert described is None or described.complete


def av1_sequence_header(content: bytes) -> None:
    """A sequence header is refused or describes pictures that a file can hold."""
    with suppress(CodecError):
        _check_track(parse_sequence_header(content).track())


def av1_units(content: bytes) -> None:
    """OBUs, as strung together in a temporal unit: as many bytes as came, and a header among them is read."""
    with suppress(CodecError):
        obus = split_obus(content)
        assert all(obus)
        assert sum(map(len, obus)) <= len(content)
        for obu in obus:
            if obu_type(obu[0]) == SEQUENCE_HEADER:
                av1_sequence_header(obu_content(obu))


def av1_payloads(content: bytes) -> None:
    """Nothing but CodecError; temporal units of bytes that were sent; and no grudge afterwards."""
    units: list[AccessUnit] = []
    taker = Av1Depacketizer(units.append, max_unit_bytes=MOST_UNIT_BYTES)
    sent = bytearray()
    for payload in payloads(Input(content)):
        sent += payload.content
        _push(taker, payload)
    for unit in units:
        assert len(unit.nals) <= 2 * MOST_UNIT_BYTES
        for obu in split_obus(unit.nals):
            assert comes_from(obu_content(obu), bytes(sent))
        if unit.parameters is not None:
            with suppress(CodecError):
                _check_track(unit.parameters.track())
    whole = b"\x10\x30" + b"intact"  # one element: a frame OBU without its size
    _push_later(taker, whole)
    assert split_obus(units[-1].nals) == [whole[1:]]
    assert units[-1].lost_packets == 0


def aac_config(content: bytes) -> None:
    """An AudioSpecificConfig is refused or describes sound that a file can hold."""
    with suppress(CodecError):
        track = AacConfig.parse(content).description.track()
        assert describe_audio_entry(track.sample_entry) == track.codec
