"""A track's packets as datagrams: what is heard, what is not, and what is said back."""

from __future__ import annotations

import socket
import struct

import pytest

from ingest import policies
from ingest.port_pair import bind_pair
from ingest.source import Tally
from ingest.strangers import MOST_A_SECOND
from ingest.udp_carrier import READS_PER_TURN, REPORT_EVERY_US
from media import rtcp
from media.errors import GapReason, SourceError
from media.rtp import write_header
from tests.builders_datagrams import ELSEWHERE, HOME, Datagrams, packet_of, received


async def test_packets_come_in_whatever_pieces_the_kernel_makes_of_them(link: Datagrams) -> None:
    """One by one; together in one read, the last one shorter; both alternating. The same bytes."""
    packets = [packet_of(number, 1400 if number % 10 else 700) for number in range(1, 101)]
    frames = [packets[start : start + 10] for start in range(0, 100, 10)]
    for number, frame in enumerate(frames):
        (link.burst if number % 2 else link.send)(frame)
    for _ in range(4):
        link.hear()
    assert link.payloads.seen == [packet[12:] for packet in packets]
    assert link.session.received_bytes == sum(map(len, packets))
    assert link.session.last_media_us == link.clock.boot_us()


async def test_a_read_of_many_packets_is_one_call(link: Datagrams) -> None:
    """What a frame's packets cost is what makes 220 cameras affordable."""
    link.burst([packet_of(number, 1400) for number in range(1, 41)])
    sizes = []
    reading = link.carrier._rtp

    class Counting:
        """The socket, and how much each read brought."""

        fileno = staticmethod(reading.fileno)
        close = staticmethod(reading.close)

        def recvmsg_into(self, *arguments: object) -> object:
            """As the socket."""
            found = reading.recvmsg_into(*arguments)  # type: ignore[arg-type]
            sizes.append(found[0])
            return found

    link.carrier._rtp = Counting()  # type: ignore[assignment]
    link.hear()
    assert sizes == [40 * 1412]
    assert link.payloads.numbers == list(range(1, 41))
    link.carrier._rtp = reading


async def test_nobody_else_is_heard(link: Datagrams) -> None:
    """Packets of the right source and number from another address: dropped and counted, on both ports."""
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind((ELSEWHERE, 0))
    link.send([packet_of(1)])
    link.send([packet_of(2), packet_of(900)], through=other)
    other.sendto(rtcp.build_sender_report(rtcp.SenderReport(ssrc=7, ntp=1, rtp_timestamp=2, packets=3, octets=4)),
                 (HOME, link.ports[1]))  # fmt: skip
    link.hear()
    link.hear(link.carrier._hear_reports)
    other.close()
    assert link.payloads.numbers == [1]
    assert link.carrier.tally().foreign_packets == link.carrier.foreign_datagrams == 3
    assert link.reports == []
    link.send([packet_of(2)])
    link.hear()
    assert link.payloads.numbers == [1, 2]
    assert link.track.receiver.lost_packets == 0


async def test_a_foreign_flood_is_no_sign_of_life(link: Datagrams) -> None:
    """It does not keep a session whose camera has fallen silent, and counts as nothing that the camera sent."""
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind((ELSEWHERE, 0))
    before = link.session.last_media_us
    link.clock.advance(5_000_000)
    link.send([packet_of(1)], through=other)
    link.hear()
    other.close()
    assert link.session.last_media_us == before
    assert (link.session.stray_packets, link.session.received_bytes) == (0, 0)


async def test_a_flood_of_strangers_is_left_to_the_kernel(link: Datagrams) -> None:
    """After as many as are worth a read none is seen any more; the camera's packets come, and lose no room to them."""
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind((ELSEWHERE, 0))
    for number in range(1, 101):
        link.send([packet_of(number)])
        link.send([packet_of(900 + number)] * 40, through=other)
        link.hear()
        link.hear()
    other.close()
    assert link.payloads.numbers == list(range(1, 101))
    assert link.track.receiver.lost_packets == 0
    assert MOST_A_SECOND <= link.carrier.foreign_datagrams < MOST_A_SECOND + 2 * 64
    assert link.session.received_bytes == 100 * len(packet_of(1))
    assert link.carrier.overflowed == 0


async def test_a_flood_of_other_sources_from_its_address_is_left_to_the_kernel(link: Datagrams) -> None:
    """And when ours falls silent the filter is opened: it may go on under another name."""
    for number in range(1, 101):
        link.send([packet_of(number), *[packet_of(900, ssrc=number + 70)] * 40])
        link.hear()
        link.hear()
    assert link.payloads.numbers == list(range(1, 101))
    assert MOST_A_SECOND <= link.track.receiver.foreign_packets < MOST_A_SECOND + 2 * 64
    for _ in range(8):
        link.clock.advance(250_000)
        link.carrier.check(link.clock.boot_us())
    link.send([packet_of(number, ssrc=8) for number in range(101, 125)])
    link.hear()
    assert link.payloads.numbers[-24:] == list(range(101, 125))


@pytest.mark.parametrize("junk", [b"", b"x", bytes(11), b"\x40" + bytes(30), b"GET / HTTP/1.0\r\n\r\n"])
async def test_junk_costs_nothing_but_itself(link: Datagrams, junk: bytes) -> None:
    """Over TCP it would mean that the framing is lost; a datagram stands for itself."""
    link.send([packet_of(1), *25 * [junk], packet_of(2)])
    link.hear()
    assert link.payloads.numbers == [1, 2]
    assert link.track.receiver.malformed_packets == (25 if junk else 0)
    assert not link.session.failure.done()


async def test_what_is_lost_on_the_way_is_declared(link: Datagrams) -> None:
    """After the wait, when somebody looks, though nothing more comes; what overtakes is put back in order."""
    link.send([packet_of(number) for number in (1, 3, 3, 2, 5)])
    link.hear()
    assert link.payloads.numbers == [1, 2, 3]
    assert link.carrier.tally() == Tally(overtaken_packets=1, late_packets=1)
    link.clock.advance(150_000)
    link.carrier.check(link.clock.boot_us())
    assert link.payloads.numbers == [1, 2, 3, 5]
    assert link.track.receiver.lost_packets == link.payloads.lost == 1


async def test_what_the_kernel_dropped_is_counted_and_declared(link: Datagrams) -> None:
    """Not the network was too slow but the host: the numbers tell that packets are missing, the kernel why."""
    link.carrier._rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.send([packet_of(number, 1000) for number in range(1, 41)])
    link.hear()
    there = len(link.payloads.seen)
    link.send([packet_of(41, 1000)])
    link.hear()
    link.clock.advance(150_000)
    link.carrier.check(link.clock.boot_us())
    assert 0 < there < 40
    assert link.carrier.tally().overflowed_packets == link.carrier.overflowed == 40 - there
    assert link.track.receiver.lost_packets == 40 - there
    assert link.payloads.numbers == [*range(1, there + 1), 41]


async def test_one_camera_does_not_keep_the_others_waiting(link: Datagrams) -> None:
    """A turn of the event loop reads a bounded number of times."""
    link.send([packet_of(number, 100 + number) for number in range(1, 2 * READS_PER_TURN)])
    link.hear()
    assert len(link.payloads.seen) == READS_PER_TURN
    link.hear()
    assert len(link.payloads.seen) == 2 * READS_PER_TURN - 1


async def test_the_way_is_opened_and_the_camera_hears_that_somebody_is_there(link: Datagrams) -> None:
    """An empty packet and an empty report first (quirk I8); then what arrived, every 5 s and no oftener."""
    (punch,), (empty,) = received(link.rtp), received(link.rtcp)
    assert (len(punch), punch[0] >> 6, len(empty), empty[:2].hex()) == (12, 2, 8, "80c9")
    link.carrier.promise(10)
    link.send([packet_of(number) for number in (10, 12)])
    link.hear()
    for _ in range(40):
        link.clock.advance(250_000)
        link.carrier.check(link.clock.boot_us())
    reports = received(link.rtcp)
    assert len(reports) == 10_000_000 // REPORT_EVERY_US
    kind, source, lost, highest = struct.unpack_from(">xB6xIII", reports[-1])
    assert (kind, source, lost & 0xFFFFFF, highest) == (rtcp.RECEIVER_REPORT, 7, 1, 12)


async def test_a_camera_that_does_not_say_where_it_sends_from_gets_no_reports() -> None:
    """And is heard all the same."""
    link = Datagrams(answer="RTP/AVP;unicast")
    link.send([packet_of(1)])
    link.hear()
    link.clock.advance(REPORT_EVERY_US)
    link.carrier.check(link.clock.boot_us())
    assert link.payloads.numbers == [1]
    assert received(link.rtp) == received(link.rtcp) == []
    link.close()


@pytest.mark.parametrize(
    ("source", "networks", "heard"),
    [
        (ELSEWHERE, ("127.0.0.0/8",), ELSEWHERE),
        (ELSEWHERE, ("127.0.0.1/32",), HOME),
        (ELSEWHERE, (), HOME),
        ("203.0.113.9", (), HOME),
        ("evil.example", ("127.0.0.0/8",), HOME),
        ("::1", ("127.0.0.0/8", "::1/128"), HOME),
        ("", (), HOME),
    ],
)
async def test_another_source_is_believed_only_if_the_site_lists_it(
    source: str, networks: tuple[str, ...], heard: str
) -> None:
    """Neither heard nor spoken to otherwise: a camera does not direct us at anybody."""
    link = Datagrams(answer=f"RTP/AVP;unicast;source={source};server_port=5000-5001", networks=networks)
    link.carrier.promise(1 + (heard == ELSEWHERE))
    other, unused = bind_pair(ELSEWHERE)
    through = {HOME: link.rtp, ELSEWHERE: other}
    for address, sender in through.items():
        link.send([packet_of(1 + (address == ELSEWHERE))], through=sender)
    link.hear()
    assert link.payloads.numbers == [1 + (heard == ELSEWHERE)]
    assert link.carrier._camera == heard
    for each in (other, unused):
        each.close()
    link.close()


@pytest.mark.parametrize(
    "answer", ["RTP/AVP/TCP;interleaved=0-1", "RTP/AVP;multicast;destination=239.0.0.1;port=5000-5001"]
)
async def test_another_way_than_the_one_asked_for_is_refused(answer: str) -> None:
    """In words that say what to do."""
    with pytest.raises(SourceError, match="asked for UDP") as caught:
        Datagrams(answer=answer)
    assert caught.value.reason is GapReason.UNSUPPORTED


@pytest.mark.parametrize("ports", ["0-1", "70000-70001", "x", "5000-", "-1", ""])
async def test_nonsense_for_ports_is_no_answer(ports: str) -> None:
    """It is of use, not needed."""
    link = Datagrams(answer=f"RTP/AVP;unicast;server_port={ports}")
    link.send([packet_of(1)])
    link.hear()
    assert link.payloads.numbers == [1]
    link.close()


async def test_the_ports_are_given_back_when_the_session_ends(link: Datagrams) -> None:
    """For whatever reason it does, and once."""
    rtp, rtcp_port = link.ports
    assert (rtp % 2, rtcp_port) == (0, rtp + 1)
    link.session.fail(GapReason.STALLED, "silent")
    for port in (rtp, rtcp_port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind((HOME, port))
    link.carrier.close()
    link.carrier.check(link.clock.boot_us())


async def test_the_end_of_the_connection_is_not_the_end_of_the_packets(link: Datagrams) -> None:
    """RFC 2326 1.6: a session need not have a connection. It lives as long as packets come."""
    link.send([packet_of(1)])
    link.hear()
    link.session.connection_lost(None)
    assert not link.session.failure.done()
    assert "closed by the camera" in link.session.ended
    link.clock.advance(policies.ENDED_CONNECTION_US)
    link.send([packet_of(2)])
    link.hear()
    assert link.payloads.numbers == [1, 2]


async def test_a_connection_that_ends_before_any_packet_is_the_end(link: Datagrams) -> None:
    """Nothing says that anything would come."""
    link.session.connection_lost(ConnectionResetError(104, "Connection reset by peer"))
    assert link.session.failure.result().reason is GapReason.UNREACHABLE


async def test_a_packet_that_ends_the_session_is_the_last_one_read(link: Datagrams) -> None:
    """What follows in the same read goes nowhere: the sockets are closed already."""

    def refuse(*_payload: object) -> None:
        link.session.fail(GapReason.UNSUPPORTED, "no file can describe this")

    link.send([write_header(1, 0, 7, 96, marker=True) + b"x"])
    link.hear()
    link.track.receiver._push = refuse  # type: ignore[assignment]
    link.burst([packet_of(number) for number in range(2, 8)])
    link.hear()
    assert link.track.receiver.packets == 2
