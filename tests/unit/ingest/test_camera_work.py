"""What a camera may cost: whatever it sends is counted by what it takes to deal with it, and that has a bound.

Each attack is one that a bound on bytes and packets lets through: 60 Mbit/s of them took up to two cores.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest

from ingest.source import Tally
from ingest.tracks import TrackTaker, choose_tracks
from ingest.watch import FLOOD_BPS, MEASURE_US, PACKET_BITS
from media import interleaved
from media.errors import GapReason
from media.rtp import RtpReceiver, write_header
from media.sdp import MediaDescription
from tests import builders_h264 as h264
from tests import builders_h265 as h265
from tests.builders_recorder import Nothing, Rig
from tests.executed_lines import executed_lines

MOST_LINES = 120
"""Of code, for what counts as one packet: a sender report, which takes longest."""

MOST_A_SECOND = FLOOD_BPS // PACKET_BITS
SOUND = MediaDescription(
    kind="audio",
    transport="RTP/AVP/TCP",
    payload_type=97,
    encoding="MPEG4-GENERIC",
    clock_rate=16_000,
    fmtp={"mode": "AAC-hbr", "config": "1408", "sizelength": "13", "indexlength": "3", "indexdeltalength": "3"},
)
START = b"\x00\x00\x01"


class Attacker:
    """A camera in the midst of a session."""

    def __init__(self, encoding: str = "H264") -> None:
        self.rig = Rig()
        media = MediaDescription(
            kind="video", transport="RTP/AVP/TCP", payload_type=96, encoding=encoding, clock_rate=90_000
        )
        recorder = self.rig.recorder
        video = TrackTaker(units=recorder._on_unit, reports=recorder._conditions.take_report)
        takers = recorder._sound.begin_session(recorder._segmenter, video, wanted=True)
        tracks = choose_tracks([media, SOUND], takers)
        self.camera = self.rig.watch(tracks[0].receiver)
        self.camera.tracks += tracks
        self.camera.session.attach(1, tracks[0].take_report)
        self.camera.session.attach(2, tracks[1].receiver.receive)
        self.sequence = 0

    def packet(self, payload: bytes, channel: int = 0) -> bytes:
        """The next one, of 25 pictures a second or so."""
        self.sequence += 1
        header = write_header(self.sequence, self.sequence // 200 * 3600, 7 + channel, 96 + channel // 2, marker=False)
        return h264.frame(channel, header + payload)

    def hear(self, sent: bytes, read_bytes: int = 60_000) -> None:
        """As the event loop reads it, until the session ends."""
        for start in range(0, len(sent), read_bytes):
            read = sent[start : start + read_bytes]
            self.camera.session.get_buffer(len(read))[: len(read)] = read
            self.camera.session.buffer_updated(len(read))


def _each(payload: bytes, attacker: Attacker) -> bytes:
    return attacker.packet(payload)


def _report(attacker: Attacker) -> bytes:
    attacker.sequence += 1
    return h264.frame(1, struct.pack(">BBHIQIII", 0x80, 200, 6, 7, 3_900_000_000 << 32, attacker.sequence, 1, 1))


def _frames_of_sound(attacker: Attacker) -> bytes:
    return attacker.packet(struct.pack(">H", 16 * 64) + struct.pack(">H", 1 << 3) * 64 + bytes(64), 2)


def _new_sets(attacker: Attacker) -> bytes:
    return attacker.packet(h264.stap(*(h264.PPS + bytes((1 + attacker.sequence % 255, n)) for n in range(1, 13))))


class Attack(NamedTuple):
    """What is sent again and again."""

    make: Callable[[Attacker], bytes]
    encoding: str = "H264"


ATTACKS = {
    "tiny slices": Attack(partial(_each, h264.stap(*[b"\x41\x9a"] * 50))),
    "tiny messages in a large packet": Attack(partial(_each, h264.stap(*[b"\x06\x05"] * 2000))),
    "the same parameter sets": Attack(partial(_each, h264.stap(*[h264.PPS] * 50))),
    "other parameter sets": Attack(_new_sets),
    "a byte stream": Attack(partial(_each, START + (b"\x41\x9a" * 15 + START) * 40)),
    "NAL units inside of one": Attack(partial(_each, h264.SPS + (START + b"\x41" + b"\x9a" * 30) * 40)),
    "tiny slices of H.265": Attack(partial(_each, h265.aggregate(*[b"\x02\x01\xd0"] * 50)), "H265"),
    "parameter sets of H.265": Attack(partial(_each, h265.aggregate(*[h265.PPS] * 50)), "H265"),
    "OBUs": Attack(partial(_each, b"\x00" + b"\x01\x28" * 30), "AV1"),
    "OBUs inside of one": Attack(partial(_each, b"\x10" + b"\x2a\x00" * 30), "AV1"),
    "sound": Attack(_frames_of_sound),
    "reports": Attack(_report),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_what_takes_time_is_counted(name: str) -> None:
    """Nothing takes much longer than what it counts as."""
    attacker = Attacker(ATTACKS[name].encoding)
    attacker.hear(ATTACKS[name].make(attacker))
    before = attacker.camera.tally().work
    sent = b"".join(ATTACKS[name].make(attacker) for _ in range(20))
    lines = executed_lines(lambda: attacker.hear(sent))
    work = attacker.camera.tally().work - before
    assert lines < MOST_LINES * work
    assert lines > 5 * work, "it counts as more than it is"


@pytest.mark.parametrize("name", ATTACKS)
async def test_more_of_it_than_a_camera_needs_is_a_flood(name: str) -> None:
    """Just under 60 Mbit/s of it: told at the next look after what is allowed for 2 s, not at their end."""
    attacker = Attacker(ATTACKS[name].encoding)
    enough = 2 * MOST_A_SECOND * MEASURE_US // 1_000_000
    looks = 0
    while looks < 6 and not attacker.camera.session.failure.done():
        looks += 1
        left = FLOOD_BPS // 8 // 4 * 98 // 100
        while left > 0 and attacker.camera.tally().work < enough:
            sent = ATTACKS[name].make(attacker)
            left -= len(sent)
            attacker.hear(sent)
        attacker.rig.clock.advance(250_000)
        attacker.rig.tick()
    failure = attacker.camera.session.failure.result()
    assert failure.reason is GapReason.FLOOD
    assert "the work of" in str(failure)
    assert f"{MOST_A_SECOND} are the limit" in str(failure)


async def test_what_waited_may_come_at_once() -> None:
    """Nearly all that is allowed for 2 s within one look, as after a line that stood still."""
    attacker = Attacker()
    for _ in range(2):
        for _ in range(2 * MOST_A_SECOND * 95 // 100):
            attacker.hear(attacker.packet(b"\x41\x9a"), read_bytes=100_000)
            attacker.camera.session.reads = 0
        for _ in range(9):
            attacker.rig.clock.advance(250_000)
            attacker.rig.tick()
    assert not attacker.camera.session.failure.done()


async def test_bytes_that_come_one_by_one_are_counted() -> None:
    """A read for each: a core of them for a hundredth of the bytes that count as a flood."""
    attacker = Attacker()
    attacker.hear(b"\r\n" * (MOST_A_SECOND + 10), read_bytes=1)
    attacker.rig.clock.advance(250_000)
    attacker.rig.tick()
    assert attacker.camera.session.failure.result().reason is GapReason.FLOOD


@pytest.mark.parametrize("head_bytes", [200, 15_000])
async def test_a_head_that_comes_byte_by_byte_is_searched_once(
    head_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from its beginning with each byte."""
    attacker = Attacker()
    searched = 0

    class Counting:
        """The pattern that finds the end of a head."""

        def search(self, buffer: bytearray, start: int, end: int) -> None:
            """Never found."""
            del buffer
            nonlocal searched
            searched += end - start

    monkeypatch.setattr(interleaved, "_HEAD_END", Counting())
    attacker.hear(b"OPTIONS * RTSP/1.0\r\nX: " + b"x" * head_bytes, read_bytes=1)
    assert searched < 6 * (head_bytes + 30)


async def test_a_usual_camera_is_far_from_it() -> None:
    """60 Mbit/s in packets of 1400 bytes, a reading of 8 KiB each, with its parameter sets before each of 8 slices."""
    attacker = Attacker()
    begun = attacker.camera.tally().work
    sent = bytearray()
    for _picture in range(25):
        for _slice in range(8):
            sent += attacker.packet(h264.SPS) + attacker.packet(h264.PPS)
            sent += b"".join(attacker.packet(b"\x7c\x01" + bytes(1398)) for _ in range(26))
    attacker.hear(bytes(sent), read_bytes=8192)
    assert len(sent) * 8 > 57_000_000
    assert attacker.camera.tally().work - begun < MOST_A_SECOND // 2


class Counted:
    """A carrier that has seen everything."""

    def tally(self) -> Tally:
        """What became of packets."""
        return Tally(overtaken_packets=1, late_packets=2, foreign_packets=3, overflowed_packets=4)

    def check(self, boot_us: int) -> None:
        """Nothing is due."""


async def test_what_became_of_packets_is_counted_over_all_sessions() -> None:
    """While one plays, and the rest of it when it ends: an operator sees whether network or host is too slow."""
    rig = Rig()
    for _session in range(2):
        camera = rig.watch(RtpReceiver(96, Nothing()))
        watch = rig.recorder._watch
        assert watch is not None
        camera._carriers.append(Counted())  # type: ignore[arg-type]
        for _ in range(10):
            rig.clock.advance(250_000)
            rig.tick()
        camera.receiver.late_packets, camera.receiver.octets = 7, 50
        watch.finish()
    state = rig.recorder.state()
    names = ("overtaken_packets", "late_packets", "foreign_packets", "overflowed_packets", "received_bytes")
    assert [state[name] for name in names] == [2, 18, 6, 8, 100]
