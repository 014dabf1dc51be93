"""Packets as a demuxer gives them, as access units: what `libav` reads of an odd device.

- H.264 and H.265: NAL units, behind start codes or lengths, go through the same depacketizer as the network's, each as
  a packet of its own (RFC 6184 5.6, RFC 7798 4.4.1). So there is one place that knows where a unit ends, which
  parameter sets are new and what a sync sample is; and a picture whose slices came as packets of their own, as FFmpeg's
  RTSP demuxer gives them, is one unit again, because they have one time.
- AV1: a packet is a temporal unit, and its OBUs go through the network's depacketizer likewise.
- Motion JPEG: a packet is a picture.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Protocol

from media.av1 import Av1Depacketizer, packetize, split_obus
from media.codecs import VIDEO
from media.errors import CodecError
from media.jpeg import JpegParameters, jpeg_unit
from media.nal import most_small_nals, split_annex_b
from media.sdp import MediaDescription

if TYPE_CHECKING:
    from collections.abc import Callable

    from media.access_unit import AccessUnit
    from media.rtp import PayloadTaker

    Emit = Callable[[AccessUnit], None]
    Receive = Callable[[MediaDescription, Emit], PayloadTaker]

_MOST_SETS = 64
_LARGEST_PAYLOAD = 16 << 20  # an OBU is never cut
_H265_FIELDS = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}


class PacketUnits(Protocol):
    """One stream's."""

    def push(self, packet: bytes, timestamp: int, lost: int) -> None:
        """Take a packet, shown at `timestamp` (32 bit, wraps); `lost` were missing before it.

        CodecError for one that was left out or is damaged: counted by then, and the stream goes on.
        """
        ...

    def finish(self) -> None:
        """Nothing more comes: give out what was put together."""
        ...

    @property
    def parts(self) -> int:
        """What packets held, as `media.rtp.PayloadTaker` counts it."""
        ...


def packet_units(codec: str, configuration: bytes, emit: Emit) -> PacketUnits:
    """What takes the packets of a codec, named as libav does, with its decoder configuration. CodecError if unknown."""
    if codec == "mjpeg":
        return _Pictures(emit)
    if codec == "av1":
        return _TemporalUnits(emit)
    encoding = {"h264": "H264", "hevc": "H265"}.get(codec)
    known = {row.encoding: row.receive for row in VIDEO}
    receive = known.get(encoding or "")
    if encoding is None or receive is None:
        raise CodecError(f"{codec} is none of h264, hevc, av1 and mjpeg, which can be recorded")
    return _NalUnits(encoding, configuration, receive, emit)


class _Pictures:
    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._known: JpegParameters | None = None
        self._lost = 0
        self.parts = 0  # a packet is a picture

    def push(self, packet: bytes, timestamp: int, lost: int) -> None:
        """See `PacketUnits`."""
        self._lost += lost
        try:
            unit = jpeg_unit(packet, timestamp, self._lost, self._known)
        except CodecError:
            self._lost += 1
            raise
        self._lost = 0
        if isinstance(unit.parameters, JpegParameters):
            self._known = unit.parameters
        self._emit(unit)

    def finish(self) -> None:
        """Every picture is out already."""


class _TemporalUnits:
    def __init__(self, emit: Emit) -> None:
        self._taker = Av1Depacketizer(emit)

    def push(self, packet: bytes, timestamp: int, lost: int) -> None:
        """See `PacketUnits`."""
        *payloads, last = packetize(split_obus(packet, most=most_small_nals(len(packet))), _LARGEST_PAYLOAD) or [b""]
        for payload in payloads:
            self._taker.push(payload, 0, len(payload), timestamp, False, lost)
            lost = 0
        self._taker.push(last, 0, len(last), timestamp, True, lost)

    @property
    def parts(self) -> int:
        """See `PacketUnits`."""
        return self._taker.parts

    def finish(self) -> None:
        """Every unit is out already."""


class _NalUnits:
    def __init__(self, encoding: str, configuration: bytes, receive: Receive, emit: Emit) -> None:
        # avcC and hvcC begin with their version, 1; a byte stream begins with zeros (ISO 14496-15 5.3.3.1, 8.3.3.1).
        boxed = configuration[:1] == b"\x01"
        size_at = 4 if encoding == "H264" else 21
        self._length_bytes = (configuration[size_at] & 3) + 1 if boxed and len(configuration) > size_at else 0
        description = MediaDescription(
            kind="video",
            transport="",
            payload_type=0,
            encoding=encoding,
            clock_rate=90_000,
            fmtp=_sprop(encoding, configuration, boxed=boxed),
        )
        self._taker = receive(description, emit)
        self._nals = 0
        self._slice_at = 1 if encoding == "H264" else 2
        self._first: int | None = None

    def push(self, packet: bytes, timestamp: int, lost: int) -> None:
        """See `PacketUnits`."""
        most = most_small_nals(len(packet))
        nals = split_lengths(packet, self._length_bytes, most) if self._length_bytes else split_annex_b(packet, most)
        self._nals += len(nals)
        timestamp = self._of_first_picture(nals, timestamp)
        problem: CodecError | None = None
        for nal in nals:
            try:
                self._taker.push(nal, 0, len(nal), timestamp, False, lost)
            except CodecError as error:
                problem = error
            lost = 0
        if problem is not None:
            raise problem

    def _of_first_picture(self, nals: list[bytes], timestamp: int) -> int:
        """The slices of a session's first picture have one time, though FFmpeg's RTSP demuxer gives the first none.

        A slice that is not the first of its picture says so in the first bit behind its header (first_mb_in_slice 0 in
        7.3.3 of H.264, first_slice_segment_in_pic_flag in 7.3.6.1 of H.265).
        """
        if self._first is None:
            self._first = timestamp
        elif self._first >= 0:
            head = next((nal[self._slice_at] for nal in nals if self._is_slice(nal)), 0)
            if head < 0x80:
                return self._first
            self._first = -1  # another picture
        return timestamp

    def _is_slice(self, nal: bytes) -> bool:
        if len(nal) <= self._slice_at:
            return False
        return 1 <= nal[0] & 0x1F <= 5 if self._slice_at == 1 else nal[0] >> 1 & 0x3F < 32

    @property
    def parts(self) -> int:
        """See `PacketUnits`."""
        return self._nals + self._taker.parts

    def finish(self) -> None:
        """See `PacketUnits`. A marker without payload ends a unit."""
        if self._taker.timestamp >= 0:
            self._taker.push(b"", 0, 0, self._taker.timestamp, True, 0)


def split_lengths(packet: bytes, length_bytes: int, most: int) -> list[bytes]:
    """NAL units behind lengths of 1 to 4 bytes. CodecError where they do not fit, or for more than `most`."""
    nals: list[bytes] = []
    position = 0
    while position < len(packet):
        if len(nals) == most:
            raise CodecError(f"more than {most} NAL units in a packet of {len(packet)} bytes")
        start = position + length_bytes
        position = start + int.from_bytes(packet[position:start], "big")
        if position > len(packet):
            raise CodecError(f"a NAL unit reaches {position - len(packet)} bytes past its packet")
        if position > start:
            nals.append(packet[start:position])
    return nals


def _sprop(encoding: str, configuration: bytes, *, boxed: bool) -> dict[str, str]:
    """The parameter sets as a session description has them (RFC 6184 8.1, RFC 7798 7.1)."""
    try:
        if not boxed:
            sets = split_annex_b(configuration) if configuration else []
        else:
            sets = _avcc_sets(configuration) if encoding == "H264" else _hvcc_sets(configuration)
    except (CodecError, IndexError):
        return {}  # in-band sets will follow, or the recorder says that none came
    if encoding == "H264":
        return {"sprop-parameter-sets": ",".join(map(_base64, sets))} if sets else {}
    fields: dict[str, list[str]] = {}
    for nal in sets:
        field = _H265_FIELDS.get(nal[0] >> 1 & 0x3F)
        if field is not None:
            fields.setdefault(field, []).append(_base64(nal))
    return {field: ",".join(values) for field, values in fields.items()}


def _base64(nal: bytes) -> str:
    return base64.b64encode(nal).decode()


def _avcc_sets(avcc: bytes) -> list[bytes]:
    """ISO 14496-15 5.3.3.1."""
    sets: list[bytes] = []
    position = 5
    for mask in (0x1F, 0xFF):
        count, position = avcc[position] & mask, position + 1
        for _ in range(count):
            nal, position = _counted(avcc, position)
            sets.append(nal)
    return sets[:_MOST_SETS]


def _hvcc_sets(hvcc: bytes) -> list[bytes]:
    """ISO 14496-15 8.3.3.1."""
    sets: list[bytes] = []
    position = 23
    for _array in range(hvcc[22]):
        count = int.from_bytes(hvcc[position + 1 : position + 3], "big")
        position += 3
        for _ in range(min(count, _MOST_SETS)):
            nal, position = _counted(hvcc, position)
            sets.append(nal)
    return sets[:_MOST_SETS]


def _counted(config: bytes, position: int) -> tuple[bytes, int]:
    start = position + 2
    end = start + int.from_bytes(config[position:start], "big")
    if not start < end <= len(config):
        raise CodecError("a decoder configuration ends early")
    return config[start:end], end
