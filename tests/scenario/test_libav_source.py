"""Odd devices, recorded through a process of libav's: what they sent is what is stored, whatever happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import io
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from ingest import libav_source
from ingest.assignments import Assignment, write_assignments
from media.fmp4_read import scan
from media.nal import split_annex_b, split_length_prefixed
from media.url import CameraUrl
from simulator import Simulator, SimulatorOptions
from storage.layout import Layout
from tests.certificates import certify
from tests.mjpeg_server import jpeg, web_camera
from tests.ports import free_port
from tests.product import running
from tests.scenario.test_foreign_cameras import LUMA_ERROR_MAX, gstreamer, source_pictures, stored_pictures
from tests.scenario.test_recording import LOOPBACK, Recording, recording, samples_of, stream_of
from tests.waiting import eventually

pytestmark = pytest.mark.scenario

CANARY = "canary-of-another-camera"


def assign(record: Recording, *urls: str, tls_ca: str = "") -> None:
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
            line = _proc(pid, "cmdline").replace(b"\0", b" ").decode()
            unseen += [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _children_of(task)]
        except OSError:
            continue  # it has just ended
        if "ingest.libav_child" in line:
            found[pid] = line
    return found


def _children_of(task: Path) -> list[str]:
    return (task / "children").read_text().split()


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


async def test_a_process_that_is_killed_costs_a_gap(tmp_path: Path) -> None:
    """It is started again; what came before and after is there, and nothing twice."""
    async with web_camera() as camera:
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
        environment = _proc(pid, "environ")
        assert "canary" not in line
        assert environment.startswith(b"PYTHONPATH=")
        assert environment.count(b"=") == 1
        memory = _memory(pid)
        assert b"own-canary" in memory  # the search finds what is there
        assert CANARY.encode() not in memory
        opened = _descriptors(pid)
        assert all(path.startswith(("pipe:", "socket:", "/dev/null")) for path in opened), opened
        limits = _proc(pid, "limits").decode()
        assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max file size")] == [["0", "0"]]
        status = _proc(pid, "status").decode()
        assert "NoNewPrivs:\t1" in status
        granted = [line.split()[3] for line in limits.splitlines() if line.startswith("Max cpu time")]
        assert 30 <= int(granted[0]) < 60
        assert os.getsid(pid) == pid


def _proc(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def _descriptors(pid: int) -> set[str]:
    return {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}


def _memory(pid: int) -> bytes:
    """All that the process could write to."""
    parts = []
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in _proc(pid, "maps").decode().splitlines():
            span, rights = line.split()[:2]
            if rights.startswith("rw"):
                start, end = (int(number, 16) for number in span.split("-"))
                memory.seek(start)
                parts.append(memory.read(end - start))
    return b"".join(parts)


@pytest.mark.parametrize("path", ["slices", "mjpeg"])
async def test_a_gstreamer_camera_is_stored_picture_by_picture(tmp_path: Path, path: str) -> None:
    """Also with four slices a picture, which FFmpeg gives out as packets of their own; and RFC 2435."""
    port, begun_s = free_port(), time.monotonic()
    url = f"rtsp://op:pass123@127.0.0.1:{port}/{path}"
    with gstreamer(port, "op", "pass123"):
        async with odd(tmp_path) as record:
            assign(record, url)
            await eventually("several segments are durable", lambda: record.durable(url) >= 3, 40)
    shown = stored_pictures(Layout(tmp_path).spool, url)
    truth = source_pictures(begun_s)
    first = int(np.array([np.abs(shown[5] - picture).mean() for picture in truth]).argmin()) - 5
    assert len(shown) > 25
    errors = np.abs(shown - truth[first : first + len(shown)]).mean(axis=(1, 2))
    assert {number: error for number, error in enumerate(errors.tolist()) if error > LUMA_ERROR_MAX} == {}


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


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: "


@pytest.mark.parametrize(
    ("head", "reason", "words"),
    [
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n",
            "unreachable",
            "redirect, which is not followed",
        ),
        (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\n\r\n", "auth", "401 Unauthorized"),
        (b"HTTP/1.1 404 No\r\n\r\n", "not_found", "404 Not Found"),
        (
            HEAD
            + b"application/vnd.apple.mpegurl\r\n\r\n#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
            "unsupported",
            "'hls'",
        ),
        (HEAD + b"video/mp4\r\n\r\n" + b"\xff\x00garbage" * 9000, "unreachable", "libav: "),
        (b"\x00\x01\x02 no HTTP at all\r\n\r\n", "unreachable", "libav: "),
    ],
)
async def test_what_libav_refuses_is_a_sentence(tmp_path: Path, head: bytes, reason: str, words: str) -> None:
    """And nobody else is asked."""
    async with web_camera(head=head, interval_s=0) as camera, odd(tmp_path) as record:
        assign(record, camera.url)
        await eventually("a reason", lambda: record.state(camera.url).get("state") == "failed")
        state = record.state(camera.url)
        assert state["reason"] == reason, state
        assert words in state["detail"]


async def test_a_stream_from_another_address_is_refused(tmp_path: Path) -> None:
    """FFmpeg follows RTSP's redirects by itself: the camera's address is checked again before anything is taken."""
    async with Simulator(SimulatorOptions(host="127.0.0.2", port=0)) as elsewhere:
        port = int(elsewhere.urls[0].split(":")[2].split("/")[0])
        async with _redirecting(port, elsewhere.urls[0]) as url, odd(tmp_path) as record:
            assign(record, url)
            await eventually("a reason", lambda: record.state(url).get("state") == "failed")
            state = record.state(url)
    assert (state["reason"], state["frames"]) == ("unsupported", 0), state
    assert "the stream comes from 127.0.0.2, not from 127.0.0.1" in state["detail"]


async def test_a_redirect_to_another_port_asks_nobody(tmp_path: Path) -> None:
    """Where the kernel can forbid it: from Linux 6.7 on."""
    asked = asyncio.Event()

    async def note(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    other = await asyncio.start_server(note, "127.0.0.1", 0)
    async with other:
        location = f"rtsp://127.0.0.1:{other.sockets[0].getsockname()[1]}/x"
        async with _redirecting(0, location) as url, odd(tmp_path) as record:
            assign(record, url)
            await eventually("a reason", lambda: record.state(url).get("state") == "failed")
            assert record.state(url)["frames"] == 0
    if _landlock_version() < 4:
        pytest.skip("this kernel cannot forbid ports")
    assert not asked.is_set()


def _landlock_version() -> int:
    """As landlock(7) asks for it."""
    return int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))


@asynccontextmanager
async def _redirecting(port: int, location: str) -> AsyncIterator[str]:
    """An RTSP server that sends everybody elsewhere."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                (cseq,) = re.findall(rb"CSeq: (\d+)", head)
                writer.write(b"RTSP/1.0 302 Moved\r\nCSeq: %s\r\nLocation: %s\r\n\r\n" % (cseq, location.encode()))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with server:
        yield f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/moved"


@pytest.mark.parametrize("known", [True, False])
async def test_a_certificate_is_verified(tmp_path: Path, known: bool) -> None:
    """By the authorities that the configuration names, or else by the host's, which do not know this one."""
    authority = certify(tmp_path / "authority.pem")
    device = certify(tmp_path / "device.pem", by=authority)
    data = tmp_path / "data"
    data.mkdir()
    async with web_camera(tls=device.server_context()) as camera, odd(data) as record:
        assign(record, camera.url, tls_ca=str(authority.path) if known else "")
        await eventually("an end", lambda: record.state(camera.url).get("state") in {"recording", "failed"})
        state = record.state(camera.url)
        assert (state["state"], state["reason"]) == (("recording", None) if known else ("failed", "tls")), state


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
