"""What a recording makes of a camera that sends too much, too little, something else, or nothing any more."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from media.errors import GapReason
from tests.builders_h264 import PPS, SPS
from tests.builders_recorded import FRAME_US, numbers
from tests.builders_recorder import Wire


@pytest.fixture(name="wire")
async def _wire() -> Wire:
    return Wire()


async def test_twenty_times_too_much_is_a_flood(wire: Wire) -> None:
    """A 4 Mbit/s camera that sends 80: told within 3 s, by every byte on the connection."""
    wire.picture_bytes, wire.packet_bytes = 17_200 * 20, 1400
    wire.play(75)
    assert wire.failed is not None
    assert wire.failed.reason is GapReason.FLOOD
    assert "Mbit/s; 60 are the limit" in str(wire.failed)


async def test_what_a_camera_is_configured_for_is_no_flood(wire: Wire) -> None:
    """Three times its nominal rate, where that is more than 60 Mbit/s."""
    wire.rig.recorder.assign(replace(wire.rig.assignment, bitrate_bps=40_000_000))
    wire.picture_bytes, wire.packet_bytes = 17_200 * 20, 1400
    wire.play(75)
    assert wire.failed is None


@pytest.mark.parametrize("junk", [b"\r\n" * 40_000, b"$\x07\xff\xff" + bytes(65_535), b"$\x09\x00\x00" * 4_000])
async def test_a_flood_of_anything_is_a_flood(wire: Wire, junk: bytes) -> None:
    """Empty lines, channels nobody asked for, empty frames."""
    wire.play(70, lambda packets: [*packets, *([junk] * 6)])
    assert wire.failed is not None
    assert wire.failed.reason is GapReason.FLOOD


async def test_a_flood_of_messages_ends_at_once(wire: Wire) -> None:
    """Each costs as much as ten packets: nobody waits for the next look of the clock."""
    wire.hear(b"RTSP/1.0 200\r\n\r\n" * 1000)
    assert wire.failed is not None
    assert wire.failed.reason is GapReason.FLOOD
    assert wire.camera.session.messages < 300


async def test_a_message_now_and_then_is_none(wire: Wire) -> None:
    """A camera may announce things all day."""
    for _ in range(600):
        wire.hear(b"RTSP/1.0 200\r\nCSeq: 999\r\n\r\n" * 10)
        wire.play(25)
    assert wire.failed is None


@pytest.mark.parametrize(
    ("junk", "words"),
    [(b"\x01\x02\x03\x04\x05", "framing lost"), (b"RTSP/7.7 nonsense\r\n\r\n", "no RTSP message")],
)
async def test_garbage_between_frames_ends_the_session_with_evidence(wire: Wire, junk: bytes, words: str) -> None:
    """What came before it is kept, and the gap says after which packet."""
    wire.play(60)
    last = wire.sequence - 1 & 0xFFFF
    wire.hear(junk)
    assert wire.failed is not None
    assert wire.failed.reason is GapReason.PROTOCOL
    assert words in str(wire.failed)
    assert f"after packet {last}" in str(wire.failed)
    assert numbers(wire.record()) == list(range(60))


@pytest.mark.parametrize("seed", range(8))
async def test_random_bytes_between_frames_end_the_session(wire: Wire, seed: int) -> None:
    """Whatever they look like, within the size of the largest frame; no frame that was stored is another than sent."""
    wire.play(60)
    wire.hear(random.Random(seed).randbytes(200))
    for _ in range(25 * 10):
        if wire.failed is None:
            wire.play(1)
    assert wire.failed is not None
    assert wire.failed.reason in (GapReason.PROTOCOL, GapReason.FLOOD)
    stored = numbers(wire.record())
    assert stored[:60] == list(range(60))
    assert stored == sorted(set(stored))


def _half(packets: list[bytes]) -> list[bytes]:
    return [*packets[:-1], packets[-1][:50]]


@pytest.mark.parametrize(
    ("alter", "error", "reason", "words"),
    [
        (_half, None, GapReason.PROTOCOL, "closed by the camera in the midst of a packet, 46 of its"),
        (list, None, GapReason.UNREACHABLE, "closed by the camera"),
        (list, ConnectionResetError(104, "Connection reset by peer"), GapReason.UNREACHABLE, "ECONNRESET"),
    ],
)
async def test_a_connection_that_ends_says_how(
    wire: Wire,
    alter: Callable[[list[bytes]], list[bytes]],
    error: Exception | None,
    reason: GapReason,
    words: str,
) -> None:
    """In the midst of a packet, between two, or by the network; with the last packet's number."""
    wire.play(60)
    wire.play(1, alter)
    wire.camera.session.connection_lost(error)
    assert wire.failed is not None
    assert wire.failed.reason is reason
    assert words in str(wire.failed)
    assert "after packet" in str(wire.failed)


async def test_a_silent_camera_is_told_within_nine_seconds(wire: Wire) -> None:
    """With the number of the last packet; and the gap begins where the footage ends."""
    wire.play(60)
    wire.pass_time(7_800_000)
    assert wire.failed is None
    wire.pass_time(1_000_000)
    assert wire.failed is not None
    assert wire.failed.reason is GapReason.STALLED
    assert str(wire.sequence - 1 & 0xFFFF) in str(wire.failed)
    wire.rig.recorder._failed(wire.failed)
    assert numbers(wire.record()) == list(range(60))
    gap = wire.rig.ledger(wire.footage()).gaps[0]
    assert (gap.start_us, gap.reason) == (wire.footage()[-1].end_us, GapReason.STALLED)


async def test_a_camera_that_stalls_for_less_has_a_gap_and_no_new_session(wire: Wire) -> None:
    """Nothing is lost; the time in which nothing was sent is no footage, though the last picture may still be shown."""
    wire.play(60)
    wire.pass_time(7_000_000)
    wire.ticks += 7 * 90_000
    wire.number = 75
    wire.play(60)
    assert wire.failed is None
    assert wire.rig.recorder.state()["state"] == "recording"
    assert numbers(wire.record()) == [*range(60), *range(75, 135)]
    gap = wire.rig.ledger(wire.footage()).gaps[0]
    assert (gap.reason, gap.detail) == (GapReason.STALLED, "the camera sent no picture for 7.0 s, then went on")
    assert gap.end_us is not None
    assert 6_900_000 < gap.end_us - gap.start_us <= 7_000_000


async def test_a_camera_that_stalls_again_and_again_is_not_usually_silent(wire: Wire) -> None:
    """How often it sends is how often it sends between its stalls: each of them is a gap."""
    wire.play(60)
    for _ in range(6):
        wire.pass_time(4_000_000)
        wire.ticks += 4 * 90_000
        wire.number += -wire.number % 25  # a sync sample
        wire.play(2)
    assert wire.failed is None
    wire.record()
    found = [gap.detail for gap in wire.rig.ledger(wire.footage()).gaps]
    assert found[:6] == ["the camera sent no picture for 4.0 s, then went on"] * 6


async def test_frames_after_a_stall_that_nothing_can_begin_with_are_kept(wire: Wire) -> None:
    """It goes on in the midst of a GOP: a span cannot begin there, and frames count more than a tight gap."""
    wire.play(60)
    wire.pass_time(7_000_000)
    wire.ticks += 7 * 90_000
    wire.play(60)
    assert numbers(wire.record()) == list(range(120))


@pytest.mark.parametrize("interval_us", [1_000_000, 3_400_000, 5_000_000])
async def test_a_slow_camera_is_not_interrupted_by_itself(wire: Wire, interval_us: int) -> None:
    """A frame each second, or each five; what is silence is told by what is usual."""
    wire.gop = 1
    for _ in range(20):
        wire.hear(b"".join(wire.packets()))
        wire.pass_time(interval_us)
        wire.ticks += interval_us * 9 // 100 - 3600
    assert numbers(wire.record()) == list(range(20))
    assert wire.gap_reasons() == [GapReason.SHUTDOWN]


async def test_a_trickle_is_a_stall(wire: Wire) -> None:
    """A line that carries a third of the stream: frames come ever later. What came is stored at its own time."""
    wire.play(60)
    while wire.failed is None:
        wire.hear(b"".join(wire.packets()))
        wire.pass_time(3 * FRAME_US)
        assert wire.number < 1000
    assert wire.failed.reason is GapReason.STALLED
    stored = wire.record()
    assert numbers(stored) == list(range(wire.number))
    assert all(abs(unit.shown_us - stored[0].shown_us - unit.number * FRAME_US) < 3_000_000 for unit in stored)


async def test_a_process_that_stood_still_blames_no_camera(wire: Wire) -> None:
    """Stopped for 15 s: what waited in the sockets is read, and lies where it belongs."""
    wire.play(60)
    waiting = b"".join(packet for _ in range(375) for packet in wire.packets())
    wire.rig.clock.advance(15_000_000)
    wire.rig.recorder.held(15_000_000)
    wire.rig.tick()
    assert wire.failed is None
    wire.hear(waiting)
    wire.play(60)
    assert wire.failed is None
    stored = wire.record()
    assert numbers(stored) == list(range(495))
    assert {unit.span for unit in stored} == {0}
    assert all(abs(unit.shown_us - stored[0].shown_us - unit.number * FRAME_US) < 100_000 for unit in stored)


async def test_pictures_lie_where_they_came_however_long_they_waited(wire: Wire) -> None:
    """The kernel says of each datagram that it waited for 0.7 s: this process is that far behind, and stays it."""
    wire.camera.session.waited_us = 700_000
    began_us = wire.rig.clock.wall_us() - 700_000
    wire.play(75)
    stored = wire.record()
    assert numbers(stored) == list(range(75))
    assert all(abs(unit.shown_us - began_us - unit.number * FRAME_US) < 10_000 for unit in stored)


# --- what makes a file of each picture


def _jump(wire: Wire) -> None:
    wire.ticks += 900_000


def _change(wire: Wire) -> None:
    wire.sets = (SPS, PPS + bytes([1 + wire.number % 200]))


@pytest.mark.parametrize("alter", [_jump, _change])
async def test_a_file_for_each_picture_is_a_flood(wire: Wire, alter: Callable[[Wire], None]) -> None:
    """Jumps of the clock, or other parameter sets, with each of 25 sync samples a second: some files, then the end."""
    wire.gop, wire.picture_bytes = 1, 10
    for _ in range(2500):
        alter(wire)
        wire.play(1)
        if wire.failed:
            break
    assert wire.failed is not None
    assert wire.failed.reason is GapReason.FLOOD
    assert "files" in str(wire.failed)
    assert len(wire.rig.spool.files) < 100
    wire.rig.recorder._failed(wire.failed)
    stored = wire.record()
    assert numbers(stored) == list(range(len(stored)))
    assert next(note["reason"] for note in wire.rig.spool.notes if note["kind"] == "gap_open") == "flood"


async def test_a_file_for_each_picture_is_noticed_at_once() -> None:
    """In the midst of what one read brought."""
    wire = Wire()
    wire.gop, wire.picture_bytes = 1, 1
    for _ in range(500):
        _jump(wire)
        wire.hear(b"".join(wire.packets()))
        if wire.failed:
            break
    assert wire.failed is not None
    assert len(wire.rig.spool.files) < 65


async def test_a_clock_that_jumps_every_second_is_recorded_for_ever(wire: Wire) -> None:
    """In as many files, without a gap."""
    wire.picture_bytes = 10
    for _ in range(300):
        _jump(wire)
        wire.play(25)
    assert wire.failed is None
    assert numbers(wire.record()) == list(range(7500))


async def test_pictures_by_the_thousand_are_a_flood(wire: Wire) -> None:
    """However small; 200 a second are none."""
    wire.picture_bytes = 1
    wire.ticks, step = 0, 90_000 // 200
    for _ in range(1000):
        for _ in range(8):
            wire.hear(b"".join(wire.packets()))
            wire.ticks += step - 3600
        wire.pass_time(FRAME_US)
    assert wire.failed is None
    for _ in range(100):
        for _ in range(60):
            wire.hear(b"".join(wire.packets()))
            wire.ticks += 60 - 3600
        wire.pass_time(FRAME_US)
    assert wire.failed is not None
    assert (wire.failed.reason, "pictures a second" in str(wire.failed)) == (GapReason.FLOOD, True)


async def test_a_disk_that_does_not_keep_up_is_not_the_cameras_fault(wire: Wire) -> None:
    """Nothing is durable for a minute and a half, and what may wait is full: the session goes on, the disk is named."""
    wire.picture_bytes = 20_000
    wire.play(25 * 90)
    assert wire.rig.recorder.state()["reason"] == "disk_error"
    assert wire.failed is None
