"""What costs a frame costs that frame and no other, and is declared: through the whole client, from bytes on a socket.

Errors in one access unit cost that access unit, not the session. What ends a session says so, and the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from media.errors import GapReason
from media.h264 import packetize
from tests.builders_h264 import SEI, frame, stap
from tests.builders_recorded import numbers
from tests.builders_scripted_camera import filmed

Alter = Callable[[list[bytes]], list[bytes]]


def _first_payload(change: Callable[[bytes], bytes]) -> Alter:
    """The first packet of the frame with another payload."""
    return lambda packets: [frame(0, packets[0][4:16] + change(packets[0][16:])), *packets[1:]]


def _instead(payload: bytes) -> Alter:
    return _first_payload(lambda _payload: payload)


def _header(first: int, before: bytes = b"") -> Alter:
    """The first packet with another first byte in its header, and something in front of the payload."""

    def alter(packets: list[bytes]) -> list[bytes]:
        sent = packets[0]
        return [frame(0, bytes((first,)) + sent[5:16] + before + sent[16:]), *packets[1:]]

    return alter


COSTS = {
    "R2 the first packet is missing": lambda packets: packets[1:],
    "R2 one in the middle is missing": lambda packets: packets[:1] + packets[2:],
    "R2 all but the last are missing": lambda packets: packets[-1:],
    "R5 an extension past the end": _header(0x90, b"\xbe\xde\xff\xff"),
    "R5 more sources than bytes": lambda packets: [frame(0, b"\x8f" + packets[0][5:20]), *packets[1:]],
    "R5 more padding than bytes": lambda packets: [frame(0, b"\xa0" + packets[0][5:100] + b"\xff"), *packets[1:]],
    "R5 padding of 0": lambda packets: [frame(0, b"\xa0" + packets[0][5:-1] + b"\x00"), *packets[1:]],
    "no RTP: another version": _header(0x40),
    "no RTP: too short": lambda packets: [frame(0, b"\x80\x60\x00"), *packets[1:]],
    "V13 a fragmented NAL unit that does not end": lambda packets: [
        *packets[:-1],
        frame(0, packets[-1][4:5] + bytes((packets[-1][5] & 0x7F,)) + packets[-1][6:17] + b"\x01" + packets[-1][18:]),
    ],
    "V17 a marker before the end of a fragmented NAL unit": lambda packets: [
        *packets[:-1],
        frame(0, packets[-1][4:17] + b"\x01" + packets[-1][18:]),
    ],
    "V17 MTAP16": _instead(b"\x7a" + bytes(20)),
    "V17 MTAP24": _instead(b"\x7b" + bytes(20)),
    "V17 the forbidden bit": _first_payload(lambda payload: bytes((payload[0] | 0x80,)) + payload[1:]),
    "V17 reserved types": _instead(b"\x7e" + bytes(20)),
    "a NAL unit of type 0": _instead(b"\x00" + bytes(20)),
    "a fragment without its header": _instead(b"\x7c"),
    "an aggregate whose lengths do not fit": _instead(stap(SEI)[:-1]),
}


@pytest.mark.parametrize("alter", COSTS.values(), ids=COSTS)
@pytest.mark.parametrize("place", [10, 25], ids=["picture", "sync"])
async def test_an_error_in_a_frame_costs_that_frame(alter: Alter, place: int) -> None:
    """Frames before and after it are whole, the loss is declared, the session goes on."""
    async with filmed() as film:
        film.sets = () if place == 25 else film.sets  # so that a sync sample, too, begins with a fragment
        await film.play(place)
        await film.play(1, alter)
        await film.play(60 - place - 1)
        assert film.failed is None
    stored = numbers(film.record())
    assert [number for number in range(60) if number not in stored] == [place]
    assert film.damage() >= 1
    assert film.gap_reasons() == [GapReason.SHUTDOWN]
    assert len(film.camera.lines) == 1


async def test_joining_amid_a_frame_costs_that_frame() -> None:
    """The server sends what it has: the rest of a picture first (quirk V14)."""
    async with filmed() as film:
        film.number = 24
        await film.play(1, lambda packets: packets[2:])
        await film.play(30)
    assert numbers(film.record()) == list(range(25, 55))


async def test_several_slices_lose_only_what_was_lost() -> None:
    """The other slices of the picture stay, and it is flagged."""
    lost = b"\x41\x12" + bytes(range(1, 200)) * 8
    async with filmed() as film:
        await film.play(10)
        picture = film.nals()
        payloads = [*packetize([lost], 400), *packetize(picture, 400)]
        packets = [film.packet(payload, marker=payload is payloads[-1]) for payload in payloads]
        film.next_frame()
        await film.play_packets(packets[:1] + packets[2:])
        await film.play(10)
    stored = film.record()
    assert numbers(stored) == list(range(21))
    assert list(stored[10].nals) == picture
    assert film.damage() == 1


def _cut_short(packets: list[bytes]) -> list[bytes]:
    """A send that took only a part, the rest forgotten."""
    return [packets[0][:100], *packets[1:]]


async def test_lost_framing_ends_the_session_and_the_next_one_begins() -> None:
    """live555 before 2013 forgets bytes when the line is full (quirk I4).

    That is a gap, declared as what it was, and no guess at where the next packet might begin.
    """
    async with filmed() as film:
        await film.play(60)
        await film.play(1, _cut_short)
        await film.reopened()
        film.number = 75
        await film.play(50)
    stored = numbers(film.record())
    assert stored == [*range(60), *range(75, 125)]
    assert film.told[-2].startswith("protocol: ")
    assert film.gap_reasons() == [GapReason.PROTOCOL, GapReason.SHUTDOWN]


async def test_what_is_no_rtp_at_all_ends_the_session_the_third_time() -> None:
    """On the channel of the video, one behind the other."""
    async with filmed() as film:
        await film.play(30)
        await film.play(1, lambda packets: [frame(0, b"nonsense, thrice")] * 2 + packets)
        assert film.failed is None
        await film.play(1, lambda packets: [frame(0, b"nonsense, thrice")] * 3 + packets)
        assert film.failed is not None
        assert "that are no RTP" in str(film.failed)
    assert numbers(film.record()) == list(range(31))


def test_every_alteration_alters() -> None:
    """A case that changes nothing would prove nothing."""
    packets = [frame(0, b"\x80\x60" + bytes(10) + payload) for payload in packetize([b"\x41" + b"\x5a" * 1000], 400)]
    assert [name for name, alter in COSTS.items() if alter(list(packets)) == packets] == []
