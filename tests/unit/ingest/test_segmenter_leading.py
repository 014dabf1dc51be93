"""H.265 with open groups of pictures: sync samples that are followed by pictures shown before them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from itertools import pairwise

import pytest

from media.access_unit import AccessUnit
from media.fmp4_read import fragment_samples
from tests.builders_segmenter import (
    FRAME_TICKS,
    FRAME_US,
    LARGE,
    SMALL,
    START_US,
    Files,
    presentation_order,
    segmenter_into,
    unit_of,
)

GOP = 24


def decode_order(pictures: int, *, first: int = 0) -> Iterator[AccessUnit]:
    """Pictures by their number as an encoder sends them: the fourth, then the three before it."""
    for anchor in range(first, pictures, 4):
        sync = (anchor - first) % GOP == 0
        unit = unit_of(anchor, sync=sync, parameters=SMALL if anchor == first else None)
        unit.leads = sync
        yield unit
        for number in (anchor - 2, anchor - 3, anchor - 1):
            if number >= 0:
                between = unit_of(number)
                between.leading = sync
                yield between


def fed(files: Files, units: Iterator[AccessUnit], segment_us: int = 3_000_000) -> None:
    """In a steady stream, each when it is due, to the end."""
    segmenter = segmenter_into(files, segment_us)
    for place, unit in enumerate(units):
        assert segmenter.add(unit, START_US + place * FRAME_US)
    segmenter.end_span()


def numbers(files: Files) -> list[int]:
    """Every picture's number, in the order of the files."""
    return [
        int.from_bytes(file[at + 4 : at + 8], "big")
        for file, found in zip(files.files, files.scans(), strict=True)
        for fragment in found.fragments
        for at in _starts(bytes(file), fragment.commit.offset, fragment.data_offset)
    ]


def _starts(file: bytes, offset: int, data_offset: int) -> Iterator[int]:
    _, samples = fragment_samples(file[offset : data_offset - 8])
    for sample in samples:
        yield data_offset
        data_offset += sample.size_bytes


def test_every_picture_keeps_its_place_and_its_time() -> None:
    """Over fragments and segments, in decode order, and shown when it was taken: nothing is squeezed or left out."""
    files = Files()
    fed(files, decode_order(260))
    sent = [int.from_bytes(unit.nals[4:8], "big") for unit in decode_order(260)]
    assert numbers(files) == sent
    assert len(files.files) >= 3
    shown = presentation_order(files)
    assert [ticks - shown[0] for ticks in shown] == [number * FRAME_TICKS for number in sent]
    assert len({commit.span for commit in files.commits}) == 1


def test_fragments_tile_the_time() -> None:
    """Each ends where the pictures that lead the next sync sample begin."""
    files = Files()
    fed(files, decode_order(260), segment_us=60_000_000)
    ends = [commit.media_ticks + commit.duration_ticks for commit in files.commits]
    assert [commit.media_ticks for commit in files.commits[1:]] == ends[:-1]
    assert all(commit.starts_with_sync for commit in files.commits)
    for before, after in pairwise(files.commits):
        assert before.end_wall_us == after.wall_us


def test_what_leads_the_first_sync_sample_is_left_out() -> None:
    """Who joins there cannot decode it. It is shown before the span begins: the gap before it is not over yet."""
    files = Files()
    fed(files, decode_order(150, first=30))
    sent = [int.from_bytes(unit.nals[4:8], "big") for unit in decode_order(150, first=30)]
    assert sent[:5] == [30, 28, 27, 29, 34]
    assert numbers(files) == [number for number in sent if number >= 30]
    assert presentation_order(files)[0] == 0


def test_packets_lost_with_them_are_counted() -> None:
    """Damage is told, even of what is left out."""
    files = Files()
    units = [*decode_order(60, first=30)]
    units[2].lost_packets = 3
    fed(files, iter(units))
    assert sum(commit.lost_packets for commit in files.commits) == 3


def test_other_parameters_in_the_midst_lose_nothing() -> None:
    """A new span begins where the pictures begin that lead its sync sample."""
    files = Files()
    units = [*decode_order(200)]
    change = next(unit for place, unit in enumerate(units) if unit.sync and place > 60)
    change.parameters = LARGE
    fed(files, iter(units), segment_us=60_000_000)
    assert numbers(files) == [int.from_bytes(unit.nals[4:8], "big") for unit in units]
    assert [commit.span for commit in files.commits] == sorted(commit.span for commit in files.commits)
    assert {commit.span for commit in files.commits} == {0, 1}
    for before, after in pairwise(files.commits):
        assert before.end_wall_us <= after.wall_us


def test_pictures_that_lead_where_none_were_expected_are_declared() -> None:
    """Nothing was reordered so far and a span ends: it is too late to keep them, but nobody may think them kept."""
    files = Files()
    units = [unit_of(number, sync=number == 0, parameters=SMALL if number == 0 else None) for number in range(30)]
    led = [*decode_order(60, first=33)]
    led[0].parameters = LARGE
    fed(files, iter([*units, *led]), segment_us=60_000_000)
    missing = {int.from_bytes(unit.nals[4:8], "big") for unit in (*units, *led)} - {*numbers(files)}
    assert missing == {30, 31, 32}
    damaged = [commit for commit in files.commits if commit.lost_packets]
    assert [(commit.span, commit.lost_packets) for commit in damaged] == [(1, 3)]


@pytest.mark.parametrize(("sent", "damage"), [(37, 0), (38, 1), (39, 1), (40, 1), (41, 0)])
def test_a_session_that_ends_between_an_anchor_and_what_is_shown_before_it_says_so(sent: int, damage: int) -> None:
    """The gap that follows begins behind the anchor: what is missing lies within the footage."""
    files = Files()
    fed(files, itertools.islice(decode_order(200), sent), segment_us=60_000_000)
    assert [commit.lost_packets for commit in files.commits] == [0, damage]


def test_leading_pictures_are_no_jump_of_the_clock() -> None:
    """At 8 pictures a second they are shown half a second before what they follow."""
    files = Files()
    segmenter = segmenter_into(files, 60_000_000)
    for place, unit in enumerate(decode_order(200)):
        unit.rtp_timestamp = unit.rtp_timestamp // FRAME_TICKS * 11_250
        segmenter.add(unit, START_US + place * 125_000)
    segmenter.end_span()
    assert {commit.span for commit in files.commits} == {0}
    assert sorted(presentation_order(files)) == [number * 11_250 for number in range(197)]


def test_a_jump_of_the_clock_is_still_one() -> None:
    """Back by a second, of a camera whose sync samples may lead and do not: nothing is lost, a new span follows."""
    files = Files()
    segmenter = segmenter_into(files, 60_000_000)
    for number in range(100):
        unit = unit_of(number, sync=number % 25 == 0, parameters=SMALL if number == 0 else None)
        unit.leads = unit.sync
        unit.rtp_timestamp -= 90_000 if number >= 60 else 0
        unit.rtp_timestamp &= 0xFFFFFFFF
        segmenter.add(unit, START_US + number * FRAME_US)
    segmenter.end_span()
    assert numbers(files) == [*range(100)]
    assert {commit.span for commit in files.commits} == {0, 1}
    for before, after in pairwise(files.commits):
        assert 0 <= after.wall_us - before.end_wall_us < FRAME_US
