"""Datagrams that overtake each other: in order again, or declared lost in time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import RtpError
from media.reorder import HELD_BYTES, HELD_PACKETS, WAIT_US, ReorderBuffer
from media.rtp import RtpReceiver, write_header
from tests.executed_lines import executed_lines

FIRST = 0xFFF0
"""Sequence numbers wrap soon."""


class Track:
    """A receiver behind the buffer under test; what it is given, by number of the packet, 0 for the first sent."""

    timestamp = latest = -1
    parts = 0

    def __init__(self) -> None:
        self.receiver = RtpReceiver(96, self)
        self.buffer = ReorderBuffer(self.receiver)
        self.buffer.promise(FIRST)
        self.numbers: list[int] = []
        self.lost = 0
        self.now_us = 0

    def push(self, buffer: bytes, start: int, end: int, timestamp: int, marker: bool, lost: int) -> None:  # noqa: PLR0917
        """As a depacketizer."""
        self.timestamp = self.latest = timestamp
        self.numbers.append(int.from_bytes(buffer[start : start + 4], "big"))
        self.lost += lost

    def send(self, *numbers: int, ssrc: int = 7, kind: int = 96, size: int = 4) -> None:
        """Packets as they arrive, all of one instant of the clock."""
        for number in numbers:
            packet = packet_of(number, ssrc, kind, size)
            self.buffer.receive(bytearray(b"??" + packet), 2, 2 + len(packet), self.now_us)


def packet_of(number: int, ssrc: int = 7, kind: int = 96, size: int = 4) -> bytes:
    """Two packets a frame of 40 ms."""
    header = write_header((FIRST + number) & 0xFFFF, number // 2 * 3600, ssrc, kind, marker=bool(number % 2))
    return header + number.to_bytes(4, "big") + bytes(size - 4)


@given(st.lists(st.integers(0, 15), min_size=2, max_size=60), st.randoms())
@settings(max_examples=200)
def test_packets_that_overtake_by_less_than_the_wait_are_all_there(delays: list[int], rng: random.Random) -> None:
    """Whatever the order of arrival, some of them twice: each once, in order, nothing counted as lost."""
    arrivals = sorted((number + delay, number) for number, delay in enumerate(delays) if number)
    track = Track()
    track.send(0)
    for _, number in arrivals:
        track.send(*([number] * rng.choice((1, 1, 1, 2))))
        track.now_us += 1000
    assert track.numbers == list(range(len(delays)))
    assert track.lost == track.receiver.lost_packets == 0
    assert track.buffer.held == 0


def test_a_packet_that_does_not_come_is_lost_after_the_wait_and_no_sooner() -> None:
    """And what is behind it goes on at once, with the loss told to whoever takes it."""
    track = Track()
    track.send(0, 1, 3, 4)
    track.now_us = WAIT_US - 1
    track.buffer.expire(track.now_us)
    assert track.numbers == [0, 1]
    track.now_us = WAIT_US
    track.buffer.expire(track.now_us)
    assert track.numbers == [0, 1, 3, 4]
    assert (track.lost, track.receiver.lost_packets) == (1, 1)
    track.send(2)
    assert (track.numbers, track.receiver.late_packets) == ([0, 1, 3, 4], 1)
    track.send(5)
    assert track.numbers == [0, 1, 3, 4, 5]


def test_the_next_packet_ends_a_wait_that_has_become_too_long() -> None:
    """Without anybody looking at the clock between."""
    track = Track()
    track.send(0, 2)
    track.now_us = WAIT_US
    track.send(3)
    assert track.numbers == [0, 2, 3]
    assert track.lost == 1


def test_each_gap_has_its_own_wait() -> None:
    """A second packet that is missing is waited for from when it was missed."""
    track = Track()
    track.send(0, 2)
    track.now_us = WAIT_US // 2
    track.send(4)
    track.now_us = WAIT_US
    track.buffer.expire(track.now_us)
    assert track.numbers == [0, 2]
    track.send(3)
    assert track.numbers == [0, 2, 3, 4]
    assert (track.lost, track.buffer.overtaken_packets) == (1, 1)


@pytest.mark.parametrize(("size", "most"), [(4, HELD_PACKETS), (60_000, HELD_BYTES // 60_000)])
def test_what_is_held_is_bounded(size: int, most: int) -> None:
    """By number and by bytes, also while the clock stands still; what the bound drops is declared as lost."""
    track = Track()
    track.send(0)
    for number in range(2, 3000):
        track.send(number, size=size)
        assert track.buffer.held <= most
    assert track.numbers[:2] == [0, 2]
    assert track.lost == 1


@pytest.mark.parametrize(("step", "held"), [(2, HELD_PACKETS), (3, HELD_PACKETS), (9973, 0)])
def test_what_a_packet_costs_is_the_same_however_many_are_held(step: int, held: int) -> None:
    """Every other one missing, and more: to go through all that are held for each took a core and a half."""
    track = Track()
    track.send(0)
    lines = executed_lines(lambda: track.send(*(number * step for number in range(1, 1201))))
    assert lines < 1200 * 100
    assert track.buffer.held >= held


def test_what_is_known_of_packets_that_went_on_is_bounded() -> None:
    """One waits, far ahead; before it thousands overtake each other, at the same instant."""
    track = Track()
    track.send(0, 30_000)
    for number in range(1, 12_000, 2):
        track.send(number + 1, number)
    assert track.numbers == list(range(12_001))
    assert track.buffer.held == 1
    assert len(track.buffer._arrivals) <= 4 * HELD_PACKETS


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 50_000)), max_size=60))
@settings(max_examples=200)
def test_what_is_held_is_found_whatever_comes(arrivals: list[tuple[int, int]]) -> None:
    """Numbers that jump and wrap, at any time: nothing is held for longer than the wait, or twice, or forgotten."""
    track = Track()
    track.send(0)
    for number, waited_us in arrivals:
        track.now_us += waited_us
        track.send(number)
        buffer = track.buffer
        assert buffer._numbers == sorted(buffer._held)
        assert buffer._held_bytes == sum(len(packet) for _, packet in buffer._held.values())
        assert all(track.now_us - arrival_us < WAIT_US for arrival_us, _ in buffer._held.values())
    track.buffer.expire(track.now_us + WAIT_US)
    assert track.buffer.held == 0


def test_a_packet_that_comes_twice_counts_once() -> None:
    """Held or passed on."""
    track = Track()
    track.send(0, 2, 2, 1, 1, 2, 3, 3)
    assert track.numbers == [0, 1, 2, 3]
    assert track.buffer.duplicate_packets == 1
    assert track.receiver.late_packets == 3


def test_packets_of_others_go_past() -> None:
    """They are the receiver's to judge, and no reason to wait for less, or longer (quirks R1 I5)."""
    track = Track()
    track.send(0)
    track.send(5000, ssrc=8)
    track.send(1, kind=50)
    track.send(1, 3)
    track.send(9000, ssrc=8)
    assert track.numbers == [0, 1]
    track.now_us = WAIT_US
    track.send(9001, ssrc=8)
    assert track.numbers == [0, 1, 3]
    assert track.receiver.foreign_packets == 4


def test_a_source_that_changes_goes_on_without_a_loss() -> None:
    """As over TCP: another SSRC with other numbers, of which none is dropped."""
    track = Track()
    track.send(*range(100))
    track.send(*range(5000, 5100), ssrc=8)
    assert track.numbers == [*range(100), *range(5000, 5100)]


def test_a_source_that_changes_behind_a_loss_goes_on_without_another() -> None:
    """Its packets follow on those of the old name that still wait, and are not taken for a neighbour's."""
    track = Track()
    track.send(*range(98), 99)
    for number in range(5000, 5100):
        track.now_us += 5000
        track.send(number, ssrc=8)
    assert track.numbers == [*range(98), 99, *range(5000, 5100)]
    assert track.lost == 2


def test_packets_of_another_source_are_held_within_the_same_bounds() -> None:
    """While the clock stands still."""
    track = Track()
    track.send(0, 2)
    for _ in range(HELD_PACKETS):
        assert track.numbers == [0]
        track.send(5000, ssrc=8)
    assert track.numbers == [0, 2]
    assert track.receiver.foreign_packets == HELD_PACKETS


def test_numbers_that_begin_anew_go_on() -> None:
    """Forwards and backwards."""
    for jump in (20_000, 60_000):
        track = Track()
        track.send(*range(10))
        for number in range(jump, jump + 100):
            track.send(number)
            track.now_us += 2000
        track.buffer.expire(track.now_us + WAIT_US)
        assert track.numbers[-90:] == list(range(jump + 10, jump + 100))


def test_numbers_that_begin_anew_do_not_overtake_what_waits() -> None:
    """What came before them is passed on before them, and in order."""
    track = Track()
    track.send(*range(10), 11, 12)
    track.send(*range(40_000, 40_010))
    assert track.numbers == [*range(10), 11, 12, *range(40_000, 40_010)]
    assert track.lost == 2


def test_a_number_that_is_used_again_is_no_duplicate() -> None:
    """A packet that comes again has the same content; any other is passed on, behind what waits."""
    track = Track()
    track.send(0, 2, 3)
    other = packet_of(4)
    other = other[:2] + packet_of(3)[2:4] + other[4:]
    track.buffer.receive(other, 0, len(other), track.now_us)
    assert track.numbers == [0, 2, 3, 4]
    assert (track.buffer.duplicate_packets, track.receiver.late_packets) == (0, 0)


@given(st.binary(max_size=40))
def test_junk_is_refused_and_changes_nothing(junk: bytes) -> None:
    """Only errors that are declared; the packets around it are all there."""
    track = Track()
    track.send(0, 2)
    try:
        track.buffer.receive(junk, 0, len(junk), 0)
    except RtpError:
        assert len(junk) < 12 or junk[0] >> 6 != 2
    track.now_us = WAIT_US
    track.send(1, 3)
    assert track.numbers[-1] == 3


# --- how a session begins


def _beginning(*numbers: int, promised: int | None) -> Track:
    """A session whose first packets arrive in this order, one a millisecond, then nothing."""
    track = Track()
    track.buffer = ReorderBuffer(track.receiver)
    if promised is not None:
        track.buffer.promise(FIRST + promised)
    for number in numbers:
        track.send(number)
        track.now_us += 1000
    track.buffer.expire(track.now_us + WAIT_US)
    track.buffer.expire(track.now_us + 3 * WAIT_US)
    return track


@pytest.mark.parametrize(
    ("arrivals", "promised", "taken", "lost"),
    [
        ((0, 1, 2), 0, [0, 1, 2], 0),
        ((1, 0, 2), 0, [0, 1, 2], 0),
        ((2, 1, 0), 0, [0, 1, 2], 0),
        ((1, 2), 0, [1, 2], 1),
        ((5, 6), 0, [5, 6], 5),
        ((1, 0, 2), None, [0, 1, 2], 1),
        ((0, 1, 2), None, [0, 1, 2], 1),
        ((0, 1, 2), 30_000, [0, 1, 2], 1),
        ((0, 2, 1, 1), 30_000, [0, 1, 2], 1),
        ((3, 4), 5, [3, 4], 1),
    ],
)
def test_a_session_begins_with_the_first_packet_that_was_sent(
    arrivals: tuple[int, ...], promised: int | None, taken: list[int], lost: int
) -> None:
    """Not with the first to arrive. What is missing before it is declared; where nobody can know, one packet is."""
    track = _beginning(*arrivals, promised=promised)
    assert track.numbers == taken
    assert track.lost == track.receiver.lost_packets == lost


def test_a_promise_that_is_kept_costs_no_time() -> None:
    """The first packet is passed on as it comes; without a promise after 100 ms, and no later."""
    track = Track()
    track.send(0)
    assert track.numbers == [0]
    track = Track()
    track.buffer = ReorderBuffer(track.receiver)
    track.send(0, 1)
    assert track.numbers == []
    track.now_us = WAIT_US
    track.send(2)
    assert track.numbers == [0, 1, 2]


def test_what_is_gathered_at_the_beginning_is_bounded() -> None:
    """While the clock stands still, too."""
    track = Track()
    track.buffer = ReorderBuffer(track.receiver)
    track.send(*range(HELD_PACKETS - 1))
    assert track.numbers == []
    track.send(HELD_PACKETS - 1)
    assert track.numbers == list(range(HELD_PACKETS))


def test_others_are_there_at_the_beginning_as_well() -> None:
    """Another type of packet begins nothing; another source's packets are the receiver's to judge."""
    track = Track()
    track.buffer = ReorderBuffer(track.receiver)
    track.send(900, kind=50)
    track.send(1, 0)
    track.send(700, ssrc=8)
    track.now_us = WAIT_US
    track.send(2)
    assert track.numbers == [0, 1, 2]
    assert track.receiver.foreign_packets == 2
