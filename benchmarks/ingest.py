"""What recording costs per camera, beside ffmpeg per camera and beside the floor, interleaved in one run.

    python -m benchmarks.ingest --cameras 20 --seconds 20 --rounds 3

Three ways record the same simulated cameras over RTSP/TCP on loopback, one after the other, several rounds:

  raw copy   one process that reads the sockets and writes the bytes to files: no parsing, no durability (the floor)
  hulta      `hulta record`: RTP, access units, fragments, SHA-256 and chain, journal, fdatasync group commit
  ffmpeg     one `ffmpeg -c copy -f segment` process per camera, 10 s MP4 segments (what most recorders do)

CPU is the time that threads ran (user and kernel), memory the proportional set size (PSS). The simulator
runs on the same machine and is reported beside them. Ratios within the run are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

WARM_UP_S = 4


@dataclass(frozen=True, slots=True)
class Load:
    """What a group of processes used."""

    cpu_percent: float  # of one core, all processes together
    pss_bytes: int


def cpu_seconds(pids: list[int]) -> float:
    """How long the threads of these processes ran so far, in user and kernel mode, by the scheduler's own account.

    Not from /proc/PID/stat: its ticks are sampled, and a process woken by a timer may be in step with them.
    """
    total_ns = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total_ns += int((thread / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def pss_bytes(pids: list[int]) -> int:
    """Their proportional set size."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def measure(pids: list[int], seconds: float) -> Load:
    """Their load over the next `seconds`."""
    before, started = cpu_seconds(pids), time.monotonic()
    time.sleep(seconds)
    used, elapsed = cpu_seconds(pids) - before, time.monotonic() - started
    return Load(100 * used / elapsed, pss_bytes(pids))


@contextmanager
def running(*commands: list[str]) -> Iterator[list[int]]:
    """Processes for the length of a block; ended with SIGTERM, then SIGKILL."""
    children = [
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        yield [child.pid for child in children]
    finally:
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def simulator(cameras: int, port: int) -> tuple[subprocess.Popen[str], list[str]]:
    """`hulta simulate`, once it has announced all its cameras."""
    command = [sys.executable, "-P", "-m", "server", "simulate", "--cameras", str(cameras), "--port", str(port)]
    child = subprocess.Popen([*command, "--bitrate", "4M"], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, [child.stdout.readline().strip() for _ in range(cameras)]


def by_ffmpeg(urls: list[str], folder: Path, seconds: float) -> tuple[Load, int]:
    """One ffmpeg per camera."""
    commands = [
        [
            *("ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", url, "-c", "copy", "-f", "segment"),
            *("-segment_time", "10", "-segment_format_options", "movflags=+frag_keyframe+empty_moov+default_base_moof"),
            *("-reset_timestamps", "1", str(folder / f"{n:04}-%05d.mp4")),
        ]
        for n, url in enumerate(urls)
    ]
    with running(*commands) as pids:
        time.sleep(WARM_UP_S)
        load = measure(pids, seconds)
    return load, _stored(folder)


def by_hulta(urls: list[str], folder: Path, seconds: float) -> tuple[Load, int]:
    """`hulta record`, from an assignments file; the memory of the process without cameras is taken off."""
    from ingest.assignments import Assignment, write_assignments
    from media.url import CameraUrl
    from storage.layout import Layout
    from storage.secrets import SecretBox

    layout = Layout(folder)
    folder.mkdir(exist_ok=True)
    box = SecretBox.at(layout.key)
    write_assignments(layout.assignments, [], box)
    with running([sys.executable, "-P", "-m", "server", "record", "--data", str(folder)]) as pids:
        time.sleep(WARM_UP_S)
        empty = pss_bytes(pids)
        assignments = [
            Assignment(
                stream=uuid5(NAMESPACE_URL, f"{url}/stream"),
                camera=uuid5(NAMESPACE_URL, url),
                name=f"camera {n}",
                epoch=1,
                url=CameraUrl.parse(url),
                networks=("127.0.0.0/8",),
            )
            for n, url in enumerate(urls)
        ]
        write_assignments(layout.assignments, assignments, box)
        time.sleep(WARM_UP_S)
        load = measure(pids, seconds)
    return Load(load.cpu_percent, load.pss_bytes - empty), _stored(folder / "spool")


def by_raw_copy(urls: list[str], folder: Path, seconds: float) -> tuple[Load, int]:
    """One process that copies the sockets to files."""
    with running([sys.executable, "-m", "benchmarks.ingest", "--raw-copy", str(folder), *urls]) as pids:
        time.sleep(WARM_UP_S)
        load = measure(pids, seconds)
    return load, _stored(folder)


def _stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def raw_copy(folder: Path, urls: list[str]) -> None:
    """The floor: sockets to files, nothing looked at."""
    from ingest.backoff import Herd
    from ingest.client import open_session
    from ingest.session import RtspSession
    from media.url import CameraUrl
    from storage.clock import HostClock

    clock = HostClock()
    herd = Herd(clock)

    class Copy(RtspSession):
        file = -1

        def buffer_updated(self, nbytes: int) -> None:
            if self.file < 0:
                super().buffer_updated(nbytes)
            else:
                os.write(self.file, self._view[:nbytes])

        def get_buffer(self, sizehint: int) -> memoryview:
            if self.file < 0:
                return super().get_buffer(sizehint)
            return self._view

    from ingest import client

    client.RtspSession = Copy  # type: ignore[misc] # the handshake is ours, the copying is not
    for n, url in enumerate(urls):
        camera = await open_session(
            CameraUrl.parse(url), networks=["127.0.0.0/8"], herd=herd, clock=clock, emit=lambda _unit: None
        )
        session = camera.session
        assert isinstance(session, Copy)
        session._view = memoryview(bytearray(128 << 10))
        session.file = os.open(folder / f"{n:04}.bin", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    await asyncio.Event().wait()


WAYS: dict[str, Callable[[list[str], Path, float], tuple[Load, int]]] = {
    "raw copy": by_raw_copy,
    "hulta": by_hulta,
    "ffmpeg": by_ffmpeg,
}


def run(cameras: int, seconds: float, rounds: int, port: int) -> dict[str, object]:
    """All ways, interleaved."""
    child, urls = simulator(cameras, port)
    found: dict[str, list[Load]] = {way: [] for way in WAYS}
    source: list[float] = []
    try:
        for turn in range(rounds):
            for way, record in WAYS.items():
                with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
                    before, started = cpu_seconds([child.pid]), time.monotonic()
                    load, stored = record(urls, Path(folder), seconds)
                    source.append(100 * (cpu_seconds([child.pid]) - before) / (time.monotonic() - started))
                found[way].append(load)
                print(f"round {turn + 1} {way:9} {load.cpu_percent:6.1f} % CPU, {stored / 1e6:7.1f} MB", flush=True)
    finally:
        child.terminate()
        child.wait(10)
    return report(cameras, seconds, found, source)


def report(cameras: int, seconds: float, found: dict[str, list[Load]], source: list[float]) -> dict[str, object]:
    """Print the table and return it."""
    figures: dict[str, object] = {"cameras": cameras, "seconds": seconds, "simulator_cpu_percent": max(source)}
    print(f"\n{cameras} cameras x 4 Mbit/s, {seconds:.0f} s each; simulator at most {max(source):.0f} % of a core\n")
    print("| way | CPU per camera, % of a core (min / median / max) | memory per camera, MB |\n|---|---|---|")
    for way, loads in found.items():
        cpu = sorted(load.cpu_percent / cameras for load in loads)
        memory = statistics.median(load.pss_bytes for load in loads) / cameras / 1e6
        figures[way] = {"cpu_percent": [cpu[0], statistics.median(cpu), cpu[-1]], "memory_mb": memory}
        print(f"| {way} | {cpu[0]:.3f} / {statistics.median(cpu):.3f} / {cpu[-1]:.3f} | {memory:.2f} |")
    cost = {way: statistics.median(load.cpu_percent for load in loads) for way, loads in found.items()}
    figures["of_ffmpeg"], figures["of_raw_copy"] = cost["hulta"] / cost["ffmpeg"], cost["hulta"] / cost["raw copy"]
    print(f"\nhulta = {figures['of_ffmpeg']:.2f} x ffmpeg per camera, {figures['of_raw_copy']:.2f} x the raw copy")
    return figures


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8654)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--raw-copy", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("urls", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.raw_copy:
        import uvloop

        uvloop.run(raw_copy(options.raw_copy, options.urls))
        return
    figures = run(options.cameras, options.seconds, options.rounds, options.port)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
