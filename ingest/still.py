"""One picture of a camera as JPEG, from a sync sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.disposable import answer_of
from media.errors import CodecError
from media.fmp4_write import Sample, fragment_header, init_section

if TYPE_CHECKING:
    from media.track import Track

MOST_JPEG_BYTES = 8 << 20
TIMEOUT_S = 10.0


async def still(track: Track, unit: bytes | bytearray) -> bytes:
    """The picture that a decoder makes of this sync sample alone, at most 1920 pixels a side.

    The decoder gets a file as it would be recorded, so that there is one way for every codec that files can hold. It
    runs in a process of its own (`ingest.still_child`). CodecError if there is no picture.
    """
    sample = Sample(len(unit), track.timescale, 0, True)
    jpeg = await answer_of(
        "ingest.still_child",
        b"".join((init_section(track), fragment_header(1, 0, [sample]), unit)),
        most_bytes=MOST_JPEG_BYTES,
        timeout_s=TIMEOUT_S,
    )
    if not (jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9")):
        raise CodecError("the decoder answered with something else than a picture")
    return jpeg
