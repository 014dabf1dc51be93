"""The other side of `ingest.still`: an mp4 of one picture on standard input, a JPEG on standard output.

Runs as `python -P -m ingest.still_child PARENT`, confined. Exit 0 with a picture, 1 with a sentence in its place.
"""

from __future__ import annotations

import io
import sys
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from ingest.confinement import confine, load_everything

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

MEMORY_BYTES = 1 << 30
"""Of addresses, 120 MiB of them libav's own. A picture of 8192x4320 needs 53 MB, a decoder holds several."""

CPU_S = 10
MOST_PIXELS = 8192 * 8192
LONGEST_SIDE = 1920
_QUALITY = 4  # libav's scale from 2, the best, to 31
_OPTIONS = {"protocol_whitelist": "", "max_pixels": str(MOST_PIXELS)}


def main() -> int:
    """Decode, scale, encode."""
    load_everything(av)
    confine(parent=int(sys.argv[1]), memory_bytes=MEMORY_BYTES, files=16, cpu_s=CPU_S)
    try:
        answer, code = _jpeg(_first_picture(sys.stdin.buffer.read())), 0
    except (av.FFmpegError, ValueError, MemoryError) as error:
        answer, code = f"{type(error).__name__}: {error}".encode(), 1
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    return code


def _first_picture(mp4: bytes) -> VideoFrame:
    with av.open(io.BytesIO(mp4), "r", format="mp4", options=_OPTIONS) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            return frame
    raise ValueError("no picture in it")


def _jpeg(picture: VideoFrame) -> bytes:
    scale = min(1.0, LONGEST_SIDE / max(picture.width, picture.height))
    width, height = (max(2, round(side * scale)) // 2 * 2 for side in (picture.width, picture.height))
    picture = picture.reformat(width=width, height=height, format="yuvj420p")
    picture.pts = 0
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.qmin = encoder.qmax = _QUALITY
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])


if __name__ == "__main__":
    sys.exit(main())
