"""Odd devices that are recorded through libav: which, the processes that do it, and what is stored of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from ingest.assignments import Assignment, write_assignments
from media.fmp4_read import scan
from media.url import CameraUrl
from storage.layout import Layout
from tests.scenario.test_recording import LOOPBACK, Recording, recording, samples_of, stream_of
from tests.waiting import eventually

CANARY = "canary-of-another-camera"


def assign(record: Recording, *urls: str, tls_ca: str = "", tls_pin: str = "") -> None:
    """Record these through libav, and one more camera, whose password is nobody else's business."""
    common = Assignment(
        stream=stream_of(""),
        camera=stream_of("c"),
        name="",
        epoch=1,
        url=None,
        segment_us=1_000_000,
        networks=LOOPBACK,
    )
    wanted = [
        replace(
            common,
            stream=stream_of(url),
            camera=stream_of("c" + url),
            name=url[-30:],
            url=CameraUrl.parse(url),
            source="libav",
            tls_ca=tls_ca,
            tls_pin=tls_pin,
        )
        for url in urls
    ]
    other = CameraUrl.parse(f"rtsp://u:{CANARY}@127.0.0.1:9/x")
    wanted.append(replace(common, stream=stream_of(str(other)), name="other", url=other))
    write_assignments(Layout(record.data).assignments, wanted, record.box)


def children() -> dict[int, str]:
    """The processes of libav that this one or one of its children has, and their command lines."""
    found, unseen = {}, [os.getpid()]
    while unseen:
        pid = unseen.pop()
        try:
            line = proc(pid, "cmdline").replace(b"\0", b" ").decode()
            unseen += [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _children_of(task)]
        except OSError:
            continue  # it has just ended
        if "ingest.libav_child" in line:
            found[pid] = line
    return found


def _children_of(task: Path) -> list[str]:
    return (task / "children").read_text().split()


def proc(pid: int, name: str) -> bytes:
    """What the kernel says of a process."""
    return Path(f"/proc/{pid}/{name}").read_bytes()


@asynccontextmanager
async def odd(data: Path) -> AsyncIterator[Recording]:
    """A recording; afterwards no process is left."""
    async with recording(data) as record:
        yield record
    await eventually("no process left", lambda: not children())


def stored(record: Recording, url: str) -> list[bytes]:
    """Every stored access unit of a stream, in order."""
    units = []
    files = Layout(record.data).spool.glob(f"*/{stream_of(url)}/*.mp4")
    for path in sorted(files, key=lambda path: int(path.name.split(".")[2])):
        content = path.read_bytes()
        segment = scan(lambda at, n, c=content: c[at : at + n], len(content), verify=True)  # type: ignore[misc]
        assert not segment.torn
        units += samples_of(content, segment)
    return units


def gaps(record: Recording, url: str) -> list[str]:
    """The reasons of the gaps that were told, without the one from the beginning on."""
    return [note["reason"] for note in record.notes(url) if note["kind"] == "gap_open"][1:]
