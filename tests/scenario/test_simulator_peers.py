"""The simulated cameras as others see them: ffmpeg, GStreamer and PyAV read them without a complaint."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from media.h264_parameters import ParameterSets
from simulator import Credentials, Simulator, SimulatorOptions
from simulator.oracle import find_sei
from simulator.picture import HEIGHT, STRIP_HEIGHT, Picture
from tests.builders_simulator import connect, film_units, make_film, nals
from tests.scenario.city_reading import BUFFER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from media.access_unit import AccessUnit

pytestmark = pytest.mark.scenario

LIVE = SimulatorOptions(port=0, gop_us=400_000, bitrate_bps=1_000_000)
LOOPS = SimulatorOptions(port=0, cameras=5, fps=20, gop_us=400_000, bitrate_bps=500_000)
B_FRAMES = SimulatorOptions(port=0, b_frames=True, fps=15, gop_us=800_000, bitrate_bps=1_000_000)
KINDS = ("live", "loops", "b-frames", "film")
LOGIN = Credentials(username="operator", password="correct horse")


def _film(directory: Path) -> SimulatorOptions:
    return SimulatorOptions(port=0, file=make_film(directory / "film.mp4", frames=20, b_frames=2))


def _options(kind: str, directory: Path) -> SimulatorOptions:
    return _film(directory) if kind == "film" else {"live": LIVE, "loops": LOOPS, "b-frames": B_FRAMES}[kind]


async def _run(*command: str, **environment: str) -> tuple[int, str]:
    """Exit code and everything a program complained about."""
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(60):
            _, complaints = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return child.returncode or 0, complaints.decode()


async def _ffmpeg(url: str, frames: int, transport: str = "tcp") -> tuple[int, str]:
    """Decode with Debian's ffmpeg; -xerror makes the first decoding error fatal."""
    reading = ("ffmpeg", "-nostdin", "-v", "warning", "-xerror", "-rtsp_transport", transport)
    reading += ("-buffer_size", BUFFER["buffer_size"], "-i", url)
    return await _run(*reading, "-frames:v", str(frames), "-f", "null", "-")


async def _gstreamer(url: str, frames: int, transport: str = "tcp") -> tuple[int, str]:
    """Decode with GStreamer, its warnings switched on.

    Times are taken from the RTP timestamps alone (buffer-mode=none): its guess from the times of arrival shifts when
    a B-frame stream sends a picture further ahead than any before.
    """
    source = ("gst-launch-1.0", "-q", "rtspsrc", f"protocols={transport}", f"location={url}")
    source += (
        f"udp-buffer-size={BUFFER['buffer_size']}",
        "buffer-mode=none",
        "latency=0" if transport == "tcp" else "latency=200",
    )
    sink = ("!", "rtph264depay", "!", "h264parse", "!", "avdec_h264", "!", "fakesink", f"num-buffers={frames}")
    return await _run(*source, *sink, GST_DEBUG="*:2", GST_DEBUG_NO_COLOR="1")


@pytest.mark.parametrize("kind", KINDS)
async def test_everybody_reads_datagrams_cleanly(tmp_path: Path, kind: str) -> None:
    """Ffmpeg and GStreamer over UDP: no packet missing, none late, not one warning."""
    options = _options(kind, tmp_path)
    async with Simulator(options) as simulator:
        assert await _ffmpeg(simulator.urls[-1], 32, "udp") == (0, "")
        assert await _gstreamer(simulator.urls[-1], 32, "udp") == (0, "")


@pytest.mark.parametrize("kind", KINDS)
async def test_ffmpeg_reads_every_kind_of_camera_cleanly(tmp_path: Path, kind: str) -> None:
    """32 frames, over the seam of the film, and not one warning."""
    options = _options(kind, tmp_path)
    async with Simulator(options) as simulator:
        assert await _ffmpeg(simulator.urls[-1], 32) == (0, "")


@pytest.mark.parametrize("kind", KINDS)
async def test_gstreamer_reads_every_kind_of_camera_cleanly(tmp_path: Path, kind: str) -> None:
    """The same with other people's RTSP, RTP and H.264 code."""
    options = _options(kind, tmp_path)
    async with Simulator(options) as simulator:
        assert await _gstreamer(simulator.urls[-1], 32) == (0, "")


@pytest.mark.parametrize("scheme", ["digest", "basic"])
async def test_ffmpeg_logs_in(scheme: str) -> None:
    """With the right password it plays, with a wrong one it is told why not."""
    async with Simulator(replace(LIVE, credentials=replace(LOGIN, schemes=(scheme,)))) as simulator:
        url = simulator.urls[0]
        right = url.replace("rtsp://", "rtsp://operator:correct%20horse@")
        assert await _ffmpeg(right, 10) == (0, "")
        code, complaint = await _ffmpeg(url.replace("rtsp://", "rtsp://operator:wrong@"), 10)
        assert code != 0
        assert "401 Unauthorized" in complaint


async def test_gstreamer_logs_in() -> None:
    """Its Digest is a third implementation."""
    async with Simulator(replace(LIVE, credentials=replace(LOGIN, schemes=("digest",)))) as simulator:
        url = simulator.urls[0].replace("rtsp://", "rtsp://operator:correct%20horse@")
        assert await _gstreamer(url, 10) == (0, "")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_pyav_shows_the_pictures_of_the_file(tmp_path: Path, transport: str) -> None:
    """Decoded pixel by pixel as from the file itself, B-frames in their order, over the seam."""
    options = _film(tmp_path)
    assert options.file is not None
    with av.open(str(options.file)) as container:
        expected = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]

    def read(url: str) -> list[bytes]:
        with av.open(url, options={"rtsp_transport": transport, **BUFFER}, timeout=20) as container:
            pictures = []
            for frame in container.decode(video=0):
                pictures.append(frame.to_ndarray().tobytes())
                if len(pictures) == 32:
                    break
            return pictures

    async with Simulator(options) as simulator:
        pictures = await asyncio.to_thread(read, simulator.urls[0])
    start = expected.index(pictures[0])
    assert pictures == [expected[(start + index) % 20] for index in range(32)]


@pytest.mark.parametrize("b_frames", [0, 2])
async def test_a_film_repeats_bit_by_bit_without_a_seam(tmp_path: Path, b_frames: int) -> None:
    """NAL units are the file's, in its decode order; timestamps are its presentation times and go on over the seam."""
    path = make_film(tmp_path / "film.mp4", frames=20, fps=15, b_frames=b_frames)
    film = film_units(path)
    with av.open(str(path)) as container:
        time_base = container.streams.video[0].time_base or Fraction(1)
    async with Simulator(SimulatorOptions(port=0, file=path)) as simulator, connect(simulator.urls[0]) as reader:
        await reader.play()
        units = await reader.take(45)
    start = [unit for _, unit in film].index(nals(units[0]))
    laps = [divmod(start + index, 20) for index in range(45)]
    assert [nals(unit) for unit in units] == [film[index][1] for _, index in laps]
    length = 20 * _step(film)
    shown = [(lap * length + film[index][0]) * time_base * 90_000 for lap, index in laps]
    for unit, ticks in zip(units, shown, strict=True):
        assert abs((unit.rtp_timestamp - units[0].rtp_timestamp) % (1 << 32) - (ticks - shown[0]) % (1 << 32)) <= 1


def _step(film: Sequence[tuple[int, list[bytes]]]) -> int:
    """The distance of two pictures, in the file's ticks."""
    shown = sorted(pts for pts, _ in film)
    (step,) = {later - earlier for earlier, later in pairwise(shown)}
    return step


def _decode(units: Sequence[AccessUnit], parameters: ParameterSets) -> list[np.ndarray]:
    """The luma planes of access units that begin with a sync sample."""
    context = av.CodecContext.create("h264", "r")
    stream = b"".join(b"\x00\x00\x00\x01" + nal for nal in (*parameters.sps, *parameters.pps))
    stream += b"".join(b"\x00\x00\x00\x01" + nal for unit in units for nal in nals(unit))
    frames = [frame for packet in context.parse(stream) for frame in context.decode(packet)]
    frames += [frame for packet in context.parse(b"") for frame in context.decode(packet)] + context.decode(None)
    return [frame.to_ndarray()[:HEIGHT] for frame in frames]


async def test_the_burnt_in_clock_shows_when_a_frame_was_taken() -> None:
    """Each decoded frame looks like the picture drawn for the time of its number, and like no other frame's."""
    async with Simulator(LIVE) as simulator, connect(simulator.urls[0]) as reader:
        camera = simulator.cameras["cam/0001"]
        await reader.play()
        units = await reader.take(25)
    timetable = camera.source.timetable
    picture = Picture("cam/0001")
    decoded = _decode(units, camera.source.parameters)
    assert len(decoded) == 25
    for unit, luma in zip(units, decoded, strict=True):
        mark = find_sei(nals(unit))
        assert mark is not None

        def distance(step: int, luma: np.ndarray = luma, frame: int = mark.frame) -> float:
            drawn = picture.render(timetable.presented_us(frame + step))[:STRIP_HEIGHT]
            return float(np.abs(drawn.astype(int) - luma[:STRIP_HEIGHT]).mean())

        assert distance(0) < 2
        assert min(range(-30, 31), key=distance) == 0
        # The picture is of the instant before it was sent: a clock that runs ahead would be a lie.
        assert 0 <= mark.sent_us - timetable.presented_us(mark.frame) < 2_000_000
