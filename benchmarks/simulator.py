"""What the simulated cameras cost themselves, so that a load test is not a test of its own load.

    python -m benchmarks.simulator [--quick]

One process serves the cameras at 4 Mbit/s each over TCP, this one reads them and looks at nothing. Loopback charges the
delivery to the sender, so the readers' share of the kernel's work is in the figure.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import uvloop

from benchmarks.children import simulated
from benchmarks.measuring import cpu_seconds, pss_bytes
from benchmarks.plot import Panel, Series
from benchmarks.question import Run, main
from benchmarks.report import Column, Report
from benchmarks.spread import Spread, number
from media.rtsp import Headers, Request

CAMERAS = (20, 100, 220)
FRAMES_PER_SECOND = 25
WINDOWS, WINDOW_S = 3, 3.0
BUDGET_PERCENT = 25.0


class Drain(asyncio.BufferedProtocol):
    """One reader: SETUP, PLAY, and whatever comes is thrown away."""

    received_bytes = 0
    lost = 0
    _space = memoryview(bytearray(1 << 18))

    def __init__(self, url: str) -> None:
        self._url = url
        self._transport: asyncio.Transport
        self._head = b""
        self._playing = False
        loop = asyncio.get_running_loop()
        self.played: asyncio.Future[None] = loop.create_future()
        self.arrived: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the track."""
        self._transport = transport  # type: ignore[assignment] # uvloop's is one without saying so
        fields = {"CSeq": "1", "Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        self._ask("SETUP", f"{self._url}/track1", fields)

    def get_buffer(self, sizehint: int) -> memoryview:
        """The same space again and again."""
        del sizehint
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        """Count; play once the session is there."""
        Drain.received_bytes += nbytes
        if self._playing:
            if not self.arrived.done() and self.played.done() and nbytes > 1000:
                self.arrived.set_result(None)
            return
        self._head += bytes(self._space[:nbytes])
        if b"\r\n\r\n" in self._head:
            session = self._head.partition(b"Session: ")[2].partition(b";")[0].decode()
            self._ask("PLAY", self._url, {"CSeq": "2", "Session": session})
            self._playing = True
            self.played.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Noted: a dropped reader would make the figure too good."""
        del error
        Drain.lost += 1

    def _ask(self, method: str, url: str, fields: dict[str, str]) -> None:
        self._transport.write(Request(method=method, url=url, headers=Headers(fields)).to_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a number of cameras cost while all were read."""

    cameras: int
    mbit_per_s: Spread
    cpu_percent: Spread
    pss_bytes: int
    dropped: int


async def read_all(pid: int, urls: tuple[str, ...], *, windows: int) -> Load:
    """The simulator's load once a picture of every camera has arrived."""
    loop = asyncio.get_running_loop()
    readers = []
    for url in urls:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
        _, reader = await loop.create_connection(partial(Drain, url), host, port)
        await asyncio.wait_for(reader.played, 10)
        readers.append(reader)
    await asyncio.wait_for(asyncio.gather(*(reader.arrived for reader in readers)), 20)
    cpu, rate = [], []
    for _ in range(windows):
        ran, received, began = cpu_seconds([pid]), Drain.received_bytes, time.monotonic()
        await asyncio.sleep(WINDOW_S)
        elapsed = time.monotonic() - began
        rate.append((Drain.received_bytes - received) * 8 / elapsed / 1e6)
        cpu.append(100 * (cpu_seconds([pid]) - ran) / elapsed)
    return Load(
        cameras=len(urls),
        mbit_per_s=Spread.of(rate),
        cpu_percent=Spread.of(cpu),
        pss_bytes=pss_bytes([pid]),
        dropped=Drain.lost,
    )


def measure(run: Run) -> Report:
    """One simulator after the other, with more and more cameras."""
    loads = []
    for cameras in (20, 220) if run.quick else CAMERAS:
        Drain.received_bytes = Drain.lost = 0
        with simulated(cameras) as source:
            loads.append(uvloop.run(read_all(source.pid, source.urls, windows=1 if run.quick else WINDOWS)))
    return report(loads)


def report(loads: list[Load]) -> Report:
    """The table and the plot."""
    found = Report(
        "simulator",
        asks="What do the simulated cameras cost themselves?",
        method=[
            f"Cameras of 4 Mbit/s and {FRAMES_PER_SECOND} frames/s over TCP on loopback, all read by one process.",
            f"Windows of {WINDOW_S:.0f} s once a picture of every camera has come; CPU by schedstat, memory as PSS.",
        ],
    )
    table = found.table(
        "Simulated cameras, all read",
        Column("cameras"),
        Column("delivered", "Mbit/s", 0),
        Column("CPU", "% of a core"),
        Column("CPU per frame", "µs", 0),
        Column("memory", "MB", 0),
        Column("readers dropped"),
    )
    for load in loads:
        per_frame = load.cpu_percent.times(10_000 / load.cameras / FRAMES_PER_SECOND)
        memory_mb = load.pss_bytes / 1e6
        table.add(load.cameras, load.mbit_per_s, load.cpu_percent, per_frame, memory_mb, load.dropped)
    most = loads[-1]
    found.budget(
        f"{most.cameras} simulated cameras", most.cpu_percent, unit="% of a core", at_most=BUDGET_PERCENT, digits=1
    )
    found.plot(
        f"{most.cameras} simulated cameras take {number(most.cpu_percent.median, 0)} % of a core, "
        "readers' deliveries included.",
        Panel(
            along="cameras",
            at=[load.cameras for load in loads],
            quantity="CPU",
            unit="% of a core",
            series=[Series("hulta simulate", [load.cpu_percent for load in loads])],
            budget=BUDGET_PERCENT,
        ),
    )
    return found


if __name__ == "__main__":
    main(measure)
