"""Access units into payloads, and the payloads of other senders into access units."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from media.errors import CodecError
from media.h264 import H264Depacketizer, packetize, split_annex_b, split_length_prefixed
from media.rtp import RtpReceiver
from tests.builders_h264 import AUD, IDR, PPS, SEI, SLICE, SPS, encode, with_start_codes

if TYPE_CHECKING:
    from pathlib import Path

    from media.access_unit import AccessUnit


def test_small_nal_units_before_the_picture_share_a_packet() -> None:
    """STAP-A, with the highest importance of what is in it."""
    payloads = packetize([AUD, SPS, PPS, SEI, IDR])
    assert len(payloads) == 2
    assert payloads[0][0] == 0x60 | 24
    assert payloads[1] == IDR
    assert sum(map(len, payloads)) == sum(map(len, [AUD, SPS, PPS, SEI, IDR])) + 1 + 4 * 2


def test_a_lone_nal_unit_goes_as_it_is() -> None:
    """An aggregate of one would be three bytes more for nothing."""
    assert packetize([SEI, SLICE]) == [SEI, SLICE]
    assert packetize([SLICE]) == [SLICE]
    assert packetize([]) == []


def test_no_payload_is_larger_than_asked() -> None:
    """And fragments are filled."""
    payloads = packetize([SPS, PPS, b"\x65" + bytes(5000)], 700)
    assert max(map(len, payloads)) == 700
    assert [len(payload) for payload in payloads[1:]] == [700] * 7 + [5000 - 7 * 698 + 2]
    assert [payload[1] for payload in payloads[1:]] == [0x85, *[0x05] * 6, 0x45]
    assert [len(payload) for payload in packetize([b"\x65" + bytes(1399)], 1400)] == [1400]


@pytest.mark.parametrize("nal", [b"", b"\x00", b"\x78abc", b"\x7cabc", b"\xe5abc"])
def test_what_rtp_cannot_carry_is_refused(nal: bytes) -> None:
    """Its type would be read as a kind of packet."""
    with pytest.raises(CodecError, match="cannot be sent over RTP"):
        packetize([SPS, nal])


def receive(packets: list[bytes], payload_type: int = 96) -> list[AccessUnit]:
    """What comes out, undamaged."""
    units: list[AccessUnit] = []
    receiver = RtpReceiver(payload_type, H264Depacketizer(units.append))
    for packet in packets:
        receiver.receive(packet, 0, len(packet))
    assert (receiver.last_error, receiver.lost_packets, receiver.foreign_packets) == (None, 0, 0)
    assert {unit.lost_packets for unit in units} == {0}
    return units


@pytest.mark.parametrize(
    "encoder",
    [
        "x264enc key-int-max=5 bframes=0 speed-preset=ultrafast",
        "x264enc key-int-max=5 bframes=2 b-adapt=false speed-preset=veryfast",
        "x264enc key-int-max=5 sliced-threads=true threads=4 speed-preset=ultrafast",
    ],
)
@pytest.mark.parametrize("aggregate", ["none", "zero-latency", "max-stap"])
def test_what_gstreamer_packetizes(encoder: str, aggregate: str, tmp_path: Path) -> None:
    """Every NAL unit of the encoder, in access units of one picture each; several slices per picture too.

    The packets come through a file with the framing of RFC 4571.
    """
    stream, packets = tmp_path / "stream.h264", tmp_path / "packets"
    pipeline = (
        f"videotestsrc pattern=ball num-buffers=20 ! video/x-raw,width=640,height=360,framerate=25/1 ! {encoder} ! "
        f"video/x-h264,stream-format=byte-stream,alignment=au ! tee name=t ! queue ! filesink location={stream} "
        f"t. ! queue ! rtph264pay mtu=600 aggregate-mode={aggregate} ! rtpstreampay ! filesink location={packets}"
    )
    subprocess.run(["gst-launch-1.0", "-q", *pipeline.split()], check=True)
    framed, received = packets.read_bytes(), []
    while framed:
        size = int.from_bytes(framed[:2], "big")
        received.append(framed[2 : 2 + size])
        framed = framed[2 + size :]
    units = receive(received)
    assert [unit.sync for unit in units] == [number % 5 == 0 for number in range(20)]
    wanted = split_annex_b(stream.read_bytes())
    assert [nal for unit in units for nal in split_length_prefixed(unit.nals)] == wanted
    assert [unit.parameters is not None for unit in units] == [True] + [False] * 19


def test_what_ffmpeg_packetizes(tmp_path: Path) -> None:
    """Over a UDP port of the loopback interface."""
    nals = encode("640x360", "-x264-params", "keyint=5:slices=3", "-bf", "2", seconds=0.8)
    stream = tmp_path / "stream.h264"
    stream.write_bytes(with_start_codes(nals))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as camera:
        camera.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        camera.bind(("127.0.0.1", 0))
        target = f"rtp://127.0.0.1:{camera.getsockname()[1]}?pkt_size=900"
        command = ["ffmpeg", "-v", "error", "-r", "25", "-i", stream, "-c", "copy", "-f", "rtp", target]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        camera.setblocking(False)
        received = []
        while True:
            try:
                received.append(camera.recv(2000))
            except BlockingIOError:
                break
    units = receive([packet for packet in received if packet[1] & 0x7F == 96])
    assert len(units) == 20
    assert [nal for unit in units for nal in split_length_prefixed(unit.nals)] == nals
