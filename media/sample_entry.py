"""Visual sample entries: how a file says what its pictures are coded in (ISO/IEC 14496-12 §8.5.2 and §12.1.3)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from media.boxes import box, children, parse_header
from media.errors import Mp4Error

# Reserved, data_reference_index, pre_defined, width, height, 72 dpi twice, reserved, frame_count, compressorname,
# depth 24, pre_defined.
_HEAD = struct.Struct(">6xH16xHHIIIH32xHh")


class VisualEntry(NamedTuple):
    """A sample entry as a file holds it."""

    kind: bytes
    """Its four letters, such as `avc1`."""
    width: int
    height: int
    boxes: tuple[tuple[bytes, bytes], ...]
    """Type and content of each box inside."""

    def content(self, kind: bytes) -> bytes:
        """The content of the first box of this type; empty where there is none."""
        return next((content for name, content in self.boxes if name == kind), b"")


def visual_entry(kind: bytes, width: int, height: int, *boxes: bytes) -> bytes:
    """The entry of pictures of this size, with its decoder configuration and whatever else is inside."""
    return box(kind, _HEAD.pack(1, width, height, 0x480000, 0x480000, 0, 1, 24, -1), *boxes)


def read_visual_entry(entry: bytes) -> VisualEntry:
    """The inverse; Mp4Error unless these bytes are one entry and nothing else."""
    header = parse_header(entry)
    if header.size_bytes != len(entry) or len(entry) < 8 + _HEAD.size:
        raise Mp4Error(f"sample entry {header.kind!r} of {header.size_bytes} bytes; one visual entry is expected")
    _, width, height, *_ = _HEAD.unpack_from(entry, 8)
    return VisualEntry(header.kind, width, height, tuple(children(entry[8 + _HEAD.size :])))
