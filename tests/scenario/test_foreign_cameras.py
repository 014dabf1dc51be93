"""Cameras nobody here wrote: what they showed must be what was stored, picture by picture."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from media.nal import split_length_prefixed
from storage.layout import Layout
from tests.ports import free_port
from tests.scenario.test_recording import recording, stream_of
from tests.waiting import eventually

WIDTH, HEIGHT = 320, 240
LUMA_ERROR_MAX = 4.0
"""Mean absolute error of a decoded picture against its source; one wrong slice makes it several times that."""


@contextmanager
def gstreamer(port: int, *login: str) -> Iterator[None]:
    """GStreamer's RTSP server for the length of a block."""
    command = ["/usr/bin/python3", str(Path(__file__).parent.parent / "gst_camera.py"), str(port), *login]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        yield
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def source_pictures(count: int) -> np.ndarray:
    """The luma of the first pictures of the same source, straight from GStreamer."""
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


@pytest.mark.scenario
@pytest.mark.parametrize("path", ["plain", "slices", "h265"])
async def test_a_gstreamer_camera_is_stored_picture_by_picture(tmp_path: Path, path: str) -> None:
    """With one slice per picture and with four; of H.265 with open groups: all in sequence, none of them damaged.

    Readers that take each slice for a picture store something that plays, counts right, and is wrong.
    """
    port = free_port()
    with gstreamer(port, "op", "pass123"):
        async with recording(tmp_path) as record:
            url = f"rtsp://op:pass123@127.0.0.1:{port}/{path}"
            record.assign(url)
            await eventually("three segments are durable", lambda: record.durable(url) >= 2, 40)
    stored = stored_pictures(Layout(tmp_path).spool, url)
    source = source_pictures(400)
    errors = np.array([[np.abs(picture - truth).mean() for truth in source] for picture in stored[:1]])
    first = int(errors[0].argmin())
    assert len(stored) > 75
    difference = np.abs(stored - source[first : first + len(stored)]).mean(axis=(1, 2))
    assert difference.max() < LUMA_ERROR_MAX
    assert record.state(url)["lost_packets"] == 0
    if path == "h265":  # or it would show less than it says: four slices, pictures that lead others, CRA
        kinds = slices_of_h265(Layout(tmp_path).spool, url)
        assert {len(types) for types in kinds} == {4}
        assert {8, 9} & {types[0] for types in kinds}
        assert 21 in {types[0] for types in kinds}
