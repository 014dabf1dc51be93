"""The recording process against good and bad cameras: what is in the spool afterwards."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest

from ingest.assignments import Assignment, write_assignments
from ingest.worker import Worker
from media.fmp4_read import scan
from media.h264 import split_length_prefixed
from media.url import CameraUrl
from simulator.options import Credentials, SimulatorOptions
from simulator.oracle import checksum, find_sei
from simulator.sent_log import SentFrame
from simulator.simulator import Simulator
from storage import files
from storage.clock import HostClock
from storage.journal import read_journal
from storage.layout import Layout
from storage.secrets import SecretBox
from tests.waiting import eventually

LOOPBACK = ("127.0.0.0/8",)


@dataclass
class Recording:
    """A worker on a data directory, and what it left in the spool."""

    data: Path
    box: SecretBox = field(init=False)
    worker: Worker = field(init=False)

    def __post_init__(self) -> None:
        self.box = SecretBox.at(Layout(self.data).key)
        self.worker = Worker(data=Layout(self.data), host="test", clock=HostClock(), box=self.box)

    def assign(self, *urls: str, **settings: Any) -> None:
        """Record these and nothing else."""
        self.follow(*(assigned(url, **settings) for url in urls))

    def follow(self, *assignments: Assignment) -> None:
        """Likewise, each with settings of its own."""
        write_assignments(Layout(self.data).assignments, assignments, self.box)

    def state(self, url: str) -> dict[str, Any]:
        """What the worker says about a stream; empty before it knows it."""
        found: dict[str, Any] = self.worker.state()["streams"].get(str(stream_of(url)), {})
        return found

    def durable(self, url: str) -> int:
        """The number of the last durable segment, -1 before the first."""
        durable = self.state(url).get("durable")
        return -1 if durable is None else int(durable["sequence"])

    def notes(self, url: str) -> list[dict[str, Any]]:
        """The journal's records about a stream."""
        (path,) = Layout(self.data).spool.glob("*/journal")
        journal = path.read_bytes()
        records = read_journal(lambda at, n: journal[at : at + n], len(journal)).records
        return [r.fields for r in records if r.fields.get("stream") == str(stream_of(url))]

    def frames(self, url: str) -> list[tuple[int, int, bool]]:
        """Every stored access unit of a stream in order: oracle frame number, CRC, whether the CRC holds."""
        found = []
        for path in sorted(
            Layout(self.data).spool.glob(f"*/{stream_of(url)}/*.mp4"), key=lambda path: int(path.name.split(".")[2])
        ):
            content = path.read_bytes()
            segment = scan(lambda at, n, c=content: c[at : at + n], len(content), verify=True)  # type: ignore[misc]
            assert not segment.torn
            for sample in samples_of(content, segment):
                nals = split_length_prefixed(sample)
                mark = find_sei(nals)
                assert mark is not None
                found.append((mark.frame, mark.crc32, mark.crc32 == checksum(nals)))
        return found


def samples_of(content: bytes, segment: Any) -> list[bytes]:
    """The access units of a segment file."""
    from media.fmp4_read import fragment_samples

    units = []
    for fragment in segment.fragments:
        _, samples = fragment_samples(content[fragment.commit.offset : fragment.data_offset - 8])
        at = fragment.data_offset
        for sample in samples:
            units.append(content[at : at + sample.size_bytes])
            at += sample.size_bytes
    return units


def assigned(url: str, **settings: Any) -> Assignment:
    """A stream to be recorded from a URL."""
    return Assignment(
        stream=stream_of(url),
        camera=uuid5(NAMESPACE_URL, url),
        name=CameraUrl.parse(url).request_url,
        epoch=1,
        url=CameraUrl.parse(url),
        segment_us=2_000_000,
        networks=LOOPBACK,
        **settings,
    )


def stream_of(url: str) -> UUID:
    """A fixed stream id for a test URL."""
    return uuid5(NAMESPACE_URL, url + "#stream")


@asynccontextmanager
async def recording(data: Path) -> AsyncIterator[Recording]:
    """A running worker; sealed and closed at the end of the block."""
    record = Recording(data)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(record.worker.run(stop))
        try:
            yield record
        finally:
            stop.set()


@asynccontextmanager
async def camera(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A camera that answers as told. Yields its URL."""
    connections = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"rtsp://127.0.0.1:{port}/cam"
    finally:
        server.close()
        for writer in connections:
            writer.transport.abort()
        await server.wait_closed()


async def test_every_frame_sent_is_stored_once_and_unaltered(tmp_path: Path) -> None:
    """From the first sync sample to the last frame: all frames, in order, with the bytes that were sent."""
    sent: list[SentFrame] = []
    async with Simulator(SimulatorOptions(cameras=2, port=0), sent=sent.append) as cameras:
        async with recording(tmp_path) as record:
            record.assign(*cameras.urls)
            for url in cameras.urls:
                await eventually("two segments are durable", lambda url=url: record.durable(url) >= 1)
                assert abs(record.state(url)["camera_clock_offset_us"]) < 500_000, "its reports were not heard"
        for url, name in zip(cameras.urls, cameras.cameras, strict=True):
            stored = record.frames(url)
            first, last = stored[0][0], stored[-1][0]
            expected = [(f.frame, f.crc32, True) for f in sent if f.camera == name and first <= f.frame <= last]
            assert stored == expected
            assert next(f.frame for f in sent if f.camera == name) == first  # the session began with a sync sample


async def test_a_camera_with_a_password_is_recorded(tmp_path: Path) -> None:
    """Digest and Basic."""
    for schemes in (("digest",), ("basic",)):
        options = SimulatorOptions(port=0, credentials=Credentials(username="op", password="s:e@c", schemes=schemes))
        data = tmp_path / schemes[0]
        data.mkdir()
        async with Simulator(options) as cameras, recording(data) as record:
            url = cameras.urls[0].replace("rtsp://", "rtsp://op:s%3Ae%40c@")
            record.assign(url)
            await eventually("something is durable", lambda url=url, record=record: record.durable(url) >= 0)


async def test_a_wrong_password_is_a_gap_with_that_reason_and_is_not_tried_again(tmp_path: Path) -> None:
    """One login attempt, or the camera locks the account; the message has no password in it."""
    options = SimulatorOptions(port=0, credentials=Credentials(username="op", password="right"))
    async with Simulator(options) as cameras, recording(tmp_path) as record:
        url = cameras.urls[0].replace("rtsp://", "rtsp://op:wrong-secret@")
        record.assign(url)
        await eventually("the login was refused", lambda: record.state(url).get("reason") == "auth")
        assert record.state(url)["sessions"] == 1
        assert "wrong-secret" not in str(record.worker.state())
    kinds = [(note["kind"], note.get("reason")) for note in record.notes(url)]
    assert kinds == [("stream_start", None), ("gap_open", "auth"), ("gap_open", "shutdown")]


async def test_a_camera_that_goes_away_leaves_a_tight_gap(tmp_path: Path) -> None:
    """The gap begins where the stored footage ends and ends where it begins again; no stored frame lies inside."""
    sent: list[SentFrame] = []
    options = SimulatorOptions(port=0)
    async with recording(tmp_path) as record:
        async with Simulator(options, sent=sent.append) as cameras:
            (url,) = cameras.urls
            port = CameraUrl.parse(url).port
            record.assign(url)
            await eventually("something is durable", lambda: record.durable(url) >= 0)
        await eventually("the camera is missed", lambda: record.state(url)["state"] == "failed")
        await eventually("what it sent is durable", lambda: record.state(url)["pending_bytes"] == 0)
        before = record.durable(url)
        async with Simulator(SimulatorOptions(port=port), sent=sent.append):
            await eventually("it is recorded again", lambda: record.durable(url) > before)
    notes = [note for note in record.notes(url) if note["kind"] in ("gap_open", "gap_close")]
    opened, closed = notes[1]["at_us"], next(note["at_us"] for note in notes[2:] if note["kind"] == "gap_close")
    assert notes[1]["reason"] in ("unreachable", "refused")
    stored = {frame for frame, _, _ in record.frames(url)}
    for frame in sent:
        inside = opened + 50_000 < frame.sent_us < closed - 50_000
        assert inside != (frame.frame in stored) or not inside
        if frame.frame not in stored:
            assert opened - 50_000 < frame.sent_us < closed + 50_000 or frame.sent_us > closed


async def test_changing_one_camera_does_not_touch_another(tmp_path: Path) -> None:
    """A camera is added and another removed while the first one's session goes on, and all it sends is stored.

    A process that stands still for seconds is a hole in what the camera sends: a gap of its own, declared as one.
    """
    sent: list[SentFrame] = []
    options = SimulatorOptions(cameras=3, port=0)
    async with Simulator(options, sent=sent.append) as cameras, recording(tmp_path) as record:
        first, second, third = cameras.urls
        record.assign(first, second)
        await eventually("both are durable", lambda: record.durable(first) >= 0 and record.durable(second) >= 0)
        record.assign(first, third)
        await eventually("the third is durable", lambda: record.durable(third) >= 0)
        await eventually("the second is off", lambda: record.state(second)["state"] == "disabled")
        record.assign(first, second, third)
        before = record.durable(second)
        await eventually("the second is back", lambda: record.durable(second) > before)
        assert record.state(first)["sessions"] == 1
        assert record.state(first)["lost_packets"] == 0
    kinds = [(note["kind"], note.get("reason")) for note in record.notes(second)]
    off = kinds.index(("gap_open", "camera_disabled"))
    assert ("gap_close", None) in kinds[:off]
    assert ("gap_close", None) in kinds[off:]
    reasons = [note["reason"] for note in record.notes(first) if note["kind"] == "gap_open"]
    assert reasons[-1] == "shutdown"
    assert "camera_disabled" not in reasons
    stored = [frame for frame, _, _ in record.frames(first)]
    assert stored == [frame.frame for frame in sent if frame.camera == "cam/0001"][: len(stored)]


async def test_a_full_disk_costs_declared_time_and_heals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While writes fail nothing is announced durable and the loss is a gap; then recording goes on by itself."""
    full = False
    append = files.append

    def failing(fd: int, buffers: Any, offset: int) -> int:
        if full and sum(map(len, buffers)) > 10_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return append(fd, buffers, offset)

    monkeypatch.setattr(files, "append", failing)
    async with Simulator(SimulatorOptions(port=0)) as cameras, recording(tmp_path) as record:
        (url,) = cameras.urls
        record.assign(url)
        await eventually("something is durable", lambda: record.durable(url) >= 0)
        full = True
        reason = "spool_full"
        await eventually("the loss is noted", lambda: any(note.get("reason") == reason for note in record.notes(url)))
        announced = record.state(url)["durable"]
        full = False
        await eventually("it records again", lambda: record.state(url)["durable"] != announced)
    notes = [note for note in record.notes(url) if note["kind"] in ("gap_open", "gap_close")]
    lost = next(i for i, note in enumerate(notes) if note.get("reason") == reason)
    assert notes[lost]["at_us"] == announced["through_us"]
    assert any(note["kind"] == "gap_close" for note in notes[lost:])


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "not_found"), (453, "busy"), (503, "busy"), (403, "auth"), (461, "unsupported"), (500, "protocol")],
)
async def test_a_refusal_has_its_reason(tmp_path: Path, status: int, reason: str) -> None:
    """What the camera answers becomes the reason of the gap."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        cseq = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"cseq"))
        writer.write(b"RTSP/1.0 %d Sorry\r\n%s\r\n\r\n" % (status, cseq))
        await writer.drain()
        await reader.read()

    async with camera(refuse) as url, recording(tmp_path) as record:
        record.assign(url)
        await eventually("the reason is known", lambda: record.state(url).get("reason") == reason)
        assert str(status) in record.state(url)["detail"]


async def test_garbage_is_a_protocol_error_and_stays_with_its_camera(tmp_path: Path) -> None:
    """A camera that talks nonsense fails; its neighbour records on."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(bytes(range(256)) * 100)
        await writer.drain()
        await reader.read()

    async with Simulator(SimulatorOptions(port=0)) as cameras, camera(babble) as bad, recording(tmp_path) as record:
        (good,) = cameras.urls
        record.assign(good, bad)
        await eventually("the bad one fails", lambda: record.state(bad).get("reason") == "protocol")
        await eventually("the good one records", lambda: record.durable(good) >= 0)
        assert record.state(good)["sessions"] == 1


async def test_nobody_there_is_refused(tmp_path: Path) -> None:
    """A closed port."""
    async with recording(tmp_path) as record:
        url = "rtsp://127.0.0.1:1/cam"
        record.assign(url)
        await eventually("the reason is known", lambda: record.state(url).get("reason") == "refused")
