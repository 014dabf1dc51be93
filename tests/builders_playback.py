"""Builders for tests of playback: films whose every picture is known, and an archive that holds them in any state."""

from __future__ import annotations

import hashlib
import io
import subprocess
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import av
import numpy as np

from media.commit import ZERO_CHAIN
from media.fmp4_read import read_sealed
from media.fmp4_write import Sample, SegmentWriter
from media.h264_parameters import ParameterSets
from media.h265_parameters import H265ParameterSets
from media.identity import SegmentIdentity
from media.nal import join_length_prefixed, split_annex_b
from media.url import CameraUrl
from playback.library import Library
from storage import files, layout
from storage.clock import FakeClock
from storage.directory_store import DirectoryStore
from storage.model import Camera, DesiredCamera, Policy
from storage.segment_row import segment_from_scan
from storage.spool_reader import DurableMark, SpoolReader
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_segment import Unit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from media.track import Track
    from storage.model import Segment
    from storage.objects import ObjectStore

TICKS = 3600
"""One picture at 25 a second."""

NOON_US = 1_795_003_200_000_000
"""2026-11-18T12:00:00Z."""

RUN = 0x0123_4567_89AB_CDEF


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Film:
    """Units in decode order; times and pictures (yuv420p, all different) in the order in which they are shown."""

    track: Track
    units: tuple[Unit, ...]
    times_ticks: tuple[int, ...]
    pictures: tuple[bytes, ...]


@cache
def film(
    pictures: int = 50,
    *,
    b_frames: int = 0,
    gop: int = 10,
    size: tuple[int, int] = (128, 96),
    seed: int = 7,
    jitter_ticks: int = 900,
    h265: bool = False,
) -> Film:
    """Noise above a moving bar, encoded as cameras do: parameter sets in-band before each sync sample.

    With `h265` and B-frames groups are open: pictures that lead a sync sample need what came before it.
    """
    random = np.random.default_rng(seed)
    width, height = size
    encoder: Any = av.CodecContext.create("libx265" if h265 else "libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 90_000), 25
    encoder.options = {
        "preset": "veryfast",
        "x264-params": (
            f"bframes={b_frames}:b-adapt=0:b-pyramid=normal:keyint={gop}:min-keyint={gop}"
            ":scenecut=0:open-gop=0:repeat-headers=1:threads=1"
        ),
        "x265-params": (
            f"bframes={b_frames}:b-adapt=0:b-pyramid=0:keyint={gop}:min-keyint={gop}"
            ":scenecut=0:open-gop=1:repeat-headers=1:pools=none:frame-threads=1:log-level=error"
        ),
    }
    jitter = random.integers(0, jitter_ticks + 1, pictures) * (np.arange(pictures) > 0)
    times = [index * TICKS + int(extra) for index, extra in enumerate(jitter)]
    packets = []
    for index, pts in enumerate(times):
        luma = np.full((height, width), 40, np.uint8)
        luma[:, index % width : index % width + 9] = 200
        luma[:20] = random.integers(0, 255, (20, width))
        frame = av.VideoFrame.from_ndarray(
            np.concatenate([luma, np.full((height // 2, width), 128, np.uint8)]), "yuv420p"
        )
        frame.pts, frame.time_base = pts, encoder.time_base
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    nals = [split_annex_b(bytes(packet)) for packet in packets]
    parameters = H265ParameterSets.from_nals(nals[0]) if h265 else ParameterSets.from_nals(nals[0])
    assert parameters is not None
    decoder: Any = av.CodecContext.create("hevc" if h265 else "h264", "r")
    shown = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    units = (
        Unit(nals=bytes(join_length_prefixed(parts)), pts_ticks=packet.pts, sync=packet.is_keyframe)
        for packet, parts in zip(packets, nals, strict=True)
    )
    return Film(
        track=parameters.track(),
        units=tuple(units),
        times_ticks=tuple(times),
        pictures=tuple(frame.to_ndarray().tobytes() for frame in shown),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A frame as it should come back: when it was shown, how long, and what."""

    wall_us: int
    ticks: int
    picture: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One segment's file, by the end of each fragment, and the frames in it in the order in which they are shown."""

    identity: SegmentIdentity
    init: bytes
    fragments: tuple[bytes, ...]  # with their commit boxes
    closing: bytes
    shots: tuple[Shot, ...]
    end_us: int

    @property
    def sealed(self) -> bytes:
        """The whole file."""
        return self.init + b"".join(self.fragments) + self.closing

    def opened(self, fragments: int) -> bytes:
        """The file while it had so many fragments."""
        return self.init + b"".join(self.fragments[:fragments])


def record(
    source: Film,
    *,
    camera: UUID,
    stream: UUID,
    start_us: int = NOON_US,
    run: int = RUN,
    first_sequence: int = 0,
    span: int = 0,
    epoch: int = 1,
    gops_per_segment: int = 2,
    drift_ppm: int = 0,
    lost_packets: int = 0,
) -> list[Recorded]:
    """The film as segments of one span that begins at `start_us`; each sync sample begins a fragment."""
    starts = [index for index, unit in enumerate(source.units) if unit.sync]
    gops = [source.units[a:b] for a, b in pairwise([*starts, len(source.units)])]
    begins = [min(unit.pts_ticks for unit in gop) for gop in gops] + [source.times_ticks[-1] + TICKS]
    recorded: list[Recorded] = []
    chain = ZERO_CHAIN
    for first in range(0, len(gops), gops_per_segment):
        identity = SegmentIdentity(
            camera=camera, stream=stream, epoch=epoch, run=run, sequence=first_sequence + len(recorded)
        )
        writer = SegmentWriter(identity, source.track, span, chain)
        fragments, shots = [], []
        for number in range(first, min(first + gops_per_segment, len(gops))):
            media_ticks, end_ticks = begins[number], begins[number + 1]
            wall_us, end_wall_us = (_wall(start_us, ticks, drift_ppm) for ticks in (media_ticks, end_ticks))
            buffers, commit = writer.fragment(
                payload=[unit.nals for unit in gops[number]],
                samples=_samples(gops[number], end_ticks),
                media_ticks=media_ticks,
                duration_ticks=end_ticks - media_ticks,
                wall_us=wall_us,
                end_wall_us=end_wall_us,
                lost_packets=lost_packets,
                clock_quality=1,
            )
            fragments.append(b"".join(buffers))
            shots += _shots(source, media_ticks, end_ticks, wall_us, end_wall_us)
        closing = b"".join(writer.seal(commit.end_wall_us))
        chain = writer.chain
        recorded.append(
            Recorded(
                identity=identity,
                init=writer.init,
                fragments=tuple(fragments),
                closing=closing,
                shots=tuple(shots),
                end_us=commit.end_wall_us,
            )
        )
    return recorded


def _wall(start_us: int, ticks: int, drift_ppm: int) -> int:
    return start_us + ticks * (1_000_000 + drift_ppm) // 90_000


def _samples(units: Sequence[Unit], end_ticks: int) -> list[Sample]:
    decode = [*sorted(unit.pts_ticks for unit in units), end_ticks]
    return [
        Sample(len(unit.nals), decode[index + 1] - decode[index], unit.pts_ticks - decode[index], unit.sync)
        for index, unit in enumerate(units)
    ]


def _shots(source: Film, media_ticks: int, end_ticks: int, wall_us: int, end_wall_us: int) -> list[Shot]:
    inside = [index for index, ticks in enumerate(source.times_ticks) if media_ticks <= ticks < end_ticks]
    ends = [*source.times_ticks[1:], source.times_ticks[-1] + TICKS]
    return [
        Shot(
            wall_us=min(wall_us + (source.times_ticks[index] - media_ticks) * 1_000_000 // 90_000, end_wall_us - 1),
            ticks=ends[index] - source.times_ticks[index],
            picture=source.pictures[index],
        )
        for index in inside
    ]


@dataclass(slots=True)
class Archive:
    """A data directory with a catalog, an object store, a spool and one camera."""

    root: Path
    clock: FakeClock
    catalog: SqliteCatalog
    store: ObjectStore
    camera: Camera
    spool: SpoolReader
    library: Library
    marks: dict[UUID, DurableMark] = field(default_factory=dict)
    _locks: list[int] = field(default_factory=list)

    @classmethod
    async def create(
        cls,
        root: Path,
        *,
        now_us: int = NOON_US,
        enabled_at_us: int | None = None,
        store: ObjectStore | None = None,
    ) -> Self:
        """An empty archive whose camera was enabled an hour before `now_us`; without `store` in a directory."""
        clock = FakeClock(wall_us=now_us - 3_600_000_000 if enabled_at_us is None else enabled_at_us)
        catalog = await SqliteCatalog.open(root / "catalog.sqlite", clock)
        await catalog.inventory.apply([], [Policy(name="default", keep_max_us=62 * 86_400_000_000)])
        camera = await catalog.inventory.add(
            DesiredCamera(name="gate", url=CameraUrl.parse("rtsp://127.0.0.1/cam")), site="town"
        )
        clock.step(now_us - clock.wall_us())
        store = store or DirectoryStore(root / "objects")
        marks: dict[UUID, DurableMark] = {}
        spool = SpoolReader([root / "spool"], marks.get)
        library = Library(catalog, store, spool, clock)
        return cls(
            root=root,
            clock=clock,
            catalog=catalog,
            store=store,
            camera=camera,
            spool=spool,
            library=library,
            marks=marks,
        )

    def record(self, source: Film, **how: int) -> list[Recorded]:
        """A film recorded by this archive's camera; see `record`."""
        return record(source, camera=self.camera.id, stream=self.camera.stream, **how)

    def spool_open(self, recorded: Recorded, fragments: int) -> None:
        """Put a segment into the spool that is still being written."""
        path = layout.open_path(self.root / "spool", recorded.identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(recorded.opened(fragments))

    def spool_sealed(self, recorded: Recorded) -> None:
        """Put a sealed segment into the spool, renaming an open one."""
        path = layout.sealed_path(self.root / "spool", recorded.identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        layout.open_path(self.root / "spool", recorded.identity).unlink(missing_ok=True)
        path.write_bytes(recorded.sealed)

    def hold_run(self, run: int = RUN) -> None:
        """Let a run live: its directory is locked."""
        fd = files.open_directory(layout.run_directory(self.root / "spool", run))
        assert files.lock(fd)
        self._locks.append(fd)

    async def register(self, recorded: Recorded) -> Segment:
        """Make a sealed segment known to the catalog."""
        content = recorded.sealed
        found = read_sealed(lambda offset, length: content[offset : offset + length], len(content))
        segment = segment_from_scan(found, len(content))
        await self.catalog.footage.register([(segment, found.samples)])
        return segment

    async def ship(self, recorded: Recorded) -> Segment:
        """Register a segment, put it into the object store, note it as stored, and remove the spool copy."""
        self.spool_sealed(recorded)
        segment = await self.register(recorded)
        path = layout.sealed_path(self.root / "spool", recorded.identity)
        digest = hashlib.sha256(recorded.sealed).digest()
        await self.catalog.footage.begin_upload([segment.id])
        await self.store.put_file(segment.key, path, sha256=digest, size_bytes=segment.size_bytes)
        await self.catalog.footage.stored({segment.id: digest})
        path.unlink()
        return replace(segment, sha256=digest)

    async def close(self) -> None:
        """Let go of everything."""
        for fd in self._locks:
            files.close(fd)
        await self.catalog.close()
        self.store.close()


async def whole(content: object) -> bytes:
    """All bytes of something with `read`."""
    return b"".join([piece async for piece in content.read(0, content.size_bytes)])  # type: ignore[attr-defined]


def frames_by_pyav(mp4: bytes) -> list[tuple[int, bytes]]:
    """Time in ticks and picture of each frame that FFmpeg 8 shows; a warning of its is an error."""
    with av.logging.Capture() as messages:
        av.logging.set_level(av.logging.WARNING)
        try:
            with av.open(io.BytesIO(mp4)) as container:
                frames = [
                    (frame.pts, frame.to_ndarray(format="yuv420p").tobytes()) for frame in container.decode(video=0)
                ]
        finally:
            av.logging.set_level(None)
    assert [text for _, _, text in messages] == []
    return frames


def frames_by_ffmpeg(path: Path) -> list[tuple[int, str]]:
    """Time in ticks and MD5 of each frame that the installed ffmpeg shows; a warning of its is an error."""
    command = ["ffmpeg", "-v", "warning", "-i", str(path), "-map", "0:v", "-fps_mode", "passthrough"]
    done = subprocess.run(
        [*command, "-enc_time_base", "1:90000", "-f", "framemd5", "-"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    rows = [line.split(",") for line in done.stdout.splitlines() if not line.startswith("#")]
    return [(int(row[2]), row[5].strip()) for row in rows]


def count_by_ffprobe(path: Path | str) -> int:
    """How many frames `ffprobe -count_frames` counts; a warning of its is an error."""
    entries = ["-select_streams", "v", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]
    done = subprocess.run(
        ["ffprobe", "-v", "warning", "-count_frames", *entries, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return int(done.stdout.split()[0])  # HLS names the stream twice: in its program, too


def md5(picture: bytes) -> str:
    """As framemd5 prints it."""
    return hashlib.md5(picture).hexdigest()


def saved(path: Path, content: bytes) -> Path:
    """A file with this content."""
    path.write_bytes(content)
    return path
