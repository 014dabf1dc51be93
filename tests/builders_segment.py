"""Segment files for tests: pictures encoded by x264 the way a camera does it, or bytes that only look like media."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from uuid import UUID

import av
import numpy as np

from media.boxes import box
from media.commit import ZERO_CHAIN, Commit
from media.fmp4_write import Sample, SegmentWriter
from media.h264_parameters import ParameterSets
from media.identity import SegmentIdentity
from media.nal import join_length_prefixed, split_annex_b
from media.read_window import ReadAt
from media.track import Track

TICKS = 3600
"""One picture at 25 a second."""

IDENTITY = SegmentIdentity(
    camera=UUID("6b1f2a34-5c6d-4e7f-8a9b-0c1d2e3f4a5b"),
    stream=UUID("0f9e8d7c-6b5a-4938-a716-051423324150"),
    epoch=3,
    run=0x1122334455667788,
    sequence=42,
)

START_US = 1_700_000_000_123_456


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """An access unit as the segmenter sees it: length-prefixed NAL units and a presentation time."""

    nals: bytes
    pts_ticks: int
    sync: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Units in decode order, their track, and the luma of each picture in the order they are shown."""

    track: Track
    units: list[Unit]
    pictures: list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A segment's buffers, still apart: where what ends is known without reading it back."""

    init: bytes
    fragments: list[bytes]
    """moof and mdat of each."""
    commits: list[Commit]
    closing: bytes

    @property
    def open(self) -> bytes:
        """The file before it was sealed."""
        pairs = zip(self.fragments, self.commits, strict=True)
        return self.init + b"".join(fragment + commit.to_box() for fragment, commit in pairs)

    @property
    def sealed(self) -> bytes:
        """The whole file."""
        return self.open + self.closing


@cache
def encode(pictures: int = 40, *, b_frames: int = 0, gop: int = 10) -> Stream:
    """Pictures of noise and a moving bar, parameter sets repeated in-band, and the jitter of a camera's clock."""
    random = np.random.default_rng(7)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 128, 96, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 90_000), 25
    encoder.options = {
        "preset": "veryfast",
        "x264-params": f"bframes={b_frames}:b-adapt=0:keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:"
        "repeat-headers=1",
    }
    times = [index * TICKS + int(random.integers(0, 900)) * (index > 0) for index in range(pictures)]
    packets = []
    for index, pts in enumerate(times):
        luma = np.full((96, 128), 40, np.uint8)
        luma[:, index % 128 : index % 128 + 9] = 200
        luma[:20] = random.integers(0, 255, (20, 128))
        frame = av.VideoFrame.from_ndarray(np.concatenate([luma, np.full((48, 128), 128, np.uint8)]), "yuv420p")
        frame.pts, frame.time_base = pts, encoder.time_base
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    nals = [split_annex_b(bytes(packet)) for packet in packets]
    parameters = ParameterSets.from_nals(nals[0])
    assert parameters is not None
    units = [
        Unit(nals=bytes(join_length_prefixed(parts)), pts_ticks=packet.pts, sync=packet.is_keyframe)
        for packet, parts in zip(packets, nals, strict=True)
    ]
    decoder = av.CodecContext.create("h264", "r")
    shown = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return Stream(track=parameters.track(), units=units, pictures=[frame.to_ndarray().tobytes() for frame in shown])


def cut(units: list[Unit]) -> list[list[Unit]]:
    """Fragments that begin at sync samples."""
    starts = [index for index, unit in enumerate(units) if unit.sync]
    return [units[start:end] for start, end in zip(starts, [*starts[1:], len(units)], strict=True)]


def write(
    track: Track,
    fragments: list[list[Unit]],
    *,
    identity: SegmentIdentity = IDENTITY,
    previous_chain: bytes = ZERO_CHAIN,
    origin_ticks: int = 0,
) -> File:
    """A file of these fragments; the span began at `origin_ticks` of the units' clock."""
    writer = SegmentWriter(identity, track, 5, previous_chain)
    written, commits = [], []
    ends = [min(unit.pts_ticks for unit in later) for later in fragments[1:]]
    ends.append(max(unit.pts_ticks for unit in fragments[-1]) + TICKS)
    for units, end_ticks in zip(fragments, ends, strict=True):
        start_ticks = min(unit.pts_ticks for unit in units)
        buffers, commit = writer.fragment(
            payload=[unit.nals for unit in units],
            samples=samples_of(units, end_ticks),
            media_ticks=start_ticks - origin_ticks,
            duration_ticks=end_ticks - start_ticks,
            wall_us=START_US + start_ticks * 100 // 9,
            end_wall_us=START_US + end_ticks * 100 // 9,
            lost_packets=len(commits),
            clock_quality=1,
        )
        written.append(b"".join(buffers[:-1]))
        commits.append(commit)
    closing = b"".join(writer.seal(commits[-1].end_wall_us))
    return File(init=writer.init, fragments=written, commits=commits, closing=closing)


def samples_of(units: list[Unit], end_ticks: int) -> list[Sample]:
    """Decode times are the sorted presentation times."""
    decode = [*sorted(unit.pts_ticks for unit in units), end_ticks]
    return [
        Sample(len(unit.nals), decode[index + 1] - decode[index], unit.pts_ticks - decode[index], unit.sync)
        for index, unit in enumerate(units)
    ]


def plain_track() -> Track:
    """A track whose avcC is well-formed and describes nothing."""
    avcc = box(b"avcC", bytes([1, 0x64, 0, 0x1F, 0xFF, 0xE0, 0]))
    visual = bytes(6) + struct.pack(">H16xHH", 1, 320, 240) + bytes(50)
    entry = box(b"avc1", visual, avcc)
    return Track(kind="video", timescale=90_000, codec="avc1.64001f", width=320, height=240, sample_entry=entry)


def plain_units(fragments: int = 4, samples: int = 3, size_bytes: int = 40) -> list[list[Unit]]:
    """Fragments of samples that are no pictures, each with other bytes."""
    return [
        [
            Unit(
                nals=bytes([number % 256, index]) * (size_bytes // 2),
                pts_ticks=(number * samples + index) * TICKS,
                sync=index == 0,
            )
            for index in range(samples)
        ]
        for number in range(fragments)
    ]


def reader(content: bytes) -> ReadAt:
    """Reads these bytes as a file."""
    return lambda offset, length: content[offset : offset + length]
