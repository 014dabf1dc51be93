"""What the simulated cameras cost themselves, so that a load test is not a test of its own load.

    python -m benchmarks.simulator [--quick]

One process serves the cameras at 4 Mbit/s each over TCP, this one reads them and looks at nothing. Loopback charges the
delivery to the sender, so the readers' share of the kernel's work is in the figure.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import uvloop

from benchmarks.children import simulated
from benchmarks.measuring import cpu_seconds, pss_bytes
from benchmarks.plot import Panel, Series
from benchmarks.question import Run, main
from benchmarks.reader import ARRIVED_BYTES, read
from benchmarks.report import Column, Report
from benchmarks.spread import Spread, number

CAMERAS, QUICK_CAMERAS = (20, 100, 220), (100,)
FRAMES_PER_SECOND = 25
WINDOWS, WINDOW_S = 3, 3.0
ARRIVAL_S = 20.0
BUDGET_PERCENT = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a number of cameras cost while all were read."""

    cameras: int
    mbit_per_s: Spread
    cpu_percent: Spread
    pss_bytes: int
    dropped: int


class Taken:
    """What has come of one camera."""

    def __init__(self) -> None:
        self.bytes = 0
        self.arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, view: memoryview) -> None:
        """Count it."""
        self.bytes += len(view)
        if self.bytes > ARRIVED_BYTES and not self.arrived.done():
            self.arrived.set_result(None)


async def read_all(pid: int, urls: tuple[str, ...], *, windows: int) -> Load:
    """The simulator's load once a picture of every camera has arrived."""
    taken = [Taken() for _ in urls]
    readers = [await read(url, each.take) for url, each in zip(urls, taken, strict=True)]
    async with asyncio.timeout(ARRIVAL_S):
        await asyncio.gather(*(each.arrived for each in taken))
    cpu, rate = [], []
    for _ in range(windows):
        ran, received, began = cpu_seconds([pid]), _bytes(taken), time.monotonic()
        await asyncio.sleep(WINDOW_S)
        elapsed = time.monotonic() - began
        rate.append((_bytes(taken) - received) * 8 / elapsed / 1e6)
        cpu.append(100 * (cpu_seconds([pid]) - ran) / elapsed)
    return Load(
        cameras=len(urls),
        mbit_per_s=Spread.of(rate),
        cpu_percent=Spread.of(cpu),
        pss_bytes=pss_bytes([pid]),
        dropped=sum(reader.lost for reader in readers),
    )


def _bytes(taken: list[Taken]) -> int:
    return sum(each.bytes for each in taken)


def measure(run: Run) -> Report:
    """One simulator after the other, with more and more cameras."""
    loads = []
    for cameras in QUICK_CAMERAS if run.quick else CAMERAS:
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
