"""Where fragments, segments and spans are cut, and what times they carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.segmenter import FRAGMENT_BYTES, Segmenter, StreamIdentity
from media.access_unit import AccessUnit
from media.commit import ZERO_CHAIN
from media.errors import Mp4Error
from media.fmp4_read import scan
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
class _Files:
    """A sink that keeps what a spool would hold."""

    files: list[bytearray] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def open_segment(self, identity: SegmentIdentity, track: Track, init: bytes) -> None:
        assert identity.sequence == len(self.files)
        assert track.kind == "video"
        self.files.append(bytearray(init))

    def append_fragment(self, buffers: Sequence[bytes | bytearray], commit: Commit) -> None:
        self.files[-1] += b"".join(buffers)
        self.commits.append(commit)

    def seal_segment(self, buffers: Sequence[bytes | bytearray], end_us: int) -> None:
        self.files[-1] += b"".join(buffers)
        self.ends.append(end_us)

    def interrupted(self, end_us: int, silence_us: int) -> None:
        raise AssertionError(f"silence of {silence_us} us after {end_us}")

    def scans(self) -> list[SegmentScan]:
        return [scan(lambda at, n, f=bytes(file): f[at : at + n], len(file), verify=True) for file in self.files]  # type: ignore[misc]


def _unit(
    number: int,
    *,
    sync: bool = False,
    parameters: ParameterSets | None = None,
    size: int = 100,
    ticks: int | None = None,
) -> AccessUnit:
    payload = number.to_bytes(4, "big") * (size // 4)
    return AccessUnit(
        nals=bytearray(len(payload).to_bytes(4, "big") + payload),
        rtp_timestamp=(number * FRAME_TICKS if ticks is None else ticks) & 0xFFFFFFFF,
        sync=sync,
        lost_packets=0,
        parameters=parameters,
    )


def _segmenter(files: _Files, segment_us: int = 10_000_000) -> Segmenter:
    return Segmenter(IDENTITY, files, segment_us=segment_us, chain=ZERO_CHAIN)


def _feed(segmenter: Segmenter, numbers: range, *, gop: int = 25, size: int = 100) -> None:
    for number in numbers:
        unit = _unit(number, sync=number % gop == 0, parameters=SMALL if number == numbers[0] else None, size=size)
        segmenter.add(unit, START_US + number * FRAME_US)


def test_nothing_is_kept_before_a_sync_sample() -> None:
    """A segment starts with a picture that can be decoded; what comes before is refused, for the caller to declare."""
    files = _Files()
    segmenter = _segmenter(files)
    assert not segmenter.add(_unit(3, parameters=SMALL), START_US)
    assert segmenter.add(_unit(4, sync=True), START_US + FRAME_US)
    segmenter.end_span()
    assert [commit.samples for commit in files.commits] == [1]


def test_fragments_follow_the_gop_and_tile_the_time() -> None:
    """With a sync sample each second there is a fragment each second, and each begins where the last one ended."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed(segmenter, range(150))
    segmenter.end_span()
    assert [commit.samples for commit in files.commits] == [25] * 6
    assert all(commit.starts_with_sync for commit in files.commits)
    assert [c.wall_us for c in files.commits[1:]] == [c.end_wall_us for c in files.commits[:-1]]
    assert files.commits[0].wall_us == START_US
    assert segmenter.end_us == START_US + 6_000_000


def test_a_long_gop_is_cut_each_second() -> None:
    """Smart codecs send a sync sample every 8 s and more; a crash must not cost that much."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed(segmenter, range(200), gop=200)
    segmenter.end_span()
    assert [commit.samples for commit in files.commits] == [25] * 8
    assert [commit.starts_with_sync for commit in files.commits] == [True] + [False] * 7


def test_a_heavy_second_is_cut_at_its_size() -> None:
    """Memory and loss are bounded in bytes, too."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed(segmenter, range(25), gop=100, size=FRAGMENT_BYTES // 4)
    segmenter.end_span()
    assert max(commit.samples for commit in files.commits) == 4


def test_nothing_but_sync_samples_is_not_cut_at_each() -> None:
    """An all-intra stream gets four fragments a second, not twenty-five."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed(segmenter, range(100), gop=1)
    segmenter.end_span()
    assert len(files.commits) <= 17


def test_a_segment_is_closed_at_the_first_sync_sample_after_its_time() -> None:
    """10 s segments of a camera with a GOP of 2 s: rotation on the GOP, no time between, decodes go on."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed(segmenter, range(25 * 40), gop=50)
    segmenter.end_span()
    scans = files.scans()
    assert len(scans) >= 4
    assert [scan.identity.sequence for scan in scans] == list(range(len(scans)))
    assert {fragment.commit.span for scan in scans for fragment in scan.fragments} == {0}
    media_end = 0
    for found in scans:
        assert found.seal is not None
        assert found.fragments[0].commit.starts_with_sync
        assert found.fragments[0].commit.media_ticks == media_end
        media_end = found.seal.media_ticks + found.seal.duration_ticks
    starts = [scan.fragments[0].commit.wall_us for scan in scans]
    assert files.ends[:-1] == starts[1:]


def test_changed_parameter_sets_start_a_new_span_without_loss() -> None:
    """The new span begins with the very unit that brought the new parameters, and no time lies between."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed(segmenter, range(50))
    for number in range(50, 100):
        parameters = LARGE if number == 50 else None
        segmenter.add(_unit(number, sync=number % 25 == 0, parameters=parameters), START_US + number * FRAME_US)
    segmenter.end_span()
    first, second = files.scans()
    assert (first.track.width, second.track.width) == (640, 1280)
    assert [commit.span for commit in files.commits] == [0, 0, 1, 1]
    assert files.commits[2].wall_us == files.commits[1].end_wall_us
    assert sum(commit.samples for commit in files.commits) == 100


def test_a_step_of_the_wall_clock_starts_a_new_span_at_the_next_sync_sample() -> None:
    """No frame is lost to it, and the frames before the sync sample stay in the old time."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed(segmenter, range(30))
    step_us = -3_600_000_000
    segmenter.clock_stepped(step_us)
    for number in range(30, 75):
        segmenter.add(_unit(number, sync=number % 25 == 0), START_US + number * FRAME_US + step_us)
    segmenter.end_span()
    assert [commit.span for commit in files.commits] == [0, 0, 1]
    assert files.commits[1].wall_us == START_US + 1_000_000
    assert files.commits[2].wall_us == START_US + 2_000_000 + step_us
    assert sum(commit.samples for commit in files.commits) == 75


def test_a_jump_of_the_cameras_clock_starts_a_new_span_without_loss() -> None:
    """All frames are kept, and the time goes on."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed(segmenter, range(30))
    for number in range(30, 75):
        unit = _unit(number, sync=number % 25 == 0, ticks=number * FRAME_TICKS + 123_456_789)
        segmenter.add(unit, START_US + number * FRAME_US)
    end_us = segmenter.end_span()
    assert {commit.span for commit in files.commits} == {0, 1}
    assert sum(commit.samples for commit in files.commits) == 75
    assert end_us == START_US + 3_000_000


def test_a_slow_camera_is_durable_in_time() -> None:
    """One frame each 5 s: each is closed by the clock, not by the frame after it."""
    files = _Files()
    segmenter = _segmenter(files)
    for second in (0, 5, 10):
        parameters = SMALL if second == 0 else None
        arrival_us = START_US + second * 1_000_000
        segmenter.add(_unit(second, sync=True, parameters=parameters, ticks=second * 90_000), arrival_us)
        segmenter.close_overdue(arrival_us + 1_000_000)
        assert len(files.commits) == second // 5
        segmenter.close_overdue(arrival_us + 1_400_000)
        assert len(files.commits) == second // 5 + 1
    segmenter.end_span()
    assert [commit.wall_us - START_US for commit in files.commits] == [0, 5_000_000, 10_000_000]


def _feed_slowly(segmenter: Segmenter, frames: int, *, sync: bool) -> None:
    """A frame each 2 s, all of them sync samples or only the first, and a clock that looks four times a second."""
    arrival_us = START_US
    for number in range(frames):
        parameters = SMALL if number == 0 else None
        segmenter.add(
            _unit(number, sync=sync or number == 0, parameters=parameters, ticks=number * 180_000), arrival_us
        )
        for _ in range(8):
            arrival_us += 250_000
            segmenter.close_overdue(arrival_us)


def test_no_time_lies_between_the_segments_of_a_slow_camera() -> None:
    """Its fragments are closed before the next frame tells how long the last one was shown; the seal knows."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed_slowly(segmenter, 30, sync=True)
    segmenter.end_span()
    scans = files.scans()
    assert len(scans) > 4
    assert files.ends[:-1] == [scan.fragments[0].commit.wall_us for scan in scans[1:]]


def test_a_slow_camera_without_sync_samples_fills_no_endless_segment() -> None:
    """The catalog refuses what is over 10 minutes, so the cut comes in time for the longest silence as well."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed_slowly(segmenter, 400, sync=False)
    segmenter.end_span()
    (only,) = files.scans()
    assert 560_000_000 < files.ends[0] - only.fragments[0].commit.wall_us < 600_000_000


def test_a_segment_of_ten_minutes_is_never_over_ten_minutes() -> None:
    """The longest that can be configured: the sync sample that ends it comes before the bound, and nothing is lost."""
    files = _Files()
    segmenter = _segmenter(files, segment_us=600_000_000)
    for number in range(4 * 700):  # 4 frames a second, a GOP of 8 s
        unit = _unit(number, sync=number % 32 == 0, parameters=SMALL if number == 0 else None, ticks=number * 22_500)
        assert segmenter.add(unit, START_US + number * 250_000)
    segmenter.end_span()
    for end_us, found in zip(files.ends, files.scans(), strict=True):
        assert end_us - found.fragments[0].commit.wall_us <= 600_000_000


def test_a_clock_that_stands_still_costs_neither_memory_nor_time() -> None:
    """Every frame has the same timestamp: all are kept, in fragments, and their time follows the arrival."""
    files = _Files()
    segmenter = _segmenter(files)
    frames, largest = 25 * 60, 0
    for number in range(frames):
        parameters = SMALL if number == 0 else None
        unit = _unit(number, sync=number % 25 == 0, parameters=parameters, size=20_000, ticks=90_000)
        segmenter.add(unit, START_US + number * FRAME_US)
        segmenter.close_overdue(START_US + number * FRAME_US)
        largest = max(largest, segmenter._bytes)
    end_us = segmenter.end_span()
    assert sum(commit.samples for commit in files.commits) == frames
    assert largest < 2 << 20
    assert abs(end_us - (START_US + frames * FRAME_US)) < 11_000_000
    assert not any(found.faults or found.torn for found in files.scans())


def test_a_flood_that_goes_nowhere_in_time_is_cut() -> None:
    """Between two looks of the clock, too: by size, and by number."""
    files = _Files()
    segmenter = _segmenter(files)
    for number in range(25_000):
        parameters = SMALL if number == 0 else None
        unit = _unit(
            number, sync=number == 0, parameters=parameters, size=4 if number < 24_000 else 20_000, ticks=90_000
        )
        segmenter.add(unit, START_US)
    segmenter.end_span()
    assert max(commit.samples for commit in files.commits) <= 10_000
    assert max(commit.length for commit in files.commits) < 10 << 20
    assert sum(commit.samples for commit in files.commits) == 25_000


def test_a_frame_shown_before_its_sync_sample_is_shown_with_it() -> None:
    """No file holds a negative time, so the lie of one frame cost the whole fragment and more."""
    files = _Files()
    segmenter = _segmenter(files)
    segmenter.add(_unit(0, sync=True, parameters=SMALL, ticks=90_000), START_US)
    segmenter.add(_unit(1, ticks=89_000), START_US + FRAME_US)
    for number in range(2, 50):
        segmenter.add(_unit(number, ticks=90_000 + number * FRAME_TICKS), START_US + number * FRAME_US)
    segmenter.end_span()
    assert sum(commit.samples for commit in files.commits) == 50
    assert files.commits[0].media_ticks == 0


def test_a_fragment_that_is_refused_ends_the_footage_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is told once; what was written before is sealed, and the next session records again."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed(segmenter, range(30))
    written_us = segmenter.end_us

    def refuse(**_fragment: object) -> None:
        raise Mp4Error("a number is out of range")

    assert segmenter._writer is not None
    monkeypatch.setattr(segmenter._writer, "fragment", refuse)
    with pytest.raises(Mp4Error):
        segmenter.end_span()
    assert not segmenter.recording
    assert segmenter.end_us == written_us == files.ends[0]
    segmenter.start_session(segment_us=10_000_000)
    _feed(segmenter, range(100, 130))
    segmenter.end_span()
    assert sum(commit.samples for commit in files.commits) == 55


def test_a_clock_set_back_while_the_camera_was_away_does_not_hold_its_footage_in_the_old_time() -> None:
    """Several attempts later, too: where the footage ended was told in a time that is no more."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed(segmenter, range(50))
    segmenter.end_span()
    segmenter.clock_stepped(-3_600_000_000)
    for _ in range(3):
        segmenter.start_session(segment_us=60_000_000)
    again_us = START_US - 3_500_000_000
    for number in range(250):
        unit = _unit(number, sync=number % 25 == 0, parameters=SMALL if number == 0 else None)
        segmenter.add(unit, again_us + number * FRAME_US)
    assert segmenter.end_span() == again_us + 10_000_000
    assert {commit.span for commit in files.commits} == {0, 1}


def test_a_new_session_is_a_new_span_and_the_chain_goes_on() -> None:
    """After a reconnect numbering and hash chain continue within the run."""
    files = _Files()
    segmenter = _segmenter(files)
    _feed(segmenter, range(50))
    segmenter.end_span()
    segmenter.start_session(segment_us=10_000_000)
    for number in range(250, 300):
        unit = _unit(number, sync=number % 25 == 0, parameters=SMALL if number == 250 else None, ticks=number)
        segmenter.add(unit, START_US + number * FRAME_US)
    segmenter.end_span()
    first, second = files.scans()
    assert (first.identity.sequence, second.identity.sequence) == (0, 1)
    assert [scan.fragments[0].commit.span for scan in (first, second)] == [0, 1]
    assert segmenter.chain == second.fragments[-1].commit.chain


@pytest.mark.parametrize("b_frames", [1, 2, 3])
def test_b_frames_keep_their_presentation_times_and_order(b_frames: int) -> None:
    """Units stay in the order sent; each one's decode time plus its offset is the time the camera gave it."""
    files = _Files()
    segmenter = _segmenter(files)
    order = [0]
    for anchor in range(b_frames + 1, 25 * 12, b_frames + 1):
        order += [anchor, *range(anchor - b_frames, anchor)]
    for arrival, number in enumerate(order):
        unit = _unit(number, sync=number == 0, parameters=SMALL if number == 0 else None)
        segmenter.add(unit, START_US + arrival * FRAME_US)
    segmenter.end_span()
    shown = _presentation_order(files)
    assert shown == [number * FRAME_TICKS for number in order]
    ends = 0
    for commit in files.commits:
        assert commit.media_ticks == ends
        ends = commit.media_ticks + commit.duration_ticks


@given(st.lists(st.tuples(st.integers(1, 20_000), st.booleans(), st.integers(4, 3000)), min_size=1, max_size=300))
def test_every_unit_is_kept_exactly_once_in_order(frames: list[tuple[int, bool, int]]) -> None:
    """Whatever the spacing, the sizes and the sync samples: what was taken comes out again, in order."""
    files = _Files()
    segmenter = _segmenter(files, segment_us=2_000_000)
    ticks, kept = 0, []
    for number, (step, sync, size) in enumerate(frames):
        ticks += step
        unit = _unit(number, sync=sync, parameters=SMALL if number == 0 else None, size=size, ticks=ticks)
        nals = bytes(unit.nals)
        if segmenter.add(unit, START_US + ticks * 100 // 9):
            kept.append(nals)
    segmenter.end_span()
    stored = b""
    for file, found in zip(files.files, files.scans(), strict=True):
        assert not found.torn
        for fragment in found.fragments:
            stored += file[fragment.data_offset : fragment.data_offset + fragment.data_bytes]
    assert stored == b"".join(kept)


def _presentation_order(files: _Files) -> list[int]:
    from media.fmp4_read import fragment_samples

    shown = []
    for file, found in zip(files.files, files.scans(), strict=True):
        for fragment in found.fragments:
            moof = bytes(file[fragment.commit.offset : fragment.data_offset - 8])
            decode, samples = fragment_samples(moof)
            for sample in samples:
                shown.append(decode + sample.composition_offset_ticks)
                decode += sample.duration_ticks
    return shown
