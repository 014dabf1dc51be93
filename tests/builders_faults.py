"""A reader of simulated cameras that keeps every packet as it came, over TCP and UDP, and scripts of one line."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from media.h264 import H264Depacketizer
from media.nal import split_length_prefixed
from media.rtcp import SenderReport, parse_sender_report
from simulator import Simulator, SimulatorOptions
from simulator.faults import make_fault
from simulator.oracle import OracleMark, checksum, find_sei
from simulator.script import Phase, Script, Step
from tests.builders_simulator import TCP, RtspReader, connect
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from media.access_unit import AccessUnit
    from simulator import SentFrame

QUICK = SimulatorOptions(port=0, fps=25, gop_us=200_000, bitrate_bps=500_000)
ALL = ("*",)


class Packet(NamedTuple):
    """One RTP packet."""

    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes


class Unit(NamedTuple):
    """An access unit put together from packets that came whole and in order."""

    timestamp: int
    nals: list[bytes]

    @property
    def kinds(self) -> list[int]:
        """The types of its NAL units."""
        return [nal[0] & 0x1F for nal in self.nals]

    @property
    def mark(self) -> OracleMark:
        """The oracle's."""
        mark = find_sei(self.nals)
        assert mark is not None
        return mark

    @property
    def sync(self) -> bool:
        """Whether decoding can begin with it."""
        return 5 in self.kinds


class Wire:
    """What came over one session, whichever way."""

    def __init__(self, reader: RtspReader, log: list[SentFrame]) -> None:
        self.reader = reader
        self.log = log
        self.packets: list[Packet] = []
        self.noise: list[bytes] = []
        self.reports: list[SenderReport] = []

    def hear(self, packet: bytes) -> None:
        """A packet that may be RTP."""
        if len(packet) < 12 or packet[0] >> 6 != 2:
            self.noise.append(packet)
            return
        _, kind, sequence, timestamp, ssrc = struct.unpack_from(">BBHII", packet)
        self.packets.append(Packet(sequence, timestamp, ssrc, bool(kind & 0x80), packet[12:]))

    def hear_report(self, packet: bytes) -> None:
        """A packet of RTCP."""
        report = parse_sender_report(packet, 0, len(packet))
        if report is not None:
            self.reports.append(report)

    async def until(self, condition: object) -> None:
        """Wait until something received makes it true."""
        await self.reader.until(condition)  # type: ignore[arg-type]

    async def units_after(self, count: int, position: int = 0) -> list[Unit]:
        """The first `count` whole access units from a packet on."""
        await self.until(lambda: len(units_of(self.packets[position:])) >= count)
        return units_of(self.packets[position:])[:count]

    async def more(self, packets: int = 1) -> int:
        """Wait for more packets; returns how many there were before."""
        before = len(self.packets)
        await self.until(lambda: len(self.packets) >= before + packets)
        return before

    def spoiled(self) -> dict[int, bool]:
        """Of each frame in the log, whether it is spoiled."""
        return {sent.frame: sent.spoiled for sent in self.log}


class WireReader(RtspReader):
    """An RTSP client that gives packets on, unread."""

    wire: Wire

    def _packet(self, channel: int, buffer: bytearray, start: int, end: int) -> None:
        packet = bytes(buffer[start:end])
        if channel % 2:
            self.wire.hear_report(packet)
        else:
            self.wire.hear(packet)


class RawReader(RtspReader):
    """An RTSP client that stops to understand, and keeps what comes as bytes."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.raw: bytearray | None = None
        self._space = memoryview(bytearray(1 << 16))

    def keep(self) -> bytearray:
        """From now on, everything received. Right after a request or a whole frame."""
        self.raw = bytearray()
        return self.raw

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return super().get_buffer(sizehint) if self.raw is None else self._space

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        if self.raw is None:
            super().buffer_updated(nbytes)
        else:
            self.raw += self._space[:nbytes]
            self._changed.set()


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, wire: Wire, *, reports: bool) -> None:
        self._wire = wire
        self._take = wire.hear_report if reports else wire.hear

    def datagram_received(self, data: bytes, address: object) -> None:
        self._take(data)
        self._wire.reader._changed.set()


@asynccontextmanager
async def wired(url: str, transport: str, log: list[SentFrame] | None = None) -> AsyncIterator[Wire]:
    """A session over `tcp` or `udp`, set up and not yet playing."""
    loop = asyncio.get_running_loop()
    async with connect(url, WireReader) as reader:
        assert isinstance(reader, WireReader)
        reader.wire = wire = Wire(reader, [] if log is None else log)
        if transport == "tcp":
            assert (await reader.set_up(TCP)).status == 200
            yield wire
            return
        ends = []
        for reports in (False, True):
            end, _ = await loop.create_datagram_endpoint(
                lambda reports=reports: _Ear(wire, reports=reports),  # type: ignore[misc]
                local_addr=("127.0.0.1", 0),
                family=socket.AF_INET,
            )
            # As much as there is by default: a test and its cameras share a process, and may be kept waiting.
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            ends.append(end)
        try:
            rtp, rtcp = (end.get_extra_info("sockname")[1] for end in ends)
            assert (await reader.set_up(f"RTP/AVP;unicast;client_port={rtp}-{rtcp}")).status == 200
            yield wire
        finally:
            for end in ends:
                end.close()


@asynccontextmanager
async def playing(url: str, transport: str, log: list[SentFrame] | None = None) -> AsyncIterator[Wire]:
    """A session that has had its first frames."""
    async with wired(url, transport, log) as wire:
        assert (await wire.reader.ask("PLAY")).status == 200
        await wire.units_after(2)
        yield wire


@asynccontextmanager
async def suffering(simulator: Simulator) -> AsyncIterator[None]:
    """The faults of a simulator's script, on those it names, as long as the body takes, whatever times they have.

    How long a body takes is the machine's affair: a fault of 300 ms may be over before anybody looks at it.
    """
    director = simulator._director
    events = [*director._script.timeline(director._fleet, director._steps)]
    for event in events:
        if event.phase is not Phase.END:
            await director._act(event)
    yield
    for event in events:
        if event.phase is Phase.END:
            await director._act(event)


async def passed(log: list[SentFrame], camera: str, frames: int) -> None:
    """Wait until a camera that is well has sent so many more frames."""
    begun = len(log)
    await eventually(
        f"{frames} frames of {camera}", lambda: sum(sent.camera == camera for sent in log[begun:]) >= frames
    )


@asynccontextmanager
async def watched(transport: str, *steps: Step, **changes: object) -> AsyncIterator[tuple[Simulator, Wire]]:
    """A simulator with a script that has not begun, and a session that has had its first frames."""
    async with troubled(*steps, **changes) as (simulator, log), playing(simulator.urls[0], transport, log) as wire:
        yield simulator, wire


def units_of(packets: list[Packet]) -> list[Unit]:
    """The access units that are whole: packets in order, duplicates left out, and the checksum is that of the mark."""
    result: list[Unit] = []
    units: list[AccessUnit] = []
    depacketizer = H264Depacketizer(units.append)
    expected: int | None = None
    for packet in packets:
        if expected is not None and packet.sequence == (expected - 1) & 0xFFFF:
            continue
        lost = 0 if expected is None else (packet.sequence - expected) & 0xFFFF
        expected = (packet.sequence + 1) & 0xFFFF
        depacketizer.push(packet.payload, 0, len(packet.payload), packet.timestamp, packet.marker, lost)
        for unit in units:
            nals = split_length_prefixed(unit.nals)
            mark = find_sei(nals)
            if mark is not None and mark.crc32 == checksum(nals):
                result.append(Unit(packet.timestamp, nals))
        units.clear()
    return result


def step(name: str, at_ms: int = 0, for_ms: int = 0, cameras: tuple[str, ...] = ALL, **written: object) -> Step:
    """One step of a script."""
    fault = make_fault(name, written)
    return Step(at_us=at_ms * 1000, for_us=for_ms * 1000 or None, fault=fault, cameras=cameras, place=f"test:{name}")


@asynccontextmanager
async def troubled(*steps: Step, **changes: object) -> AsyncIterator[tuple[Simulator, list[SentFrame]]]:
    """A simulator with a script that has not begun, and its log."""
    log: list[SentFrame] = []
    options = replace(QUICK, **{"script": Script(steps), **changes})  # type: ignore[arg-type]
    async with Simulator(options, log.append) as simulator:
        yield simulator, log
