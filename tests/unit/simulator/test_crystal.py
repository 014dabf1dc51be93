"""A camera's own idea of time."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from simulator.crystal import Crystal, DriftingSource, DriftingTimetable, RtpClock
from simulator.timetable import Timetable, steady_lap
from tests.unit.simulator.test_camera import START_US, Scene, Viewer

NOW_US = 1_795_435_200_000_000
S = 1_000_000
ppms = st.integers(-20_000, 20_000)


def test_a_fast_clock_gains() -> None:
    """4000 ppm are 4 ms a second; what it has gained stays when it is well again."""
    crystal = Crystal()
    crystal.run(4000, NOW_US)
    assert crystal.own_us(NOW_US) == NOW_US
    assert crystal.own_us(NOW_US + 10 * S) == NOW_US + 10 * S + 40_000
    crystal.run(0, NOW_US + 10 * S)
    assert crystal.own_us(NOW_US + 10 * S) == NOW_US + 10 * S + 40_000
    assert crystal.own_us(NOW_US + 20 * S) == NOW_US + 20 * S + 40_000
    crystal.run(-4000, NOW_US + 20 * S)
    assert crystal.own_us(NOW_US + 30 * S) == NOW_US + 30 * S


@given(st.lists(st.tuples(ppms, st.integers(0, 600 * S)), max_size=5), st.integers(0, 3600 * S))
def test_true_time_is_the_first_at_which_the_clock_shows_it(pieces: list[tuple[int, int]], after_us: int) -> None:
    """There and back, whatever has happened to the clock before."""
    crystal, now_us = Crystal(), NOW_US
    for ppm, length_us in pieces:
        crystal.run(ppm, now_us)
        now_us += length_us
    own_us = crystal.own_us(now_us) + after_us
    true_us = crystal.true_us(own_us)
    assert crystal.own_us(true_us) >= own_us
    assert crystal.own_us(true_us - 1) < own_us


@given(ppms, st.integers(0, 600 * S), st.integers(0, 40_000))
def test_a_drifting_timetable_misses_no_frame(ppm: int, after_us: int, phase_us: int) -> None:
    """The first frame from a time on is due then or later, and the one before it earlier."""
    crystal = Crystal()
    crystal.run(ppm, NOW_US)
    timetable = DriftingTimetable(Timetable(steady_lap(25), phase_us), crystal)
    wall_us = NOW_US + after_us
    number = timetable.first_from(wall_us)
    assert timetable.due_us(number - 1) < wall_us <= timetable.due_us(number)
    assert timetable.presented_us(number) <= timetable.due_us(number)


def test_pace_and_timestamps_drift_apart_from_true_time() -> None:
    """A camera that is 1 % fast sends 25.25 frames a second, and still steps 3600 ticks from one to the next."""
    crystal = Crystal()
    crystal.run(10_000, NOW_US)
    timetable = DriftingTimetable(Timetable(steady_lap(25)), crystal)
    first = timetable.first_from(NOW_US)
    frames = timetable.first_from(NOW_US + 100 * S) - first
    assert Fraction(frames, 100) == Fraction(2525, 100)
    assert timetable.presented_rtp(first + frames) - timetable.presented_rtp(first) == 3600 * frames


def test_a_jump_lasts() -> None:
    """Ahead and back."""
    clock = RtpClock()
    assert clock.written(1000) == 1000
    clock.shift(900_000)
    assert clock.written(1000) == 901_000
    clock.shift(-180_000)
    assert clock.written(1000) == 721_000


def test_a_frozen_clock_goes_on_where_it_would_be() -> None:
    """Jumps during that time are seen afterwards."""
    clock = RtpClock()
    clock.shift(10)
    clock.freeze()
    assert clock.written(1000) == 1010
    clock.shift(5)
    assert [clock.written(ticks) for ticks in (4600, 8200)] == [1010, 1010]
    clock.thaw()
    assert clock.written(8200) == 8215


def test_a_camera_whose_crystal_is_off_sends_at_another_pace() -> None:
    """Frames come when they are due by its own clock; none is left out or sent twice, before, in and after a drift."""
    scene, crystal = Scene(), Crystal()
    viewer = Viewer(1)
    scene.camera.source = DriftingSource(scene.camera.source, crystal)
    viewer.first = scene.camera.start(viewer)
    due_us: int | None = START_US
    for frame in range(300):
        if frame == 100:
            crystal.run(20_000, scene.clock.now_us)
        if frame == 200:
            crystal.run(0, scene.clock.now_us)
        due_us = scene.fire_at(max(due_us or 0, scene.clock.now_us))
    numbers = [departure.number for departure in viewer.got]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    sent = {departure.number: departure.sent_us for departure in viewer.got}
    paces = [sent[numbers[0] + at + 50] - sent[numbers[0] + at] for at in (20, 130, 230)]
    assert paces[0] == paces[2] == 50 * 40_000
    assert abs(paces[1] - 50 * 40_000 * 100 // 102) <= 50
    ticks = [departure.rtp_ticks for departure in viewer.got]
    assert {after - before for before, after in pairwise(ticks)} == {3600}
