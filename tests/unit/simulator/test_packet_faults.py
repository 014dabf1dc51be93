"""Packets on their way: nothing is invented, and nothing lost but what the fault says."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from simulator.packet_faults import cut, duplicate, garbage, lose, reorder

packets_of_a_frame = st.integers(1, 60).map(lambda n: [b"%c%c" % (index, 200) * 7 for index in range(n)])
percents = st.sampled_from([0.01, 2, 30, 99, 100])
dice = st.integers(0, 1000).map(Random)


@given(packets_of_a_frame, percents, dice)
def test_loss_only_leaves_out(packets: list[bytes], percent: float, random: Random) -> None:
    """What is left is in order, and the frame is spoiled exactly if something is missing."""
    left = lose(packets, percent, random)
    assert left.packets == [packet for packet in packets if packet in left.packets]
    assert left.spoiled == (len(left.packets) < len(packets))
    if percent == 100:
        assert left.packets == []


@given(packets_of_a_frame, percents, dice)
def test_reordering_keeps_every_packet_near_its_place(packets: list[bytes], percent: float, random: Random) -> None:
    """The frame is spoiled exactly if the order has changed; no packet is more than one place off."""
    left = reorder(packets, percent, random)
    assert sorted(left.packets) == sorted(packets)
    assert left.spoiled == (left.packets != packets)
    assert all(abs(left.packets.index(packet) - index) <= 1 for index, packet in enumerate(packets))
    if percent == 100 and len(packets) > 1:
        assert left.spoiled


@given(packets_of_a_frame, percents, dice)
def test_duplicates_follow_their_packet(packets: list[bytes], percent: float, random: Random) -> None:
    """Without them the frame is what it was, so it is never spoiled."""
    left = duplicate(packets, percent, random)
    assert list(dict.fromkeys(left.packets)) == packets
    assert sorted(left.packets) == left.packets
    assert all(left.packets.count(packet) <= 2 for packet in packets)
    assert not left.spoiled
    if percent == 100:
        assert len(left.packets) == 2 * len(packets)


@given(packets_of_a_frame, dice)
def test_a_cut_ends_inside_a_packet(packets: list[bytes], random: Random) -> None:
    """Something of it leaves, never all."""
    whole, half = cut(packets, random)
    assert packets[: len(whole)] == whole
    broken = packets[len(whole)]
    assert 0 < len(half) < len(broken)
    assert broken.startswith(half)


@given(st.integers(1, 2000), dice)
def test_garbage_is_no_rtp(size: int, random: Random) -> None:
    """Neither is it RTCP: both say version 2 in their first bits."""
    noise = garbage(size, random)
    assert len(noise) == size
    assert noise[0] >> 6 != 2


def test_shares_are_what_was_asked_for() -> None:
    """Two of a hundred, within what chance allows."""
    random = Random(1)
    packets = [bytes((index,)) for index in range(100)]
    assert 150 < sum(100 - len(lose(packets, 2, random).packets) for _ in range(100)) < 250
    assert 150 < sum(len(duplicate(packets, 2, random).packets) - 100 for _ in range(100)) < 250
