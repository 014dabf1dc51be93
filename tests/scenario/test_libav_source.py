"""Odd devices, recorded through a process of libav's: what they sent is what is stored, whatever happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from ingest import libav_source
from ingest.approach import Approach, SourceName
from ingest.backoff import Herd
from ingest.opening import open_source
from ingest.tls import pin_of
from ingest.tracks import TrackTaker
from media.nal import split_annex_b, split_length_prefixed
from media.url import CameraUrl
from simulator import Simulator, SimulatorOptions
from storage.clock import HostClock
from storage.layout import Layout
from tests.builders_libav import CANARY, assign, children, odd, proc, stored
from tests.certificates import certify
from tests.mjpeg_server import jpeg, web_camera
from tests.ports import free_port
from tests.product import running
from tests.scenario.test_foreign_cameras import LUMA_ERROR_MAX, gstreamer, source_pictures, stored_pictures
from tests.scenario.test_recording import LOOPBACK
from tests.waiting import eventually

pytestmark = pytest.mark.scenario


async def test_a_process_that_is_killed_costs_a_gap(tmp_path: Path) -> None:
    """It is started again; what came before and after is there, and nothing twice. No descriptor stays behind."""
    async with web_camera() as camera:
        before = _descriptors(os.getpid())
        async with odd(tmp_path) as record:
            assign(record, camera.url)
            await eventually("footage", lambda: record.durable(camera.url) >= 0)
            (pid,) = children()
            os.kill(pid, signal.SIGKILL)
            await eventually("another process", lambda: children() and pid not in children())
            await eventually("footage again", lambda: record.state(camera.url)["state"] == "recording")
            begun = len(camera.sent)
            await eventually(
                "more of it", lambda: record.state(camera.url)["frames"] > 0 and len(camera.sent) > begun + 60
            )
        assert not _questions(_descriptors(os.getpid())) - _questions(before)
        units = stored(record, camera.url)
        numbers = [camera.sent.index(unit) for unit in units]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] > begun
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    assert 0 < missing < 75
    (note,) = [note for note in record.notes(camera.url) if note.get("reason") == "crash"]
    assert note["detail"] == "the process of libav ended: SIGKILL"


async def test_a_process_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped, it says nothing more: that is silence like a camera's, and the end of it."""
    monkeypatch.setattr(libav_source, "NO_MEDIA_US", 1_500_000)
    async with web_camera() as camera, odd(tmp_path) as record:
        assign(record, camera.url)
        await eventually("footage", lambda: record.durable(camera.url) >= 0)
        (pid,) = children()
        os.kill(pid, signal.SIGSTOP)
        await eventually("another process", lambda: children() and pid not in children())
        await eventually("footage again", lambda: record.state(camera.url)["state"] == "recording")
        assert any(note.get("reason") == "stalled" for note in record.notes(camera.url))


async def test_the_process_knows_one_camera(tmp_path: Path) -> None:
    """No password is on its command line or in its environment, not even its own; another's is nowhere in it."""
    async with web_camera() as camera, odd(tmp_path) as record:
        url = camera.url.replace("://", "://op:own-canary@")
        assign(record, url)
        await eventually("footage", lambda: record.durable(url) >= 0)
        ((pid, line),) = children().items()
        environment = proc(pid, "environ")
        assert "canary" not in line
        assert environment.startswith(b"PYTHONPATH=")
        assert environment.count(b"=") == 1
        memory = _memory(pid)
        assert b"own-canary" in memory  # the search finds what is there
        assert CANARY.encode() not in memory
        opened = _descriptors(pid)
        assert all(path.startswith(("pipe:", "socket:", "/dev/null")) for path in opened), opened
        limits = proc(pid, "limits").decode()
        assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max file size")] == [["0", "0"]]
        status = proc(pid, "status").decode()
        assert "NoNewPrivs:\t1" in status
        granted = [line.split()[3] for line in limits.splitlines() if line.startswith("Max cpu time")]
        assert 30 <= int(granted[0]) < 60
        assert os.getsid(pid) == pid


def _descriptors(pid: int) -> set[str]:
    found = set()
    for entry in list(Path(f"/proc/{pid}/fd").iterdir()):
        with contextlib.suppress(FileNotFoundError):  # the descriptor of this listing itself
            found.add(str(entry.readlink()))
    return found


def _questions(descriptors: set[str]) -> set[str]:
    """The pipes among them, and what connections are asked for with."""
    return {path for path in descriptors if path.startswith(("pipe:", "anon_inode:seccomp"))}


def _memory(pid: int) -> bytes:
    """All that the process could write to."""
    parts = []
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in proc(pid, "maps").decode().splitlines():
            span, rights = line.split()[:2]
            if rights.startswith("rw"):
                start, end = (int(number, 16) for number in span.split("-"))
                memory.seek(start)
                parts.append(memory.read(end - start))
    return b"".join(parts)


async def test_whoever_dies_first_nobody_is_left(tmp_path: Path) -> None:
    """`record` is killed while its process of libav records: that ends with it, and so does the connection."""
    async with web_camera() as camera:
        async with asyncio.timeout(60):
            await asyncio.to_thread(_killed_above, tmp_path, {"url": camera.url, "source": "libav"})
        await eventually("nobody watches", lambda: not camera.connections)


def _killed_above(folder: Path, keys: dict[str, str]) -> None:
    with running(folder, {"gate": keys}, segment_s=1):
        _wait_for("a process", children)
        (pid,) = children()
        watched = os.pidfd_open(pid)
        try:
            parent = int(proc(pid, "stat").rpartition(b")")[2].split()[1])
            os.kill(parent, signal.SIGKILL)
            assert select.select([watched], [], [], 10)[0]
        finally:
            os.close(watched)
        _wait_for("another one", lambda: set(children()) - {pid})
    assert children() == {}
    # Dead by the pidfd; when it is reaped is for init to say, which inherited it.


@pytest.mark.parametrize("path", ["slices", "mjpeg"])
async def test_a_gstreamer_camera_is_stored_picture_by_picture(tmp_path: Path, path: str) -> None:
    """With four slices a picture, which FFmpeg gives out as packets of their own, inside TLS; and RFC 2435."""
    port, begun_s = free_port(), time.monotonic()
    inside = path == "slices"
    certificate = certify(tmp_path / "camera.pem")
    url = f"rtsp{'s' if inside else ''}://op:pass123@127.0.0.1:{port}/{path}"
    with gstreamer(port, "op", "pass123", *(("--tls", str(certificate.path)) if inside else ())):
        async with odd(tmp_path) as record:
            assign(record, url, tls_pin=pin_of(certificate.der) if inside else "")
            await eventually("several segments are durable", lambda: record.durable(url) >= 3, 40)
    shown = stored_pictures(Layout(tmp_path).spool, url)
    truth = source_pictures(begun_s)
    first = int(np.array([np.abs(shown[5] - picture).mean() for picture in truth]).argmin()) - 5
    assert len(shown) > 25
    errors = np.abs(shown - truth[first : first + len(shown)]).mean(axis=(1, 2))
    assert {number: error for number, error in enumerate(errors.tolist()) if error > LUMA_ERROR_MAX} == {}


async def test_av1_comes_as_our_own_client_gets_it() -> None:
    """Unit by unit, byte by byte: FFmpeg's depacketizer is another one."""
    clock = HostClock()
    herd = Herd(clock)
    units: dict[SourceName, list[bytes]] = {"rtsp": [], "libav": []}
    sources = []
    async with Simulator(SimulatorOptions(port=0, codec="av1")) as camera:
        url = CameraUrl.parse(camera.urls[0])
        for name, found in units.items():
            taker = TrackTaker(units=lambda unit, found=found: found.append(bytes(unit.nals)))  # type: ignore[misc]
            approach = Approach(url=url, source=name, networks=LOOPBACK)
            sources.append(await open_source(approach, herd=herd, clock=clock, takers={"video": taker}))
        await eventually("pictures", lambda: len(units["libav"]) > 40 and units["libav"][40] in units["rtsp"])
        for source in sources:
            source.close()
        await herd.processes.finish(clock)
    first = units["rtsp"].index(units["libav"][1])
    assert units["libav"][1:41] == units["rtsp"][first : first + 40]
    assert len(set(units["rtsp"])) > 20
    assert children() == {}


async def test_a_web_camera_comes_back_through_the_product(tmp_path: Path) -> None:
    """From the configuration to an export and a single picture: the pictures that were sent, byte by byte."""
    async with web_camera() as camera:
        keys = {"url": camera.url, "source": "libav"}
        async with asyncio.timeout(100):
            video, frame, playlist = await asyncio.to_thread(_given_back, tmp_path, keys)
    with av.open(io.BytesIO(video)) as container:
        pictures = [bytes(found) for found in container.demux(video=0) if found.size]
    first = camera.sent.index(pictures[0])
    assert len(pictures) > 10  # of 75, but a busy machine draws fewer
    assert pictures == camera.sent[first : first + len(pictures)]
    with av.open(io.BytesIO(frame), format="jpeg_pipe") as container:
        shown = next(container.decode(video=0)).to_ndarray(format="gray").astype(np.float32)
    number = sum(int(shown[60, 10 + bit * 20] > 128) << bit for bit in range(16))
    assert camera.sent[number] in pictures
    assert "#EXTINF" in playlist


def _given_back(folder: Path, keys: dict[str, str]) -> tuple[bytes, bytes, str]:
    """Three seconds of footage, a picture of it, and a playlist; meanwhile the process was killed."""
    with running(folder, {"gate": keys}, segment_s=1) as http:
        _wait_for("four seconds of footage", lambda: _longest(http) > timedelta(seconds=4))
        (pid,) = children()
        os.kill(pid, signal.SIGKILL)
        _wait_for("a gap with a reason", lambda: [gap["reason"] for gap in _timeline(http)["gaps"]][-1:] == ["crash"])
        _wait_for("footage again", lambda: len(_timeline(http)["spans"]) > 1)
        start = datetime.fromisoformat(_timeline(http)["spans"][0]["from"])
        asked = {"from": start.isoformat(), "to": (start + timedelta(seconds=3)).isoformat()}
        at = {"at": (start + timedelta(seconds=2)).isoformat()}
        answers = [
            http.get("/api/v1/cameras/gate/video.mp4", params=asked),
            http.get("/api/v1/cameras/gate/frame.jpg", params=at),
            http.get("/api/v1/cameras/gate/playlist.m3u8", params=asked),
        ]
    assert [answer.status_code for answer in answers] == [200] * 3, [answer.text[:300] for answer in answers]
    return answers[0].content, answers[1].content, answers[2].text


def _wait_for(what: str, condition: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def _longest(http: httpx.Client) -> timedelta:
    spans = _timeline(http)["spans"]
    lengths = [datetime.fromisoformat(span["to"]) - datetime.fromisoformat(span["from"]) for span in spans]
    return max(lengths, default=timedelta())


def _timeline(http: httpx.Client) -> dict[str, list[dict[str, str]]]:
    now = datetime.now(UTC)
    asked = {"from": (now - timedelta(minutes=2)).isoformat(), "to": (now + timedelta(minutes=1)).isoformat()}
    try:
        answer = http.get("/api/v1/cameras/gate/timeline", params=asked)
    except httpx.TransportError:
        return {"spans": [], "gaps": []}
    found: dict[str, list[dict[str, str]]] = {"spans": [], "gaps": [], **answer.json()}
    return found


async def test_a_transport_stream_over_udp_is_stored_bit_for_bit(tmp_path: Path) -> None:
    """From an encoder that was never asked: recording begins in its midst, with a sync sample."""
    film, url = tmp_path / "film.ts", f"udp://127.0.0.1:{free_port()}"
    encode = f"ffmpeg -v error -f lavfi -i testsrc2=size=320x240:rate=25:duration=8 -c:v libx264 -g 25 -bf 2 {film}"
    data = tmp_path / "data"
    data.mkdir()
    with _sending(encode, f"ffmpeg -v error -re -stream_loop -1 -i {film} -c copy -f mpegts {url}?pkt_size=1316"):
        async with odd(data) as record:
            assign(record, url)
            await eventually("several segments are durable", lambda: record.durable(url) >= 3, 40)
    with av.open(str(film)) as container:
        sent = [split_annex_b(bytes(found)) for found in container.demux(video=0) if found.size]
    units = [split_length_prefixed(unit) for unit in stored(record, url)]
    first = sent.index(units[0])
    assert len(units) > 25
    assert units == [*sent, *sent, *sent][first : first + len(units)]


@contextlib.contextmanager
def _sending(encode: str, send: str) -> Iterator[None]:
    subprocess.run(encode.split(), check=True)
    sender = subprocess.Popen(send.split())
    try:
        yield
    finally:
        sender.kill()
        sender.wait()


async def test_garbage_in_the_midst_costs_what_it_replaces(tmp_path: Path) -> None:
    """Parts that are no pictures, or half of one."""

    def picture(number: int) -> bytes:
        if number % 10 == 5:
            return os.urandom(900)
        return jpeg(number)[:-300] if number % 10 == 7 else jpeg(number)

    async with web_camera(picture=picture) as camera:
        async with odd(tmp_path) as record:
            assign(record, camera.url)
            await eventually("two segments are durable", lambda: record.durable(camera.url) >= 1, 40)
            lost = record.state(camera.url)["lost_packets"]
        units = stored(record, camera.url)
        numbers = [camera.sent.index(unit) for unit in units]
    whole = [number for number in range(numbers[0], numbers[-1] + 1) if number % 10 != 5]
    assert numbers == whole
    assert lost >= len(numbers) // 10


async def test_a_flood_is_ended(tmp_path: Path) -> None:
    """One hostile device, as many pictures as it can."""
    page = jpeg(1, 1920, 1080) + bytes(400_000)
    async with web_camera(picture=lambda _number: page, interval_s=0.001) as camera, odd(tmp_path) as record:
        assign(record, camera.url)
        await eventually("the flood is noticed", lambda: record.state(camera.url).get("reason") == "flood", 30)
        assert "Mbit/s" in record.state(camera.url)["detail"]


async def test_a_device_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening it takes as long as it is allowed to."""
    monkeypatch.setattr(libav_source, "OPEN_TIMEOUT_S", 1.5)
    async with web_camera() as camera, odd(tmp_path) as record:
        camera.going_on.clear()
        assign(record, camera.url)
        await eventually("given up", lambda: record.state(camera.url).get("state") == "failed")
        assert record.state(camera.url)["reason"] == "unreachable"
        assert "opened nothing within" in record.state(camera.url)["detail"]
        assert asyncio.get_running_loop().is_running()
