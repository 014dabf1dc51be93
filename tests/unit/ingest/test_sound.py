"""Sound beside pictures: every frame once and in order, at its time, and never a cut or a delay for the pictures."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.segmenter import OVERDUE_US
from ingest.sound import MOST_WAITING
from media.access_unit import AccessUnit
from media.audio_description import AudioDescription
from media.moof import TRACK_ID, fragment_samples
from tests.builders_audio import sound_track
from tests.builders_segmenter import FRAME_US, SMALL, START_US, Files, feed, segmenter_into, unit_of

RATE = 16_000
FRAME_TICKS = 1024
SOUND_FRAME_US = FRAME_TICKS * 1_000_000 // RATE
AAC = sound_track()
DESCRIPTION = AudioDescription(entry=b"ulaw", codec="ulaw", rate=RATE, channels=1)
OTHER = AudioDescription(entry=b"alaw", codec="alaw", rate=RATE, channels=1)


def frame_of(number: int, *, description: AudioDescription | None = None, ticks: int | None = None) -> AccessUnit:
    """A frame of sound that is its number."""
    return AccessUnit(
        nals=bytearray(number.to_bytes(4, "big") * 10),
        rtp_timestamp=(77 + number * FRAME_TICKS if ticks is None else ticks) & 0xFFFFFFFF,
        sync=True,
        lost_packets=0,
        parameters=description,
        duration_ticks=FRAME_TICKS,
    )


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Arrival:
    """A unit and when it comes."""

    at_us: int
    sound: bool
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A stored frame of sound, and where it is in its span, in microseconds of media time."""

    number: int
    span: int
    media_us: int


def arrivals(seconds: int, *, ppm: int = 0, jitter_us: int = 0, missing: range = range(0)) -> Iterator[Arrival]:
    """Pictures at once, frames of sound when they are complete, from one instant on; `ppm` is their clock's error."""
    rng = random.Random(3)
    merged = [Arrival(at_us=number * FRAME_US, sound=False, number=number) for number in range(seconds * 25)]
    taken = 0
    number = 0
    while taken < seconds * 1_000_000:
        done_us = (number + 1) * SOUND_FRAME_US * 1_000_000 // (1_000_000 + ppm)
        if number not in missing:
            merged.append(Arrival(at_us=done_us + rng.randint(0, jitter_us), sound=True, number=number))
        taken, number = done_us, number + 1
    last: dict[bool, int] = {}
    for each in sorted(merged):
        at_us = max(each.at_us, last.get(each.sound, 0))  # no packet overtakes another on a connection
        last[each.sound] = at_us
        yield Arrival(at_us=at_us, sound=each.sound, number=each.number)


def played(events: Iterator[Arrival], *, segment_us: int = 10_000_000) -> Files:
    """What a segmenter makes of them."""
    files = Files()
    segmenter = segmenter_into(files, segment_us)
    first = True
    for event in events:
        at_us = START_US + event.at_us
        if event.sound:
            segmenter.add_sound(frame_of(event.number, description=DESCRIPTION if first else None), at_us)
            first = False
        else:
            number = event.number
            unit = unit_of(number, sync=number % 25 == 0, parameters=SMALL if number == 0 else None)
            assert segmenter.add(unit, at_us)
            segmenter.close_overdue(at_us)
    segmenter.end_span()
    return files


def heard(files: Files) -> list[Heard]:
    """All sound in the order of the files; every file is whole and begins with pictures."""
    found = []
    for content, read in zip(files.files, files.scans(), strict=True):
        assert read.faults == ()
        assert read.commits[0].track == TRACK_ID
        for fragment in read.fragments:
            commit = fragment.commit
            if commit.track == TRACK_ID:
                continue
            at, samples = fragment_samples(bytes(content[commit.offset : fragment.data_offset - 8]), commit.track)
            place = fragment.data_offset
            for sample in samples:
                number = int.from_bytes(content[place : place + 4], "big")
                assert content[place : place + sample.size_bytes] == number.to_bytes(4, "big") * 10
                found.append(Heard(number=number, span=commit.span, media_us=at * 1_000_000 // RATE))
                at, place = at + sample.duration_ticks, place + sample.size_bytes
    return found


def test_every_frame_is_stored_once_in_order_beside_the_pictures() -> None:
    """A fragment of sound for each of pictures, behind it; together no commit more than in pairs."""
    files = played(arrivals(25))
    frames = heard(files)
    assert [each.number for each in frames] == list(range(len(frames)))
    assert len(frames) == 25_000_000 // SOUND_FRAME_US + 1
    tracks = [commit.track for commit in files.commits]
    assert tracks == [1, 2] * 25
    assert len(files.files) == 3
    assert {commit.span for commit in files.commits} == {0}


def test_the_pictures_are_cut_as_without_sound() -> None:
    """Times, samples and places of the rotation are the same to the microsecond."""
    alone = Files()
    segmenter = segmenter_into(alone)
    feed(segmenter, range(625))
    segmenter.end_span()
    pictures = [commit for commit in played(arrivals(25)).commits if commit.track == TRACK_ID]
    facts = [(c.wall_us, c.end_wall_us, c.media_ticks, c.duration_ticks, c.samples) for c in pictures]
    assert facts == [(c.wall_us, c.end_wall_us, c.media_ticks, c.duration_ticks, c.samples) for c in alone.commits]


@pytest.mark.parametrize(("ppm", "jitter_us"), [(0, 0), (0, 30_000), (200, 0), (-200, 20_000), (1000, 0), (-3000, 0)])
def test_sound_and_pictures_stay_together_for_ten_minutes(ppm: int, jitter_us: int) -> None:
    """Within one frame of sound, whatever the clock of the sound does and however its packets jitter."""
    frames = heard(played(arrivals(600, ppm=ppm, jitter_us=jitter_us), segment_us=60_000_000))
    errors = [each.media_us - each.number * SOUND_FRAME_US * 1_000_000 // (1_000_000 + ppm) for each in frames]
    assert max(map(abs, errors)) <= SOUND_FRAME_US
    assert [each.number for each in frames] == list(range(len(frames)))


@pytest.mark.parametrize("missing", [range(50, 53), range(50, 250)])
def test_a_hole_stays_where_it_is(missing: range) -> None:
    """What comes behind lost sound is heard when it was made, and not sooner; nothing else happens."""
    files = played(arrivals(30, missing=missing))
    frames = heard(files)
    assert max(abs(each.media_us - each.number * SOUND_FRAME_US) for each in frames) <= SOUND_FRAME_US // 2
    assert {commit.span for commit in files.commits} == {0}


@given(
    st.integers(-2000, 2000),
    st.integers(0, 80_000),
    st.integers(2, 300).flatmap(lambda start: st.integers(0, 200).map(lambda n: range(start, start + n))),
    st.integers(3, 25),
)
@settings(max_examples=40)
def test_nothing_is_lost_or_repeated_whatever_the_network_does(
    ppm: int, jitter_us: int, missing: range, seconds: int
) -> None:
    """Drift, jitter, holes: each frame that came after the first picture is there once, and no fragment overlaps."""
    files = played(arrivals(seconds, ppm=ppm, jitter_us=jitter_us, missing=missing), segment_us=5_000_000)
    events = [each for each in arrivals(seconds, ppm=ppm, jitter_us=jitter_us, missing=missing) if each.sound]
    numbers = [each.number for each in heard(files)]
    assert numbers == [each.number for each in events][len(events) - len(numbers) :]
    # But for one that seemed to end before the first picture.
    assert len(events) - len(numbers) <= jitter_us // SOUND_FRAME_US
    sound = [commit for commit in files.commits if commit.track != TRACK_ID]
    for before, after in pairwise(sound):
        assert after.media_ticks >= before.media_ticks + before.duration_ticks


def test_sound_that_begins_later_begins_a_span_at_a_sync_sample() -> None:
    """No picture is lost for it, and no sound from there on."""
    files = played(each for each in arrivals(10) if not each.sound or each.number > 50)
    pictures = [commit for commit in files.commits if commit.track == TRACK_ID]
    assert sum(commit.samples for commit in pictures) == 250
    assert sorted({commit.span for commit in files.commits}) == [0, 1]
    first = next(commit for commit in pictures if commit.span == 1)
    assert first.wall_us == START_US + 4_000_000
    frames = heard(files)
    # There is no track for what was to be heard before: eleven frames are missing from footage, and declared.
    assert [commit.lost_packets for commit in files.commits if commit.track != TRACK_ID][:2] == [11, 0]
    assert {each.span for each in frames} == {1}
    # The first one to be heard is that which sounds when the span begins; what is left of it is all that sounds.
    assert frames[0] == Heard(number=4_000_000 // SOUND_FRAME_US, span=1, media_us=0)
    assert abs(frames[1].media_us - (frames[1].number * SOUND_FRAME_US - 4_000_000)) < 2_000


def test_another_kind_of_sound_begins_a_span() -> None:
    """A camera that was set to another codec while it sends."""
    files = Files()
    segmenter = segmenter_into(files)
    for event in arrivals(6):
        if event.sound:
            described = {0: DESCRIPTION, 40: OTHER}.get(event.number)
            segmenter.add_sound(frame_of(event.number, description=described), START_US + event.at_us)
        else:
            feed(segmenter, range(event.number, event.number + 1)) if event.number == 0 else segmenter.add(
                unit_of(event.number, sync=event.number % 25 == 0), START_US + event.at_us
            )
    segmenter.end_span()
    sounds = [scan.sound.codec for scan in files.scans() if scan.sound is not None]
    assert sounds == ["ulaw", "alaw"]
    assert sum(commit.samples for commit in files.commits if commit.track == TRACK_ID) == 150


def test_while_no_picture_comes_sound_is_written_alone() -> None:
    """A crash may cost no more of it than of pictures."""
    files = Files()
    segmenter = segmenter_into(files)
    for event in arrivals(8):
        if event.sound:
            description = None if event.number else DESCRIPTION
            segmenter.add_sound(frame_of(event.number, description=description), START_US + event.at_us)
        elif event.number < 50:
            unit = unit_of(event.number, sync=event.number == 0, parameters=None if event.number else SMALL)
            segmenter.add(unit, START_US + event.at_us)
        segmenter.close_overdue(START_US + event.at_us)
    alone = [commit for commit in files.commits if commit.wall_us > START_US + 2_100_000]
    assert {commit.track for commit in alone} == {2}
    assert len(alone) in (3, 4)
    written_us = max(commit.end_wall_us for commit in files.commits)
    assert written_us > START_US + 8_000_000 - OVERDUE_US - 2 * SOUND_FRAME_US


def test_sound_without_pictures_is_bounded() -> None:
    """Nothing is kept of it but the last seconds; what is left begins with the first picture."""
    files = Files()
    segmenter = segmenter_into(files)
    for number in range(4 * MOST_WAITING):
        at_us = START_US + (number + 1) * SOUND_FRAME_US
        segmenter.add_sound(frame_of(number, description=None if number else DESCRIPTION), at_us)
        segmenter.close_overdue(at_us)
    assert len(segmenter.sound._waiting) == MOST_WAITING
    begin_us = 4 * MOST_WAITING * SOUND_FRAME_US - 500_000
    for number in range(10):
        unit = unit_of(number, sync=number == 0, parameters=SMALL)
        segmenter.add(unit, START_US + begin_us + number * FRAME_US)
    segmenter.end_span()
    assert heard(files)[0].number == begin_us // SOUND_FRAME_US
    assert not any(commit.lost_packets for commit in files.commits)


def test_sound_that_waits_too_long_for_its_span_is_declared() -> None:
    """Its track came to the session in the midst of a group of pictures of twenty seconds."""
    files = Files()
    segmenter = segmenter_into(files)
    sent = 0
    for event in arrivals(24):
        if not event.sound:
            unit = unit_of(event.number, sync=event.number % 500 == 0, parameters=None if event.number else SMALL)
            segmenter.add(unit, START_US + event.at_us)
        elif event.number > 50:
            frame = frame_of(event.number, description=DESCRIPTION if event.number == 51 else None)
            for _ in range(3):  # so small that more wait than may
                segmenter.add_sound(frame, START_US + event.at_us)
                sent += 1
    segmenter.end_span()
    stored = len(heard(files))
    declared = sum(commit.lost_packets for commit in files.commits)
    assert 0 < stored < sent == stored + declared


def test_a_step_of_the_hosts_clock_moves_both() -> None:
    """The span after it tells the new time, and sound stays with its pictures."""
    files = Files()
    segmenter = segmenter_into(files)
    step_us = 3_600_000_000
    for event in arrivals(10):
        now_us = START_US + event.at_us + (step_us if event.at_us >= 4_200_000 else 0)
        if event.sound:
            segmenter.add_sound(frame_of(event.number, description=None if event.number else DESCRIPTION), now_us)
        else:
            if event.number == 105:
                segmenter.clock_stepped(step_us)
            unit = unit_of(event.number, sync=event.number % 25 == 0, parameters=None if event.number else SMALL)
            segmenter.add(unit, now_us)
    segmenter.end_span()
    frames = heard(files)
    assert [each.number for each in frames] == list(range(len(frames)))
    start = {0: 0, 1: 5_000_000}
    errors = [each.media_us + start[each.span] - each.number * SOUND_FRAME_US for each in frames if each.media_us]
    assert max(map(abs, errors)) <= SOUND_FRAME_US // 2
    late = [commit for commit in files.commits if commit.span == 1 and commit.track != TRACK_ID]
    assert abs(late[0].wall_us - (START_US + 5_000_000 + step_us)) < SOUND_FRAME_US


def test_lost_packets_are_counted_in_their_fragment() -> None:
    """Damage of the sound is damage of the segment."""
    files = Files()
    segmenter = segmenter_into(files)
    for event in arrivals(3):
        if event.sound:
            unit = frame_of(event.number, description=None if event.number else DESCRIPTION)
            unit.lost_packets = 2 if event.number == 20 else 0
            segmenter.add_sound(unit, START_US + event.at_us)
        else:
            unit = unit_of(event.number, sync=event.number % 25 == 0, parameters=None if event.number else SMALL)
            segmenter.add(unit, START_US + event.at_us)
    segmenter.end_span()
    assert [commit.lost_packets for commit in files.commits if commit.track != TRACK_ID] == [0, 2, 0]
