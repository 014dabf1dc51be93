"""One simulated camera and who watches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from media.h264_parameters import ParameterSets
from simulator.camera import MAX_LATE_US, Camera, Departure
from simulator.clock import CameraClock
from simulator.codec_h264 import H264
from simulator.oracle import camera_uuid
from simulator.pacer import Paced, Pacer
from simulator.reel import Reel, ReelSource
from simulator.source import CodedFrame
from simulator.timetable import steady_lap

if TYPE_CHECKING:
    from simulator.sent_log import SentFrame

START_US = 1_795_435_200_000_000
FRAME_US = 40_000
GOP = 5


class SetClock(CameraClock):
    """A camera's clock that a test sets."""

    now_us = START_US

    def wall_us(self) -> int:
        """What it was set to."""
        return self.now_us


class Waiting(Pacer):
    """Only notes what is to be fired."""

    def __init__(self) -> None:
        self.added: list[tuple[Paced, int]] = []

    def add(self, camera: Paced, due_us: int) -> None:
        """Note it."""
        self.added.append((camera, due_us))


class Viewer:
    """A session that keeps what it gets."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.first = 0
        self.got: list[Departure] = []

    def wants(self, number: int, *, sync: bool) -> bool:
        """From its first frame on."""
        return bool(self.got) or (sync and number >= self.first)

    def send(self, departure: Departure) -> None:
        """Keep it."""
        self.got.append(departure)


class Scene:
    """A camera with a sync sample every fifth frame, its clock and its log."""

    def __init__(self) -> None:
        frames = tuple(
            CodedFrame.from_units(H264(), [b"\x41\x01" if i else b"\x65\x01"], marked=True) for i in range(GOP)
        )
        reel = Reel(frames=frames, lap=steady_lap(25, GOP), parameters=ParameterSets())
        self.clock, self.pacer = SetClock(), Waiting()
        self.log: list[SentFrame] = []
        self.camera = Camera("cam/0001", ReelSource(reel, 0), self.clock, self.pacer, self.log.append)

    def fire_at(self, at_us: int) -> int | None:
        """Let the camera's time come."""
        self.clock.now_us = at_us
        return self.camera.fire(at_us)


@pytest.fixture
def scene() -> Scene:
    """One camera."""
    return Scene()


def test_nobody_watching_costs_nothing(scene: Scene) -> None:
    """A camera is not even scheduled before someone plays it, and drops out after the last one left."""
    assert scene.pacer.added == []
    viewer = Viewer(1)
    scene.camera.start(viewer)
    assert scene.pacer.added == [(scene.camera, START_US)]
    scene.camera.stop(viewer)
    assert scene.fire_at(START_US) is None


def test_a_session_starts_at_the_sync_sample_it_was_promised(scene: Scene) -> None:
    """Also if it comes in the middle of a GOP that someone else is watching."""
    early, late = Viewer(1), Viewer(2)
    early.first = scene.camera.start(early)
    scene.fire_at(START_US)
    late.first = scene.camera.start(late)
    for step in range(1, GOP + 2):
        scene.fire_at(START_US + step * FRAME_US)
    assert early.first == START_US // FRAME_US
    assert [departure.number - early.first for departure in early.got] == list(range(GOP + 2))
    assert [departure.number - early.first for departure in late.got] == [GOP, GOP + 1]
    assert late.got[0].number == late.first


def test_what_is_sent_is_in_the_log(scene: Scene) -> None:
    """Per frame and session, with the time at which it really went out."""
    one, two = Viewer(1), Viewer(2)
    first = scene.camera.start(one)
    scene.camera.start(two)
    scene.fire_at(START_US + 1_500)
    assert [(sent.camera, sent.session, sent.frame, sent.sent_us, sent.sync) for sent in scene.log] == [
        ("cam/0001", session, first, START_US + 1_500, True) for session in (1, 2)
    ]
    assert one.got[0].payloads == two.got[0].payloads


def test_a_camera_fired_early_waits(scene: Scene) -> None:
    """It says when it is due, and sends nothing."""
    viewer = Viewer(1)
    scene.camera.start(viewer)
    assert scene.fire_at(START_US - 1) == START_US
    assert viewer.got == []


def test_a_stopped_process_does_not_send_all_it_missed(scene: Scene) -> None:
    """After SIGSTOP and SIGCONT the camera goes on at a sync sample of now; what it missed was never sent."""
    viewer = Viewer(1)
    first = scene.camera.start(viewer)
    scene.fire_at(START_US)
    woken_us = START_US + MAX_LATE_US + 3 * FRAME_US
    due_us = scene.fire_at(woken_us)
    assert due_us is not None
    assert woken_us <= due_us <= woken_us + GOP * FRAME_US
    scene.fire_at(due_us)
    assert [departure.number for departure in viewer.got] == [first, due_us // FRAME_US]
    assert due_us // FRAME_US % GOP == 0


def test_a_little_late_loses_nothing(scene: Scene) -> None:
    """A busy machine delays frames; every one of them goes out."""
    viewer = Viewer(1)
    scene.camera.start(viewer)
    for _ in range(10):
        scene.fire_at(START_US + 1_000_000)
    numbers = [departure.number for departure in viewer.got]
    assert numbers == list(range(numbers[0], numbers[0] + 10))


def test_the_name_makes_the_uuid(scene: Scene) -> None:
    """So that the marks of one camera stay its own."""
    assert scene.camera.uuid == camera_uuid("cam/0001")
