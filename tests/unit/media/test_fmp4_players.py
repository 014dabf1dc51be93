"""Segment files play as they are: in ffmpeg, PyAV, GStreamer and VLC, sealed or with any number of fragments."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import av
import pytest

from media.boxes import parse_header
from media.nal import split_length_prefixed
from tests.builders_segment import Stream, Unit, cut, encode, samples_of, write

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ["sealed", "open", "first fragment", "three fragments", "torn tail", "days into the span"]
DAYS_TICKS = 90_000 * 86_400 * 40
B_FRAMES = [0, 3]


def run(*command: str) -> str:
    """The output of a program that must succeed and have nothing to complain about."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def content_of(kind: str, stream: Stream) -> tuple[bytes, list[Unit], int]:
    """A file in some state, the units a player must find in it, and how far into its span it begins."""
    fragments = cut(stream.units)
    origin_ticks = -DAYS_TICKS if kind == "days into the span" else 0
    file = write(stream.track, fragments, origin_ticks=origin_ticks)
    count = {"first fragment": 1, "three fragments": 3, "torn tail": 2}.get(kind, len(fragments))
    units = [unit for fragment in fragments[:count] for unit in fragment]
    ends = [commit.box_offset + 300 for commit in file.commits]
    if kind in ("sealed", "days into the span"):
        return file.sealed, units, -origin_ticks
    if kind == "torn tail":  # a moof is cut in two, as a crash may leave it
        return file.open[: ends[count - 1] + 50], units, 0
    return file.open[: ends[count - 1]], units, 0


@pytest.fixture(params=B_FRAMES, ids=["no B-frames", "B-frames"])
def stream(request: pytest.FixtureRequest) -> Stream:
    """40 pictures of one encoder."""
    return encode(b_frames=request.param)


@pytest.fixture(params=[kind for kind in KINDS if kind != "torn tail"])
def played(request: pytest.FixtureRequest, stream: Stream, tmp_path: Path) -> tuple[Path, list[Unit], int]:
    """A whole file, its units and its place in the span."""
    content, units, start_ticks = content_of(request.param, stream)
    path = tmp_path / "segment.mp4"
    path.write_bytes(content)
    return path, units, start_ticks


def reordering_ticks(units: list[Unit]) -> int:
    """What ffmpeg adds to all times of a fragmented file: its largest negative offset (docs/formats/segment.md)."""
    return -min(sample.composition_offset_ticks for fragment in cut(units) for sample in samples_of(fragment, 1 << 31))


def test_ffprobe_finds_every_packet(played: tuple[Path, list[Unit], int]) -> None:
    """Sizes, places, sync flags and presentation times are those that were written."""
    path, units, start_ticks = played
    found: list[dict[str, Any]] = json.loads(run("ffprobe", "-v", "error", "-show_packets", "-of", "json", str(path)))[
        "packets"
    ]
    shift = start_ticks + reordering_ticks(units)
    assert [int(packet["pts"]) - shift for packet in found] == [unit.pts_ticks for unit in units]
    assert [packet["flags"].startswith("K") for packet in found] == [unit.sync for unit in units]
    content = path.read_bytes()
    for packet, unit in zip(found, units, strict=True):
        at = int(packet["pos"])
        assert content[at : at + int(packet["size"])] == unit.nals


def test_ffmpeg_decodes_it_without_a_word(played: tuple[Path, list[Unit], int]) -> None:
    """Not one message at level error."""
    run("ffmpeg", "-v", "error", "-i", str(played[0]), "-f", "null", "-")


def test_pyav_decodes_the_source_pictures(played: tuple[Path, list[Unit], int], stream: Stream) -> None:
    """Pixel by pixel, in the order and at the times of the source."""
    path, units, start_ticks = played
    with av.open(str(path)) as container:
        frames = [(frame.pts, frame.to_ndarray().tobytes()) for frame in container.decode(video=0)]
    shift = start_ticks + reordering_ticks(units)
    assert [pts - shift for pts, _ in frames] == sorted(unit.pts_ticks for unit in units)
    assert [picture for _, picture in frames] == stream.pictures[: len(units)]


def test_gstreamer_decodes_the_source_pictures(
    played: tuple[Path, list[Unit], int], stream: Stream, tmp_path: Path
) -> None:
    """Its qtdemux and avdec_h264 give the same pixels."""
    path, units, _ = played
    raw = tmp_path / "pictures.yuv"
    pipeline = f"filesrc location={path} ! qtdemux ! h264parse ! avdec_h264 ! videoconvert ! filesink location={raw}"
    done = subprocess.run(
        ["gst-launch-1.0", "-q", *pipeline.split()], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert raw.read_bytes() == b"".join(stream.pictures[: len(units)])


@pytest.fixture
def vlc_folder() -> Iterator[Path]:
    """A folder that VLC may use: it refuses to run as root, so it runs as nobody then."""
    with TemporaryDirectory() as folder:
        if os.getuid() == 0:
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        yield Path(folder)


def test_vlc_demuxes_the_source_pictures(
    played: tuple[Path, list[Unit], int], stream: Stream, vlc_folder: Path
) -> None:
    """VLC rewraps the file; what it gives out are the source's pictures (at its end it may drop the last few)."""
    path, units, _ = played
    (vlc_folder / "segment.mp4").write_bytes(path.read_bytes())
    sout = f"#std{{access=file,mux=mp4,dst={vlc_folder}/copy.mp4}}"
    done = subprocess.run(
        ["cvlc", "-q", "-I", "dummy", "--no-audio", "--play-and-exit", "--sout", sout, f"{vlc_folder}/segment.mp4"],
        env={"HOME": str(vlc_folder), "PATH": os.environ["PATH"]},
        user="nobody" if os.getuid() == 0 else None,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    with av.open(str(vlc_folder / "copy.mp4")) as container:
        pictures = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
    assert len(pictures) >= len(units) - 4
    assert pictures == stream.pictures[: len(pictures)]


def test_a_torn_tail_does_not_hurt_what_is_before_it(stream: Stream, tmp_path: Path) -> None:
    """A file as a crash leaves it, not yet recovered: the whole fragments decode."""
    content, units, _ = content_of("torn tail", stream)
    path = tmp_path / "torn.mp4"
    path.write_bytes(content)
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
    assert pictures == stream.pictures[: len(units)]


def test_parameter_sets_and_sei_stay_in_the_samples(stream: Stream) -> None:
    """Sync samples carry SPS and PPS as the camera repeated them: nothing is taken out and nothing is put in."""
    content, units, _ = content_of("sealed", stream)
    kinds = [split_length_prefixed(unit.nals)[0][0] & 0x1F for unit in units if unit.sync]
    assert set(kinds) == {7}
    assert content.count(units[0].nals) == 1
    assert parse_header(content).kind == b"ftyp"
