"""Cameras nobody here wrote: what they showed must be what was stored, picture by picture."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
import pytest

from ingest.tls import pin_of
from media.nal import split_length_prefixed
from storage.layout import Layout
from tests.certificates import certify
from tests.ports import free_port
from tests.scenario.test_recording import assigned, recording, stream_of
from tests.vlc_camera import vlc_camera
from tests.waiting import eventually

WIDTH, HEIGHT = 320, 240
LUMA_ERROR_MAX = 4.0
"""Mean absolute error of a decoded picture against its source; one wrong slice makes it several times that."""


@contextmanager
def gstreamer(port: int, *login: str) -> Iterator[IO[str]]:
    """GStreamer's RTSP server for the length of a block, and what it prints."""
    command = ["/usr/bin/python3", str(Path(__file__).parent.parent / "gst_camera.py"), str(port), *login]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        yield child.stdout
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def source_pictures(since_s: float) -> np.ndarray:
    """The luma of all pictures of the same source, straight from GStreamer, that a camera begun then can have sent.

    `since_s` is of `time.monotonic`: how long a test films is the machine's affair.
    """
    count = round((time.monotonic() - since_s) * 25) + 1
    command = (
        f"gst-launch-1.0 -q videotestsrc pattern=ball animation-mode=frames num-buffers={count}"
        f" ! video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate=25/1 ! fdsink fd=1"
    )
    raw = subprocess.run(command.split(), check=True, stdout=subprocess.PIPE).stdout
    planes = np.frombuffer(raw, np.uint8).reshape(count, HEIGHT * 3 // 2, WIDTH)
    return planes[:, :HEIGHT].astype(np.float32)


def stored_pictures(spool: Path, url: str) -> np.ndarray:
    """The luma of everything stored of a stream, through one decoder: a group may need the one before it."""
    decoder: Any = None
    frames: list[Any] = []
    for path in sorted(spool.glob(f"*/{stream_of(url)}/*.mp4"), key=lambda path: int(path.name.split(".")[2])):
        with av.open(str(path)) as container:
            video: Any = container.streams.video[0].codec_context
            if decoder is None:
                decoder = av.CodecContext.create(video.name, "r")
                decoder.extradata = video.extradata
            frames += [frame for packet in container.demux(video=0) if packet.size for frame in decoder.decode(packet)]
    frames += decoder.decode(None)
    return np.array([frame.to_ndarray(format="yuv420p")[:HEIGHT] for frame in frames]).astype(np.float32)


def slices_of_h265(spool: Path, url: str) -> list[list[int]]:
    """The types of the slices of each stored picture (ITU-T H.265 table 7-1)."""
    pictures = []
    for path in sorted(spool.glob(f"*/{stream_of(url)}/*.mp4"), key=lambda path: int(path.name.split(".")[2])):
        with av.open(str(path)) as container:
            for packet in container.demux(video=0):
                types = [nal[0] >> 1 for nal in split_length_prefixed(bytes(packet))]
                pictures += [[kind for kind in types if kind < 32]] if types else []
    return pictures


def shoot(film: Path) -> None:
    """A file of the same pictures, for cameras that play one."""
    command = (
        f"gst-launch-1.0 -q videotestsrc pattern=ball animation-mode=frames num-buffers=600"
        f" ! video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate=25/1"
        f" ! x264enc speed-preset=ultrafast bitrate=2000 key-int-max=25 bframes=0 ! mp4mux ! filesink location={film}"
    )
    subprocess.run(command.split(), check=True)


def compare(stored: np.ndarray, source: np.ndarray) -> None:
    """Every picture is the next one of the source."""
    first = int(np.array([np.abs(stored[0] - truth).mean() for truth in source]).argmin())
    assert len(stored) > 75
    difference = np.abs(stored - source[first : first + len(stored)]).mean(axis=(1, 2))
    assert difference.max() < LUMA_ERROR_MAX


@pytest.mark.scenario
async def test_a_gstreamer_camera_is_stored_picture_by_picture(tmp_path: Path) -> None:
    """On every way there is: TCP, UDP and TLS; Digest, Basic and no login.

    With one slice per picture and with four; of H.265 with open groups.
    All pictures in sequence, none of them damaged. Readers that take each slice for a picture store something that
    plays, counts right, and is wrong.
    """
    digest, basic, inside, nobody = (free_port() for _ in range(4))
    authority = certify(tmp_path / "authority.pem")
    certificate = certify(tmp_path / "camera.pem", by=authority)
    cameras = [
        assigned(f"rtsp://op:pass123@127.0.0.1:{digest}/slices"),
        assigned(f"rtsp://op:pass123@127.0.0.1:{digest}/plain", transport="udp"),
        assigned(f"rtsp://op:pass123@127.0.0.1:{basic}/plain"),
        assigned(f"rtsp://127.0.0.1:{nobody}/slices", transport="udp"),
        assigned(f"rtsps://op:pass123@127.0.0.1:{inside}/slices", tls_ca=str(authority.path)),
        assigned(f"rtsps://op:pass123@127.0.0.1:{inside}/plain", tls_pin=pin_of(certificate.der)),
    ]
    urls = [camera.url.unredacted() for camera in cameras if camera.url is not None]
    begun_s = time.monotonic()
    with (
        gstreamer(digest, "op", "pass123"),
        gstreamer(basic, "op", "pass123", "basic"),
        gstreamer(inside, "op", "pass123", "--tls", str(certificate.path)),
        gstreamer(nobody),
    ):
        async with recording(tmp_path) as record:
            record.follow(*cameras)
            await eventually(
                "three segments of each are durable", lambda: all(record.durable(url) >= 2 for url in urls), 60
            )
    source = source_pictures(begun_s)
    for url in urls:
        compare(stored_pictures(Layout(tmp_path).spool, url), source)
        assert record.state(url)["lost_packets"] == 0
        assert [note["reason"] for note in record.notes(url) if note["kind"] == "gap_open"] == ["shutdown"]


@pytest.mark.scenario
async def test_h265_with_open_groups_is_stored_picture_by_picture(tmp_path: Path) -> None:
    """With four slices per picture; over UDP."""
    port, begun_s = free_port(), time.monotonic()
    with gstreamer(port, "op", "pass123"):
        async with recording(tmp_path) as record:
            url = f"rtsp://op:pass123@127.0.0.1:{port}/h265"
            record.assign(url, transport="udp")
            await eventually("three segments are durable", lambda: record.durable(url) >= 2, 40)
    compare(stored_pictures(Layout(tmp_path).spool, url), source_pictures(begun_s))
    assert record.state(url)["lost_packets"] == 0
    # Or it would show less than it says: four slices, pictures that lead others, CRA.
    kinds = slices_of_h265(Layout(tmp_path).spool, url)
    assert {len(types) for types in kinds} == {4}
    assert {8, 9} & {types[0] for types in kinds}
    assert 21 in {types[0] for types in kinds}


@pytest.mark.scenario
async def test_vlc_is_a_camera_that_sends_over_udp_alone(tmp_path: Path) -> None:
    """Over TCP it answers 461, and the state says which key to set; over UDP its pictures are what is stored."""
    film = tmp_path / "film.mp4"
    shoot(film)
    begun_s = time.monotonic()
    with vlc_camera(film, free_port()) as url:
        async with recording(tmp_path) as record:
            record.assign(url)
            await eventually("VLC has refused", lambda: record.state(url).get("reason") == "unsupported", 30)
            assert "set `transport: udp`" in record.state(url)["detail"]
            record.assign(url, transport="udp")
            await eventually("three segments are durable", lambda: record.durable(url) >= 2, 40)
    compare(stored_pictures(Layout(tmp_path).spool, url), source_pictures(begun_s))
    assert record.state(url)["lost_packets"] == 0
