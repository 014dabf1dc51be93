"""A segmenter, pictures for it, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from ingest.segment_sink import StreamIdentity
from ingest.segmenter import Segmenter
from media.access_unit import AccessUnit
from media.commit import ZERO_CHAIN
from media.fmp4_read import fragment_samples, scan
from media.h264_parameters import ParameterSets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.commit import Commit
    from media.fmp4_read import SegmentScan
    from media.identity import SegmentIdentity
    from media.track import Track

START_US = 1_800_000_000_000_000
FRAME_TICKS = 3600
FRAME_US = 40_000
IDENTITY = StreamIdentity(camera=UUID(int=1), stream=UUID(int=0), epoch=1, run=7)


def _sets(sprop: str) -> ParameterSets:
    sets = ParameterSets.from_sprop(sprop)
    assert sets is not None
    return sets


SMALL = _sets("Z0LAHtoCgL/lhAAAAwAEAAADAMo8WLqA,aM4PyA==")  # 640x360, by x264
LARGE = _sets("Z0LAH9oBQBboQAAAAwBAAAAMo8YMqA==,aM4PyA==")  # 1280x720


@dataclass
class Files:
    """A sink that keeps what a spool would hold."""

    files: list[bytearray] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def open_segment(self, identity: SegmentIdentity, track: Track, init: bytes) -> None:
        """A file begins."""
        assert identity.sequence == len(self.files)
        assert track.kind == "video"
        self.files.append(bytearray(init))

    def append_fragment(self, buffers: Sequence[bytes | bytearray], commit: Commit) -> None:
        """Bytes that would be durable."""
        self.files[-1] += b"".join(buffers)
        self.commits.append(commit)

    def seal_segment(self, buffers: Sequence[bytes | bytearray], end_us: int) -> None:
        """The file is whole."""
        self.files[-1] += b"".join(buffers)
        self.ends.append(end_us)

    def interrupted(self, end_us: int, silence_us: int) -> None:
        """No test of these has a silence."""
        raise AssertionError(f"silence of {silence_us} us after {end_us}")

    def scans(self) -> list[SegmentScan]:
        """Every file, read as recovery would."""
        return [scan(lambda at, n, f=bytes(file): f[at : at + n], len(file), verify=True) for file in self.files]  # type: ignore[misc]


def unit_of(
    number: int,
    *,
    sync: bool = False,
    parameters: ParameterSets | None = None,
    size: int = 100,
    ticks: int | None = None,
) -> AccessUnit:
    """A picture that is its number again and again."""
    payload = number.to_bytes(4, "big") * (size // 4)
    return AccessUnit(
        nals=bytearray(len(payload).to_bytes(4, "big") + payload),
        rtp_timestamp=(number * FRAME_TICKS if ticks is None else ticks) & 0xFFFFFFFF,
        sync=sync,
        lost_packets=0,
        parameters=parameters,
    )


def segmenter_into(files: Files, segment_us: int = 10_000_000) -> Segmenter:
    """A segmenter of the test's stream."""
    return Segmenter(IDENTITY, files, segment_us=segment_us, chain=ZERO_CHAIN)


def feed(segmenter: Segmenter, numbers: range, *, gop: int = 25, size: int = 100) -> None:
    """Pictures at 25 a second, the first with parameter sets."""
    for number in numbers:
        unit = unit_of(number, sync=number % gop == 0, parameters=SMALL if number == numbers[0] else None, size=size)
        segmenter.add(unit, START_US + number * FRAME_US)


def presentation_order(files: Files) -> list[int]:
    """When each picture is shown, in ticks, in the order of the files."""
    shown = []
    for file, found in zip(files.files, files.scans(), strict=True):
        for fragment in found.fragments:
            moof = bytes(file[fragment.commit.offset : fragment.data_offset - 8])
            decode, samples = fragment_samples(moof)
            for sample in samples:
                shown.append(decode + sample.composition_offset_ticks)
                decode += sample.duration_ticks
    return shown
