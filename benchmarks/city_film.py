"""One real segment of a minute, in 1080p at 4 Mbit/s: what the exported days of the simulated archive are made of.

Every object of these days is a hard link to it, so a month of footage fits on any disk, and everything that reads
footage reads real bytes: players and `frame.jpg` decode them. Its pages are soon all in memory; reading is therefore
as fast as memory, and what is measured is the product and not the disk.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import av
import numpy as np

from benchmarks.city_minutes import TICKS, Minute, minute, shifted
from media.fmp4_read import read_sealed
from media.fmp4_write import Sample, SegmentWriter
from media.h264_parameters import ParameterSets
from media.identity import SegmentIdentity
from media.nal import join_length_prefixed, split_annex_b
from storage.segment_row import segment_from_scan

RATE = 25
SECONDS = 60
ENCODED_SECONDS = 4  # encoded once and repeated: an hour of encoding would tell nothing more
WIDTH, HEIGHT = 1920, 1080
BITS_PER_SECOND = 4_000_000
JITTER_TICKS = 90

_NOBODY = UUID(int=0)


def make_film(path: Path) -> tuple[Minute, bytes]:
    """Write the segment to `path`; the minute it is, and its hash."""
    groups, parameters = _encoded()
    identity = SegmentIdentity(camera=_NOBODY, stream=_NOBODY, epoch=1, run=1, sequence=0)
    writer = SegmentWriter(identity, parameters.track(), 0, bytes(32))
    random = np.random.default_rng(1)
    content = bytearray(writer.init)
    for second in range(SECONDS):
        group = groups[second % ENCODED_SECONDS]
        inner = np.arange(1, RATE) * (TICKS // RATE) + random.integers(-JITTER_TICKS, JITTER_TICKS, RATE - 1)
        durations = np.diff(np.concatenate(([0], inner, [TICKS]))).tolist()
        buffers, _ = writer.fragment(
            payload=group,
            samples=[
                Sample(len(nals), ticks, 0, number == 0)
                for number, (nals, ticks) in enumerate(zip(group, durations, strict=True))
            ],
            media_ticks=second * TICKS,
            duration_ticks=TICKS,
            wall_us=second * 1_000_000,
            end_wall_us=(second + 1) * 1_000_000,
            lost_packets=0,
            clock_quality=1,
        )
        content += b"".join(buffers)
    content += b"".join(writer.seal(SECONDS * 1_000_000))
    path.write_bytes(content)
    return film_minute(path), hashlib.sha256(content).digest()


def film_minute(path: Path) -> Minute:
    """The minute that a segment's file is, as the shipper would read it."""
    content = memoryview(path.read_bytes())
    scan = read_sealed(lambda offset, length: bytes(content[offset : offset + length]), len(content))
    row = segment_from_scan(scan, len(content))
    return minute(
        shifted(row.fragments),
        scan.samples,
        codec=row.codec,
        width=row.width,
        height=row.height,
        init_bytes=row.init_bytes,
        size_bytes=row.size_bytes,
    )


def _encoded() -> tuple[list[list[bytes]], ParameterSets]:
    """Groups of a second each, as lists of length-prefixed access units, and their parameter sets."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, RATE), Fraction(RATE)
    encoder.bit_rate = BITS_PER_SECOND
    encoder.thread_count = 1  # the same bytes every time
    kbps = BITS_PER_SECOND // 1000
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "x264-params": f"keyint={RATE}:min-keyint={RATE}:scenecut=0:sliced-threads=0:repeat-headers=1:bframes=0"
        f":vbv-maxrate={kbps}:vbv-bufsize={kbps}:nal-hrd=cbr",
    }
    random = np.random.default_rng(2)
    ground = random.integers(60, 180, (HEIGHT, WIDTH), np.uint8)
    packets = []
    for number in range(ENCODED_SECONDS * RATE):
        luma = ground.copy()
        luma[400:680, (number * 16) % (WIDTH - 300) :][:, :300] = random.integers(0, 255, (280, 300), np.uint8)
        planes = np.concatenate([luma, np.full((HEIGHT // 2, WIDTH), 128, np.uint8)])
        frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
        frame.pts, frame.time_base = number, encoder.time_base
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    units = [split_annex_b(bytes(packet)) for packet in packets]
    parameters = ParameterSets.from_nals(units[0])
    assert parameters is not None
    joined = [bytes(join_length_prefixed(nals)) for nals in units]
    return [joined[first : first + RATE] for first in range(0, len(joined), RATE)], parameters
