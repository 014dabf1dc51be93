"""Parameter sets of H.265: against x265, libav's decoder, ffmpeg's and GStreamer's idea of a file."""

from __future__ import annotations

import base64
import io
import subprocess
from typing import Any

import av
import pytest

from media.codecs import describe_entry
from media.errors import CodecError
from media.h265_nal import nal_type
from media.h265_parameters import MAX_SET_BYTES, H265ParameterSets, hevc_codec
from media.h265_sps import parse_sps
from media.nal import split_annex_b
from media.sample_entry import read_visual_entry
from media.track import Track
from tests.builders_bits import BitWriter
from tests.builders_h264 import with_start_codes
from tests.builders_h265 import IDR, PPS, SETS, SPS, VPS, Receiver, encode, make_sps, make_vps

GST_CODEC = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstPbutils", "1.0")
from gi.repository import Gst, GstPbutils
Gst.init(None)
for line in sys.argv[1:]:
    caps = Gst.Caps.from_string("video/x-h265,stream-format=hvc1,alignment=au")
    caps.set_value("codec_data", Gst.Buffer.new_wrapped(bytes.fromhex(line)))
    print(GstPbutils.codec_utils_caps_get_mime_codec(caps))
"""


def configuration(track: Track) -> bytes:
    """The content of 'hvcC'."""
    return read_visual_entry(track.sample_entry).content(b"hvcC")


def sets_of(nals: list[bytes]) -> H265ParameterSets:
    """The parameter sets of a stream, which must be there."""
    sets = H265ParameterSets.from_nals(nals)
    assert sets is not None
    return sets


STREAMS = [
    ("1920x1080", "", "yuv420p"),
    ("640x360", ":hrd=1:bitrate=800:vbv-maxrate=1000:vbv-bufsize=1000:scaling-list=default", "yuv420p"),
    ("322x242", ":wpp=0", "yuv422p"),
    ("642x362", "", "yuv444p"),
    ("640x360", ":high-tier=1:level-idc=5.1", "yuv420p10le"),
    ("640x360", ":bframes=3:b-pyramid=1", "yuv420p12le"),
    ("640x360", "", "gray"),
]


@pytest.mark.parametrize(("size", "x265", "pixel_format"), STREAMS)
def test_a_stream_is_described_as_ffmpeg_does_it(size: str, x265: str, pixel_format: str, tmp_path: Any) -> None:
    """Size in the conformance window; profile, tier, level and formats of 'hvcC' to the bit, and all sets in it."""
    nals = encode(size, seconds=0.04, pixel_format=pixel_format, x265=x265)
    track = sets_of(nals).track()
    assert f"{track.width}x{track.height}" == size
    stream, file = tmp_path / "stream.h265", tmp_path / "file.mp4"
    stream.write_bytes(with_start_codes(nals))
    command = ["ffmpeg", "-v", "error", "-r", "25", "-i", stream, "-c", "copy", "-tag:v", "hvc1", file]
    subprocess.run(command, check=True)
    with av.open(str(file)) as container:
        theirs = bytes(container.streams.video[0].codec_context.extradata or b"")
    ours = configuration(track)
    # Bytes 13 to 15 and 19 to 21: segmentation, parallelism and frame rate, which are left open; layers and lengths.
    assert ours[:13] + ours[16:19] + ours[21:22] == theirs[:13] + theirs[16:19] + theirs[21:22]
    assert all(nal in ours for nal in nals if 32 <= nal_type(nal) <= 34)


@pytest.mark.parametrize(
    "x265", [":keyint=5", ":bframes=3:keyint=6:open-gop=1", ":slices=4:keyint=4:aud=1:repeat-headers=1"]
)
def test_a_stream_decodes_from_its_description_to_the_same_pixels(x265: str) -> None:
    """x265 -> packets -> access units -> libav's decoder, given our 'hvcC'; B-frames and several slices too."""
    nals = encode("322x182", seconds=0.6, x265=x265)
    with av.open(io.BytesIO(with_start_codes(nals)), format="hevc") as container:
        wanted = [frame.to_ndarray() for frame in container.decode(video=0)]
    with av.open(io.BytesIO(with_start_codes(nals)), format="hevc") as container:
        units = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    receiver = Receiver()
    for number, unit in enumerate(units):
        receiver.push_unit(split_annex_b(unit), 3600 * number)
    assert [nal for unit in receiver.nals for nal in unit] == nals
    decoder = av.CodecContext.create("hevc", "r")
    decoder.extradata = configuration(sets_of(nals).track())
    frames = [frame for unit in receiver.units for frame in decoder.decode(av.Packet(bytes(unit.nals)))]
    frames += decoder.decode(None)
    assert len(frames) == len(wanted) == len(receiver.units) == 15
    assert all((frame.to_ndarray() == picture).all() for frame, picture in zip(frames, wanted, strict=True))


def test_the_codec_is_written_as_gstreamer_writes_it() -> None:
    """RFC 6381, ISO 14496-15 Annex E.3 as corrected (quirk H5): flags reversed, level, constraints.

    It writes constraints with two digits, where the others have as many as it takes; its version 1.22 knows no tiers.
    """
    formats = ["yuv420p", "yuv420p10le", "yuv444p"]
    tracks = [sets_of(encode("640x360", seconds=0.04, pixel_format=each)).track() for each in formats]
    records = [configuration(track).hex() for track in tracks]
    asked = subprocess.run(["/usr/bin/python3", "-c", GST_CODEC, *records], check=True, capture_output=True, text=True)
    assert [track.codec for track in tracks] == [codec.replace(".0", ".") for codec in asked.stdout.split()]
    assert tracks[0].codec == "hvc1.1.6.L63.90"


def test_every_part_of_the_codec_is_written() -> None:
    """Profile space, a high tier, zeros among the constraint bytes, none at all."""
    record = bytearray(configuration(SETS.track()))
    record[1:13] = bytes((0xA2, 0x20, 0, 0, 0, 0xB0, 0, 0x0C, 0, 0, 0, 153))
    assert hevc_codec("hev1", bytes(record)) == "hev1.B2.4.H153.B0.0.C"
    record[6:12] = bytes(6)
    assert hevc_codec("hvc1", bytes(record)) == "hvc1.B2.4.H153"


CAMERAS = {
    "sps_max_sub_layers_minus1 (H1)": {"sub_layers": 3},
    "seven layers (H1)": {"sub_layers": 7},
    "YI Pro 2K, inter-RPS prediction (H2)": {"inter_rps": True},
    "Reolink RLC-423, 810 and 811, timing (H3)": {"hrd": True},
    "scaling lists (H3)": {"scaling": True},
    "all at once": {"sub_layers": 7, "inter_rps": True, "scaling": True, "hrd": True},
}


@pytest.mark.parametrize("camera", CAMERAS)
def test_sets_of_cameras_are_read(camera: str) -> None:
    """As libav reads them, which looks at all of the set."""
    options: Any = CAMERAS[camera]
    sub_layers = options.get("sub_layers", 1)
    sets = sets_of([make_vps(sub_layers), make_sps(**options), PPS])
    track = sets.track()
    decoder: Any = av.CodecContext.create("hevc", "r")
    decoder.extradata = configuration(track)
    decoder.open()
    assert (track.width, track.height) == (decoder.width, decoder.height) == (1920, 1080)
    assert parse_sps(sets.sps[0]).sub_layers == sub_layers
    assert configuration(track)[21] >> 3 & 7 == sub_layers


def test_tenda_cp3pro_has_a_set_that_ends_in_nonsense() -> None:
    """Whatever follows the bit depths, or does not: what a file needs can be read (quirk H4)."""
    sps = make_sps(hrd=True)
    wanted = parse_sps(sps)
    for odd in (sps[:28], sps[:28] + b"\xff\x80", sps[:-1], sps + bytes(8), sps[:28] + bytes(40)):
        assert parse_sps(odd) == wanted
        assert sets_of([VPS, odd, PPS]).track().sample_entry.count(odd) == 1


@pytest.mark.parametrize(
    ("nal", "complaint"),
    [
        (SPS[:10], "ends early"),
        (make_sps(set_id=16), "SPS with id 16"),
        (make_sps(size=(17000, 64)), "17000 x 64"),
        (make_sps(window=(480, 480, 0, 0)), "window of 0 x 1088"),
        (VPS[:2], "ends early"),
        (BitWriter().ue(64).to_nal(b"\x44\x01"), "PPS with id 64"),
        (PPS + bytes(MAX_SET_BYTES), "more than 4096"),
    ],
)
def test_a_set_that_describes_nothing_is_refused(nal: bytes, complaint: str) -> None:
    """In the stream it stays in its unit, and is counted."""
    with pytest.raises(CodecError, match=complaint):
        SETS.updated(nal)
    receiver = Receiver()
    receiver.push_unit([VPS, SPS, PPS, nal, IDR], 1)
    assert receiver.nals == [[VPS, SPS, PPS, nal, IDR]]
    assert (receiver.units[0].parameters, receiver.depacketizer.unusable_sets) == (SETS, 1)


def test_sets_are_equal_by_content() -> None:
    """And kept in the order of their ids; a set of the same id takes the place of the one before."""
    second, other = b"\x44\x01\x50\x80", PPS[:-1] + b"\x60"
    one = H265ParameterSets().updated(second).updated(SPS).updated(PPS).updated(VPS)
    assert one == SETS.updated(second)
    assert one.pps == (PPS, second)
    assert one.updated(other).pps == (other, second)
    assert one.updated(SPS) is one.updated(IDR) is one.updated(b"") is one


def test_sets_of_other_layers_are_not_ours() -> None:
    """They stay in the stream; the base layer is what is described."""
    assert SETS.updated(b"\x42\x09" + SPS[2:]) is SETS
    assert SETS.updated(b"\x43\x01" + SPS[2:]) is SETS


def test_the_description_brings_sets() -> None:
    """RFC 7798 7.1: three format parameters; junk in any of them is none (quirk V6)."""
    text = {name: base64.b64encode(nal).decode() for name, nal in zip("vsp", (VPS, SPS, PPS), strict=True)}
    fmtp = {"sprop-vps": text["v"], "sprop-sps": text["s"], "sprop-pps": text["p"]}
    assert H265ParameterSets.from_fmtp(fmtp) == SETS
    assert H265ParameterSets.from_fmtp({"sprop-vps": ",".join(text.values())}) == SETS
    for name in fmtp:
        assert H265ParameterSets.from_fmtp({**fmtp, name: "6QDwBE/L,AAAAAA=="}) is None


def test_without_one_of_each_there_is_no_file() -> None:
    """VPS, SPS and PPS."""
    for sets in ({"sps": (SPS,), "pps": (PPS,)}, {"vps": (VPS,), "pps": (PPS,)}, {"vps": (VPS,), "sps": (SPS,)}):
        with pytest.raises(CodecError, match="cannot be described"):
            H265ParameterSets(**sets).track()


def test_the_entry_is_read_back() -> None:
    """As Hulta writes it, and as others do."""
    track = SETS.track()
    assert describe_entry(track.sample_entry) == (track.codec, 640, 360)
    assert describe_entry(track.sample_entry.replace(b"hvc1", b"hev1"))[0] == track.codec.replace("hvc1", "hev1")
