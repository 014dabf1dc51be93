"""How packets get to a reader as datagrams."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.rtp_stream import RtpStream
from simulator.seed import chance
from simulator.udp_carrier import UdpCarrier, bursts
from tests.builders_simulator import UdpEars
from tests.waiting import eventually

PAYLOADS = (b"\x67" * 30, b"\x68" * 10, b"\x06" * 57, *(bytes([0x7C, 5]) * 700,) * 70, b"\x7c\x45end")


@pytest.fixture
def ears() -> Iterator[UdpEars]:
    """A client's ports."""
    with UdpEars() as ears:
        yield ears


def _carrier(ears: UdpEars, heard: list[str] | None = None) -> UdpCarrier:
    reports = [] if heard is None else heard
    return UdpCarrier(socket.AF_INET, "127.0.0.1", "127.0.0.1", ears.ports, lambda: reports.append("report"))


@given(st.lists(st.sampled_from([1, 57, 800, 1400]), max_size=200))
def test_bursts_are_what_the_kernel_can_cut(sizes: list[int]) -> None:
    """Nothing lost, nothing moved; one length but for a shorter end, at most 64 packets and 64 KiB."""
    packets = [bytes(size) for size in sizes]
    parts = [list(burst) for burst in bursts(packets)]
    assert [*chain.from_iterable(parts)] == packets
    for part in parts:
        assert {len(packet) for packet in part[:-1]} <= {len(part[0])}
        assert len(part[-1]) <= len(part[0])
        assert len(part) <= 64
        assert sum(map(len, part)) <= 65_507


async def test_a_frame_arrives_packet_by_packet(ears: UdpEars) -> None:
    """However few system calls it took, the reader gets each packet as a datagram of its own."""
    carrier = _carrier(ears)
    carrier.deliver(RtpStream(chance(0, "a")), PAYLOADS, 9000)
    expected = RtpStream(chance(0, "a")).packets(PAYLOADS, 9000)
    assert await ears.take(len(expected)) == expected
    carrier.control(b"report")
    assert await ears.take(1, ears.rtcp) == [b"report"]
    carrier.close()


async def test_the_answer_names_ports_of_both_sides(ears: UdpEars) -> None:
    """An even port and the next one; packets come from the first, reports from the second."""
    carrier = _carrier(ears)
    fields = dict(part.partition("=")[::2] for part in carrier.transport.split(";"))
    first, second = map(int, fields["server_port"].split("-"))
    assert fields["client_port"] == "{}-{}".format(*ears.ports)
    assert (first % 2, second) == (0, first + 1)
    carrier.send([b"packet"])
    carrier.control(b"report")
    assert [ear.recvfrom(100)[1] for ear in (ears.rtp, ears.rtcp)] == [("127.0.0.1", first), ("127.0.0.1", second)]
    carrier.close()


async def test_reports_are_heard_from_the_client_alone(ears: UdpEars) -> None:
    """They keep a session alive; noise does not, and a stranger's datagram does not even arrive."""
    heard: list[str] = []
    carrier = _carrier(ears, heard)
    carrier.control(b"report")
    _, server = ears.rtcp.recvfrom(100)
    with UdpEars() as stranger:
        stranger.rtp.sendto(b"\x80\xc9\x00\x01" + bytes(4), server)
    ears.rtcp.sendto(b"noise that is long enough", server)
    ears.rtcp.sendto(b"\x80\xc9\x00\x01" + bytes(4), server)
    await eventually("the report is heard", lambda: heard)
    assert heard == ["report"]
    carrier.close()


async def test_a_client_that_closed_its_port_is_not_minded(ears: UdpEars) -> None:
    """Nothing fails: the camera sends until the session ends."""
    carrier = _carrier(ears)
    ears.close()
    for _ in range(4):
        carrier.send([b"packet"])
    assert 1 <= carrier.unwanted <= 3  # the kernel tells with the next send that the last one was not wanted
    assert carrier.dropped == 0
    carrier.close()
    carrier.close()


class _Socket:
    """A socket whose kernel answers `fault`, to segments or to everything."""

    def __init__(self, fault: int, *, always: bool) -> None:
        self.sent: list[bytes] = []
        self._fault, self._always = fault, always

    def send(self, packet: bytes) -> None:
        if self._always:
            raise OSError(self._fault, "")
        self.sent.append(packet)

    def sendmsg(self, packets: Sequence[bytes], control: object) -> None:
        raise OSError(self._fault, "")


@pytest.mark.parametrize("refusal", [errno.EINVAL, errno.EIO, errno.ENOPROTOOPT])
async def test_a_kernel_without_segments_gets_packets(ears: UdpEars, refusal: int) -> None:
    """Asked once, and not again."""
    carrier = _carrier(ears)
    real, carrier._rtp = carrier._rtp, _Socket(refusal, always=False)  # type: ignore[assignment] # what it needs of one
    packets = RtpStream(chance(0, "a")).packets(PAYLOADS, 9000)
    carrier.send(packets)
    assert carrier._rtp.sent == packets
    assert carrier.dropped == 0
    carrier._rtp = real
    carrier.close()


async def test_what_does_not_fit_is_dropped_and_counted(ears: UdpEars, caplog: pytest.LogCaptureFixture) -> None:
    """A full send buffer never makes the other cameras wait; how many it cost is told in the end."""
    carrier = _carrier(ears)
    real, carrier._rtp = carrier._rtp, _Socket(errno.EAGAIN, always=True)  # type: ignore[assignment] # as above
    carrier.send(RtpStream(chance(0, "a")).packets(PAYLOADS, 9000))
    assert carrier.dropped == len(PAYLOADS)
    carrier._rtp = real
    carrier.close()
    assert f"{len(PAYLOADS)} packets did not fit" in caplog.text
