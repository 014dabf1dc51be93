"""AV1 over RTP with FFmpeg on the other side, whose payload code is by a maker of such cameras. Bytes are compared."""

from __future__ import annotations

import asyncio
import io
import socket
from contextlib import closing, suppress
from fractions import Fraction
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import av
import pytest

from media.av1 import Av1Depacketizer, packetize, split_obus
from media.av1_obu import join_obus, obu_type
from media.rtp import RtpReceiver, write_header
from tests.builders_av1 import encode
from tests.ports import free_port
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from media.access_unit import AccessUnit

DELIMITER = b"\x12\x00"
TICKS = 3600
# FFmpeg hands out a unit when the next one begins, so some more are sent than are compared.
MORE = 3


@pytest.fixture(scope="module")
def units() -> list[list[bytes]]:
    """Two GOPs of frame headers with two tile groups each."""
    return encode("640x352")


@pytest.mark.parametrize("packet_bytes", [300, 1200])
def test_what_ffmpeg_sends_is_received_bit_identical(units: list[list[bytes]], packet_bytes: int) -> None:
    """Its muxer makes the packets; every temporal unit comes out as the encoder made it."""
    received: list[AccessUnit] = []
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        end.bind(("127.0.0.1", 0))
        send_by_ffmpeg(units, end.getsockname()[1], packet_bytes)
        receiver = RtpReceiver(96, Av1Depacketizer(received.append))
        for packet in waiting(end):
            receiver.receive(packet, 0, len(packet))
    assert (receiver.lost_packets, receiver.malformed_packets) == (0, 0)
    assert [split_obus(unit.nals) for unit in received] == units
    assert [unit.sync for unit in received] == [any(obu_type(obu[0]) == 1 for obu in obus) for obus in units]


@pytest.mark.parametrize("packet_bytes", [300, 1200])
def test_what_we_send_is_received_by_ffmpeg_bit_identical(units: list[list[bytes]], packet_bytes: int) -> None:
    """Its depacketizer puts a delimiter before each unit; the rest is the sample that Hulta would store."""
    port = free_port()
    description = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    description += f"m=video {port} RTP/AVP 96\r\na=rtpmap:96 AV1/90000\r\n"
    options = {"protocol_whitelist": "file,rtp,udp,pipe", "timeout": "10000000", "probesize": "5000"}
    # FFmpeg opens its sockets and probes in one call: the packets have to come meanwhile.
    sending = Thread(target=send_when_open, args=(port, numbered([*units, *units[:MORE]], packet_bytes)))
    sending.start()
    try:
        with av.open(io.BytesIO(description.encode()), format="sdp", options=options) as container:
            demuxed = container.demux(container.streams.video[0])
            received = [bytes(next(demuxed)) for _ in units]
    finally:
        sending.join()
    assert received == [DELIMITER + bytes(join_obus(obus)) for obus in units]


def send_by_ffmpeg(units: list[list[bytes]], port: int, packet_bytes: int) -> None:
    """Have libav packetize and send these temporal units."""
    stream = b"".join(DELIMITER + bytes(join_obus(obus)) for obus in units)
    options = {"strict": "experimental", "pkt_size": str(packet_bytes)}
    with (
        av.open(io.BytesIO(stream), format="obu") as source,
        av.open(f"rtp://127.0.0.1:{port}", "w", format="rtp", options=options) as sink,
    ):
        video = source.streams.video[0]
        sent = sink.add_stream_from_template(video, opaque=True)
        for index, packet in enumerate(packet for packet in source.demux(video) if packet.size):
            packet.stream, packet.time_base = sent, Fraction(1, 90_000)
            packet.pts = packet.dts = index * TICKS
            sink.mux(packet)


def waiting(end: socket.socket) -> Iterator[bytes]:
    """The datagrams that have come: over loopback, those are there once they are sent."""
    end.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            yield end.recv(1 << 16)


def numbered(units: list[list[bytes]], packet_bytes: int) -> list[bytes]:
    """Hulta's packets of these temporal units."""
    packets: list[bytes] = []
    for index, obus in enumerate(units):
        payloads = packetize(obus, packet_bytes)
        for number, payload in enumerate(payloads, 1):
            header = write_header(len(packets), index * TICKS, 7, 96, marker=number == len(payloads))
            packets.append(header + payload)
    return packets


def send_when_open(port: int, packets: list[bytes]) -> None:
    """Send datagrams as soon as somebody has opened the port they go to."""
    opened = f":{port:04X} "
    asyncio.run(eventually("FFmpeg opens its port", lambda: opened in Path("/proc/net/udp").read_text("ascii")))
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        for packet in packets:
            sender.sendto(packet, ("127.0.0.1", port))
