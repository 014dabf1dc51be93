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
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.plot import Panel, Series
from benchmarks.question import Run, main
from benchmarks.report import Column, Report
from benchmarks.spread import Spread, number
from media import av1_packetize, h265_packetize
from media.av1 import Av1Depacketizer
from media.h264 import H264Depacketizer, packetize
from media.h265 import H265Depacketizer
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


class Coding(NamedTuple):
    """What a camera's NAL units (or OBUs) begin with, and what becomes of them."""

    sync: bytes
    other: bytes
    sei: bytes
    packetize: Callable[[list[bytes]], list[bytes]]
    depacketizer: type[H264Depacketizer | H265Depacketizer | Av1Depacketizer]


CODINGS = {
    "H.264": Coding(b"\x65\x88", b"\x41\x9a", b"\x06\x05", packetize, H264Depacketizer),
    "H.265": Coding(b"\x26\x01\xaf", b"\x02\x01\xd0", b"\x4e\x01\x05", h265_packetize.packetize, H265Depacketizer),
    "AV1": Coding(b"\x30\x10", b"\x30\x30", b"\x28\x04", av1_packetize.packetize, Av1Depacketizer),
}


def synthetic_stream(seconds: int, coding: Coding) -> tuple[bytes, int]:
    """Interleaved frames of a camera, and how many."""
    noise = random.Random(1).randbytes(SYNC_BYTES).replace(b"\x00\x00", b"\x01\x01")  # no start codes by accident
    wire, sequence = bytearray(), 0
    for frame in range(seconds * FRAMES_PER_SECOND):
        sync = frame % FRAMES_PER_SECOND == 0
        picture = coding.sync + noise if sync else coding.other + noise[:OTHER_BYTES]
        payloads = coding.packetize([coding.sei + noise[:60], picture])
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


def receive_all(coding: Coding, reads: Sequence[bytes]) -> None:
    """The whole path. One second of units is held, as a recorder does until its fragment is written."""
    held: deque[AccessUnit] = deque(maxlen=FRAMES_PER_SECOND)
    receiver = RtpReceiver(PAYLOAD_TYPE, coding.depacketizer(held.append))
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
    streams = {name: synthetic_stream(STREAM_S, coding) for name, coding in CODINGS.items()}
    cuts = {(name, each): cut(wire, each) for each in READ_BYTES for name, (wire, _) in streams.items()}
    taken: dict[tuple[str, int], list[float]] = {key: [] for key in cuts}
    for _ in range(rounds):
        for (name, each), reads in cuts.items():
            taken[name, each].append(took_ns(partial(receive_all, CODINGS[name]), reads) - took_ns(fill_only, reads))
    per_packet = {(name, each): Spread.of(taken[name, each]).times(1 / streams[name][1]) for name, each in cuts}
    sizes = {name: (len(wire), packets) for name, (wire, packets) in streams.items()}
    return report(per_packet, sizes, rounds=rounds)


def report(per_packet: dict[tuple[str, int], Spread], sizes: dict[str, tuple[int, int]], *, rounds: int) -> Report:
    """The table and the plot; `sizes` is what a camera of each codec sends, in bytes and packets."""
    usual_packets = sizes["H.264"][1]
    found = Report(
        "kernel",
        asks="What does the receive path alone cost?",
        method=[
            f"One core, no I/O: {usual_packets} packets of 1400 bytes of a 4 Mbit/s camera, {rounds} rounds, in turns.",
            "CPU time of the thread (CLOCK_THREAD_CPUTIME_ID), less the copy into the buffer timed alone.",
        ],
    )
    table = found.table(
        "RTSP bytes to access units, by bytes a read",
        Column("codec"),
        Column("bytes a read"),
        Column("a packet", "ns", 0),
        Column("throughput", "MB/s", 0),
        Column(f"{CAMERAS} cameras", "% of a core"),
    )
    for (name, read_bytes), each in sorted(per_packet.items()):
        wire_bytes, packets = sizes[name]
        rate = Spread.of(wire_bytes * 1e3 / (sample * packets) for sample in each.samples)
        table.add(name, read_bytes, each, rate, each.times(packets / STREAM_S * CAMERAS / 1e9 * 100))
    share = per_packet["H.264", USUAL].times(usual_packets / STREAM_S * CAMERAS / 1e7).median
    found.plot(
        f"Parsing {CAMERAS} cameras of 4 Mbit/s takes {number(share, 0)} % of a core; larger reads are cheaper.",
        Panel(
            along="bytes a read",
            at=[number(each, 0) for each in READ_BYTES],
            quantity="CPU per packet",
            unit="ns",
            series=[Series(name, [per_packet[name, each] for each in READ_BYTES]) for name in CODINGS],
        ),
    )
    return found


if __name__ == "__main__":
    main(measure)
