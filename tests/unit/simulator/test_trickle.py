"""A slow uplink."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.trickle import MAX_WAITING_BYTES, Trickle

S = 1_000_000
PACKET = bytes(1000)


def test_packets_leave_at_the_rate() -> None:
    """64 kbit/s are 8 packets of 1000 bytes a second."""
    trickle = Trickle(64_000, 0)
    trickle.join([PACKET] * 40, None)
    left = [len(trickle.leave(at_us)) for at_us in range(0, 5 * S, S // 10)]
    assert 38 <= sum(left) <= 40
    assert max(left) <= 2


@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=20), st.integers(1000, 10_000_000))
def test_nothing_is_lost_and_nothing_too_early(sizes: list[int], rate_bps: int) -> None:
    """Waiting for `next_us` each time, everything leaves in order, and never faster than the rate allows."""
    trickle = Trickle(rate_bps, 0)
    packets = [bytes((index,)) * size for index, size in enumerate(sizes)]
    trickle.join(packets, None)
    left: list[bytes] = []
    while (at_us := trickle.next_us()) is not None:
        left += trickle.leave(at_us)
        ahead_bits = sum(len(packet) * 8 for packet in left[:-1])
        assert ahead_bits <= rate_bps * (at_us + 100_000) / S + 1
    assert left == packets


def test_a_frame_is_noted_when_it_begins_to_leave() -> None:
    """Once, and not while it waits."""
    trickle, noted = Trickle(8_000, 0), []
    trickle.join([PACKET, PACKET], lambda: noted.append(1))
    trickle.join([PACKET], lambda: noted.append(2))
    assert noted == []
    assert trickle.leave(100_000) == [PACKET]
    assert noted == [1]
    assert trickle.leave(1_200_000) == [PACKET]
    assert noted == [1]
    assert trickle.flush() == [PACKET]
    assert noted == [1, 2]
    assert trickle.next_us() is None


def test_what_is_too_much_is_dropped_up_to_a_sync_sample() -> None:
    """What comes after a dropped frame could not be decoded."""
    trickle = Trickle(8_000, 0)
    assert trickle.accepts(sync=True)
    trickle.join([bytes(MAX_WAITING_BYTES)], None)
    assert not trickle.accepts(sync=False)
    assert not trickle.accepts(sync=True)
    trickle.flush()
    assert not trickle.accepts(sync=False)
    assert trickle.accepts(sync=True)
    assert trickle.accepts(sync=False)


def test_an_idle_uplink_saves_up_a_tenth_of_a_second() -> None:
    """Not an hour's worth, which would leave in one burst."""
    trickle = Trickle(80_000, 0)
    trickle.leave(3600 * S)
    trickle.join([PACKET] * 10, None)
    assert len(trickle.leave(3600 * S)) == 1
