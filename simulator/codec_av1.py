"""Simulated cameras of AV1: SVT-AV1, the payload format of AOM, the oracle's mark in a metadata OBU.

The mark's OBU is user data by ITU-T T.35 (AV1 5.8.2): a country, then bytes of which decoders make nothing. The types
that AV1 leaves to its users (6 to 31) would suit better, but the dav1d of Debian 12 complains about each. It stands
where metadata of a frame belongs, behind the sequence header and before the first frame header (7.5).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from media.av1 import Av1Depacketizer, packetize
from media.av1_obu import (
    FRAME,
    FRAME_HEADER,
    METADATA,
    PADDING,
    SEQUENCE_HEADER,
    TEMPORAL_DELIMITER,
    TILE_LIST,
    obu_content,
    obu_type,
    split_obus,
)
from media.av1_sequence import RECORD_HEAD_BYTES, SequenceHeader, parse_sequence_header
from simulator.codec import Examined, FileHeader
from simulator.encoder import Encoder
from simulator.oracle import MARK_BYTES, crc_of, pack_mark, unpack_mark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from media.access_unit import AccessUnit, StreamParameters
    from simulator.encoder import Setting
    from simulator.oracle import OracleMark

# Header of the OBU; metadata_type METADATA_TYPE_ITUT_T35; itu_t_t35_country_code of Sweden.
_MARK_HEADER = bytes((METADATA << 3, 4, 0xA5))
_TRAILING_BITS = b"\x80"
_RECORD_MARK = b"\x81"  # marker and version of an AV1CodecConfigurationRecord; no OBU begins so
_NOT_SENT = (TEMPORAL_DELIMITER, TILE_LIST)

_ONLY_ERRORS = "1"
"""SVT-AV1 tells its settings on stderr for each encoder, unless this is in its environment."""


class Av1:
    """AOM's AV1, one tile, one layer, no hidden frames."""

    name: ClassVar[str] = "av1"
    libav: ClassVar[str] = "av1"
    encoding: ClassVar[str] = "AV1"
    reorders: ClassVar[bool] = False
    live_cameras: ClassVar[int] = 2
    mark_bytes: ClassVar[int] = len(_MARK_HEADER) + MARK_BYTES + len(_TRAILING_BITS)

    def encoder(self, setting: Setting) -> Encoder:
        """SVT-AV1 in its mode for live pictures: one in, one out. 8 ms of a core for 640 x 360."""
        os.environ.setdefault("SVT_LOG", _ONLY_ERRORS)
        without_marks = setting.bitrate_bps - 8 * self.mark_bytes * setting.fps
        options = {
            "preset": "12",
            # Low delay, constant bitrate over a second; key frames where the caller asks for them and nowhere else.
            "svtav1-params": "rtc=1:pred-struct=1:rc=2:lp=1:scd=0:keyint=-1:tile-rows=0:tile-columns=0:buf-sz=1000",
        }
        return Encoder("libsvtav1", setting._replace(bitrate_bps=without_marks), options, self.split)

    def parameters(self, units: Sequence[bytes]) -> SequenceHeader | None:
        """The sequence header."""
        headers = (parse_sequence_header(obu_content(obu)) for obu in units if self.is_parameters(obu))
        return next(headers, None)

    def is_parameters(self, unit: bytes) -> bool:
        """A sequence header."""
        return obu_type(unit[0]) == SEQUENCE_HEADER

    def is_sync(self, units: Sequence[bytes]) -> bool:
        """As a receiver sees it."""
        return any(unit.sync for unit in _received(self.packetize(units)))

    def fmtp(self, parameters: StreamParameters, *, described: bool) -> str:  # noqa: ARG002 - only in the stream
        """AOM 7.1: what a decoder must be able to do. The sequence header is in the stream alone."""
        assert isinstance(parameters, SequenceHeader)
        return f"profile={parameters.profile};level-idx={parameters.level};tier={parameters.high_tier:d}"

    def packetize(self, units: Sequence[bytes]) -> list[bytes]:
        """AOM 4 and 5."""
        return packetize(units)

    def receive(self, payloads: Sequence[bytes]) -> list[bytes]:
        """The inverse."""
        return [obu for unit in _received(payloads) for obu in split_obus(unit.nals)]

    def filler(self, size: int) -> bytes:
        """A padding OBU (AV1 5.13)."""
        return bytes((PADDING << 3,)) + b"\xff" * (size - 2) + _TRAILING_BITS

    def split(self, sample: bytes) -> list[bytes]:
        """OBUs without those that are not sent."""
        return [obu for obu in split_obus(sample) if obu_type(obu[0]) not in _NOT_SENT]

    def open_header(self, header: bytes) -> FileHeader:
        """An AV1CodecConfigurationRecord (AV1-ISOBMFF 2.3), or nothing but OBUs."""
        obus = header[RECORD_HEAD_BYTES:] if header.startswith(_RECORD_MARK) else header
        return FileHeader(self.split(obus), self.split)

    def mark_at(self, units: Sequence[bytes]) -> int:
        """Before the first frame."""
        return next((at for at, obu in enumerate(units) if obu_type(obu[0]) in {FRAME, FRAME_HEADER}), 0)

    def mark_payload(self, camera: UUID, number: int, sent_us: int, crc32: int) -> bytes:
        """A metadata OBU in a packet of its own."""
        mark = pack_mark(camera, number, sent_us, crc32)
        return self.packetize([_MARK_HEADER + mark + _TRAILING_BITS])[0]

    def checksum(self, units: Sequence[bytes]) -> int:
        """Over all OBUs but the mark, each without its size."""
        return crc_of(obu for obu in units if _read_mark(obu) is None)

    def examine(self, units: Sequence[bytes]) -> Examined:
        """The mark, and the checksum of the others."""
        marks = (mark for obu in units if (mark := _read_mark(obu)) is not None)
        return Examined(next(marks, None), self.checksum(units))


def _received(payloads: Sequence[bytes]) -> list[AccessUnit]:
    received: list[AccessUnit] = []
    depacketizer = Av1Depacketizer(received.append)
    for index, payload in enumerate(payloads, 1):
        depacketizer.push(payload, 0, len(payload), 0, index == len(payloads), 0)
    return received


def _read_mark(obu: bytes) -> OracleMark | None:
    return unpack_mark(obu[len(_MARK_HEADER) :]) if obu.startswith(_MARK_HEADER) else None
