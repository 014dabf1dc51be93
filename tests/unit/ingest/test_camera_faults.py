"""What a recording makes of a camera's faults: bytes on the connection in, fragments and gaps out, no clock but ours.

Every frame is stored once, or is missing where a gap says so or a fragment says that it is damaged.
"""

from __future__ import annotations

import itertools
import random

import pytest

from media.errors import GapReason, Mp4Error
from media.timeline import PLACED_BY_ARRIVAL, RATE_CORRECTED
from tests.builders_h264 import PPS, SPS
from tests.builders_recorded import FRAME_US, Stored, numbers
from tests.builders_recorder import Rig, Wire

LARGER = bytes.fromhex("6764001facd9405005bb016a02020280000003008000001e078c18cb")  # 1280x720, High, from x264


@pytest.fixture(name="wire")
async def _wire() -> Wire:
    return Wire()


def _in_order(stored: list[Stored]) -> None:
    """Each unit is shown later than the one before, and none of them for no time."""
    assert all(before.shown_us < after.shown_us for before, after in itertools.pairwise(stored))
    assert min(unit.duration_ticks for unit in stored) > 0


async def test_an_intact_camera_is_recorded_whole(wire: Wire) -> None:
    """What the other tests are compared with: all frames, one span, no damage, one gap after the end."""
    wire.play(250)
    stored = wire.record()
    assert numbers(stored) == list(range(250))
    _in_order(stored)
    assert {unit.span for unit in stored} == {0}
    assert wire.damage() == 0
    assert set(wire.clock_quality()) == {0}
    assert wire.gap_reasons() == [GapReason.SHUTDOWN]


# --- clocks


def _freeze(wire: Wire) -> None:
    still = wire.ticks
    for _ in range(250):
        wire.ticks = still
        wire.play(1)


@pytest.mark.parametrize("catches_up", [True, False])
async def test_timestamps_that_stand_still_cost_no_frame(wire: Wire, catches_up: bool) -> None:
    """Ten seconds: each frame is kept apart, in order, shown when it came; the fragments say how they were timed."""
    wire.play(100)
    _freeze(wire)
    if catches_up:
        wire.ticks += 250 * 3600
    wire.play(100)
    stored = wire.record()
    assert numbers(stored) == list(range(450))
    _in_order(stored)
    start_us = stored[0].shown_us
    assert all(abs(unit.shown_us - start_us - unit.number * FRAME_US) < 100_000 for unit in stored)
    assert stored[-1].span == (0 if catches_up else 1)
    flagged = [quality & PLACED_BY_ARRIVAL for quality in wire.clock_quality()]
    assert 10 <= flagged.count(PLACED_BY_ARRIVAL) <= 13
    assert wire.gap_reasons() == [GapReason.SHUTDOWN]


@pytest.mark.parametrize("jump_us", [10_000_000, -2_000_000, -700_000, 600_000, -3_600_000_000, 40_000_000_000])
async def test_a_clock_that_jumps_starts_one_span_and_costs_no_frame(wire: Wire, jump_us: int) -> None:
    """Forward and back, by less than a GOP and by hours; and the time of the frames does not jump."""
    wire.play(110)
    wire.ticks += jump_us * 9 // 100
    wire.play(140)
    stored = wire.record()
    assert numbers(stored) == list(range(250))
    _in_order(stored)
    assert next(unit.number for unit in stored if unit.span == 1) == 125
    assert all(abs(unit.shown_us - stored[0].shown_us - unit.number * FRAME_US) < 100_000 for unit in stored)
    assert wire.gap_reasons() == [GapReason.SHUTDOWN]


async def test_a_jump_of_less_than_half_a_second_is_drift(wire: Wire) -> None:
    """No new span."""
    wire.play(110)
    wire.ticks += 300 * 90
    wire.play(140)
    stored = wire.record()
    assert numbers(stored) == list(range(250))
    assert {unit.span for unit in stored} == {0}


async def test_timestamps_wrap_without_a_trace(wire: Wire) -> None:
    """5 s after the beginning."""
    wire.ticks = (1 << 32) - 125 * 3600
    wire.play(250)
    stored = wire.record()
    assert numbers(stored) == list(range(250))
    _in_order(stored)
    assert {unit.span for unit in stored} == {0}


@pytest.mark.parametrize("ppm", [200, 4_000, -4_000, 20_000])
async def test_a_drifting_clock_is_one_span(wire: Wire, ppm: int) -> None:
    """Five minutes, the fault after one; time stays where the frames arrive, and the correction is flagged."""
    wire.picture_bytes, wire.packet_bytes = 100, 1400
    wire.play(1500)
    for _ in range(6000):
        wire.ticks += 3600 * ppm // 1_000_000
        wire.play(1)
    stored = wire.record()
    assert numbers(stored) == list(range(7500))
    assert {unit.span for unit in stored} == {0}
    assert abs(stored[-1].shown_us - stored[0].shown_us - 7499 * FRAME_US) < 120_000
    assert abs(sum(unit.duration_ticks for unit in stored) - 7500 * 3600) < 120 * 90  # a file follows the time of day
    assert bool(wire.clock_quality()[-2] & RATE_CORRECTED) == (abs(ppm) > 1_000)


# --- packets


@pytest.mark.parametrize("packet_bytes", [400, 1400])
async def test_a_change_of_ssrc_costs_no_frame(packet_bytes: int) -> None:
    """At 200 kbit/s too, where a frame is one packet; where its numbers begin anew that is damage on both sides."""
    wire = Wire(packet_bytes=packet_bytes)
    for ssrc in (7, 8, 9):
        wire.ssrc = ssrc
        wire.sequence += ssrc % 2 * 5000
        wire.ticks += ssrc << 28
        wire.play(110)
    stored = wire.record()
    assert numbers(stored) == list(range(330))
    _in_order(stored)
    assert wire.damage() == 2
    assert wire.gap_reasons() == [GapReason.SHUTDOWN]


@pytest.mark.parametrize("by", [1000, 40_000, -1000, -50, -1, -3])
async def test_a_jump_of_the_sequence_numbers_costs_no_frame(wire: Wire, by: int) -> None:
    """Between two frames: nothing is missing, but nobody can know, so damage is declared."""
    wire.play(110)
    wire.sequence += by
    wire.play(140)
    stored = wire.record()
    assert numbers(stored) == list(range(250))
    assert wire.damage() == (1000 if by == 1000 else 1)
    assert {unit.span for unit in stored} == {0}


async def test_repeated_packets_cost_nothing(wire: Wire) -> None:
    """Every third one twice, at times all of a frame: no frame twice, no damage."""
    rng = random.Random(3)

    def repeat(packets: list[bytes]) -> list[bytes]:
        if rng.random() < 0.1:
            return packets * 2
        return [packet for packet in packets for _ in range(1 + (rng.random() < 0.3))]

    wire.play(250, repeat)
    assert numbers(wire.record()) == list(range(250))
    assert wire.damage() == 0


@pytest.mark.parametrize("distance", [1, 2, 3])
async def test_an_overtaken_packet_damages_its_own_unit_only(wire: Wire, distance: int) -> None:
    """Inside a frame, by one, two or three places, once in each fifth frame; a sync sample is another matter."""

    def swap(packets: list[bytes]) -> list[bytes]:
        if wire.number % 5 == 3 and len(packets) > distance:
            packets.insert(distance, packets.pop(0))
        return packets

    wire.packet_bytes = 200
    wire.play(250, swap)
    stored = numbers(wire.record())
    assert stored == [number for number in range(250) if number % 5 != 2]
    assert wire.damage() >= 50
    assert wire.gap_reasons() == [GapReason.SHUTDOWN]


async def test_packets_overtaken_by_the_next_frame_damage_two_units_at_most(wire: Wire) -> None:
    """The last two packets of a frame come after the first of the next one."""
    wire.play(60)
    one, two = wire.packets(), wire.packets()
    wire.hear(b"".join([*one[:-2], two[0], *one[-2:], *two[1:]]))
    wire.pass_time(2 * FRAME_US)
    wire.play(60)
    stored = numbers(wire.record())
    assert set(range(122)) - set(stored) <= {60, 61}
    assert wire.damage() > 0


async def test_lost_packets_are_damage_and_nothing_else(wire: Wire) -> None:
    """2 % of them, over a minute: what is whole is kept, what is not is counted; at borders of fragments, twice."""
    rng = random.Random(5)
    lost: list[int] = []
    whole: list[int] = []

    def lose(packets: list[bytes]) -> list[bytes]:
        kept = [packet for packet in packets if rng.random() >= 0.02]
        lost.append(len(packets) - len(kept))
        if len(kept) == len(packets):
            whole.append(wire.number - 1)
        return kept

    wire.play(1500, lose)
    stored = wire.record()
    assert set(whole) <= set(numbers(stored))
    assert len(stored) == len(set(numbers(stored)))
    assert sum(lost) <= wire.damage() <= sum(lost) + wire.fragments()
    assert {unit.span for unit in stored} == {0}
    assert wire.gap_reasons() == [GapReason.SHUTDOWN]


# --- what the camera sends


async def test_changed_parameter_sets_cost_no_frame(wire: Wire) -> None:
    """A new picture size at a sync sample is a new span that begins with it."""
    wire.play(125)
    wire.sets = (LARGER, PPS)
    wire.play(125)
    stored = wire.record()
    assert numbers(stored) == list(range(250))
    assert next(unit.number for unit in stored if unit.span == 1) == 125
    _in_order(stored)


async def test_parameter_sets_that_change_while_nothing_can_be_kept_describe_what_follows(wire: Wire) -> None:
    """The disk does not keep up, and meanwhile the picture becomes larger: that is told once."""
    wire.play(50)
    spool = wire.rig.spool
    spool.pending_bytes = 1 << 40
    wire.play(50)
    assert wire.rig.recorder.state()["reason"] == "disk_error"
    wire.sets = (LARGER, PPS)
    wire.play(50)
    spool.pending_bytes = 0
    for done in [done for file in spool.files for done in file.waiting]:
        done(None)
    spool.files[0].waiting.clear()
    wire.play(60)
    wire.record()
    spans = [(note["width"], note["height"]) for note in spool.notes if note["kind"] == "span_start"]
    assert spans == [(640, 360), (1280, 720)]
    assert [LARGER in file.content[:1000] for file in spool.files] == [False, True]


async def test_a_gop_of_a_minute_is_durable_each_second(wire: Wire) -> None:
    """And nothing of it is lost; segments are as long as they must be."""
    wire.gop = 25 * 60
    wire.play(25 * 150)
    files = wire.rig.spool.files
    assert sum(len(file.waiting) for file in files) >= 149
    assert numbers(wire.record()) == list(range(25 * 150))
    assert len(files) == 3


async def test_pictures_without_parameter_sets_are_declared_and_recorded_once_they_come(wire: Wire) -> None:
    """In time: the state says so after 10 s, the session ends after 20; the sets may come in the midst of one."""
    wire.sets = ()
    wire.play(270)
    assert [wire.rig.recorder.state()[name] for name in ("state", "reason")] == ["failed", "no_sync"]
    assert "parameter sets" in wire.rig.recorder.state()["detail"]
    assert wire.failed is None
    wire.sets = (SPS, PPS)
    wire.play(100)
    assert wire.rig.recorder.state()["state"] == "recording"
    assert numbers(wire.record()) == list(range(275, 370))
    (gap, _shutdown) = wire.rig.ledger(wire.footage()).gaps
    assert gap.reason is GapReason.NO_SYNC
    assert "parameter sets" in gap.detail


async def test_a_session_without_parameter_sets_ends(wire: Wire) -> None:
    """The next one asks for another description, and begins without what an earlier session knew."""
    wire.play(50)
    wire.rig.recorder._end_span()
    wire.rig.recorder._segmenter.start_session(segment_us=60_000_000)
    wire = Wire(wire.rig)
    wire.sets = ()
    wire.play(25 * 21)
    assert wire.failed is not None
    assert wire.failed.reason is GapReason.NO_SYNC
    assert len(wire.rig.spool.files) == 1


async def test_a_session_without_a_sync_sample_ends() -> None:
    """Soon, because the next one may begin with it; that one after long enough for a GOP of a minute."""
    rig = Rig()
    for seconds in (30, 90, 90):
        wire = Wire(rig, described=True)
        wire.number, wire.gop = 1, 25 * 3600
        wire.play(25 * (seconds - 1))
        assert wire.failed is None
        assert rig.recorder.state()["reason"] == "no_sync"
        assert "sync sample" in rig.recorder.state()["detail"]
        wire.play(25 * 2)
        rig.recorder._segmenter.start_session(segment_us=60_000_000)
        assert wire.failed is not None
        assert wire.failed.reason is GapReason.NO_SYNC
        assert f"pictures for {seconds} s" in str(wire.failed)


async def test_a_group_of_a_minute_that_is_joined_in_its_midst_is_recorded() -> None:
    """By the second session, which waits for its end; then the next one that gets none is ended soon again."""
    rig = Rig()
    wire = Wire(rig, described=True)
    wire.number, wire.gop = 20 * 25, 60 * 25
    wire.play(25 * 31)
    assert wire.failed is not None
    rig.recorder._segmenter.start_session(segment_us=60_000_000)
    wire, place = Wire(rig, described=True), wire.number
    wire.number, wire.gop = 25 + place % (60 * 25), 60 * 25
    wire.play(25 * 100)
    assert wire.failed is None
    assert rig.recorder.state()["state"] == "recording"
    assert not rig.recorder._memory.renewed_for_sync


async def test_a_unit_that_cannot_be_taken_ends_the_footage_before_it(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours is not counted as a malformed packet of the camera's, and nothing is skipped in silence."""
    wire.play(60)

    def refuse(**_fragment: object) -> None:
        raise Mp4Error("a number is out of range")

    assert wire.rig.recorder._segmenter._writer is not None
    monkeypatch.setattr(wire.rig.recorder._segmenter._writer, "fragment", refuse)
    wire.play(60)
    assert wire.failed is not None
    assert (wire.failed.reason, str(wire.failed)) == (GapReason.PROTOCOL, "internal error: Mp4Error")
    assert wire.receiver.malformed_packets == 0
    wire.rig.recorder._failed(wire.failed)
    assert numbers(wire.record()) == list(range(50))
    gap = wire.rig.ledger(wire.footage()).gaps[0]
    assert gap.start_us == wire.footage()[-1].end_us
