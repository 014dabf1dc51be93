"""A real file's own frames."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from media.errors import ConfigError
from simulator.film import read_reel
from simulator.oracle import checksum
from simulator.timetable import Timetable
from tests.builders_simulator import film_units, make_film


@pytest.mark.parametrize("b_frames", [0, 2])
def test_frames_and_times_are_those_of_the_file(tmp_path: Path, b_frames: int) -> None:
    """In decode order, with the file's distances between presentation times; B-frames included."""
    path = make_film(tmp_path / "film.mp4", frames=30, fps=15, b_frames=b_frames)
    units = film_units(path)
    reel = read_reel(path, marked=False)
    assert [frame.crc32 for frame in reel.frames] == [checksum(nals) for _, nals in units]
    assert list(reel.lap.present_ticks) == [pts - units[0][0] for pts, _ in units]
    assert reel.lap.length_us == 2_000_000
    assert (reel.lap.lead_ticks > 0) == (b_frames > 0)


def test_b_frames_wait_for_no_longer_than_they_must(tmp_path: Path) -> None:
    """The frame that is sent furthest ahead leaves the moment it was seen."""
    timetable = Timetable(read_reel(make_film(tmp_path / "film.mp4", b_frames=2), marked=False).lap)
    delays_us = [timetable.due_us(number) - timetable.presented_us(number) for number in range(30)]
    assert min(delays_us) == 0
    assert max(delays_us) <= 4 * 1_000_000 // 15


def test_leading_frames_without_a_sync_sample_are_left_out(tmp_path: Path) -> None:
    """A recording may have been cut anywhere; a lap begins where a decoder can."""
    whole = make_film(tmp_path / "whole.mp4", frames=45)
    cut = tmp_path / "cut.mkv"
    # Dropping the first packets by number leaves the next sync sample at frame 15.
    command = ["ffmpeg", "-v", "error", "-i", whole, "-c", "copy", "-copyinkf", "-bsf:v", "noise=drop=lt(n\\,5)", cut]
    subprocess.run(command, check=True, timeout=60)
    assert len(film_units(cut)) == 40
    reel = read_reel(cut, marked=False)
    assert len(reel.frames) == 30
    assert reel.frames[0].sync


def test_the_file_names_its_parameter_sets(tmp_path: Path) -> None:
    """They come from its header and describe the picture."""
    track = read_reel(make_film(tmp_path / "film.mp4"), marked=False).parameters.track()
    assert (track.width, track.height) == (320, 180)


def test_a_transport_stream_plays_too(tmp_path: Path) -> None:
    """There NAL units stand behind start codes, and parameter sets in band."""
    reel = read_reel(make_film(tmp_path / "film.ts"), marked=False)
    assert len(reel.frames) == 30
    assert reel.frames[0].sync


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("sound.mp4", "-f lavfi -i sine=duration=1 -c:a aac"),
        ("mpeg4.mp4", "-f lavfi -i testsrc2=size=64x64:rate=5 -t 1 -c:v mpeg4"),
        ("raw.h264", "-f lavfi -i testsrc2=size=64x64:rate=5 -t 1 -c:v libx264"),
    ],
)
def test_a_file_without_playable_video_is_refused_by_name(tmp_path: Path, name: str, arguments: str) -> None:
    """The message says which file, and that it is the video that is missing."""
    path = tmp_path / name
    subprocess.run(["ffmpeg", "-v", "error", *arguments.split(), str(path)], check=True, timeout=60)
    with pytest.raises(ConfigError, match=rf"{name}: not readable as video"):
        read_reel(path, marked=False)


def test_what_is_no_video_file_at_all_is_refused_by_name(tmp_path: Path) -> None:
    """Not a traceback: it is the user who gave the wrong file."""
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n" * 100)
    with pytest.raises(ConfigError, match=r"notes\.txt: not readable as video"):
        read_reel(path, marked=False)


def test_an_empty_file_is_refused_without_a_number(tmp_path: Path) -> None:
    """FFmpeg's own is a riddle."""
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(ConfigError, match=r"empty\.mp4: not readable as video: Invalid data found[^\[]*$"):
        read_reel(path, marked=False)
