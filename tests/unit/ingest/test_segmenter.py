"""Where fragments, segments and spans are cut, and what times they carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.segmenter import FRAGMENT_BYTES
from media.errors import Mp4Error
from tests.builders_segmenter import (
    FRAME_TICKS,
    FRAME_US,
    LARGE,
    SMALL,
    START_US,
    Files,
    feed,
    presentation_order,
    segmenter_into,
    unit_of,
)

if TYPE_CHECKING:
    pass


def test_nothing_is_kept_before_a_sync_sample() -> None:
    """A segment starts with a picture that can be decoded; what comes before is refused, for the caller to declare."""
    files = Files()
    segmenter = segmenter_into(files)
    assert not segmenter.add(unit_of(3, parameters=SMALL), START_US)
    assert segmenter.add(unit_of(4, sync=True), START_US + FRAME_US)
    segmenter.end_span()
    assert [commit.samples for commit in files.commits] == [1]


def test_fragments_follow_the_gop_and_tile_the_time() -> None:
    """With a sync sample each second there is a fragment each second, and each begins where the last one ended."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(150))
    segmenter.end_span()
    assert [commit.samples for commit in files.commits] == [25] * 6
    assert all(commit.starts_with_sync for commit in files.commits)
    assert [c.wall_us for c in files.commits[1:]] == [c.end_wall_us for c in files.commits[:-1]]
    assert files.commits[0].wall_us == START_US
    assert segmenter.end_us == START_US + 6_000_000


@pytest.mark.parametrize("gop", [25, 200])
def test_a_picture_lost_between_two_fragments_is_damage_of_both(gop: int) -> None:
    """The first is shown through the hole, and the second may never become durable: each has to say it alone."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(24), gop=gop)  # picture 24 does not come
    unit = unit_of(25, sync=gop == 25)
    unit.lost_packets = 3
    segmenter.add(unit, START_US + 25 * FRAME_US)
    segmenter.end_span()
    assert [(commit.samples, commit.lost_packets) for commit in files.commits] == [(24, 1), (1, 3)]
    assert files.commits[0].end_wall_us == START_US + 1_000_000


def test_a_long_gop_is_cut_each_second() -> None:
    """Smart codecs send a sync sample every 8 s and more; a crash must not cost that much."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(200), gop=200)
    segmenter.end_span()
    assert [commit.samples for commit in files.commits] == [25] * 8
    assert [commit.starts_with_sync for commit in files.commits] == [True] + [False] * 7


def test_a_heavy_second_is_cut_at_its_size() -> None:
    """Memory and loss are bounded in bytes, too."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(25), gop=100, size=FRAGMENT_BYTES // 4)
    segmenter.end_span()
    assert max(commit.samples for commit in files.commits) == 4


def test_nothing_but_sync_samples_is_not_cut_at_each() -> None:
    """An all-intra stream gets four fragments a second, not twenty-five."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(100), gop=1)
    segmenter.end_span()
    assert len(files.commits) <= 17


def test_a_segment_is_closed_at_the_first_sync_sample_after_its_time() -> None:
    """10 s segments of a camera with a GOP of 2 s: rotation on the GOP, no time between, decodes go on."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(25 * 40), gop=50)
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
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(50))
    for number in range(50, 100):
        parameters = LARGE if number == 50 else None
        segmenter.add(unit_of(number, sync=number % 25 == 0, parameters=parameters), START_US + number * FRAME_US)
    segmenter.end_span()
    first, second = files.scans()
    assert (first.track.width, second.track.width) == (640, 1280)
    assert [commit.span for commit in files.commits] == [0, 0, 1, 1]
    assert files.commits[2].wall_us == files.commits[1].end_wall_us
    assert sum(commit.samples for commit in files.commits) == 100


def test_a_frame_shown_before_its_sync_sample_is_shown_with_it() -> None:
    """No file holds a negative time, so the lie of one frame cost the whole fragment and more."""
    files = Files()
    segmenter = segmenter_into(files)
    segmenter.add(unit_of(0, sync=True, parameters=SMALL, ticks=90_000), START_US)
    segmenter.add(unit_of(1, ticks=89_000), START_US + FRAME_US)
    for number in range(2, 50):
        segmenter.add(unit_of(number, ticks=90_000 + number * FRAME_TICKS), START_US + number * FRAME_US)
    segmenter.end_span()
    assert sum(commit.samples for commit in files.commits) == 50
    assert files.commits[0].media_ticks == 0


def test_a_fragment_that_is_refused_ends_the_footage_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is told once; what was written before is sealed, and the next session records again."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(30))
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
    feed(segmenter, range(100, 130))
    segmenter.end_span()
    assert sum(commit.samples for commit in files.commits) == 55


def test_a_new_session_is_a_new_span_and_the_chain_goes_on() -> None:
    """After a reconnect numbering and hash chain continue within the run."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(50))
    segmenter.end_span()
    segmenter.start_session(segment_us=10_000_000)
    for number in range(250, 300):
        unit = unit_of(number, sync=number % 25 == 0, parameters=SMALL if number == 250 else None, ticks=number)
        segmenter.add(unit, START_US + number * FRAME_US)
    segmenter.end_span()
    first, second = files.scans()
    assert (first.identity.sequence, second.identity.sequence) == (0, 1)
    assert [scan.fragments[0].commit.span for scan in (first, second)] == [0, 1]
    assert segmenter.chain == second.fragments[-1].commit.chain


@pytest.mark.parametrize("b_frames", [1, 2, 3])
def test_b_frames_keep_their_presentation_times_and_order(b_frames: int) -> None:
    """Units stay in the order sent; each one's decode time plus its offset is the time the camera gave it."""
    files = Files()
    segmenter = segmenter_into(files)
    order = [0]
    for anchor in range(b_frames + 1, 25 * 12, b_frames + 1):
        order += [anchor, *range(anchor - b_frames, anchor)]
    for arrival, number in enumerate(order):
        unit = unit_of(number, sync=number == 0, parameters=SMALL if number == 0 else None)
        segmenter.add(unit, START_US + arrival * FRAME_US)
    segmenter.end_span()
    shown = presentation_order(files)
    assert shown == [number * FRAME_TICKS for number in order]
    ends = 0
    for commit in files.commits:
        assert commit.media_ticks == ends
        ends = commit.media_ticks + commit.duration_ticks


@given(st.lists(st.tuples(st.integers(1, 20_000), st.booleans(), st.integers(4, 3000)), min_size=1, max_size=300))
def test_every_unit_is_kept_exactly_once_in_order(frames: list[tuple[int, bool, int]]) -> None:
    """Whatever the spacing, the sizes and the sync samples: what was taken comes out again, in order."""
    files = Files()
    segmenter = segmenter_into(files, segment_us=2_000_000)
    ticks, kept = 0, []
    for number, (step, sync, size) in enumerate(frames):
        ticks += step
        unit = unit_of(number, sync=sync, parameters=SMALL if number == 0 else None, size=size, ticks=ticks)
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


def test_the_last_picture_is_not_shown_for_as_long_as_lost_ones_were_missing() -> None:
    """It would cover the beginning of the gap that follows, and what is missing there."""
    files = Files()
    segmenter = segmenter_into(files)
    for number in (*range(20), 24, *range(25, 31)):
        unit = unit_of(number, sync=number % 25 == 0, parameters=SMALL if number == 0 else None)
        unit.lost_packets = 4 if number == 24 else 0
        segmenter.add(unit, START_US + number * FRAME_US)
    assert segmenter.end_span() == START_US + 31 * FRAME_US
