"""Two real disks under the real product: one fails for good, and its camera goes on on the other."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.product import running, simulated
from tests.small_disk import Ext4Disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CAMERAS = 14
"""Ids are random, and so is who is recorded where: one disk has none of them once in 8000 times."""
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


def shut_down(point: Path) -> None:
    """From now on every operation on this file system fails with EIO, as on a disk that was pulled."""
    fd = os.open(point, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    finally:
        os.close(fd)


def wait_for(what: str, look: Callable[[], Any], seconds: float = 60) -> Any:
    """What a look finds, once it finds something."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if found := look():
                return found
        except httpx.TransportError:
            pass  # it has not begun to answer
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds} s")


class Product:
    """What an operator sees of it."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def durable(self, what: str) -> dict[str, str]:
        """Of each camera that has any: a fact of its newest durable fragment."""
        cameras = self._http.get("/api/v1/recording").raise_for_status().json()["cameras"]
        return {each["name"]: each["durable"][what] for each in cameras if each["durable"]}

    def all_durable(self, since: str = "") -> dict[str, str] | None:
        """The runs of all cameras, once each has durable footage past an instant."""
        through = self.durable("through")
        return self.durable("run") if len(through) == CAMERAS and min(through.values()) > since else None

    def stored(self) -> float:
        """Segments in the object store."""
        lines = self.metrics().splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith("hulta_stored_segments_total ")), 0)

    def metrics(self) -> str:
        """As Prometheus has them."""
        return self._http.get("/metrics").text

    def gaps(self, name: str, start: str, end: str) -> list[str]:
        """The reasons of a camera's gaps."""
        answer = self._http.get(f"/api/v1/cameras/{name}/timeline", params={"from": start, "to": end})
        return [gap["reason"] for gap in answer.raise_for_status().json()["gaps"]]


@pytest.mark.scenario
@pytest.mark.timeout(240)
def test_cameras_of_a_disk_that_dies_go_on_on_the_other(tmp_path: Path) -> None:
    """Those of the other disk lose nothing; of its own what is lost is one gap that names the disk."""
    points = [tmp_path / "a", tmp_path / "b"]
    disks = [Ext4Disk(tmp_path / f"{point.name}.img", 200 << 20) for point in points]
    with (
        disks[0].mounted(points[0]),
        disks[1].mounted(points[1]),
        simulated("--bitrate", "1M", cameras=CAMERAS) as urls,
    ):
        cameras: dict[str, str | dict[str, str]] = {f"cam{number}": url for number, url in enumerate(urls)}
        spool = {"accept_loss": True, "disks": [str(point) for point in points]}
        with running(tmp_path, cameras, segment_s=4, spool=spool) as http:
            product = Product(http)
            before = wait_for("all record", product.all_durable)
            began = max(product.durable("through").values())
            of_b = {name for name, run in before.items() if (points[1] / run).is_dir()}
            assert 0 < len(of_b) < CAMERAS, "both disks have cameras"
            wait_for("footage of all is stored, and some is open", lambda: product.stored() > CAMERAS)
            shut_down(points[1])
            moved = wait_for("they move", lambda: product.all_durable(_later(began, 12)))
            assert {name for name in moved if moved[name] != before[name]} == of_b
            stored = product.stored()
            wait_for("what is recorded now is stored", lambda: product.stored() > stored + 2 * CAMERAS)
            until = _later(began, 12)
            gaps = {name: product.gaps(name, began, until) for name in cameras}
            assert gaps == {name: ["disk_error"] if name in of_b else [] for name in cameras}
            assert f'hulta_spool_retired{{spool="{points[1]}"}} 1.0' in product.metrics()
    remembered = json.loads((tmp_path / "data" / "installation").read_text())["disks"].values()
    assert [disk["path"] for disk in remembered if disk.get("retired")] == [str(points[1])]


def _later(instant: str, seconds: float) -> str:
    return (datetime.fromisoformat(instant) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
