"""What a simulated city costs, over TCP and over UDP.

    python -m benchmarks.simulated_city [--quick]

One process serves the 220 cameras of examples/boras.yaml, this one reads them all and looks at sequence numbers only.
Loopback charges the delivery to the sender, so the readers' share of the kernel's work is in the figure.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks.children import Simulated, end, hulta, start
from benchmarks.measuring import cpu_seconds, pss_bytes
from benchmarks.plot import Panel, Series
from benchmarks.question import Run, main
from benchmarks.report import Column, Report
from benchmarks.spread import Spread, number
from media.rtsp import Headers, Request
from server.city import read_fleet
from simulator import CameraOptions

FLEET = Path(__file__).parents[1] / "examples" / "boras.yaml"
WINDOWS, WINDOW_S = 4, 4.0
ARRIVED_S = 30
BUDGET_PERCENT = 25.0
_SPACE = bytearray(1 << 18)


@dataclass(slots=True)
class Tally:
    """What all readers got."""

    received_bytes: int = 0
    lost_packets: int = 0
    hung_up: int = 0


class Ear:
    """The port that one camera's packets come to."""

    def __init__(self, tally: Tally) -> None:
        loop = asyncio.get_running_loop()
        self.arrived: asyncio.Future[None] = loop.create_future()
        self._tally = tally
        self._next: int | None = None
        self._rtp, self._rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for ear in (self._rtp, self._rtcp):
            ear.bind(("127.0.0.1", 0))
            ear.setblocking(False)
        loop.add_reader(self._rtp, self._hear)

    @property
    def transport(self) -> str:
        """What to ask for."""
        return f"RTP/AVP;unicast;client_port={self._rtp.getsockname()[1]}-{self._rtcp.getsockname()[1]}"

    def _hear(self) -> None:
        for _ in range(100):
            try:
                size = self._rtp.recv_into(_SPACE)
            except BlockingIOError:
                return
            self._tally.received_bytes += size
            found = _SPACE[2] << 8 | _SPACE[3]
            if self._next is None:
                self.arrived.set_result(None)
            elif found != self._next:
                self._tally.lost_packets += (found - self._next) & 0xFFFF
            self._next = (found + 1) & 0xFFFF


class Reader(asyncio.BufferedProtocol):
    """SETUP, PLAY, and whatever comes is thrown away. With an `ear` the packets come there, otherwise here."""

    def __init__(self, url: str, tally: Tally, ear: Ear | None) -> None:
        self._url, self._tally, self._ear = url, tally, ear
        self._transport: asyncio.Transport
        self._head = b""
        loop = asyncio.get_running_loop()
        self.playing: asyncio.Future[None] = loop.create_future()
        self.arrived = ear.arrived if ear else loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the track."""
        self._transport = transport  # type: ignore[assignment] # uvloop's is one without saying so
        wanted = self._ear.transport if self._ear else "RTP/AVP/TCP;unicast;interleaved=0-1"
        self._ask("SETUP", f"{self._url}/track1", {"CSeq": "1", "Transport": wanted})

    def get_buffer(self, sizehint: int) -> memoryview:
        """The same space again and again."""
        del sizehint
        return memoryview(_SPACE)

    def buffer_updated(self, nbytes: int) -> None:
        """Count; play once the session is there."""
        if self.playing.done():
            if not self._ear:
                self._tally.received_bytes += nbytes
                if nbytes > 1000 and not self.arrived.done():
                    self.arrived.set_result(None)
            return
        self._head += bytes(_SPACE[:nbytes])
        if b"\r\n\r\n" in self._head:
            session = self._head.partition(b"Session: ")[2].partition(b";")[0].decode()
            self._ask("PLAY", self._url, {"CSeq": "2", "Session": session})
            self.playing.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Noted: a reader that is gone would make the figure too good."""
        del error
        self._tally.hung_up += 1

    def _ask(self, method: str, url: str, fields: dict[str, str]) -> None:
        self._transport.write(Request(method=method, url=url, headers=Headers(fields)).to_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The simulator's load while every camera was read."""

    over: str
    ready_s: float
    mbit_per_s: Spread
    cpu_percent: Spread
    pss_bytes: int
    lost_packets: int
    hung_up: int


async def read_all(city: Simulated, ready_s: float, *, over: str, windows: int) -> Load:
    """What it costs once packets of every camera have arrived: a session begins at the next key frame."""
    loop, tally = asyncio.get_running_loop(), Tally()
    readers = []
    for url in city.urls:
        parts = urlsplit(url)
        ear = Ear(tally) if over == "UDP" else None
        _, reader = await loop.create_connection(
            lambda url=url, ear=ear: Reader(url, tally, ear),  # type: ignore[misc]
            parts.hostname,
            parts.port,
            local_addr=("127.0.0.1", 0),  # where the ears are
        )
        await asyncio.wait_for(reader.playing, 10)
        readers.append(reader)
    await asyncio.wait_for(asyncio.gather(*(reader.arrived for reader in readers)), ARRIVED_S)
    tally.lost_packets = 0
    cpu, rate = [], []
    for _ in range(windows):
        ran, received, began = cpu_seconds([city.pid]), tally.received_bytes, time.monotonic()
        await asyncio.sleep(WINDOW_S)
        elapsed = time.monotonic() - began
        rate.append((tally.received_bytes - received) * 8 / elapsed / 1e6)
        cpu.append(100 * (cpu_seconds([city.pid]) - ran) / elapsed)
    return Load(
        over=over,
        ready_s=ready_s,
        mbit_per_s=Spread.of(rate),
        cpu_percent=Spread.of(cpu),
        pss_bytes=pss_bytes([city.pid]),
        lost_packets=tally.lost_packets,
        hung_up=tally.hung_up,
    )


@contextmanager
def served(cameras: int) -> Iterator[tuple[Simulated, float]]:
    """The city, once it has announced all its cameras, and how many seconds that took."""
    began = time.monotonic()
    child = start(hulta("simulate", "--fleet", FLEET, "--port", "0"), stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        urls = tuple(child.stdout.readline().strip() for _ in range(cameras))
        if not all(urls):
            raise RuntimeError(f"the simulator ended before it announced {cameras} cameras")
        yield Simulated(child.pid, urls), time.monotonic() - began
    finally:
        end([child])
        child.stdout.close()


def measure(run: Run) -> Report:
    """TCP first, then UDP, each with a simulator of its own."""
    cameras = read_fleet(FLEET)
    loads = []
    for over in ("TCP", "UDP"):
        with served(len(cameras)) as (city, ready_s):
            loads.append(uvloop.run(read_all(city, ready_s, over=over, windows=1 if run.quick else WINDOWS)))
    return report(cameras, loads)


def report(cameras: tuple[CameraOptions, ...], loads: list[Load]) -> Report:
    """The table and the plot."""
    frames_per_second = sum(camera.fps for camera in cameras)
    mbit_per_s = sum(camera.bitrate_bps for camera in cameras) / 1e6
    found = Report(
        "simulated_city",
        asks="What does a simulated city cost, over TCP and over UDP?",
        method=[
            f"{len(cameras)} cameras of examples/{FLEET.name}: {frames_per_second} frames/s, {mbit_per_s:.0f} Mbit/s.",
            "On loopback, all read by one other process, which over UDP must keep up: it counts the packets it missed.",
            f"Windows of {WINDOW_S:.0f} s, from the moment packets of every camera have arrived.",
            "CPU by schedstat, memory as PSS.",
        ],
    )
    table = found.table(
        "The whole city, all read",
        Column("over"),
        Column("ready after", "s"),
        Column("delivered", "Mbit/s", 0),
        Column("CPU", "% of a core"),
        Column("CPU per frame", "µs", 0),
        Column("memory", "MB", 0),
        Column("lost packets"),
        Column("readers dropped"),
    )
    for load in loads:
        per_frame = load.cpu_percent.times(10_000 / frames_per_second)
        memory_mb = load.pss_bytes / 1e6
        figures = (load.mbit_per_s, load.cpu_percent, per_frame, memory_mb, load.lost_packets, load.hung_up)
        table.add(load.over, load.ready_s, *figures)
    tcp, udp = (load.cpu_percent for load in loads)
    found.budget(f"{len(cameras)} cameras over TCP", tcp, unit="% of a core", at_most=BUDGET_PERCENT, digits=1)
    found.plot(
        f"Over UDP the city takes {number(udp.median, 0)} % of a core, over TCP {number(tcp.median, 0)} %, "
        "readers' deliveries included.",
        Panel(
            along="transport",
            at=[load.over for load in loads],
            quantity="CPU",
            unit="% of a core",
            series=[Series("hulta simulate --fleet", [load.cpu_percent for load in loads])],
            budget=BUDGET_PERCENT,
        ),
    )
    return found


if __name__ == "__main__":
    main(measure)
