"""Motion JPEG: pictures that stand for themselves (ITU-T T.81), and the sample entry a file describes them by.

Each picture is stored as sent, byte by byte, in a track of `mp4v` with object type 0x6C, JPEG (ISO/IEC 14496-1 table 5,
registered at mp4ra.org): FFmpeg, GStreamer and VLC play it.
"""

from __future__ import annotations

from dataclasses import dataclass

from media.access_unit import AccessUnit
from media.boxes import full_box
from media.errors import CodecError
from media.sample_entry import visual_entry
from media.track import Track

Buffer = bytes | bytearray | memoryview

JPEG_OBJECT_TYPE = 0x6C
CODEC = "mp4v.6C"
MOST_SEGMENTS = 1000
"""Before the frame header. Cameras write 5 to 20; pictures with a large profile or comment have 300."""

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_NO_FRAME_HEADERS = frozenset({0xC4, 0xC8, 0xCC})  # DHT, JPG, DAC: among the markers of frame headers, and none
_VISUAL_STREAM = 0x04 << 2 | 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegParameters:
    """What a file must know of the pictures."""

    width: int
    height: int

    def track(self, timescale: int = 90000) -> Track:
        """Describe the stream for a file."""
        entry = visual_entry(b"mp4v", self.width, self.height, _esds())
        return Track(
            kind="video",
            timescale=timescale,
            codec=CODEC,
            width=self.width,
            height=self.height,
            sample_entry=entry,
        )


def read_frame_header(picture: Buffer) -> JpegParameters:
    """The size, from the frame header (B.2.2). CodecError for what is no picture."""
    picture = bytes(picture)
    if not picture.startswith(_SOI):
        raise CodecError(f"{len(picture)} bytes that are no JPEG picture")
    position = 2
    for _ in range(MOST_SEGMENTS):
        while picture[position : position + 2] == b"\xff\xff":  # fill bytes (B.1.1.2)
            position += 1
        if len(picture) < position + 9 or picture[position] != 0xFF:
            break
        marker, length = picture[position + 1], int.from_bytes(picture[position + 2 : position + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME_HEADERS:
            height = int.from_bytes(picture[position + 5 : position + 7], "big")
            width = int.from_bytes(picture[position + 7 : position + 9], "big")
            if not width or not height:
                raise CodecError(f"a JPEG picture of {width}x{height}")
            return JpegParameters(width=width, height=height)
        position += 2 + length
    raise CodecError("a JPEG picture without a frame header")


def jpeg_unit(picture: Buffer, timestamp: int, lost: int, known: JpegParameters | None) -> AccessUnit:
    """A picture as an access unit. One that was cut off is kept, and counts as damage. CodecError for no picture."""
    parameters = read_frame_header(picture)
    whole = bytes(picture[-2:]) == _EOI or _EOI in bytes(picture[-64:])  # cameras pad
    return AccessUnit(
        nals=bytearray(picture),
        rtp_timestamp=timestamp,
        sync=True,
        lost_packets=lost + (not whole),
        parameters=None if parameters == known else parameters,
    )


def read_esds(kind: str, esds: bytes) -> str:
    """The codec of an `mp4v` entry: CODEC. CodecError for every other that MPEG-4 knows."""
    # Version and flags, ES_Descriptor with ES_ID and no option, DecoderConfigDescriptor.
    stream = _content_of(esds, 4, 3)
    config = _content_of(stream, 3, 4)
    if config[:1] != bytes((JPEG_OBJECT_TYPE,)):
        raise CodecError(f"an {kind} entry of another object type than JPEG")
    return CODEC


def _content_of(descriptors: bytes, position: int, tag: int) -> bytes:
    """The content of the descriptor there: tag, size in 7 bits a byte, content (14496-1 8.3.3). Empty if another."""
    if descriptors[position : position + 1] != bytes((tag,)):
        return b""
    size = 0
    for at in range(position + 1, min(position + 5, len(descriptors))):
        size = size << 7 | descriptors[at] & 0x7F
        if descriptors[at] < 0x80:
            return descriptors[at + 1 : at + 1 + size]
    return b""


def _esds() -> bytes:
    """ES_Descriptor with its DecoderConfigDescriptor and SLConfigDescriptor (14496-1 7.2.6, 14496-14 5.6)."""
    config = _descriptor(4, bytes((JPEG_OBJECT_TYPE, _VISUAL_STREAM)) + bytes(11))
    return full_box(b"esds", 0, 0, _descriptor(3, bytes(3) + config + _descriptor(6, b"\x02")))


def _descriptor(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content
