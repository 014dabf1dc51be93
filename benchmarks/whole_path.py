"""What a host spends on the whole way: cameras, spool, an S3 server, a PostgreSQL catalog, all on this machine.

    python -m benchmarks.whole_path [--quick]

`hulta run` records the city of examples/boras.yaml into a bucket of a Ceph and a database of a PostgreSQL: all of it
for a minute, and half of it for two, because the Ceph keeps its objects in memory. The figures are of a
city that is recorded without a gap and stored as fast as it comes, or the report says that they are not.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.children import end, hulta, running, start
from benchmarks.measuring import alive, cpu_seconds, pss_bytes, until
from benchmarks.plot import Panel, Series
from benchmarks.question import Run, main
from benchmarks.report import Column, Report
from benchmarks.spread import Spread, number
from server.city import read_fleet
from simulator.options import CameraOptions
from storm.api import Api, ApiFailed, within
from storm.processes import children, role_of
from storm.waiting import wall_us
from tests.ceph_server import ACCESS_KEY, SECRET_KEY, Ceph, ceph_server
from tests.ports import free_port
from tests.postgres_server import PostgresServer, postgres_server

FLEET = Path(__file__).parents[1] / "examples" / "boras.yaml"
TURNS, QUICK_TURNS = ((220, 60.0), (110, 120.0)), ((10, 10.0),)
"""Cameras, and seconds."""

DISK_BYTES = 12 << 30
LATE_S = 5.0
ARRIVAL_S = 120.0
SETTLE_S = 5.0
BEHIND_S = 10.0
"""A segment that is sealed waits less than this for the store, or the store does not keep up."""

BUDGET_PERCENT = 100.0
CITY = 220
OTHERS = ("simulator", "PostgreSQL", "Ceph")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one fleet took: CPU in percent of a core and memory in bytes by part; what came of it."""

    cameras: int
    seconds: float
    stored_bytes: float
    oldest_waiting_s: float
    gaps: int
    cpu_percent: dict[str, float]
    pss_bytes: dict[str, int]

    @property
    def complete(self) -> bool:
        """Whether everything was recorded, and stored as fast as it came."""
        return not self.gaps and self.oldest_waiting_s <= BEHIND_S

    @property
    def product_percent(self) -> float:
        """CPU of all processes of Hulta."""
        return sum(percent for part, percent in self.cpu_percent.items() if part not in OTHERS)


def measure(run: Run) -> Report:
    """All turns."""
    turns = []
    for cameras, seconds in QUICK_TURNS if run.quick else TURNS:
        turns.append(one_turn(read_fleet(FLEET)[:cameras], run.work / f"{cameras}", seconds))
        print(turns[-1], flush=True)
    return report(turns)


def one_turn(cameras: tuple[CameraOptions, ...], work: Path, wanted_s: float) -> Turn:
    """One fleet, from an empty bucket and an empty database."""
    work.mkdir()
    with ExitStack() as around:
        pg, ceph = around.enter_context(postgres_server()), around.enter_context(ceph_server(disk_bytes=DISK_BYTES))
        simulator, urls = around.enter_context(_city(cameras))
        port, config = free_port(), work / "hulta.json"
        config.touch(0o600)
        config.write_text(json.dumps(_config(cameras, urls, pg, ceph, port)))  # JSON is YAML
        command = hulta("run", "--config", config, "--data", work / "data")
        (supervisor,) = around.enter_context(running(command, log=work / "hulta.log"))
        api = Api(port)
        until(lambda: _durable(api) == len(cameras), what="every camera is recorded", within_s=ARRIVAL_S, poll_s=1)
        time.sleep(SETTLE_S)  # from connecting
        roots = {"simulator": [simulator], "PostgreSQL": [pg.pid], "Ceph": ceph.pids, "supervisor": [supervisor]}
        from_us, began = wall_us(), time.monotonic()
        stored_before, before = _metrics(port)["hulta_stored_bytes_total"], _cpu_s(roots)
        time.sleep(wanted_s)
        after, metrics = _cpu_s(roots), _metrics(port)
        seconds, to_us = time.monotonic() - began, wall_us()
        if seconds > wanted_s + LATE_S:
            raise RuntimeError(f"{wanted_s:.0f} s took {seconds:.0f} s: the machine stood still, nothing can be said")
        return Turn(
            cameras=len(cameras),
            seconds=seconds,
            stored_bytes=metrics["hulta_stored_bytes_total"] - stored_before,
            oldest_waiting_s=metrics["hulta_backlog_age_seconds"],
            gaps=sum(len(_gaps(api, camera.name, from_us, to_us)) for camera in cameras),
            cpu_percent={part: 100 * (used - before.get(part, 0)) / seconds for part, used in after.items()},
            pss_bytes={part: pss_bytes(pids) for part, pids in _parts(roots).items()},
        )


@contextmanager
def _city(cameras: tuple[CameraOptions, ...]) -> Iterator[tuple[int, list[str]]]:
    """`hulta simulate` with the whole city, of which some are read: its id, and the URLs of these."""
    child = start(hulta("simulate", "--fleet", FLEET, "--port", "0"), stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        urls = [child.stdout.readline().strip() for _ in cameras]
        if not all(urls):
            raise RuntimeError("the simulator ended before it announced its cameras")
        yield child.pid, urls
    finally:
        end([child])
        child.stdout.close()


def _config(
    cameras: tuple[CameraOptions, ...], urls: list[str], pg: PostgresServer, ceph: Ceph, port: int
) -> dict[str, Any]:
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    recorded = [
        {"name": camera.name, "url": url, "bitrate": str(camera.bitrate_bps), "policy": "default"}
        for camera, url in zip(cameras, urls, strict=True)
    ]
    return {
        "host": {"name": "bench", "listen": f"127.0.0.1:{port}"},
        "store": {"url": f"s3://{ceph.make_bucket()}/city", "endpoint": ceph.endpoint, **keys},
        "catalog": {"url": f"{pg.url}/postgres", "accept_loss": True},
        "spool": {"accept_loss": True},
        "policies": {"default": {"keep_max": "62d", "purpose": "benchmark"}},
        "sites": [{"name": "city", "networks": ["127.0.0.0/8"], "cameras": recorded}],
    }


def _durable(api: Api) -> int:
    """How many cameras have footage that is safe."""
    try:
        return sum(camera["durable"] is not None for camera in api.json("recording")["cameras"])
    except ApiFailed:
        return 0


def _gaps(api: Api, camera: str, from_us: int, to_us: int) -> list[Any]:
    timeline = api.json("cameras", camera, "timeline", query=within(from_us, to_us))
    return [*timeline["gaps"], *timeline["missing"]]


def _metrics(port: int) -> dict[str, float]:
    """Those without labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = [line.split() for line in answer.read().decode().splitlines() if line[0] != "#" and "{" not in line]
    return {name: float(value) for name, value in lines}


def _parts(roots: dict[str, list[int]]) -> dict[str, list[int]]:
    """Every process that is there now, by part; those of Hulta by role."""
    found: dict[str, list[int]] = {}
    for part, pids in roots.items():
        waiting = [*pids]
        while waiting:
            pid = waiting.pop()
            waiting += children(pid)
            found.setdefault(part if part in OTHERS else role_of(pid) or part, []).append(pid)
    return {part: alive(pids) for part, pids in found.items()}


def _cpu_s(roots: dict[str, list[int]]) -> dict[str, float]:
    return {part: cpu_seconds(pids) for part, pids in _parts(roots).items()}


def report(turns: list[Turn]) -> Report:
    """A table for each turn."""
    found = Report(
        "whole_path",
        asks="What does a host spend on the whole way from cameras to S3 and PostgreSQL?",
        method=[
            f"The first cameras of examples/{FLEET.name}; `hulta run` with segments of a minute.",
            "Cameras, Ceph RGW (objects in memory) and PostgreSQL (no fsync) are on the same machine.",
            "CPU by schedstat, user and kernel mode of all processes of a part; memory as PSS.",
            f"Complete: no camera has a gap, and no sealed segment waits for longer than {BEHIND_S:.0f} s in the end.",
        ],
    )
    for turn in turns:
        _tell(found, turn)
    first = turns[0]
    of_product = first.product_percent * CITY / first.cameras
    found.plot(
        f"On the whole way {CITY} cameras take {number(of_product, 0)} % of a core, cameras and servers not counted.",
        Panel(
            along="part",
            at=[*first.cpu_percent],
            quantity="CPU",
            unit="% of a core",
            series=[
                Series(f"{turn.cameras} cameras", [Spread((turn.cpu_percent[part],)) for part in first.cpu_percent])
                for turn in turns
            ],
        ),
    )
    return found


def _tell(found: Report, turn: Turn) -> None:
    per_camera = CITY / turn.cameras
    table = found.table(
        f"{turn.cameras} cameras for {turn.seconds:.0f} s",
        Column("part"),
        Column("CPU", "% of a core", 1),
        Column(f"for {CITY} cameras", "% of a core", 1),
        Column("memory", "MB", 0),
    )
    for part, percent in sorted(turn.cpu_percent.items(), key=lambda each: -each[1]):
        table.add(part, Spread((percent,)), Spread((percent * per_camera,)), turn.pss_bytes[part] / 1e6)
    what = f"all processes of Hulta, {CITY} cameras by those of {turn.cameras}"
    of_product = Spread((turn.product_percent * per_camera,))
    found.budget(what, of_product, unit="% of a core", at_most=BUDGET_PERCENT, digits=1)
    largest = max(turn.cpu_percent, key=lambda part: turn.cpu_percent[part])
    found.note(
        f"{turn.cameras} cameras: {turn.stored_bytes / 1e9:.2f} GB stored, "
        f"{turn.stored_bytes / turn.seconds / 1e6:.0f} MB/s; {'complete' if turn.complete else 'NOT complete'}: "
        f"{turn.gaps} gaps, the oldest segment waits {turn.oldest_waiting_s:.1f} s. All parts together take "
        f"{sum(turn.cpu_percent.values()):.0f} % of a core; the largest is {largest}."
    )


if __name__ == "__main__":
    main(measure)
