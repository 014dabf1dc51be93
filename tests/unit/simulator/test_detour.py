"""A session's frames while its camera has faults: together they spoil what the log says, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from simulator.camera import Departure
from simulator.conditions import Conditions
from simulator.detour import Detour
from simulator.faults import make_fault
from simulator.rtp_stream import RtpStream
from simulator.seed import chance
from tests.unit.simulator.test_camera import START_US, SetClock


class Heap:
    """A carrier that keeps what it is given."""

    transport = ""

    def __init__(self, *, interleaved: bool) -> None:
        self.interleaved = interleaved
        self.sent: list[bytes] = []
        self.noise: list[bytes] = []

    def deliver(self, stream: RtpStream, payloads: Sequence[bytes], rtp_ticks: int) -> None:
        """Number and keep."""
        self.send(stream.packets(payloads, rtp_ticks))

    def send(self, packets: Sequence[bytes]) -> None:
        """Keep."""
        self.sent += packets

    def send_cut(self, whole: Sequence[bytes], broken: bytes, kept: int) -> None:
        """Keep what leaves."""
        self.sent += (*whole, broken[:kept])

    def garble(self, noise: bytes) -> bool:
        """Keep it apart."""
        self.noise.append(noise)
        return self.interleaved

    def control(self, packet: bytes) -> None:
        """No report matters here."""

    def close(self) -> None:
        """Nothing to give back."""


class Frame(NamedTuple):
    """What became of one."""

    numbered: list[bytes]
    left: list[bytes]
    notes: list[bool]


class Way:
    """A detour with a twin stream that numbers the same packets."""

    def __init__(self, *, interleaved: bool = False, seed: int = 1) -> None:
        self.carrier = Heap(interleaved=interleaved)
        self.conditions = Conditions("a", seed, SetClock())
        self.detour = Detour(self.conditions, RtpStream(chance(0, "s")), self.carrier)
        self._twin = RtpStream(chance(0, "s"))

    def send(self, number: int, packets: int) -> Frame:
        """One frame of so many packets."""
        payloads = [b"%d.%d" % (number, index) for index in range(packets)]
        departure = Departure(number, START_US, START_US, 0, payloads)
        notes: list[bool] = []
        before = len(self.carrier.sent)
        self.detour.send(departure, 3600 * number, sync=number % 5 == 0, note=notes.append)
        return Frame(self._twin.packets(payloads, 3600 * number), self.carrier.sent[before:], notes)


frames = st.lists(st.integers(1, 20), min_size=1, max_size=8)
faults = st.dictionaries(
    st.sampled_from(["loss", "reorder", "duplicate"]), st.sampled_from([1, 20, 100]), min_size=0, max_size=3
)


@given(faults, frames, st.integers(0, 100))
def test_a_frame_is_called_spoiled_exactly_if_it_is(percents: dict[str, int], sizes: list[int], seed: int) -> None:
    """Whatever comes together: without its duplicates, what left is all of it in order, or the log says so, once."""
    way = Way(seed=seed)
    for name, percent in percents.items():
        way.conditions.begin(make_fault(name, {"percent": percent}))
    for number, size in enumerate(sizes):
        frame = way.send(number, size)
        assert {*frame.left} <= {*frame.numbered}
        whole = list(dict.fromkeys(frame.left)) == frame.numbered
        assert frame.notes == [not whole]


@given(sizes=frames, interleaved=st.booleans())
def test_after_garbage_nothing_on_a_connection_can_be_trusted(sizes: list[int], *, interleaved: bool) -> None:
    """Datagrams can; and the frame before the first noise was whole."""
    way = Way(interleaved=interleaved)
    way.conditions.begin(make_fault("garbage", {"bytes": 9}))
    sent = [way.send(number, size) for number, size in enumerate(sizes)]
    assert [frame.notes for frame in sent] == [[interleaved and index > 0] for index in range(len(sizes))]
    assert all(frame.left == frame.numbered for frame in sent)
    assert [len(noise) for noise in way.carrier.noise] == [9] * len(sizes)
    way.conditions.end(make_fault("garbage", {"bytes": 9}))
    assert way.send(99, 3).notes == [interleaved]


def test_the_same_seed_spoils_the_same_packets() -> None:
    """Of the same frames, whatever was sent before; another seed spoils others."""

    def spoil(seed: int, numbers: range) -> list[list[bytes]]:
        way = Way(seed=seed)
        for name in ("loss", "reorder", "duplicate"):
            way.conditions.begin(make_fault(name, {"percent": 30}))
        return [[packet[12:] for packet in way.send(number, 10).left] for number in numbers]

    assert spoil(1, range(20))[10:] == spoil(1, range(10, 20))
    assert spoil(1, range(20)) != spoil(2, range(20))


def test_a_cut_ends_the_session_once() -> None:
    """The frame is in the log as spoiled, then the connection is hung up."""
    way, hung_up = Way(), list[int]()
    way.detour.cut_next(lambda: hung_up.append(len(way.carrier.sent)))
    frame = way.send(5, 10)
    assert frame.notes == [True]
    assert hung_up == [len(frame.left)]
    assert frame.left[:-1] == frame.numbered[: len(frame.left) - 1]
    assert frame.numbered[len(frame.left) - 1].startswith(frame.left[-1])
    assert frame.left[-1] != frame.numbered[len(frame.left) - 1]


async def test_a_slow_uplink_is_noted_when_it_lets_a_frame_go() -> None:
    """Not before, and dropped frames never; they take no sequence numbers with them."""
    way = Way()
    clock = way.conditions.clock
    assert isinstance(clock, SetClock)
    way.conditions.begin(make_fault("trickle", {"rate": "1k"}))
    first = way.send(0, 3000)
    assert first.notes == first.left == []
    second = way.send(1, 3000)
    for number in range(2, 40):
        assert way.send(number, 3000).notes == []
    assert second.notes == []
    clock.now_us += 100_000
    way.detour._pump()
    assert first.notes == [False]
    assert way.carrier.sent == first.numbered[: len(way.carrier.sent)] != []
    way.conditions.end(make_fault("trickle", {}))
    after = way.send(41, 2)
    assert after.notes == []
    flushed = way.carrier.sent
    assert flushed[: len(first.numbered)] == first.numbered
    assert second.notes == [False]
    healed = way.send(45, 2)
    assert healed.notes == [False]
    numbers = [int.from_bytes(packet[2:4], "big") for packet in way.carrier.sent]
    assert {(b - a) & 0xFFFF for a, b in pairwise(numbers)} == {1}
    way.detour.close()
