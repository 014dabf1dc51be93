"""The ways to record that `ingest` compares. Each is a context: recorders run inside it, and are gone after it.

raw copy       one process, sockets to files: no parsing, no durability (the floor)
hulta record   RTP, access units, fragments, SHA-256 and chain, journal, fdatasync group commit
PyAV           one process, a thread per camera: demultiplex and write 10 s MP4 segments
ffmpeg         a process per camera: `ffmpeg -c copy -f segment`, 10 s MP4 segments (what most recorders do)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from benchmarks.children import hulta, running
from benchmarks.measuring import alive, directories, pss_bytes, until
from benchmarks.orders import Order, give_orders
from benchmarks.pyav_threads import SEGMENTS
from benchmarks.reader import ARRIVED_BYTES
from ingest.assignments import Assignment, write_assignments
from media.url import CameraUrl
from storage.layout import JOURNAL, Layout
from storage.secrets import SecretBox

START_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Recorders that run. What they store is below `stored`, in a directory per camera."""

    pids: list[int]
    stored: Path
    empty_pss_bytes: int = 0

    def arrived(self) -> int:
        """From how many cameras pictures are stored."""
        return sum(_has_pictures(sizes) for sizes in directories(self.stored).values())


Way = Callable[[Sequence[str], Path], AbstractContextManager[Recording]]


@contextmanager
def program(module: str, urls: Sequence[str], folder: Path) -> Iterator[Recording]:
    """One of our own recorders; see `orders`."""
    with running([sys.executable, "-m", module, str(folder)], log=folder / "log") as pids:
        _until_there(folder / "ready", pids, log=folder / "log")
        empty = pss_bytes(pids)
        give_orders(folder, _orders(urls, folder))
        yield Recording(pids=pids, stored=folder / "stored", empty_pss_bytes=empty)


@contextmanager
def hulta_record(urls: Sequence[str], folder: Path) -> Iterator[Recording]:
    """`hulta record`, from an assignments file that is empty at first."""
    layout = Layout(folder)
    box = SecretBox.at(layout.key)
    write_assignments(layout.assignments, [], box)
    with running(hulta("record", "--data", folder), log=folder / "log") as pids:
        _until_there(layout.socket("record"), pids, log=folder / "log")
        empty = pss_bytes(pids)
        write_assignments(layout.assignments, [_assignment(url) for url in urls], box)
        yield Recording(pids=pids, stored=layout.spool, empty_pss_bytes=empty)


@contextmanager
def ffmpegs(urls: Sequence[str], folder: Path) -> Iterator[Recording]:
    """A process per camera."""
    options = [word for name, value in SEGMENTS.items() for word in (f"-{name}", value)]
    commands = [
        [
            *("ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", order.url, "-c", "copy"),
            *("-f", "segment", *options, "-reset_timestamps", "1", str(order.folder / "%05d.mp4")),
        ]
        for order in _orders(urls, folder)
    ]
    with running(*commands, log=folder / "log") as pids:
        yield Recording(pids=pids, stored=folder / "stored")


FLOOR, HULTA, PYAV, FFMPEG = "raw copy", "hulta record", "PyAV, a thread each", "ffmpeg, a process each"

WAYS: dict[str, Way] = {
    FLOOR: partial(program, "benchmarks.raw_copy"),
    HULTA: hulta_record,
    PYAV: partial(program, "benchmarks.pyav_threads"),
    FFMPEG: ffmpegs,
}


def _has_pictures(sizes: Mapping[str, int]) -> bool:
    """Whether a camera's directory holds more than a handshake's worth; a run's journal is no camera's."""
    return any(size_bytes > ARRIVED_BYTES for name, size_bytes in sizes.items() if name != JOURNAL)


def _orders(urls: Sequence[str], folder: Path) -> list[Order]:
    """A directory for each camera."""
    orders = [Order(folder / "stored" / f"{number:04}", url) for number, url in enumerate(urls)]
    for order in orders:
        order.folder.mkdir(parents=True)
    return orders


def _assignment(url: str) -> Assignment:
    return Assignment(
        stream=uuid5(NAMESPACE_URL, f"{url}/stream"),
        camera=uuid5(NAMESPACE_URL, url),
        name=url,
        epoch=1,
        url=CameraUrl.parse(url),
        networks=("127.0.0.0/8",),
    )


def _until_there(path: Path, pids: list[int], *, log: Path) -> None:
    until(lambda: path.exists() or alive(pids) != pids, what=f"{path.name} of a recorder", within_s=START_S)
    if not path.exists():
        raise RuntimeError(f"a recorder ended at its start: {log.read_text('utf-8')[-500:]}")
