"""What is odd about a camera that sends: told once when it begins and once when it is over; recording goes on."""

from __future__ import annotations

import pytest

from media.access_unit import AccessUnit
from tests.builders_recorder import FRAME_US, Rig, Wire
from tests.unit.media.test_camera_clock import ntp_of, report

SECOND_US = 1_000_000


def told(rig: Rig) -> list[tuple[str, bool]]:
    """The conditions in the journal."""
    kinds = {"frozen_picture", "frozen_timestamps", "camera_clock"}
    return [(note["kind"], note["over"]) for note in rig.spool.notes if note["kind"] in kinds]


def conditions(rig: Rig) -> dict[str, int]:
    """Those that the state shows."""
    shown: dict[str, int] = rig.recorder.state()["conditions"]
    return shown


def freeze(wire: Wire, seconds: int) -> None:
    """The same picture again and again, with numbers and timestamps that go on."""
    for _ in range(seconds * 25):
        number, wire.number = wire.number, 1000 + wire.number % wire.gop
        wire.play(1)
        wire.number = number + 1


async def test_a_camera_that_shows_nothing_new_is_told_and_goes_on_recording() -> None:
    """Within 30 s, from when it began; and again when it is over. No frame is lost to it, no gap declared."""
    wire = Wire()
    wire.play(10 * 25)
    froze_us = wire.rig.clock.wall_us()
    freeze(wire, 19)
    assert conditions(wire.rig) == {}
    freeze(wire, 3)
    assert froze_us - SECOND_US <= conditions(wire.rig)["frozen_picture"] <= froze_us
    assert "has not changed for 2" in wire.rig.recorder.state()["detail"]
    assert wire.rig.recorder.state()["state"] == "recording"
    freeze(wire, 20)
    wire.play(2 * 25)
    assert conditions(wire.rig) == {}
    assert told(wire.rig) == [("frozen_picture", False), ("frozen_picture", True)]
    begun = next(note for note in wire.rig.spool.notes if note["kind"] == "frozen_picture")
    assert begun["at_us"] == pytest.approx(froze_us, abs=SECOND_US)
    assert len(wire.record()) == 54 * 25
    assert [note["kind"] for note in wire.rig.spool.notes if note["kind"].startswith("gap")] == [
        "gap_close",
        "gap_open",
    ]


async def test_a_camera_that_comes_back_with_the_same_picture_is_still_frozen() -> None:
    """A relay that reconnects has nothing new either."""
    wire = Wire()
    freeze(wire, 23)
    wire.rig.recorder._conditions.begin_session()
    freeze(wire, 3)
    assert told(wire.rig) == [("frozen_picture", False)]


@pytest.mark.parametrize(("anew", "begun"), [(False, ["frozen_picture"]), (True, [])])
async def test_one_repetition_after_a_long_time_counts_within_a_session(anew: bool, begun: list[str]) -> None:
    """A group of 20 s that is the one before is told; a film that begins anew with another session is none."""
    rig = Rig()
    for ticks in (0, 1):
        if anew:
            rig.recorder._conditions.begin_session()
        picture = AccessUnit(
            nals=bytearray(b"\0\0\4\0\x65" + b"picture" * 146 + b"!"),
            rtp_timestamp=ticks,
            sync=True,
            lost_packets=0,
            parameters=None,
        )
        rig.recorder._conditions.take_sync(picture)
        rig.clock.advance(20 * SECOND_US)
        rig.tick()
    assert [*conditions(rig)] == begun


async def test_timestamps_that_stand_still_are_told() -> None:
    """The pictures go on, and so does the recording."""
    wire = Wire()
    still = wire.ticks
    for _ in range(23 * 25):
        wire.ticks = still
        wire.play(1)
    assert told(wire.rig) == [("frozen_timestamps", False)]
    wire.play(25 * 21)
    assert told(wire.rig) == [("frozen_timestamps", False), ("frozen_timestamps", True)]


class Told:
    """A recorder that hears reports."""

    def __init__(self) -> None:
        self.rig = Rig()

    def hear(self, offset_us: int, reports: int = 3) -> None:
        """Sender reports, 5 s apart, of a clock that is off by so much."""
        for _ in range(reports):
            self.rig.recorder._conditions.take_report(report(ntp_of(self.rig.clock.wall_us() + offset_us)))
            for _ in range(20):
                self.rig.clock.advance(250_000)
                self.rig.tick()


async def test_a_clock_that_is_off_by_two_seconds_is_told_and_when_it_is_right_again() -> None:
    """Between one and two seconds it stays what it was."""
    told_of = Told()
    told_of.hear(-1_900_000)
    assert conditions(told_of.rig) == {}
    told_of.hear(-2_100_000)
    told_of.hear(-2_100_000, 12)
    assert list(conditions(told_of.rig)) == ["camera_clock"]
    assert told_of.rig.recorder.state()["camera_clock_offset_us"] == pytest.approx(-2_100_000, abs=1)
    assert told_of.rig.recorder.state()["detail"] == "the camera's clock is off by -2.1 s"
    told_of.hear(-1_500_000, 12)
    assert list(conditions(told_of.rig)) == ["camera_clock"]
    told_of.hear(3_000, 4)
    assert told(told_of.rig) == [("camera_clock", False), ("camera_clock", True)]


async def test_what_a_lying_clock_makes_of_the_journal_is_bounded() -> None:
    """A new offset, three times in a row, with every report: no more than a note in 20 s."""
    told_of = Told()
    for number in range(100):
        for _ in range(3):
            offset_us = 0 if number % 2 else 9 * SECOND_US
            told_of.rig.recorder._conditions.take_report(report(ntp_of(told_of.rig.clock.wall_us() + offset_us)))
        told_of.rig.clock.advance(FRAME_US * 25)
        told_of.rig.tick()
    assert 2 <= len(told(told_of.rig)) <= 6


async def test_a_step_of_the_hosts_clock_shows_as_an_error_of_the_cameras() -> None:
    """It is the difference of the two, and nobody can tell here which one is right."""
    told_of = Told()
    told_of.hear(0)
    told_of.rig.recorder.clock_stepped(3_600 * SECOND_US)
    assert told_of.rig.recorder.state()["camera_clock_offset_us"] == pytest.approx(-3_600 * SECOND_US, abs=1)


async def test_an_offset_is_of_the_session_that_told_it() -> None:
    """What answers at the same address may be another camera; the condition stays until it is known to be over."""
    told_of = Told()
    told_of.hear(5 * SECOND_US)
    told_of.rig.recorder._conditions.begin_session()
    told_of.hear(0, 0)
    assert told_of.rig.recorder.state()["camera_clock_offset_us"] is None
    assert list(conditions(told_of.rig)) == ["camera_clock"]
    assert told_of.rig.recorder.state()["detail"] == "the camera's clock was off"
    told_of.hear(0, 5)
    assert conditions(told_of.rig) == {}


async def test_each_fragment_says_what_the_cameras_clock_was_off_by() -> None:
    """When it was closed; the time of the footage is this host's all the same."""
    wire = Wire()
    wire.play(50)
    wire.rig.recorder._conditions.take_report(report(ntp_of(wire.rig.clock.wall_us() - 41 * SECOND_US)))
    wire.play(50)
    began_us = wire.rig.clock.wall_us() - 4 * SECOND_US
    wire.record()
    commits = [fragment.commit for found in wire.scans() for fragment in found.fragments]
    offsets = [commit.camera_clock_offset_us for commit in commits]
    assert offsets[:1] == [None]
    assert offsets[-2:] == [pytest.approx(-41 * SECOND_US, abs=1000)] * 2
    assert commits[0].wall_us == began_us
