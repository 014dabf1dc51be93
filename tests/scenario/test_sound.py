"""Sound of cameras nobody here wrote: recorded as it was sent, in time with the pictures; only where wanted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import av
import numpy as np
import pytest

from media.fmp4_read import read_sealed
from storage.layout import Layout
from tests.ports import free_port
from tests.scenario.test_foreign_cameras import compare, gstreamer, source_pictures, stored_pictures
from tests.scenario.test_recording import assigned, recording, stream_of
from tests.waiting import eventually

pytestmark = pytest.mark.scenario

CODECS = ("aac", "opus", "pcmu", "pcma")

FRAME_S = 0.023
"""A frame of AAC of 44.1 kHz; those of the others are 20 ms long. Nobody sees 60 (EBU R 37)."""

TICK_BUFFER = 80
"""`audiotestsrc` begins every tick but the first so many samples early: one buffer, counted in a file of it."""

CODED_S = {
    "aac": 2 * 1024 / 44_100,
    "opus": 312 / 48_000,
    "pcmu": 0.0,
    "pcma": 0.0,
}
"""How much later than it was taken a sound comes out of the decoder: by what encoder and decoder overlap, of which RTP
timestamps tell nothing. AAC: a frame each. Opus: the encoder's look-ahead (libopus)."""

RATES = {"aac": 44_100, "opus": 48_000, "pcmu": 8_000, "pcma": 8_000}


def beginnings(printed: IO[str]) -> dict[str, dict[str, int]]:
    """When picture 0 and tick 0 of each camera were taken, in microseconds of its own."""
    found: dict[str, dict[str, int]] = {}
    while any(len(found.get(path, {})) < 2 for path in CODECS):
        path, what, at_us = printed.readline().split()
        found.setdefault(path.removeprefix("/"), {})[what] = int(at_us)
    return found


def segments(data: Path, url: str) -> list[Path]:
    """The files of a stream, in order."""
    found = Layout(data).spool.glob(f"*/{stream_of(url)}/*.mp4")
    return sorted(found, key=lambda path: int(path.name.split(".")[2]))


def ticks(path: Path) -> list[float]:
    """When, in seconds of the file's own time, each tick of sound begins."""
    with av.open(str(path)) as container:
        base = container.streams.audio[0].time_base
        assert base is not None
        frames = [(float(frame.pts * base), frame) for frame in container.decode(audio=0) if frame.pts is not None]
        loud = [
            at + number / frame.sample_rate
            for at, frame in frames
            for number in np.flatnonzero(np.abs(_floats(frame)) > 0.2)
        ]
    return [at for before, at in zip([-1.0, *loud], loud, strict=False) if at - before > 0.5]


def _floats(frame: av.AudioFrame) -> np.ndarray:
    samples = frame.to_ndarray()
    mono = samples[0] if frame.format.is_planar else samples.reshape(-1, len(frame.layout.channels))[:, 0]
    return mono / (1 if samples.dtype.kind == "f" else 32768)


def shown(path: Path, source: np.ndarray) -> list[tuple[float, int]]:
    """When each picture is shown in the file, and which one it is."""
    with av.open(str(path)) as container:
        base = container.streams.video[0].time_base
        assert base is not None
        pictures = [
            (float(frame.pts * base), frame.to_ndarray(format="yuv420p")[:240].astype(np.float32))
            for frame in container.decode(video=0)
            if frame.pts is not None
        ]
    first = int(np.argmin([np.abs(pictures[0][1] - truth).mean() for truth in source]))
    return [(at, first + number) for number, (at, _) in enumerate(pictures)]


async def test_a_gstreamer_cameras_sound_is_stored_in_time_with_its_pictures(tmp_path: Path) -> None:
    """AAC, Opus, PCMU and PCMA, over TCP and UDP: each tick is heard when the picture is shown that it was made with.

    Within a frame of sound, once the sender reports were there and followed. All pictures are there, none of them
    damaged; no sound is stored of a camera that was not to be heard, though it offers some.
    """
    port, begun_s = free_port(), time.monotonic()
    heard = {path: f"rtsp://127.0.0.1:{port}/{path}" for path in CODECS}
    silent = f"rtsp://127.0.0.1:{port}/unheard"
    cameras = [assigned(url, audio=True, transport="udp" if path == "opus" else "tcp") for path, url in heard.items()]
    with gstreamer(port) as printed:
        async with recording(tmp_path) as record:
            record.follow(*cameras, assigned(silent))
            await eventually(
                "five segments of each are durable",
                lambda: all(record.durable(url) >= 5 for url in (*heard.values(), silent)),
                60,
            )
            states = {path: record.state(url) for path, url in heard.items()}
        begun = beginnings(printed)
    source = source_pictures(begun_s)
    for path, url in heard.items():
        assert (path, states[path]["detail"], states[path]["lost_packets"]) == (path, None, 0)
        compare(stored_pictures(Layout(tmp_path).spool, url), source)
        apart_s = (begun[path]["heard"] - begun[path]["seen"]) / 1e6 - TICK_BUFFER / RATES[path] + CODED_S[path]
        errors = [error - apart_s for file in segments(tmp_path, url)[3:5] for error in behind_pictures(file, source)]
        assert len(errors) >= 3, path
        assert abs(np.median(errors)) <= FRAME_S, (path, errors)
    for file in segments(tmp_path, silent):
        content = file.read_bytes()
        assert read_sealed(lambda at, n, c=content: c[at : at + n], len(content)).sound is None  # type: ignore[misc]


def behind_pictures(file: Path, source: np.ndarray) -> Iterator[float]:
    """How many seconds behind the picture of its second each tick of a file is."""
    pictures = shown(file, source)
    for tick in ticks(file):
        at, number = min(pictures, key=lambda each: abs(each[0] - tick))
        yield tick - (at + (round(number / 25) * 25 - number) / 25)
