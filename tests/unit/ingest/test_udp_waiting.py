"""Datagrams that wait before they are read: in rounds with all other cameras, or because this host stood still."""

from __future__ import annotations

import time

import pytest

from ingest import port_pair
from ingest.read_rounds import ReadRounds
from ingest.udp_carrier import READS_PER_TURN
from media.errors import GapReason
from tests.builders_datagrams import Datagrams, packet_of
from tests.waiting import eventually


@pytest.mark.parametrize(
    ("since_ms", "stepped_ms", "waited_ms"), [(2_500, 2_000, 2_000), (30, 2_000, 30), (2_500, -90, 0)]
)
async def test_how_long_a_datagram_waited_is_known(
    link: Datagrams, monkeypatch: pytest.MonkeyPatch, since_ms: int, stepped_ms: int, waited_ms: int
) -> None:
    """By the kernel's stamp; a wall clock that was stepped makes it no longer than since nothing was there."""
    link.hear()
    link.send([packet_of(1)])
    link.clock.advance(since_ms * 1000)
    real = time.time_ns
    monkeypatch.setattr("ingest.port_pair.time.time_ns", lambda: real() + stepped_ms * 1_000_000)
    link.hear()
    assert waited_ms <= link.session.waited_us / 1000 <= waited_ms + (0 if since_ms == waited_ms else 400)
    link.hear()
    link.send([packet_of(2)])
    link.hear()
    assert link.session.waited_us == 0, "it came since the socket was empty"


async def test_what_is_passed_on_later_did_not_wait_in_the_socket(
    link: Datagrams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packet that waits for the one before it is passed on once that is given up: how late others were is not its."""
    link.hear()
    link.send([packet_of(1), packet_of(3)])
    link.clock.advance(2_500_000)
    real = time.time_ns
    monkeypatch.setattr("ingest.port_pair.time.time_ns", lambda: real() + 2_000_000_000)
    link.hear()
    assert link.payloads.numbers == [1]
    link.clock.advance(150_000)
    link.carrier.check(link.clock.boot_us())
    assert link.payloads.numbers == [1, 3]
    assert link.session.waited_us == 0


async def test_what_waited_in_the_socket_is_put_in_order_by_when_it_came(
    link: Datagrams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that stood still finds seconds of packets with holes in them: none waits for hundreds that came later."""
    link.hear()
    link.clock.advance(3_000_000)
    numbers = [number for number in range(1, 61) if number % 10]
    link.send([packet_of(number) for number in numbers])
    ages_us = {number: 3_000_000 - number * 40_000 for number in numbers}
    told = iter(ages_us.values())
    monkeypatch.setattr("ingest.udp_carrier.age_us", lambda _stamp: next(told))
    late_us = {}
    push = link.payloads.push

    def timed(*arguments: object) -> None:
        push(*arguments)  # type: ignore[arg-type] # as they come
        late_us[link.payloads.numbers[-1]] = ages_us[link.payloads.numbers[-1]] - link.session.waited_us

    link.track.receiver._push = timed
    link.hear()
    link.hear()
    assert list(late_us) == [number for number in numbers if number < 60]
    assert max(late_us.values()) <= 120_000


async def test_what_is_missing_may_still_wait_in_the_socket(link: Datagrams) -> None:
    """Nothing is given up before it was looked for."""
    link.send([packet_of(1), packet_of(3)])
    link.hear()
    link.send([packet_of(2)])
    link.clock.advance(3_000_000)
    link.carrier.check(link.clock.boot_us())
    assert link.payloads.numbers == [1, 2, 3]
    assert link.payloads.lost == 0


@pytest.mark.parametrize("watched", [False, True])
async def test_packets_of_a_session_that_plays_come_in_rounds(
    link: Datagrams, monkeypatch: pytest.MonkeyPatch, *, watched: bool
) -> None:
    """All of them, also more than a turn's reads; at once again where somebody watches. It leaves when it closes."""
    monkeypatch.setattr(port_pair, "RECEIVE_BYTES", 1)
    rounds = ReadRounds()
    link.carrier.read_in_rounds(rounds)
    link.carrier.read_in_rounds(rounds)
    assert not rounds.resting
    if watched:
        link.carrier.read_at_once()
        link.carrier.read_at_once()
        assert rounds.resting
    link.send([packet_of(number) for number in range(1, 2 * READS_PER_TURN + 3)])
    await eventually("all packets", lambda: len(link.payloads.seen) == 2 * READS_PER_TURN + 2)
    assert link.payloads.numbers == list(range(1, 2 * READS_PER_TURN + 3))
    link.carrier.close()
    assert rounds.resting


async def test_without_room_for_a_round_packets_are_read_at_once(
    link: Datagrams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a host gives nobody more of than is asked for would be lost between two rounds."""
    monkeypatch.setattr(port_pair, "RECEIVE_BYTES", 1 << 40)
    rounds = ReadRounds()
    link.carrier.read_in_rounds(rounds)
    assert rounds.resting
    link.send([packet_of(1)])
    await eventually("the packet", lambda: link.payloads.numbers == [1])


async def test_a_packet_that_ends_the_session_ends_its_rounds(link: Datagrams, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the midst of a round, which goes on with the others."""
    monkeypatch.setattr(port_pair, "RECEIVE_BYTES", 1)
    rounds = ReadRounds()
    link.carrier.read_in_rounds(rounds)
    push = link.payloads.push

    def end(*arguments: object) -> None:
        push(*arguments)  # type: ignore[arg-type] # as they come
        link.session.fail(GapReason.FLOOD, "enough")

    link.track.receiver._push = end
    link.send([packet_of(1), packet_of(2)])
    await eventually("the end", lambda: rounds.resting)
    assert link.payloads.numbers == [1]
