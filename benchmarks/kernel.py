"""What does the receive path alone cost? RTSP bytes in, access units out, on one core and without any I/O.

    python -m benchmarks.kernel [--quick]

A synthetic camera of 4 Mbit/s at 25 frames/s, packets of 1400 bytes, one sync sample a second, read in several
sizes. The bytes reach the buffer as `recv_into` would bring them; that copy is timed alone, in turns with the whole
path, and taken off.
"""

from __future__ import annotations

import random
import time
from collections import deque
from typing import TYPE_CHECKING

from benchmarks.plot import Panel, Series
from benchmarks.question import Run, main
from benchmarks.report import Column, Report
from benchmarks.spread import Spread, number
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
READ_BYTES = (1448, 8 << 10, 24 << 10, 128 << 10)
USUAL = 24 << 10
STREAM_S = 10
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


def took_ns(work: Callable[[Sequence[bytes]], object], reads: Sequence[bytes]) -> int:
    """The CPU time of one pass."""
    begin = time.thread_time_ns()
    work(reads)
    return time.thread_time_ns() - begin


def measure(run: Run) -> Report:
    """All read sizes in turns."""
    rounds = 3 if run.quick else ROUNDS
    wire, packets = synthetic_stream(STREAM_S)
    cuts = {read_bytes: cut(wire, read_bytes) for read_bytes in READ_BYTES}
    taken: dict[int, list[float]] = {read_bytes: [] for read_bytes in READ_BYTES}
    for _ in range(rounds):
        for read_bytes, reads in cuts.items():
            taken[read_bytes].append(took_ns(receive_all, reads) - took_ns(fill_only, reads))
    per_packet = {read_bytes: Spread.of(taken[read_bytes]).times(1 / packets) for read_bytes in READ_BYTES}
    return report(per_packet, packets=packets, wire_bytes=len(wire), rounds=rounds)


def report(per_packet: dict[int, Spread], *, packets: int, wire_bytes: int, rounds: int) -> Report:
    """The table and the plot."""
    found = Report(
        "kernel",
        asks="What does the receive path alone cost?",
        method=[
            f"One core, no I/O: {packets} packets of 1400 bytes of a 4 Mbit/s camera, {rounds} rounds, sizes in turns.",
            "CPU time of the thread (CLOCK_THREAD_CPUTIME_ID), less the copy into the buffer timed alone.",
        ],
    )
    table = found.table(
        "RTSP bytes to access units, by bytes a read",
        Column("bytes a read"),
        Column("a packet", "ns", 0),
        Column("throughput", "MB/s", 0),
        Column(f"{CAMERAS} cameras", "% of a core"),
    )
    for read_bytes, each in per_packet.items():
        rate = Spread.of(wire_bytes * 1e3 / (sample * packets) for sample in each.samples)
        table.add(read_bytes, each, rate, each.times(packets / STREAM_S * CAMERAS / 1e9 * 100))
    share = per_packet[USUAL].times(packets / STREAM_S * CAMERAS / 1e7).median
    found.plot(
        f"Parsing {CAMERAS} cameras of 4 Mbit/s takes {number(share, 0)} % of a core; larger reads are cheaper.",
        Panel(
            along="bytes a read",
            at=[number(each, 0) for each in READ_BYTES],
            quantity="CPU per packet",
            unit="ns",
            series=[Series("receive path", list(per_packet.values()))],
        ),
    )
    return found


if __name__ == "__main__":
    main(measure)
