"""What every codec of simulated cameras can do: encode, send, mark, come back."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from media import sdp
from media.access_unit import AccessUnit
from media.av1_obu import join_obus
from media.boxes import child
from media.codecs import choose_video, find_video
from media.fmp4_write import Sample, SegmentWriter
from media.identity import SegmentIdentity
from media.init_section import read_init_section
from media.nal import join_length_prefixed
from simulator.codec import Codec
from simulator.codecs import CODECS, codec_of_entry, codec_of_libav
from simulator.encoder import Setting
from simulator.film import read_reel
from simulator.frame_faults import flooded, units_of, without_parameter_sets
from simulator.loops import encode_loop
from simulator.options import Kind
from simulator.oracle import OracleMark, camera_uuid
from simulator.picture import Picture, corner
from simulator.scheduling import scheduled_as_before
from simulator.source import CodedFrame

LIBRARIES = {"h264": ("libx264", "h264"), "h265": ("libx265", "hevc"), "av1": ("libsvtav1", "libdav1d")}
"""What libav calls an encoder and a decoder of each codec."""

CAMERA = camera_uuid("cam/0001")
FRAME, SENT_US = 44_885_598_597, 1_795_423_943_905_095
GOP, PICTURES = 5, 12
OPTIONS = {
    "g": "10",
    "x264-params": "bframes=2",
    "x265-params": "log-level=error:bframes=2",
    "svtav1-params": "rtc=1:pred-struct=1",
}
SETTING = Setting(320, 180, 25, 1_000_000)


def pictures(count: int) -> list[Any]:
    """Small ones that move."""
    picture = Picture("codecs")
    return [corner(picture.render(number * 40_000), SETTING.width, SETTING.height) for number in range(count)]


@pytest.fixture(name="codec", scope="module", params=CODECS)
def _codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]


@pytest.fixture(name="units", scope="module")
def _units(codec: Codec) -> list[list[bytes]]:
    encoder = codec.encoder(SETTING)
    return [encoder.encode(planes, sync=number % GOP == 0) for number, planes in enumerate(pictures(PICTURES))]


def sample_of(codec: Codec, units: list[bytes]) -> bytes:
    """An access unit as files hold it."""
    return bytes(join_obus(units) if codec.name == "av1" else join_length_prefixed(units))


def decoded(codec: Codec, units: list[list[bytes]]) -> list[Any]:
    """The pictures of access units that begin with a sync sample, through libav."""
    parameters = codec.parameters(units[0])
    assert parameters is not None
    decoder: Any = av.CodecContext.create(LIBRARIES[codec.name][1], "r")
    entry = parameters.track().sample_entry
    decoder.extradata = child(entry[8 + 78 :], find_video(entry).configuration)
    frames = [frame for unit in units for frame in decoder.decode(av.Packet(sample_of(codec, unit)))]
    shown = [frame.to_ndarray() for frame in [*frames, *decoder.decode(None)]]
    assert len(shown) == len(units)
    return shown


def test_a_codec_is_known_by_all_its_names(codec: Codec) -> None:
    """Of the command line, of libav, of session descriptions and of files."""
    encoder = codec.encoder(SETTING)
    parameters = codec.parameters(encoder.encode(pictures(1)[0], sync=True))
    assert parameters is not None
    entry = parameters.track().sample_entry
    assert codec_of_entry(entry) is codec_of_libav(codec.libav) is CODECS[codec.name] is codec
    assert find_video(entry).encoding == codec.encoding


def test_sync_samples_are_where_they_were_asked_for(codec: Codec, units: list[list[bytes]]) -> None:
    """And carry the parameters in band."""
    assert [codec.is_sync(unit) for unit in units] == [number % GOP == 0 for number in range(PICTURES)]
    assert [codec.parameters(unit) is not None for unit in units] == [codec.is_sync(unit) for unit in units]


def test_access_units_come_back_from_their_packets(codec: Codec, units: list[list[bytes]]) -> None:
    """Unit by unit, however many packets they took."""
    assert [codec.receive(codec.packetize(unit)) for unit in units] == units
    assert max(len(codec.packetize(unit)) for unit in units) > 3


def test_a_mark_is_found_and_changes_nothing(codec: Codec, units: list[list[bytes]]) -> None:
    """It has the checksum of the others, and decoders do not see it."""
    marked = []
    for number, unit in enumerate(units):
        frame = CodedFrame.from_units(codec, unit, marked=True)
        received = codec.receive(frame.payloads(CAMERA, FRAME + number, SENT_US))
        examined = codec.examine(received)
        assert examined == (OracleMark(CAMERA, FRAME + number, SENT_US, frame.crc32), frame.crc32)
        assert codec.checksum(unit) == frame.crc32
        assert abs(sum(map(len, received)) - sum(map(len, unit)) - codec.mark_bytes) <= 3
        marked.append(received)
    assert codec.examine(units[0]).mark is None
    for ours, theirs in zip(decoded(codec, marked), decoded(codec, units), strict=True):
        assert np.array_equal(ours, theirs)


def test_a_flooded_frame_shows_the_same_picture(codec: Codec, units: list[list[bytes]]) -> None:
    """Fillers mean nothing; the mark covers them."""
    grown = [flooded(CodedFrame.from_units(codec, unit, marked=True), 4) for unit in units]
    sent = [codec.receive(frame.payloads(CAMERA, FRAME, SENT_US)) for frame in grown]
    for before, after, frame in zip(units, sent, grown, strict=True):
        assert 3.9 < sum(map(len, after)) / sum(map(len, before)) < 4.5
        assert codec.examine(after) == (OracleMark(CAMERA, FRAME, SENT_US, frame.crc32), frame.crc32)
    for ours, theirs in zip(decoded(codec, sent), decoded(codec, units), strict=True):
        assert np.array_equal(ours, theirs)


def test_parameters_can_be_left_out(codec: Codec, units: list[list[bytes]]) -> None:
    """Nothing is left to decode with; frames that had none are not touched."""
    bare = without_parameter_sets(CodedFrame.from_units(codec, units[0], marked=True))
    assert codec.parameters(units_of(bare)) is None
    assert bare.sync
    assert bare.crc32 == codec.checksum(units_of(bare))
    other = CodedFrame.from_units(codec, units[1], marked=True)
    assert without_parameter_sets(other) is other


def test_the_description_is_one_that_is_chosen(codec: Codec, units: list[list[bytes]]) -> None:
    """With what it says about the stream, or without."""
    parameters = codec.parameters(units[0])
    assert parameters is not None
    for described in (True, False):
        fmtp = codec.fmtp(parameters, described=described)
        lines = ["v=0", "m=video 0 RTP/AVP 96", f"a=rtpmap:96 {codec.encoding}/90000"]
        lines += [f"a=fmtp:96 {fmtp}"] if fmtp else []
        received: list[AccessUnit] = []
        _, taker = choose_video(sdp.parse("\r\n".join(lines)).media, received.append)
        payloads = codec.packetize(units[1])
        for index, payload in enumerate(payloads, 1):
            taker.push(payload, 0, len(payload), 3600, index == len(payloads), 0)
        (unit,) = received
        assert unit.parameters in ((parameters,) if described else (None,)) or codec.name == "av1"


@pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
def test_a_file_is_played_as_it_is(codec: Codec, units: list[list[bytes]], extension: str, tmp_path: Path) -> None:
    """By any muxer that takes it: the frames' own units, in their order."""
    if (codec.name, extension) == ("av1", "ts"):
        extension = "webm"  # FFmpeg puts AV1 into a transport stream as data of unknown kind
    path = tmp_path / f"film.{extension}"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(LIBRARIES[codec.name][0], rate=25)
        stream.width, stream.height, stream.pix_fmt = SETTING.width, SETTING.height, "yuv420p"
        stream.options = OPTIONS
        with scheduled_as_before():
            container.start_encoding()
        for number, planes in enumerate(pictures(20)):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    reel = read_reel(path, marked=True)
    assert reel.frames[0].codec is codec
    assert len(reel.frames) == 20
    with av.open(str(path)) as container:
        wanted = [frame.to_ndarray() for frame in container.decode(video=0)]
    played = [units_of(frame) for frame in reel.frames]
    header = without_header(codec, path)
    played[0] = [*(unit for unit in header if unit not in played[0]), *played[0]]
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(decoded(codec, played), wanted, strict=True))


def without_header(codec: Codec, path: Path) -> list[bytes]:
    """The parameters that a file keeps beside its samples."""
    with av.open(str(path)) as container:
        return codec.open_header(bytes(container.streams.video[0].codec_context.extradata or b"")).units


def test_a_loop_has_its_bitrate_and_its_gops(codec: Codec) -> None:
    """With B-frames where the codec has them."""
    kind = Kind(codec=codec.name, bitrate_bps=400_000, fps=8, gop_us=2_000_000, b_frames=codec.reorders)
    reel = encode_loop(kind)
    payloads = [frame.payloads(CAMERA, FRAME, SENT_US) for frame in reel.frames]
    bitrate_bps = sum(map(len, [b"".join(each) for each in payloads])) * 8 * 1_000_000 / reel.lap.length_us
    assert bitrate_bps == pytest.approx(kind.bitrate_bps, rel=0.03)
    assert [number for number, frame in enumerate(reel.frames) if frame.sync] == [*range(0, 80, 16)]
    assert len(decoded(codec, [units_of(frame) for frame in reel.frames])) == 80


def test_a_segment_of_it_plays(codec: Codec, units: list[list[bytes]]) -> None:
    """What Hulta would write of it, read by libav and by Hulta: the same pictures, the same track."""
    parameters = codec.parameters(units[0])
    assert parameters is not None
    identity = SegmentIdentity(camera=CAMERA, stream=CAMERA, epoch=1, run=1, sequence=0)
    writer = SegmentWriter(identity, parameters.track(), 0, bytes(32))
    payload = [sample_of(codec, unit) for unit in units]
    buffers, _ = writer.fragment(
        payload=payload,
        samples=[Sample(len(each), 3600, 0, codec.is_sync(unit)) for each, unit in zip(payload, units, strict=True)],
        media_ticks=0,
        duration_ticks=3600 * len(units),
        wall_us=0,
        end_wall_us=480_000,
        lost_packets=0,
        clock_quality=0,
    )
    assert read_init_section(writer.init) == parameters.track()
    file = io.BytesIO(b"".join([writer.init, *buffers, *writer.seal(480_000)]))
    with av.open(file) as container:
        shown = [frame.to_ndarray() for frame in container.decode(video=0)]
    assert len(shown) == PICTURES
    assert all(np.array_equal(one, other) for one, other in zip(shown, decoded(codec, units), strict=True))
