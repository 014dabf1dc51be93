"""Sound in what is given back: the right samples beside the right pictures, as they were sent."""

from __future__ import annotations

import io
import re
import subprocess
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

import av
import numpy as np
import pytest

from ingest.segment_sink import StreamIdentity
from ingest.segmenter import Segmenter
from media.access_unit import AccessUnit
from media.audio_codecs import choose_audio
from media.commit import ZERO_CHAIN
from media.h264_parameters import ParameterSets
from media.nal import split_length_prefixed
from storage import layout
from tests.builders_audio import AAC, OPUS, PCMU, encoded, offer, packetized
from tests.builders_playback import NOON_US, RUN, Archive, Film, count_by_ffprobe, film, frames_by_pyav, saved, whole
from tests.range_server import served

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from media.commit import Commit
    from media.identity import SegmentIdentity
    from media.track import Track

SECONDS = 12
PACKET_US = 20_000


@dataclass
class Files:
    """A sink that keeps each file's bytes."""

    contents: dict[SegmentIdentity, bytes] = field(default_factory=dict)
    current: SegmentIdentity | None = None

    def open_segment(self, identity: SegmentIdentity, _track: Track, init: bytes) -> None:
        """A new file."""
        self.current = identity
        self.contents[identity] = init

    def append_fragment(self, buffers: Sequence[bytes | bytearray], commit: Commit) -> None:
        """The next fragment."""
        self.contents[commit.identity] += b"".join(buffers)

    def seal_segment(self, buffers: Sequence[bytes | bytearray], _end_us: int) -> None:
        """The end of the file."""
        assert self.current is not None
        self.contents[self.current] += b"".join(buffers)

    def interrupted(self, end_us: int, silence_us: int) -> None:
        """Where the camera was silent."""


@cache
def pictures() -> Film:
    """12 s, B-frames, a sync sample each second."""
    return film(SECONDS * 25, b_frames=2, gop=25, jitter_ticks=0)


@cache
def noise() -> bytes:
    """12 s of PCMU in which every stretch of 5 ms is known from all others."""
    return np.random.default_rng(5).integers(0, 256, SECONDS * 8000, np.uint8).tobytes()


def heard_by_pcm(codes: bytes) -> np.ndarray:
    """What PCMU decodes to."""
    context = av.CodecContext.create("pcm_mulaw", "r")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout = 8000, "mono"
    return np.concatenate([frame.to_ndarray().ravel() for frame in context.decode(av.Packet(codes))])


def segmented(archive: Archive, section: str, packets: list[tuple[int, int, bytes]], missing_us: range) -> Files:
    """Pictures and packets (when complete, RTP time, payload) through the segmenter, without those of a time."""
    who = StreamIdentity(camera=archive.camera.id, stream=archive.camera.stream, epoch=1, run=RUN)
    files = Files()
    segmenter = Segmenter(who, files, segment_us=4_000_000, chain=ZERO_CHAIN)
    now_us = NOON_US
    chosen = choose_audio(offer(section), lambda unit: segmenter.add_sound(unit, now_us))
    assert chosen is not None
    parameters = ParameterSets.from_nals(split_length_prefixed(pictures().units[0].nals))
    events: list[tuple[int, int, object]] = [(packet[0], number, packet) for number, packet in enumerate(packets)]
    latest_us = 0
    for number, unit in enumerate(pictures().units):
        latest_us = max(latest_us, unit.pts_ticks * 100 // 9)
        events.append((latest_us, -len(pictures().units) + number, unit))
    ended = False
    for at_us, number, event in sorted(events, key=lambda each: each[:2]):
        if at_us in missing_us:
            if not ended:
                segmenter.end_span()
                ended = True
            continue
        now_us = NOON_US + at_us
        if isinstance(event, tuple):
            chosen[1].push(event[2], 0, len(event[2]), event[1], True, 0)
            continue
        nals = bytearray(event.nals)  # type: ignore[attr-defined]
        segmenter.add(
            AccessUnit(
                nals=nals,
                rtp_timestamp=event.pts_ticks,  # type: ignore[attr-defined]
                sync=event.sync,  # type: ignore[attr-defined]
                lost_packets=0,
                parameters=parameters if number == -len(pictures().units) else None,
            ),
            now_us,
        )
    segmenter.end_span()
    return files


async def recorded(
    root: Path, section: str, packets: list[tuple[int, int, bytes]], missing_us: range = range(0)
) -> Archive:
    """An archive whose spool holds them."""
    archive = await Archive.create(root, now_us=NOON_US + 60_000_000)
    for identity, content in segmented(archive, section, packets, missing_us).contents.items():
        path = layout.sealed_path(root / "spool", identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        saved(path, content)
    return archive


def pcm_packets() -> list[tuple[int, int, bytes]]:
    """The noise in packets of 20 ms."""
    size = 8 * PACKET_US // 1000
    return [
        ((number + 1) * PACKET_US, number * size, noise()[number * size : (number + 1) * size])
        for number in range(len(noise()) // size)
    ]


def heard(mp4: bytes) -> tuple[int, np.ndarray]:
    """The sound of a file as PyAV plays it: when it begins, in samples, and all of it. Without a warning."""
    with av.logging.Capture() as messages:
        av.logging.set_level(av.logging.WARNING)
        try:
            with av.open(io.BytesIO(mp4)) as container:
                frames = list(container.decode(audio=0))
        finally:
            av.logging.set_level(None)
    assert [text for _, _, text in messages] == []
    assert frames[0].pts is not None
    return frames[0].pts, np.concatenate([frame.to_ndarray().ravel() for frame in frames])


def complaints(path: Path) -> str:
    """What ffmpeg has to say about a file."""
    command = ["ffmpeg", "-v", "warning", "-i", str(path), "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stderr


def offset(samples: np.ndarray, at: int) -> int:
    """How many samples away from its place in the noise this was found, up to 80."""
    truth = heard_by_pcm(noise())
    inside = samples[80:]
    return next(off for off in range(-80, 81) if np.array_equal(inside, truth[at + off + 80 :][: len(inside)]))


RANGES = [
    (1_500_000, 9_200_000),
    (0, 12_000_000),
    (3_999_000, 4_200_000),
    (2_345_678, 8_000_000),
    (5_010_000, 5_700_000),
]


@pytest.mark.parametrize(("from_us", "to_us"), RANGES)
async def test_a_range_has_the_sound_of_its_pictures(tmp_path: Path, from_us: int, to_us: int) -> None:
    """Sample by sample: what is heard first is what was recorded with the first picture, and it ends with the last."""
    archive = await recorded(tmp_path, PCMU, pcm_packets())
    content = {}
    for sound in ("original", "none"):
        video = await archive.library.video(archive.camera, NOON_US + from_us, NOON_US + to_us, sound)  # type: ignore[arg-type]
        content[sound] = await whole(video)
        assert len(content[sound]) == video.size_bytes
    silent, loud = frames_by_pyav(content["none"]), frames_by_pyav(content["original"])
    assert loud == silent
    first_us = video.start_us - NOON_US
    at, samples = heard(content["original"])
    assert at == 0
    assert abs(offset(samples, first_us * 8 // 1000)) <= 8
    shown_us = len(loud) * 40_000
    assert abs(len(samples) * 125 - min(shown_us, SECONDS * 1_000_000 - first_us)) <= PACKET_US
    await archive.close()


async def test_a_hole_between_spans_is_a_hole_in_both(tmp_path: Path) -> None:
    """Behind a gap sound is heard with the pictures it was recorded with."""
    archive = await recorded(tmp_path, PCMU, pcm_packets(), range(4_500_000, 7_300_000))
    video = await archive.library.video(archive.camera, NOON_US, NOON_US + 12_000_000, "original")
    content = await whole(video)
    with av.open(io.BytesIO(content)) as container:
        frames = [(frame.pts, frame.to_ndarray().ravel()) for frame in container.decode(audio=0)]
    times = [time for time, _ in frames_by_pyav(content)]
    resumed = next(after for before, after in pairwise(times) if after - before > 90_000)
    # File time follows wall time across the gap, so a sample is in the file where it is in the noise.
    offsets = [offset(samples, pts) for pts, samples in frames if pts is not None]
    assert max(map(abs, offsets)) <= 40
    behind = [pts for pts, _ in frames if pts is not None and pts * 45 // 4 >= resumed - 900]
    assert behind
    assert not [pts for pts, _ in frames if pts is not None and 4_600_000 < pts * 125 < 7_900_000]
    await archive.close()


async def test_sound_that_browsers_refuse_is_left_out_unless_it_is_asked_for(tmp_path: Path) -> None:
    """By default the file is that of the pictures alone, to the byte."""
    archive = await recorded(tmp_path, PCMU, pcm_packets())
    files, told = {}, {}
    for sound in ("playable", "none", "original"):
        video = await archive.library.video(archive.camera, NOON_US, NOON_US + 5_000_000, sound)  # type: ignore[arg-type]
        files[sound] = (await whole(video), video.etag)
        told[sound] = (video.sound, video.sound_left_out)
    assert files["playable"] == files["none"]
    ulaw = ("ulaw/8000",)
    assert told == {"playable": ((), ulaw), "none": ((), ()), "original": (ulaw, ())}
    assert files["original"][1] != files["none"][1]
    await archive.close()


@pytest.mark.parametrize(
    ("codec", "section", "rate", "ticks"), [("aac", AAC, 16_000, 1024), ("libopus", OPUS, 48_000, 960)]
)
async def test_frames_come_back_bit_for_bit_and_play(
    tmp_path: Path, codec: str, section: str, rate: int, ticks: int
) -> None:
    """The frames in an export are those that were sent, in order; ffmpeg and ffprobe have nothing to say."""
    frames, extradata = encoded(codec, rate=rate, seconds=SECONDS)
    section = section.replace("config=1408", f"config={extradata.hex()}")
    packets = [
        ((number + 1) * ticks * 1_000_000 // rate, number * ticks, packetized(codec, frame))
        for number, frame in enumerate(frames)
    ]
    archive = await recorded(tmp_path, section, packets)
    video = await archive.library.video(archive.camera, NOON_US + 1_500_000, NOON_US + 9_900_000)
    path = saved(tmp_path / "export.mp4", await whole(video))
    assert (len(video.sound), video.sound_left_out) == (1, ())
    with av.open(str(path)) as container:
        stored = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    first = frames.index(stored[0])
    assert stored == frames[first : first + len(stored)]
    assert abs(first * ticks * 1_000_000 // rate - 1_500_000) <= 2 * ticks * 1_000_000 // rate
    assert abs(len(stored) * ticks / rate - 8.4) < 3 * ticks / rate
    assert complaints(path) == ""
    assert count_by_ffprobe(path) == 210
    for start, stop in ((0, 5000), (len(path.read_bytes()) // 2, len(path.read_bytes()) // 2 + 70_000)):
        pieces = [piece async for piece in video.read(start, stop)]
        assert b"".join(pieces) == path.read_bytes()[start:stop]
    await archive.close()


async def _playlist(archive: Archive, folder: Path) -> str:
    """The playlist of everything, and beside it every file that it refers to."""
    playlist = await archive.library.playlist(archive.camera, NOON_US, NOON_US + 12_000_000, "")
    for name, query in set(re.findall(r"([0-9a-f-]{36})\.mp4(\?audio=none)?", playlist)):
        content = await archive.library.segment_bytes(UUID(name), sound=not query)
        saved(folder / f"{name}.mp4", await whole(content))
    saved(folder / "all.m3u8", playlist.encode())
    return playlist


async def test_a_playlist_brings_the_sound_with_the_pictures(tmp_path: Path) -> None:
    """Ranges cover the sound behind each fragment, and nothing of it is missing at their edges."""
    frames, extradata = encoded("aac", seconds=SECONDS)
    packets = [((n + 1) * 64_000, n * 1024, packetized("aac", frame)) for n, frame in enumerate(frames)]
    archive = await recorded(tmp_path, AAC.replace("config=1408", f"config={extradata.hex()}"), packets)
    folder = tmp_path / "web"
    folder.mkdir()
    assert "?audio=none" not in await _playlist(archive, folder)
    with served(folder) as (url, _), av.open(f"{url}/all.m3u8") as container:
        stored = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
        assert stored == frames[: len(stored)]
        assert len(stored) >= len(frames) - 2
    await archive.close()


async def test_a_playlist_of_a_camera_with_g711_shows_its_pictures(tmp_path: Path) -> None:
    """Browsers refuse a file with G.711 as a whole: its pictures alone are what the playlist refers to."""
    archive = await recorded(tmp_path, PCMU, pcm_packets())
    folder = tmp_path / "web"
    folder.mkdir()
    playlist = await _playlist(archive, folder)
    assert playlist.count("?audio=none") == playlist.count(".mp4")
    with served(folder) as (url, _):
        assert count_by_ffprobe(f"{url}/all.m3u8") == SECONDS * 25
        with av.open(f"{url}/all.m3u8") as container:
            assert [stream.type for stream in container.streams] == ["video"]
    await archive.close()
