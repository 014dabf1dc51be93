"""What the codecs of NAL units have in common as simulated cameras."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from media.errors import CodecError
from media.nal import split_annex_b, split_length_prefixed
from simulator.codec import Examined, FileHeader
from simulator.encoder import Encoder
from simulator.oracle import MARK_BYTES, build_sei, checksum, find_sei

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from media.access_unit import AccessUnit
    from simulator.encoder import Setting

_SEI_EXTRA_BYTES = 4  # payload type and size, stop bit, one emulation prevention byte: frame numbers are small


class NalCodec:
    """A codec of NAL units, by the numbers of their types."""

    reorders: ClassVar[bool] = True
    pictures: ClassVar[Collection[int]]
    """The types of slices."""
    sync_pictures: ClassVar[Collection[int]]
    parameter_types: ClassVar[Collection[int]]
    sei_header: ClassVar[bytes]

    @property
    def mark_bytes(self) -> int:
        """The SEI NAL unit."""
        return len(self.sei_header) + MARK_BYTES + _SEI_EXTRA_BYTES

    def kind(self, unit: bytes) -> int:
        """The type of a NAL unit."""
        raise NotImplementedError

    def is_parameters(self, unit: bytes) -> bool:
        """A parameter set."""
        return self.kind(unit) in self.parameter_types

    def is_sync(self, units: Sequence[bytes]) -> bool:
        """An IDR picture: encoders are told to make no others."""
        return any(self.kind(unit) in self.sync_pictures for unit in units)

    def split(self, sample: bytes) -> list[bytes]:
        """NAL units behind their lengths."""
        return split_length_prefixed(sample)

    def mark_at(self, units: Sequence[bytes]) -> int:
        """Before the first slice."""
        return next((at for at, unit in enumerate(units) if self.kind(unit) in self.pictures), 0)

    def mark_payload(self, camera: UUID, number: int, sent_us: int, crc32: int) -> bytes:
        """An SEI NAL unit: alone in its packet, it is the payload."""
        return build_sei(camera, number, sent_us, crc32, self.sei_header)

    def checksum(self, units: Sequence[bytes]) -> int:
        """Over all NAL units but the mark."""
        return checksum(units)

    def examine(self, units: Sequence[bytes]) -> Examined:
        """The mark, and the checksum of the others."""
        return Examined(find_sei(units), checksum(units))

    def _encoder(self, library: str, setting: Setting, options: dict[str, str]) -> Encoder:
        without_marks = setting.bitrate_bps - 8 * self.mark_bytes * setting.fps
        return Encoder(library, setting._replace(bitrate_bps=without_marks), options, split_annex_b)


def units_of(received: Sequence[AccessUnit]) -> list[bytes]:
    """The NAL units of what a depacketizer made."""
    return [nal for unit in received for nal in split_length_prefixed(unit.nals)]


def length_prefixed_file(units: list[bytes], length_bytes: int) -> FileHeader:
    """A file with NAL units behind lengths of 1 to 4 bytes (ISO 14496-15 5.3.3.1)."""

    def split(sample: bytes) -> list[bytes]:
        nals = []
        position = 0
        while position < len(sample):
            start = position + length_bytes
            position = start + int.from_bytes(sample[position:start], "big")
            if position > len(sample):
                raise CodecError("a NAL unit reaches past the end of its sample")
            nals.append(sample[start:position])
        return nals

    return FileHeader(units, split)


BYTE_STREAM = FileHeader([], split_annex_b)
"""A file with start codes, which keeps its parameter sets in its samples."""
