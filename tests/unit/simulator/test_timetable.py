"""When each frame of a camera is due."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from simulator.timetable import Lap, Timetable, steady_lap

NOW_US = 1_795_423_943_905_095


@st.composite
def laps(draw: st.DrawFn) -> Lap:
    """Any order of presentation, any time base."""
    shown = draw(st.lists(st.integers(0, 5_000), min_size=1, max_size=12, unique=True))
    shown = [ticks - min(shown) for ticks in shown]
    sent = sorted(shown)
    return Lap(
        send_ticks=sent,
        present_ticks=shown,
        lead_ticks=max(late - early for late, early in zip(shown, sent, strict=True)),
        length_ticks=sent[-1] + draw(st.integers(1, 1_000)),
        time_base=Fraction(draw(st.integers(1, 1_001)), draw(st.integers(1_000, 90_000))),
    )


@given(laps(), st.integers(NOW_US, NOW_US + 100_000_000), st.integers(0, 1_000_000))
def test_the_first_frame_from_an_instant_is_the_next_one_due(lap: Lap, at_us: int, phase_us: int) -> None:
    """It is not due before, and the one before it is."""
    timetable = Timetable(lap, phase_us)
    number = timetable.first_from(at_us)
    assert timetable.due_us(number - 1) < at_us <= timetable.due_us(number)


@given(laps(), st.integers(NOW_US, NOW_US + 100_000_000))
def test_no_frame_leaves_before_it_was_seen(lap: Lap, at_us: int) -> None:
    """B-frames make a camera wait; its clock does not run ahead."""
    timetable = Timetable(lap)
    first = timetable.first_from(at_us)
    for number in range(first, first + 30):
        assert timetable.presented_us(number) <= timetable.due_us(number) <= timetable.due_us(number + 1)


@given(laps(), st.integers(NOW_US, NOW_US + 100_000_000))
def test_times_go_on_over_the_seam(lap: Lap, at_us: int) -> None:
    """A lap later each frame is shown exactly a lap later, on both clocks."""
    timetable = Timetable(lap)
    first = timetable.first_from(at_us)
    frames = len(lap.send_ticks)
    lap_rtp = lap.length_ticks * lap.time_base * 90_000
    for number in range(first, first + frames):
        step = timetable.presented_rtp(number + 1000 * frames) - timetable.presented_rtp(number)
        assert abs(step - 1000 * lap_rtp) < 1


def test_a_steady_camera_counts_frames_since_1970() -> None:
    """25 frames a second: 40 ms and 3600 ticks between two, and full seconds on multiples of 25."""
    timetable = Timetable(steady_lap(25))
    number = timetable.first_from(NOW_US)
    assert number == -(-NOW_US // 40_000)
    assert timetable.due_us(number) == timetable.presented_us(number) == number * 40_000
    assert timetable.presented_rtp(number + 1) - timetable.presented_rtp(number) == 3600
    assert timetable.due_us(number // 25 * 25) % 1_000_000 == 0


def test_a_loop_numbers_its_frames_like_a_live_camera() -> None:
    """So a frame number means the same instant whichever way a camera is made."""
    loop, live = Timetable(steady_lap(25, 250), 7), Timetable(steady_lap(25), 7)
    number = live.first_from(NOW_US)
    assert loop.first_from(NOW_US) == number
    assert [loop.due_us(number + step) for step in range(300)] == [live.due_us(number + step) for step in range(300)]
