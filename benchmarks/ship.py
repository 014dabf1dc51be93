"""What the way from the spool into an object store costs, through the real shipper and its catalog, beside a bare loop.

    python -m benchmarks.ship [--quick] [--work DIRECTORY]

Sealed segments of a minute of 4 Mbit/s lie in a spool, their pages in memory as those of the last minutes are. A way
takes all of them, the ways take turns:

    hard link   `Shipper` with `DirectoryStore` on the spool's disk: no byte is written twice, all are hashed
    hash loop   beside it: read and SHA-256, nothing else
    copy        `Shipper` where the store refuses links (EXDEV, as another disk does): copied, synced, hashed again
    copy loop   beside it: read, SHA-256, write, fdatasync, one file after the other
    bucket      `Shipper` into a bucket of a Ceph on this host, which shares its cores
    minio loop  beside it: `fput_object` of the minio client, one PUT a file, as many at a time as the shipper makes

Another store is one more `Destination`.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import uvloop

from benchmarks.plot import Panel, Series
from benchmarks.question import Run, main
from benchmarks.report import Column, Report
from benchmarks.spool_stock import Stock, make_stock
from benchmarks.spread import Spread, number
from storage import files
from storage.clock import HostClock
from storage.directory_store import DirectoryStore
from storage.layout import Layout
from storage.objects import ObjectStore
from storage.s3_store import S3Store
from storage.secrets import SecretBox
from storage.shipper import Shipper
from storage.sqlite_catalog import SqliteCatalog
from storage.store_ownership import claim_store
from storage.uploads import AT_ONCE
from tests.ceph_server import Ceph, ceph_server

SEGMENTS, QUICK_SEGMENTS = 24, 4
ROUNDS = 5
CITY_MB_PER_S = 110.0  # 220 cameras of 4 Mbit/s
_BLOCK = 1 << 20
_ONE_PUT = 256 << 20  # below it the client sends one piece
_DISK_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class Cost:
    """What a way took for all segments."""

    seconds: float
    cpu_s: float


Bare = Callable[[list[Path], Path], None]
"""The least that must be done with these files so that they are below a directory."""


@dataclass(frozen=True, slots=True)
class Destination:
    """An object store to ship to, and the loop that its cost is compared with."""

    name: str
    store: Callable[[Path], AbstractAsyncContextManager[ObjectStore]]
    bare_name: str
    bare: Bare


@asynccontextmanager
async def linked(root: Path) -> AsyncIterator[ObjectStore]:
    """The directory store on the spool's disk."""
    store = DirectoryStore(root)
    try:
        yield store
    finally:
        store.close()


@asynccontextmanager
async def copied(root: Path) -> AsyncIterator[ObjectStore]:
    """The directory store as if on another disk."""
    with another_disk(root):
        async with linked(root) as store:
            yield store


@contextmanager
def another_disk(root: Path) -> Iterator[None]:
    """Have links from outside of `root` into it refused, as between two disks."""
    real = files.link

    def link(source: Path, target: Path) -> None:
        if target.is_relative_to(root) and not source.is_relative_to(root):
            raise OSError(errno.EXDEV, "another disk")
        real(source, target)

    files.link = link
    try:
        yield
    finally:
        files.link = real


def hash_loop(paths: list[Path], _target: Path) -> None:
    """Read and hash."""
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def copy_loop(paths: list[Path], target: Path) -> None:
    """Read, hash, write, sync."""
    for number_of, path in enumerate(paths):
        digest, offset = hashlib.sha256(), 0
        fd = files.create_exclusive(target / f"{number_of}")
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                offset += files.append(fd, [block], offset)
        files.datasync(fd)
        files.close(fd)
    files.sync_directory(target)


DESTINATIONS = (
    Destination("directory, hard link", linked, "hash loop", hash_loop),
    Destination("directory, copy", copied, "copy loop", copy_loop),
)


def bucket_of(ceph: Ceph) -> Destination:
    """A bucket of a server that runs."""

    @asynccontextmanager
    async def store(_root: Path) -> AsyncIterator[ObjectStore]:
        opened = S3Store(ceph.address(bucket=ceph.make_bucket()), HostClock())
        try:
            yield opened
        finally:
            opened.close()

    client, bucket, rounds = ceph.client(), ceph.make_bucket(), count()

    def minio_loop(paths: list[Path], _target: Path) -> None:
        number_of = next(rounds)

        def put(path: Path) -> None:
            client.fput_object(bucket, f"{number_of}/{path.name}", str(path), part_size=_ONE_PUT)

        with ThreadPoolExecutor(AT_ONCE) as threads:
            for done in [threads.submit(put, path) for path in paths]:
                done.result()

    return Destination("bucket", store, "minio loop", minio_loop)


async def ship(destination: Destination, stock: Stock, root: Path) -> Cost:
    """The real shipper, from a spool full of segments until none is left."""
    layout = Layout(root)
    with stock.spooled(layout.spool):
        async with (
            await SqliteCatalog.open(layout.catalog, HostClock(), SecretBox.at(layout.key)) as catalog,
            destination.store(layout.objects) as store,
        ):
            await claim_store(catalog, store)  # and with it what the server can do: once a life, 0.3 s
            shipper = Shipper(catalog, store, layout, HostClock())
            cpu, began = time.process_time(), time.perf_counter()
            cycles = 0
            while await shipper.run_once() and cycles < len(stock.paths):
                cycles += 1
            cost = Cost(time.perf_counter() - began, time.process_time() - cpu)
            state = shipper.state()
    if (state["stored_segments"], state["backlog_segments"]) != (len(stock.paths), 0):
        raise RuntimeError(f"{destination.name}: not everything was shipped: {state}")
    return cost


def bare(destination: Destination, stock: Stock, root: Path) -> Cost:
    """The loop beside it."""
    cpu, began = time.process_time(), time.perf_counter()
    destination.bare(stock.paths, root)
    return Cost(time.perf_counter() - began, time.process_time() - cpu)


def measure(run: Run) -> Report:
    """All ways in turns."""
    stock = make_stock(run.work / "stock", QUICK_SEGMENTS if run.quick else SEGMENTS)
    costs: dict[str, list[Cost]] = {}
    for _ in range(1 if run.quick else ROUNDS):
        for each in DESTINATIONS:
            measure_bare(each, stock, run.work, costs)
            measure_shipped(each, stock, run.work, costs)
        for measure_way in (measure_bare, measure_shipped):
            with ceph_server(disk_bytes=_DISK_BYTES) as ceph:  # a new one each time: one that has grown is half as fast
                measure_way(bucket_of(ceph), stock, run.work, costs)
    return report(stock, costs)


def measure_bare(destination: Destination, stock: Stock, work: Path, costs: dict[str, list[Cost]]) -> None:
    """Its loop."""
    with _emptied(work / "bare") as root:
        costs.setdefault(destination.bare_name, []).append(bare(destination, stock, root))


def measure_shipped(destination: Destination, stock: Stock, work: Path, costs: dict[str, list[Cost]]) -> None:
    """The way itself."""
    with _emptied(work / "data") as root:
        costs.setdefault(destination.name, []).append(uvloop.run(ship(destination, stock, root)))


@contextmanager
def _emptied(root: Path) -> Iterator[Path]:
    root.mkdir()
    try:
        yield root
    finally:
        shutil.rmtree(root)


def report(stock: Stock, costs: dict[str, list[Cost]]) -> Report:
    """The table and the plot."""
    size_mb = stock.size_bytes / 1e6
    found = Report(
        "ship",
        asks="What does it cost to bring segments into the object store and the catalog?",
        method=[
            f"{len(stock.paths)} sealed segments of a minute, {size_mb:.0f} MB in all, pages in memory; ways in turns.",
            "What a store can do and whose it is was asked before, as once in a life (0.3 s of a bucket).",
            "`Shipper.run_once` until nothing is left: intake, rows, hash, put, verify, `stored`, read back, unlink.",
            "Copy: links are refused as between two disks (EXDEV), but both are the same disk.",
            "Bucket: a Ceph RGW on the same cores, new for each way, its objects in memory.",
            f"As many PUTs at a time as it takes, {AT_ONCE} at most; in its loop always as many.",
            "CPU: user and kernel mode of the whole process, all threads; a server's is its own.",
        ],
    )
    table = found.table(
        "Spool to object store and catalog",
        Column("way"),
        Column("throughput", "MB/s", 0),
        Column("CPU", "ms/MB", 2),
        Column("CPU for 220 cameras of 4 Mbit/s", "% of a core"),
        Column("CPU of its loop", "x", 2),
        Column("throughput of its loop", "x", 2),
    )
    cpu = {way: Spread.of(each.cpu_s * 1e3 / size_mb for each in taken) for way, taken in costs.items()}
    rates = {way: Spread.of(size_mb / each.seconds for each in taken) for way, taken in costs.items()}
    pairs = list(zip(*[iter(costs)] * 2, strict=True))
    for bare_name, name in pairs:
        for way in (bare_name, name):
            share = cpu[way].times(CITY_MB_PER_S / 1000 * 100)
            table.add(
                way,
                rates[way],
                cpu[way],
                share,
                cpu[way].ratio_to(cpu[bare_name]),
                rates[way].ratio_to(rates[bare_name]),
            )
    first = DESTINATIONS[0]
    ratio = cpu[first.name].ratio_to(cpu[first.bare_name]).median
    found.plot(
        f"Shipping by hard link takes {number(cpu[first.name].median, 2)} ms of CPU a MB, "
        f"{number(ratio, 2)} x of reading and hashing alone.",
        _panel("CPU", "ms/MB", cpu),
        _panel("throughput", "MB/s", rates),
    )
    return found


def _panel(quantity: str, unit: str, figures: dict[str, Spread]) -> Panel:
    series = [Series(quantity, list(figures.values()))]
    return Panel(along="way", at=list(figures), quantity=quantity, unit=unit, series=series)


if __name__ == "__main__":
    main(measure)
