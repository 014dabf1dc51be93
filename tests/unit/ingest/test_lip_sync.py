"""Sound is heard when the picture is shown that was taken at the same instant, as the camera's sender reports say."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from media.moof import TRACK_ID
from media.rtcp import SenderReport
from tests.builders_segmenter import FRAME_US, SMALL, START_US, Files, segmenter_into, unit_of
from tests.unit.ingest.test_sound import DESCRIPTION, RATE, SOUND_FRAME_US, frame_of, heard

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.segmenter import Segmenter

SOUND_FIRST = 77  # RTP timestamp of the first frame of sound; that of the first picture is 0
REPORT_US = 5_000_000
NTP_S = 3_900_000_000


def honest(_of_sound: bool, taken_us: int) -> int | None:
    """What a camera's clock shows in a report, in microseconds."""
    return taken_us


def far_off(of_sound: bool, taken_us: int) -> int | None:
    """The two tracks of some cameras tell different clocks."""
    return taken_us + (7_000_000 if of_sound else 0)


def slightly_off(of_sound: bool, taken_us: int) -> int | None:
    """By more than any encoder takes."""
    return taken_us + (600_000 if of_sound else 0)


def jumping(of_sound: bool, taken_us: int) -> int | None:
    """Fractions of a second that mean nothing."""
    return taken_us + (taken_us // REPORT_US * 377_000 % 1_000_000 if of_sound else 0)


def timeless(_of_sound: bool, _taken_us: int) -> int | None:
    """A report says with zero that there is no clock."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """How long it takes for a picture and for a frame of sound, when it reports first, and what it says."""

    picture_us: int
    sound_us: int = 5_000
    first_us: int = 0
    says: Callable[[bool, int], int | None] = honest
    offset_us: int = 0
    """Of its own clock."""

    def report(self, segmenter: Segmenter, taken_us: int, *, of_sound: bool) -> None:
        """One of its sender reports, about an instant."""
        rtp = SOUND_FIRST + taken_us * RATE // 1_000_000 if of_sound else taken_us * 90_000 // 1_000_000
        told_us = self.says(of_sound, taken_us)
        ntp = 0 if told_us is None else (NTP_S << 32) + ((told_us + self.offset_us << 32) // 1_000_000)
        segmenter.sound.take_report(
            SenderReport(ssrc=1, ntp=ntp, rtp_timestamp=rtp & 0xFFFFFFFF, packets=0, octets=0), of_sound=of_sound
        )


def played(camera: Camera, seconds: int) -> Files:
    """What is recorded of it."""
    events: list[tuple[int, int, int]] = []  # when, what, number
    events += [(number * FRAME_US + camera.picture_us, 0, number) for number in range(seconds * 25)]
    frames = seconds * 1_000_000 // SOUND_FRAME_US
    events += [((number + 1) * SOUND_FRAME_US + camera.sound_us, 1, number) for number in range(frames)]
    for at_us in range(camera.first_us, seconds * 1_000_000, REPORT_US):
        events += [(at_us + camera.picture_us, 2, at_us), (at_us + 700_000, 3, at_us + 600_000)]
    files = Files()
    segmenter = segmenter_into(files)
    for at_us, what, number in sorted(events):
        if what == 0:
            unit = unit_of(number, sync=number % 25 == 0, parameters=SMALL if number == 0 else None)
            segmenter.add(unit, START_US + at_us)
            segmenter.close_overdue(START_US + at_us)
        elif what == 1:
            segmenter.add_sound(frame_of(number, description=None if number else DESCRIPTION), START_US + at_us)
        else:
            camera.report(segmenter, number, of_sound=what == 3)
    segmenter.end_span()
    return files


def errors_us(files: Files) -> list[int]:
    """How much later each frame is heard than what was seen when it was made. The first one may be cut short."""
    return [each.media_us - each.number * SOUND_FRAME_US for each in heard(files) if each.media_us]


def assert_seamless(files: Files, camera: Camera, seconds: int) -> None:
    """Each frame from the first picture on is there once; no fragment overlaps another or leaves a hole."""
    numbers = [each.number for each in heard(files)]
    assert numbers == [*range(numbers[0], seconds * 1_000_000 // SOUND_FRAME_US)]
    assert numbers[0] <= 1 + camera.picture_us // SOUND_FRAME_US
    sound = [commit for commit in files.commits if commit.track != TRACK_ID]
    for before, after in pairwise(sound):
        assert after.media_ticks == before.media_ticks + before.duration_ticks
        assert after.wall_us == pytest.approx(before.end_wall_us, abs=2)
    assert {commit.lost_packets for commit in sound} == {0}


@pytest.mark.parametrize("offset_us", [0, 41_000_000, -(NTP_S - 100) * 1_000_000])
@pytest.mark.parametrize("picture_us", [0, 46_000, 90_000, 300_000])
def test_what_the_reports_say_is_what_is_heard(picture_us: int, offset_us: int) -> None:
    """Within 5 ms, however long an encoder takes and whatever its clock shows: right, slow, an uptime."""
    camera = Camera(picture_us=picture_us, offset_us=offset_us)
    files = played(camera, 60)
    assert max(map(abs, errors_us(files)[-300:])) <= 5_000
    assert_seamless(files, camera, 60)


def test_reports_that_come_first_count_from_the_first_frame_on() -> None:
    """Nothing was written by then: there is nothing to approach slowly."""
    assert max(map(abs, errors_us(played(Camera(picture_us=90_000), 20)))) <= 5_000


def test_reports_that_come_later_are_approached_without_a_seam() -> None:
    """By arrival until then, and a hundredth faster or slower from then on."""
    camera = Camera(picture_us=80_000, first_us=10_000_000)
    files = played(camera, 40)
    errors = errors_us(files)
    early, late = errors[: 9_000_000 // SOUND_FRAME_US], errors[25_000_000 // SOUND_FRAME_US :]
    assert {round(error, -4) for error in early} == {-80_000}
    assert max(map(abs, late)) <= 5_000
    assert max(abs(two - one) for one, two in pairwise(errors)) <= SOUND_FRAME_US // 100 + 1_000
    assert_seamless(files, camera, 40)


@pytest.mark.parametrize("says", [far_off, slightly_off, timeless, jumping])
def test_reports_that_lie_are_not_believed(says: Callable[[bool, int], int | None]) -> None:
    """Sound stays where its arrival puts it, off by what the encoder takes."""
    camera = Camera(picture_us=30_000, says=says)
    files = played(camera, 60)
    assert max(abs(error + 25_000) for error in errors_us(files)[-300:]) <= 10_000
    assert_seamless(files, camera, 60)


def test_a_camera_without_reports_is_heard_by_arrival() -> None:
    """As ever."""
    files = played(Camera(picture_us=30_000, first_us=1_000_000_000), 20)
    assert max(abs(error + 25_000) for error in errors_us(files)) <= 10_000


def test_a_clock_that_was_set_between_two_reports_moves_nothing() -> None:
    """Both tracks tell the new time from then on."""

    def was_set(_of_sound: bool, taken_us: int) -> int | None:
        return taken_us + (300_000 if taken_us > 20_100_000 else 0)  # the pictures' report of 20 s came before

    camera = Camera(picture_us=46_000, says=was_set)
    files = played(camera, 60)
    assert max(map(abs, errors_us(files))) <= 5_000
    assert_seamless(files, camera, 60)
