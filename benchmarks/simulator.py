"""What the simulated cameras cost themselves, so that a load test is not a test of its own load.

    python -m benchmarks.simulator --cameras 20 100 220 --seconds 15

One process serves the cameras at 4 Mbit/s each, this one reads them and looks at nothing. CPU is the time the
simulator's threads ran, from the scheduler's own accounting (/proc/PID/task/*/schedstat): a process that is woken by a
timer every few milliseconds may be in step with the ticks that /proc/PID/stat counts. Loopback charges the delivery to
the sender, so the readers' share of the kernel's work is in the figure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from media.rtsp import Headers, Request

SETTLING_S = 3
SERVE = """
import sys
from simulator import SimulatorOptions, run
run(SimulatorOptions(cameras=int(sys.argv[1]), port=0, session_timeout_s=86_400), lambda url: print(url, flush=True))
"""


class Drain(asyncio.BufferedProtocol):
    """One reader: SETUP, PLAY, and whatever comes is thrown away."""

    received_bytes = 0
    lost = 0
    _space = memoryview(bytearray(1 << 18))

    def __init__(self, url: str) -> None:
        self._url = url
        self._transport: asyncio.Transport
        self._head = b""
        self.playing = asyncio.get_running_loop().create_future()

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
        if self.playing.done():
            return
        self._head += bytes(self._space[:nbytes])
        if b"\r\n\r\n" in self._head:
            session = self._head.partition(b"Session: ")[2].partition(b";")[0].decode()
            self._ask("PLAY", self._url, {"CSeq": "2", "Session": session})
            self.playing.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Noted: a dropped reader would make the figure too good."""
        del error
        Drain.lost += 1

    def _ask(self, method: str, url: str, fields: dict[str, str]) -> None:
        self._transport.write(Request(method=method, url=url, headers=Headers(fields)).to_bytes())


def ran_s(pid: int) -> float:
    """How long the threads of a process ran so far."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def memory_mb(pid: int) -> float:
    """Its resident memory."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1000


async def measure(pid: int, urls: list[str], seconds: float) -> dict[str, float]:
    """The simulator's load while every camera is read."""
    loop = asyncio.get_running_loop()
    for url in urls:
        parts = urlsplit(url)
        _, reader = await loop.create_connection(lambda url=url: Drain(url), parts.hostname, parts.port)
        await reader.playing
    await asyncio.sleep(SETTLING_S)
    ran, received, started = ran_s(pid), Drain.received_bytes, time.monotonic()
    await asyncio.sleep(seconds)
    elapsed = time.monotonic() - started
    return {
        "cameras": len(urls),
        "mbit_per_s": (Drain.received_bytes - received) * 8 / elapsed / 1e6,
        "cpu_percent": 100 * (ran_s(pid) - ran) / elapsed,
        "memory_mb": memory_mb(pid),
        "dropped": Drain.lost,
    }


def run(cameras: int, seconds: float) -> dict[str, float]:
    """One simulator with that many cameras."""
    Drain.received_bytes = Drain.lost = 0
    child = subprocess.Popen([sys.executable, "-c", SERVE, str(cameras)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        urls = [child.stdout.readline().strip() for _ in range(cameras)]
        return uvloop.run(measure(child.pid, urls, seconds))
    finally:
        child.terminate()
        child.wait(10)


def main() -> None:
    """Parse the command line, run, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, nargs="+", default=[20, 100, 220])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print("| cameras | Mbit/s | CPU, % of a core | µs of CPU per frame | memory, MB | readers dropped |")
    print("|---|---|---|---|---|---|")
    rows = [run(cameras, options.seconds) for cameras in options.cameras]
    for row in rows:
        per_frame = row["cpu_percent"] * 10_000 / (row["cameras"] * 25)
        print(
            f"| {row['cameras']:.0f} | {row['mbit_per_s']:.1f} | {row['cpu_percent']:.1f} | {per_frame:.0f} "
            f"| {row['memory_mb']:.0f} | {row['dropped']:.0f} |"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
