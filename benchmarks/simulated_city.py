"""What a simulated city costs, over TCP and over UDP.

    python -m benchmarks.simulated_city --fleet examples/boras.yaml [--udp] [--seconds 15]

One process serves every camera of the fleet, this one reads them all and looks at sequence numbers only. CPU is the
time the simulator's threads ran, from the scheduler's own accounting (/proc/PID/task/*/schedstat). Loopback charges the
delivery to the sender, so the readers' share of the kernel's work is in the figure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from media.rtsp import Headers, Request
from server.city import read_fleet

READY_S = 120
ARRIVED_S = 30
BUDGET_PERCENT = 25.0
SERVE = """
import sys
from pathlib import Path
from server.city import read_fleet
from simulator import SimulatorOptions, run
options = SimulatorOptions(fleet=read_fleet(Path(sys.argv[1])), port=0, session_timeout_s=86_400)
run(options, lambda url: print(url, flush=True))
"""
_SPACE = bytearray(1 << 18)


@dataclass(slots=True)
class Tally:
    """What all readers got."""

    received_bytes: int = 0
    lost_packets: int = 0
    hung_up: int = 0


class Ear:
    """The port that one camera's packets come to."""

    def __init__(self, tally: Tally, local: str) -> None:
        self.arrived = asyncio.get_running_loop().create_future()
        self._tally = tally
        self._next: int | None = None
        self._rtp, self._rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for ear in (self._rtp, self._rtcp):
            ear.bind((local, 0))
            ear.setblocking(False)
        asyncio.get_running_loop().add_reader(self._rtp, self._hear)

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
            number = _SPACE[2] << 8 | _SPACE[3]
            if self._next is None:
                self.arrived.set_result(None)
            elif number != self._next:
                self._tally.lost_packets += (number - self._next) & 0xFFFF
            self._next = (number + 1) & 0xFFFF


class Reader(asyncio.BufferedProtocol):
    """SETUP, PLAY, and whatever comes is thrown away. With an `ear` the packets come there, otherwise here."""

    def __init__(self, url: str, tally: Tally, ear: Ear | None) -> None:
        self._url, self._tally, self._ear = url, tally, ear
        self._transport: asyncio.Transport
        self._head = b""
        loop = asyncio.get_running_loop()
        self.playing = loop.create_future()
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

    transport: str
    cameras: int
    frames_per_s: int
    ready_s: float
    mbit_per_s: float
    cpu_percent: float
    memory_mb: float
    lost_packets: int
    hung_up: int


def ran_s(pid: int) -> float:
    """How long the threads of a process ran so far."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def memory_mb(pid: int) -> float:
    """Its resident memory."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1000


async def measure(pid: int, urls: list[str], seconds: float, *, udp: bool) -> tuple[Tally, float, float]:
    """What was received, Mbit/s and CPU in percent of a core, once packets of every camera have arrived."""
    loop, tally = asyncio.get_running_loop(), Tally()
    readers = []
    for url in urls:
        parts = urlsplit(url)
        ear = Ear(tally, "127.0.0.1") if udp else None
        made = await loop.create_connection(
            lambda url=url, ear=ear: Reader(url, tally, ear), parts.hostname, parts.port, local_addr=("127.0.0.1", 0)
        )
        await asyncio.wait_for(made[1].playing, 10)
        readers.append(made[1])
    await asyncio.wait_for(asyncio.gather(*(reader.arrived for reader in readers)), ARRIVED_S)
    tally.lost_packets = 0
    ran, received, started = ran_s(pid), tally.received_bytes, time.monotonic()
    await asyncio.sleep(seconds)
    elapsed = time.monotonic() - started
    rate = (tally.received_bytes - received) * 8 / elapsed / 1e6
    return tally, rate, 100 * (ran_s(pid) - ran) / elapsed


def run(fleet: Path, seconds: float, *, udp: bool) -> Load:
    """One simulator."""
    cameras = read_fleet(fleet)
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", SERVE, str(fleet)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        urls = [child.stdout.readline().strip() for _ in cameras]
        ready_s = time.monotonic() - started
        tally, rate, cpu = uvloop.run(measure(child.pid, urls, seconds, udp=udp))
        return Load(
            transport="UDP" if udp else "TCP",
            cameras=len(urls),
            frames_per_s=sum(camera.fps for camera in cameras),
            ready_s=ready_s,
            mbit_per_s=rate,
            cpu_percent=cpu,
            memory_mb=memory_mb(child.pid),
            lost_packets=tally.lost_packets,
            hung_up=tally.hung_up,
        )
    finally:
        child.terminate()
        child.wait(10)


def main() -> None:
    """Parse the command line, run, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fleet", type=Path, default=Path(__file__).parents[1] / "examples" / "boras.yaml")
    parser.add_argument("--udp", action="store_true", help="over UDP alone; otherwise TCP, then UDP")
    parser.add_argument("--tcp", action="store_true", help="over TCP alone")
    parser.add_argument("--seconds", type=float, default=16)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    titles = (
        "over",
        "cameras",
        "frames/s",
        "ready, s",
        "Mbit/s",
        "CPU, % of a core",
        "µs a frame",
        "MB",
        "lost",
        "hung up",
    )
    print(f"| {' | '.join(titles)} |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    loads = []
    for udp in [False] * (not options.udp) + [True] * (not options.tcp):
        load = run(options.fleet, options.seconds, udp=udp)
        loads.append(load)
        print(
            f"| {load.transport} | {load.cameras} | {load.frames_per_s} | {load.ready_s:.1f} | {load.mbit_per_s:.1f} "
            f"| {load.cpu_percent:.1f} | {load.cpu_percent * 10_000 / load.frames_per_s:.0f} | {load.memory_mb:.0f} "
            f"| {load.lost_packets} | {load.hung_up} |",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(load) for load in loads], indent=1) + "\n")


if __name__ == "__main__":
    main()
