"""Segments with sound: two tracks, one numbering, one chain; and segments without it, as they always were."""

from __future__ import annotations

import json
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from media.boxes import COMMIT_USERTYPE, SEAL_USERTYPE, require_intact
from media.errors import Mp4Error
from media.fmp4_read import read_sealed, scan
from media.fragment_index import decode, decode_sound
from media.init_section import init_section, read_init_section, read_tracks
from media.sample_table import SampleTable, split_tables
from storage.segment_row import segment_from_scan
from tests.builders_audio import encoded, plain_sound, sound_track, tone, write_with_sound
from tests.builders_segment import START_US, cut, encode, plain_track, plain_units, reader, write

FILE = plain_sound()
FRAME_TICKS = {"aac": 1024, "libopus": 960, "pcm_mulaw": 160, "pcm_alaw": 160}


def test_pictures_alone_are_written_as_ever() -> None:
    """To the byte: files, fragment index and sample table of a version before there was sound."""
    file = write(plain_track(), plain_units())
    found = scan(reader(file.sealed), len(file.sealed))
    digests = [file.sealed, segment_from_scan(found, len(file.sealed)).fragments, found.samples]
    assert [sha256(content).hexdigest() for content in digests] == [
        "35e1195b410a0f4fbc5b16329f1788f9c9a868d3541d3058be6e1c6f50dd2a4c",
        "331b3f2f4fba21a71d8e50e89de5bb70adac375746d6cd6331ea7809d258df6c",
        "65635adc0a50fa2a14f7d82e9720fc4d17ce843f26a62ee577142aae4b12c201",
    ]


@pytest.mark.parametrize("codec", FRAME_TICKS)
def test_both_tracks_are_read_back_from_the_init_section(codec: str) -> None:
    """The pictures' and the sound's, and the pictures' alone for those who ask for no more."""
    track, sound = plain_track(), sound_track(codec)
    init = init_section(track, sound)
    assert read_tracks(init) == (track, sound)
    assert read_init_section(init) == track
    assert read_tracks(init_section(track)) == (track, None)


@pytest.mark.parametrize("entry", [plain_track().sample_entry, b"", sound_track().sample_entry + b"x"])
def test_a_second_track_that_is_no_sound_is_refused(entry: bytes) -> None:
    """Whatever it is, it is not what was written."""
    init = init_section(plain_track(), sound_track())
    whole = sound_track().sample_entry
    with pytest.raises(Mp4Error):
        read_tracks(init.replace(whole, entry))


def test_open_sealed_and_the_short_way_say_the_same() -> None:
    """Six fragments in one chain; recovery seals as the writer would have."""
    sealed = scan(reader(FILE.sealed), len(FILE.sealed), verify=True)
    opened = scan(reader(FILE.open), len(FILE.open), verify=True)
    assert sealed.faults == opened.faults == ()
    assert read_sealed(reader(FILE.sealed), len(FILE.sealed)) == sealed
    assert [commit.track for commit in sealed.commits] == [1, 2, 1, 1, 2, 1]
    assert [commit.fragment for commit in sealed.commits] == list(range(6))
    assert opened.samples == sealed.samples
    assert FILE.open + b"".join(opened.closing_boxes()) == FILE.sealed


def test_each_track_has_its_own_sample_table() -> None:
    """With durations across its own fragments."""
    pictures, sound = split_tables(scan(reader(FILE.sealed), len(FILE.sealed)).samples)
    assert len(SampleTable.decode(pictures).sizes) == 12
    table = SampleTable.decode(sound)
    assert (table.sizes.tolist(), table.durations.tolist()) == ([30, 20, 10], [1024, 1024, 1024])


def test_the_row_is_about_the_pictures_and_knows_of_the_sound() -> None:
    """Times, samples and index are those of the pictures; what the sound lacks is damage as well."""
    alone = write(plain_track(), plain_units())
    row = segment_from_scan(scan(reader(FILE.sealed), len(FILE.sealed)), len(FILE.sealed))
    same = segment_from_scan(scan(reader(alone.sealed), len(alone.sealed)), len(alone.sealed))
    for field in ("start_us", "end_us", "media_ticks", "duration_ticks", "samples", "sync_samples", "codec", "sums"):
        assert getattr(row, field) == getattr(same, field), field
    assert row.lost_packets == 2
    assert row.chain == FILE.commits[-1].chain
    assert [entry.offset for entry in decode(row.fragments)] == [FILE.commits[n].offset for n in (0, 2, 3, 5)]
    sound = decode_sound(row.fragments)
    assert sound is not None
    assert (sound.timescale, sound.samples, sound.payload_bytes, sound.last_sample_ticks) == (16_000, 3, 60, 2048)
    assert [entry.offset for entry in sound.fragments] == [FILE.commits[n].offset for n in (1, 4)]
    assert decode_sound(same.fragments) is None
    growing = segment_from_scan(scan(reader(FILE.open), len(FILE.open)), len(FILE.open))
    assert decode(growing.fragments) == decode(row.fragments)


@pytest.mark.parametrize("size_bytes", range(0, 33, 8))
def test_a_piece_of_an_index_with_sound_is_refused(size_bytes: int) -> None:
    """Both by who asks for pictures and by who asks for sound."""
    index = segment_from_scan(scan(reader(FILE.open), len(FILE.open)), len(FILE.open)).fragments
    with pytest.raises(Mp4Error):
        decode(index[:size_bytes])
    if size_bytes:
        with pytest.raises(Mp4Error):
            decode_sound(index[:size_bytes])


def test_a_reader_that_knows_no_sound_refuses_the_segment() -> None:
    """All its boxes say version 2: an older Hulta must not move the sound to quarantine as damage."""
    seal = FILE.sealed[-308:]
    for box, usertype in [*((commit.to_box(), COMMIT_USERTYPE) for commit in FILE.commits), (seal, SEAL_USERTYPE)]:
        with pytest.raises(Mp4Error, match="version 2"):
            require_intact(box, usertype, 1)


@pytest.mark.parametrize("size_bytes", range(len(FILE.init), len(FILE.sealed), 37))
def test_wherever_it_is_cut_whole_fragments_of_both_tracks_remain(size_bytes: int) -> None:
    """And what recovery makes of it is a sound file."""
    content = FILE.sealed[:size_bytes]
    whole = [commit for commit in FILE.commits if commit.box_offset + 300 <= size_bytes]
    if not whole:
        with pytest.raises(Mp4Error):
            scan(reader(content), size_bytes)
        return
    found = scan(reader(content), size_bytes, verify=True)
    assert found.commits == whole
    recovered = content[: found.valid_bytes] + b"".join(found.closing_boxes())
    again = read_sealed(reader(recovered), len(recovered))
    assert again == scan(reader(recovered), len(recovered), verify=True)
    assert (again.commits, again.faults) == (whole, ())


@pytest.mark.parametrize("number", range(1, 6))
def test_a_damaged_fragment_costs_itself_and_counts(number: int) -> None:
    """Of whichever track: the others stay, and the row says that something is missing."""
    at = FILE.commits[number].offset + FILE.commits[number].header_bytes
    content = FILE.sealed[:at] + bytes([FILE.sealed[at] ^ 1]) + FILE.sealed[at + 1 :]
    found = scan(reader(content), len(content), verify=True)
    assert found.commits == [commit for commit in FILE.commits if commit.fragment != number]
    assert found.faults
    lost = sum(commit.lost_packets for commit in found.commits)
    assert segment_from_scan(found, len(content)).lost_packets == lost + (number < 5)


def test_sound_without_a_picture_is_no_segment() -> None:
    """It would have no time: the file is kept apart as a whole."""
    at, end = FILE.commits[1].offset, FILE.commits[2].offset
    content = FILE.init + FILE.sealed[at:end]
    with pytest.raises(Mp4Error, match="no whole fragment"):
        scan(reader(content), len(content))


def heard(path: Path) -> np.ndarray:
    """The sound of a file, decoded, as floats."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    sound = np.concatenate([frame.reshape(-1) for frame in frames])
    return sound.astype(np.float64) / (1 if sound.dtype.kind == "f" else 32768)


def probed(path: Path) -> list[dict[str, Any]]:
    """Every packet of a file, as ffprobe sees it, without a warning."""
    command = ["ffprobe", "-v", "warning", "-show_packets", "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    packets: list[dict[str, Any]] = json.loads(done.stdout)["packets"]
    return packets


@pytest.mark.parametrize(
    ("codec", "rate"),
    [("aac", 16_000), ("aac", 44_100), ("libopus", 48_000), ("pcm_mulaw", 8_000), ("pcm_alaw", 8_000)],
)
@pytest.mark.parametrize("state", ["sealed", "open"])
def test_players_show_the_pictures_and_play_the_sound(codec: str, rate: int, state: str, tmp_path: Path) -> None:
    """Ffprobe finds every frame's bytes at its time, PyAV decodes pixels and tone, ffmpeg has nothing to say."""
    stream = encode()
    fragments = cut(stream.units)
    if codec.startswith("pcm"):
        raw = _companded(codec, rate)
        frames, extradata = [raw[at : at + 160] for at in range(0, len(raw), 160)], b""
    else:
        frames, extradata = encoded(codec, rate=rate, seconds=1.6)
    ticks = FRAME_TICKS[codec]
    track = sound_track(codec, rate=rate, extradata=extradata)
    per_fragment = -(-len(frames) // len(fragments))
    groups = [frames[at * per_fragment : (at + 1) * per_fragment] for at in range(len(fragments))]
    file = write_with_sound(stream.track, fragments, track, groups, ticks)
    path = tmp_path / "segment.mp4"
    path.write_bytes(file.sealed if state == "sealed" else file.open)
    content = path.read_bytes()
    packets = [packet for packet in probed(path) if packet["codec_type"] == "audio"]
    stored = [content[int(packet["pos"]) :][: int(packet["size"])] for packet in packets]
    assert stored == frames
    assert [int(packet["pts"]) for packet in packets] == [ticks * number for number in range(len(frames))]
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"], capture_output=True, check=True)
    assert done.stderr == b""
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
    assert pictures == stream.pictures
    _assert_tone(heard(path), rate)


def _companded(codec: str, rate: int) -> bytes:
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = rate, "mono", "s16"
    pcm = av.AudioFrame.from_ndarray(tone(1.6, rate).reshape(1, -1), "s16", "mono")
    pcm.sample_rate = rate
    return b"".join(bytes(packet) for frame in (pcm, None) for packet in context.encode(frame))


def _assert_tone(sound: np.ndarray, rate: int) -> None:
    """In the middle of the file it is the tone that was recorded: 440 Hz, a quarter of full scale."""
    middle = sound[len(sound) // 2 - rate // 4 : len(sound) // 2 + rate // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(spectrum.argmax() * 2 - 440) <= 2
    assert 0.15 < np.abs(middle).max() < 0.35


def test_times_of_the_builder_are_those_of_the_commits() -> None:
    """Where the file begins in UTC: what other tests rely on."""
    assert FILE.commits[0].wall_us == START_US
