"""What the kernel's receive path costs: RTSP bytes in, access units out, on one core and without any I/O.

    python benchmarks/kernel.py [--seconds 20] [--read 24576]

Prints, for a synthetic camera of 4 Mbit/s at 25 frames/s (packets of 1400 bytes, one sync sample a second):
nanoseconds per packet, packets/s, MB/s, and what share of one core 220 such cameras would take. The best of
several rounds counts: the machine's other work only ever adds. The bytes reach the buffer as `recv_into` would bring
them; that copy is timed alone and taken off.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import deque
from typing import TYPE_CHECKING

from media.h264 import H264Depacketizer, packetize
from media.interleaved import InterleavedReader
from media.rtp import RtpReceiver, write_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from media.access_unit import AccessUnit

PAYLOAD_TYPE = 96
SSRC = 0x48554C54
CAMERAS = 220
ROUNDS = 7
FRAMES_PER_SECOND = 25
SYNC_BYTES, OTHER_BYTES = 120_000, 15_800  # 120000 + 24 * 15800 bytes = 4 Mbit


def synthetic_stream(seconds: int) -> tuple[bytes, int]:
    """Interleaved frames of a camera, and how many."""
    noise = random.Random(1).randbytes(SYNC_BYTES).replace(b"\x00\x00", b"\x01\x01")  # no start codes by accident
    wire, sequence = bytearray(), 0
    for frame in range(seconds * FRAMES_PER_SECOND):
        sync = frame % FRAMES_PER_SECOND == 0
        picture = b"\x65\x88" + noise if sync else b"\x41\x9a" + noise[:OTHER_BYTES]
        payloads = packetize([b"\x06\x05" + noise[:60], picture])
        for index, payload in enumerate(payloads):
            packet = write_header(sequence, frame * 3600, SSRC, PAYLOAD_TYPE, marker=index == len(payloads) - 1)
            wire += b"$\x00" + (len(packet) + len(payload)).to_bytes(2, "big") + packet + payload
            sequence += 1
    return bytes(wire), sequence


def cut(wire: bytes, read_bytes: int) -> list[bytes]:
    """The stream as reads of one size bring it."""
    return [wire[start : start + read_bytes] for start in range(0, len(wire), read_bytes)]


def fill_only(reads: Sequence[bytes]) -> None:
    """The copy that the kernel's recv would do."""
    reader = InterleavedReader(lambda *_: None, lambda _: None)
    for read in reads:
        reader.get_buffer()[: len(read)] = read


def receive_all(reads: Sequence[bytes]) -> None:
    """The whole path. One second of units is held, as a recorder does until its fragment is written."""
    held: deque[AccessUnit] = deque(maxlen=FRAMES_PER_SECOND)
    receiver = RtpReceiver(PAYLOAD_TYPE, H264Depacketizer(held.append))
    receive = receiver.receive
    reader = InterleavedReader(lambda _channel, buffer, start, end: receive(buffer, start, end), lambda _: None)
    for read in reads:
        reader.get_buffer()[: len(read)] = read
        reader.received(len(read))
    assert receiver.lost_packets == receiver.malformed_packets == 0
    assert len(held) == FRAMES_PER_SECOND


def best_ns(work: Callable[[Sequence[bytes]], object], reads: Sequence[bytes]) -> int:
    """The shortest of several rounds."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter_ns()
        work(reads)
        times.append(time.perf_counter_ns() - begin)
    return min(times)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=int, default=20, help="length of the stream")
    arguments.add_argument("--read", type=int, default=24 << 10, help="bytes one read of the socket brings")
    options = arguments.parse_args()

    wire, packets = synthetic_stream(options.seconds)
    reads = cut(wire, options.read)
    net_ns = best_ns(receive_all, reads) - best_ns(fill_only, reads)
    print(f"{packets} packets, {len(wire) / 1e6:.1f} MB, reads of {options.read} bytes")
    rate, throughput = packets * 1e9 / net_ns, len(wire) * 1e3 / net_ns
    print(f"{net_ns / packets:.0f} ns/packet, {rate:,.0f} packets/s, {throughput:.0f} MB/s")
    print(f"{CAMERAS} cameras: {100 * CAMERAS * net_ns / 1e9 / options.seconds:.1f} % of one core")


if __name__ == "__main__":
    main()
