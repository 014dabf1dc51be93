"""Parameter sets, and what is read from them: against x264, ffmpeg's own 'avcC' and its decoder."""

from __future__ import annotations

import base64
import io
import struct
import subprocess
from typing import TYPE_CHECKING

import av
import pytest

from media.errors import CodecError
from media.h264_parameters import MAX_SET_BYTES, ParameterSets
from media.h264_sps import parse_sps
from media.nal import PPS as PPS_TYPE
from media.nal import SPS as SPS_TYPE
from media.nal import START_CODE, nal_type, split_annex_b
from tests.builders_h264 import PPS, SETS, SPS, Receiver, encode, with_start_codes

if TYPE_CHECKING:
    from pathlib import Path


def sets_of(nals: list[bytes]) -> ParameterSets:
    """The parameter sets of a stream, which must be there."""
    sets = ParameterSets.from_nals([nal for nal in nals if nal_type(nal) in (SPS_TYPE, PPS_TYPE)])
    assert sets is not None
    return sets


def sprop(*sets: bytes) -> str:
    """As a session description holds them."""
    return ",".join(base64.b64encode(each).decode() for each in sets)


def box(kind: bytes, file: bytes) -> bytes:
    """The payload of the last box of a kind ('avc1' is a brand in 'ftyp', too)."""
    at = file.rindex(kind)
    (size,) = struct.unpack_from(">I", file, at - 4)
    return file[at + 4 : at - 4 + size]


# --- against real encoders

STREAMS = [
    ("1920x1080", ["-profile:v", "high"], "yuv420p"),
    ("1920x1080", ["-profile:v", "main", "-flags", "+ildct+ilme"], "yuv420p"),
    ("1280x720", ["-profile:v", "main"], "yuv420p"),
    ("640x480", ["-profile:v", "baseline"], "yuv420p"),
    ("352x288", ["-profile:v", "baseline", "-x264-params", "keyint=5:ref=1"], "yuv420p"),
    ("322x242", ["-profile:v", "high", "-x264-params", "cqm=jvt"], "yuv420p"),
    ("18x34", ["-profile:v", "high"], "yuv420p"),
    ("326x214", ["-profile:v", "high422"], "yuv422p"),
    ("321x243", ["-profile:v", "high444"], "yuv444p"),
    ("640x360", ["-profile:v", "high10"], "yuv420p10le"),
    ("640x360", ["-profile:v", "high", "-x264-params", "sps-id=3"], "yuv420p"),
    ("3840x2160", ["-profile:v", "high", "-preset", "ultrafast"], "yuv420p"),
    ("640x360", ["-profile:v", "high"], "gray"),
]


@pytest.mark.parametrize(("size", "options", "pixel_format"), STREAMS)
def test_a_stream_is_described_as_ffmpeg_does_it(
    size: str, options: list[str], pixel_format: str, tmp_path: Path
) -> None:
    """Width and height after cropping, and the bytes of the 'avcC' box."""
    nals = encode(size, *options, seconds=0.04, pixel_format=pixel_format)
    track = sets_of(nals).track()
    assert f"{track.width}x{track.height}" == size
    assert (track.kind, track.timescale) == ("video", 90000)

    stream, file = tmp_path / "stream.h264", tmp_path / "file.mp4"
    # Start codes of 3 bytes: ffmpeg takes the first zero of a longer one for the end of the PPS before it.
    stream.write_bytes(b"".join(START_CODE + nal for nal in nals))
    subprocess.run(["ffmpeg", "-v", "error", "-r", "25", "-i", stream, "-c", "copy", file], check=True)
    configuration = box(b"avcC", file.read_bytes())
    assert box(b"avcC", track.sample_entry) == configuration
    assert track.codec == f"avc1.{configuration[1:4].hex()}"
    # The fields of the VisualSampleEntry up to the first child box are ffmpeg's but for its name in compressorname.
    ours, theirs = box(b"avc1", track.sample_entry)[:78], box(b"avc1", file.read_bytes())[:78]
    assert ours[:42] + ours[74:] == theirs[:42] + theirs[74:]


@pytest.mark.parametrize(
    "options",
    [
        ["-profile:v", "baseline"],
        ["-profile:v", "high", "-bf", "3", "-x264-params", "keyint=6:aud=1"],
        ["-profile:v", "high", "-x264-params", "slices=4:keyint=4:repeat-headers=1"],
    ],
)
def test_a_stream_decodes_from_its_description_to_the_same_pixels(options: list[str]) -> None:
    """x264 -> packets -> access units -> ffmpeg's decoder, given our 'avcC'; B-frames and several slices too."""
    nals = encode("322x182", *options, seconds=0.6)
    receiver = Receiver()
    with av.open(io.BytesIO(with_start_codes(nals)), format="h264") as container:
        wanted = [frame.to_ndarray() for frame in container.decode(video=0)]
    with av.open(io.BytesIO(with_start_codes(nals)), format="h264") as container:
        units = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    for number, unit in enumerate(units):
        receiver.push_unit(split_annex_b(unit), 3600 * number)

    track = sets_of(nals).track()
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = box(b"avcC", track.sample_entry)
    frames = [frame for unit in receiver.units for frame in decoder.decode(av.Packet(bytes(unit.nals)))]
    frames += decoder.decode(None)
    assert len(frames) == len(wanted) == len(receiver.units) == 15
    assert all((frame.to_ndarray() == picture).all() for frame, picture in zip(frames, wanted, strict=True))


# --- the sets


def test_sets_are_equal_by_content() -> None:
    """And are kept in the order of their ids."""
    second_pps = b"\x68\x5a\xe3"  # id 1
    one = ParameterSets().updated(second_pps).updated(SPS).updated(PPS)
    other = ParameterSets().updated(SPS).updated(PPS).updated(second_pps)
    assert one == other
    assert one.pps == (PPS, second_pps)


def test_a_set_replaces_the_one_with_its_id() -> None:
    """And nothing changes when it is repeated."""
    other = PPS[:-1] + b"\xc1"
    assert SETS.updated(other) == ParameterSets(sps=(SPS,), pps=(other,))
    assert SETS.updated(PPS) is SETS
    assert SETS.updated(b"\x06\x05") is SETS
    assert SETS.updated(b"") is SETS


def test_a_stray_byte_after_an_sps_is_tolerated() -> None:
    """Reolink doorbells append some (quirk V7)."""
    assert parse_sps(SPS + b"\x04").width == 640


@pytest.mark.parametrize(
    ("nal", "problem"),
    [
        (SPS[:3], "an SPS of 3 bytes"),
        (SPS[:5], "ends early"),
        (b"\x67" + bytes(8), "longer than 32 bits"),
        (b"\x67\x42\x00\x1e\x02\x08", "id 64, more than 31"),
        (b"\x68", "ends early"),
        (b"\x68\x00\x80\x80", "id 256, more than 255"),
        (SPS + bytes(MAX_SET_BYTES), "more than 4096"),
        (b"\x67\x42\x00\x1e\xf0\x00\x00\x07\xff\xff", "ends early|pixels"),
    ],
)
def test_an_unusable_set_is_refused(nal: bytes, problem: str) -> None:
    """By what is wrong with it."""
    with pytest.raises(CodecError, match=problem):
        ParameterSets().updated(nal)


def test_an_incomplete_stream_cannot_be_described() -> None:
    """It takes an SPS and a PPS."""
    for sets in (ParameterSets(), ParameterSets(sps=(SPS,)), ParameterSets(pps=(PPS,))):
        assert not sets.complete
        with pytest.raises(CodecError, match="without an SPS and a PPS"):
            sets.track()


def test_a_set_too_many_changes_nothing() -> None:
    """It is refused as it comes: refusing to describe the stream later would cost the picture that came with it."""
    # Exp-Golomb (9.1): the id plus one, behind a zero for each of its bits but one.
    codes = [(code << 25 - 2 * code.bit_length() | 0x7F) for code in range(1, 34)]
    *fitting, one_more = [b"\x68" + code.to_bytes(4, "big")[1:] for code in codes]
    sets = ParameterSets()
    for nal in fitting:
        sets = sets.updated(nal)
    with pytest.raises(CodecError, match="more than 8 SPS or 32 PPS"):
        sets.updated(one_more)


def test_more_sets_than_can_be_learned_are_not_described() -> None:
    """However they came to be there."""
    pps = {b"\x68" + code.to_bytes(3, "big") for code in range(33)}
    with pytest.raises(CodecError, match="33 PPS are more"):
        ParameterSets(sps=(SPS,), pps=tuple(pps)).track()


# --- from the session description


def test_sprop_parameter_sets() -> None:
    """RFC 6184 8.1."""
    assert ParameterSets.from_sprop(sprop(SPS, PPS)) == SETS
    assert ParameterSets.from_sprop(sprop(PPS) + " , " + sprop(SPS).rstrip("=")) == SETS


def test_start_codes_in_sprop_are_taken_off() -> None:
    """GW Security appends one, others begin with one, some put both sets into one part (quirk V5)."""
    code = b"\x00\x00\x00\x01"
    assert ParameterSets.from_sprop(sprop(SPS + code, PPS)) == SETS
    assert ParameterSets.from_sprop(sprop(code + SPS, code + PPS)) == SETS
    assert ParameterSets.from_sprop(sprop(code + SPS + code + PPS)) == SETS


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "6QDwBE/LCAAAH0gABdwAAAAAAAAA,AAAAAA==",
        "%%%,&&&",
        "Z0I",
        sprop(SPS),
        sprop(PPS),
        sprop(SPS[:6], PPS),
        "ü,é",
    ],
)
def test_junk_in_sprop_is_no_parameter_set(text: str) -> None:
    """VStarcam; in-band sets will follow (quirk V6)."""
    assert ParameterSets.from_sprop(text) is None
