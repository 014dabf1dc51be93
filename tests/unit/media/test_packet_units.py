"""Packets of a demuxer as access units: when they are shown, and what belongs together."""

from __future__ import annotations

import io
from dataclasses import dataclass

import av
import numpy as np
import pytest

from media.access_unit import AccessUnit
from media.av1 import split_obus
from media.av1_obu import TEMPORAL_DELIMITER, join_obus
from media.errors import CodecError
from media.fmp4_write import Sample, fragment_header, init_section
from media.nal import join_length_prefixed, split_annex_b, split_length_prefixed
from media.packet_times import PacketTimes
from media.packet_units import packet_units, split_lengths
from tests.builders_av1 import encode as encode_av1
from tests.builders_h264 import encode, with_start_codes
from tests.mjpeg_server import jpeg

SLICED = ("-x264-params", "slices=4:keyint=5:bframes=0")


@dataclass
class Demuxed:
    """A packet."""

    ticks: int | None
    payload: bytes = b"x"
    damaged: bool = False


def units_of(codec: str, configuration: bytes, *packets: tuple[int, bytes]) -> list[AccessUnit]:
    """What becomes of these packets."""
    found: list[AccessUnit] = []
    taker = packet_units(codec, configuration, found.append)
    for timestamp, packet in packets:
        taker.push(packet, timestamp, 0)
    taker.finish()
    return found


def pictures(nals: list[bytes]) -> list[list[bytes]]:
    """The NAL units of each picture: a slice whose first bit is set begins one."""
    found: list[list[bytes]] = []
    head: list[bytes] = []
    for nal in nals:
        if 1 <= nal[0] & 31 <= 5 and not nal[1] & 0x80:
            found[-1].append(nal)
        elif 1 <= nal[0] & 31 <= 5:
            found.append([*head, nal])
            head = []
        else:
            head.append(nal)
    return found


@pytest.mark.parametrize("boxed", [False, True])
def test_nal_units_come_out_as_they_went_in(boxed: bool) -> None:
    """From a byte stream or from lengths; the sets of the configuration describe the track."""
    nals = encode("320x240")
    sps, pps = (next(nal for nal in nals if nal[0] & 31 == kind) for kind in (7, 8))
    avcc = (
        b"\x01"
        + sps[1:4]
        + b"\xff\xe1"
        + len(sps).to_bytes(2, "big")
        + sps
        + b"\x01"
        + len(pps).to_bytes(2, "big")
        + pps
    )
    expected = pictures([nal for nal in nals if nal[0] & 31 not in (7, 8)])
    join = join_length_prefixed if boxed else with_start_codes
    configuration = avcc if boxed else with_start_codes([sps, pps])
    found = units_of("h264", configuration, *((3600 * i, bytes(join(unit))) for i, unit in enumerate(expected)))
    assert [split_length_prefixed(unit.nals) for unit in found] == expected
    assert [unit.rtp_timestamp for unit in found] == [3600 * i for i in range(len(expected))]
    assert found[0].parameters is not None
    assert found[0].parameters.track().width == 320
    assert [unit.sync for unit in found] == [True] + [False] * (len(found) - 1)


def test_a_picture_in_several_packets_is_one_unit() -> None:
    """FFmpeg's RTSP demuxer cuts before parameter sets: a picture with four slices comes in four packets of one time.

    The very first packet has another. Decoded, all pictures must be right.
    """
    nals = encode("320x240", *SLICED, seconds=0.4)
    sets = [nal for nal in nals if nal[0] & 31 in (7, 8)][:2]
    expected = pictures(nals)
    packets = []
    for number, unit in enumerate(expected):
        for index, nal in enumerate(nal for nal in unit if nal[0] & 31 in (1, 5)):
            at = 3599 if (number, index) == (0, 0) else 3600 + 3600 * number
            packets.append((at, with_start_codes([*sets, nal])))
    assert len(packets) == 4 * len(expected)
    found = units_of("h264", b"", *packets)
    assert [unit.rtp_timestamp for unit in found][1:] == [3600 + 3600 * i for i in range(1, len(expected))]
    whole = units_of("h264", b"", *((3600 * i, with_start_codes(unit)) for i, unit in enumerate(expected)))
    assert len(found) == len(whole) == len(expected)
    assert _decoded(found) == _decoded(whole)


@pytest.mark.parametrize("container", ["mp4", "mpegts"])
@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_what_ffmpeg_demuxes_is_decoded_alike(encoder: str, container: str) -> None:
    """With lengths and sets out of band (mp4) or start codes and sets in band (mpegts), B-frames in both."""
    film = io.BytesIO()
    with av.open(film, "w", format=container) as output:
        stream = output.add_stream(encoder, rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"bf": "2", "preset": "ultrafast", "g": "10", "x265-params": "log-level=error:pools=1"}
        for number in range(20):
            picture = np.full((240, 320, 3), 12 * number, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    film.seek(0)
    with av.open(film) as demuxed:
        shown = [frame.to_ndarray().tobytes() for frame in demuxed.decode(video=0)]
    film.seek(0)
    with av.open(film) as demuxed:
        context = demuxed.streams.video[0].codec_context
        configuration = bytes(context.extradata or b"")
        packets = [(int(found.pts or 0), bytes(found)) for found in demuxed.demux(video=0) if found.size]
        found = units_of(context.codec.canonical_name, configuration, *packets)
    assert len(found) == 20
    assert sorted(_decoded(found)) == sorted(shown)


def _decoded(units: list[AccessUnit]) -> list[bytes]:
    """The pictures of a file of these units."""
    assert units[0].parameters is not None
    samples = [Sample(len(unit.nals), 3600, 0, unit.sync) for unit in units]
    file = init_section(units[0].parameters.track()) + fragment_header(1, 0, samples)
    with av.open(io.BytesIO(file + b"".join(unit.nals for unit in units))) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def test_motion_jpeg_is_a_picture_a_packet() -> None:
    """What is none is left out, and counted with the next."""
    found: list[AccessUnit] = []
    taker = packet_units("mjpeg", b"", found.append)
    taker.push(jpeg(1), 0, 0)
    with pytest.raises(CodecError):
        taker.push(b"no picture", 3600, 2)
    taker.push(jpeg(2), 7200, 0)
    assert [(bytes(unit.nals), unit.lost_packets) for unit in found] == [(jpeg(1), 0), (jpeg(2), 3)]


@pytest.mark.parametrize("codec", ["vp9", "", "rawvideo"])
def test_other_codecs_are_refused_by_name(codec: str) -> None:
    """With those that can be recorded."""
    with pytest.raises(CodecError, match="mjpeg, which can be recorded"):
        packet_units(codec, b"", lambda _unit: None)


@pytest.mark.parametrize(
    "configuration", [b"\x01", b"\x01" * 6, b"\x01\x64\x00\x1f\xff\xe1\xff\xff", b"\x01" + bytes(30)]
)
def test_a_broken_configuration_is_none(configuration: bytes) -> None:
    """Sets in the stream will follow."""
    for codec in ("h264",):
        assert packet_units(codec, configuration, lambda _unit: None)


def test_lengths_that_do_not_fit_are_refused() -> None:
    """All four sizes of lengths are read."""
    for size in (1, 2, 3, 4):
        packet = b"".join(len(nal).to_bytes(size, "big") + nal for nal in (b"ab", b"c"))
        assert split_lengths(packet, size, 4) == [b"ab", b"c"]
        with pytest.raises(CodecError, match="past its packet"):
            split_lengths(packet[:-1], size, 4)
        with pytest.raises(CodecError, match="more than 1 NAL units"):
            split_lengths(packet, size, 1)


def test_a_first_packet_without_a_time_waits_for_the_second() -> None:
    """It is shown as long before as it came before; none is lost, none before another."""
    times = PacketTimes()
    assert list(times.place(Demuxed(None, b"a"), 1_000_000)) == []
    assert list(times.place(Demuxed(90_000, b"b"), 1_040_000)) == [(86_400, b"a", False), (90_000, b"b", False)]
    assert list(times.place(Demuxed(None, b"c"), 1_080_000)) == [(93_600, b"c", False)]


@pytest.mark.parametrize("timed", [True, False])
def test_packets_without_times_are_timed_by_arrival(timed: bool) -> None:
    """Whatever the demuxer made up, and however many there are without."""
    times = PacketTimes(timed=timed)
    placed = [
        shown
        for number in range(4)
        for shown in times.place(Demuxed(None if timed else 7, bytes([number])), 1_000_000 + 40_000 * number)
    ]
    assert [payload for _, payload, _ in placed] == [b"\0", b"\1", b"\2", b"\3"]
    assert [ticks - placed[0][0] for ticks, _, _ in placed] == [0, 3600, 7200, 10800]


def test_split_annex_b_is_what_a_byte_stream_is_read_with() -> None:
    """A packet without a start code is refused, not taken for a NAL unit."""
    with pytest.raises(CodecError):
        split_annex_b(b"abc")
    taker = packet_units("h264", b"", lambda _unit: None)
    with pytest.raises(CodecError):
        taker.push(b"abc", 0, 0)


def test_temporal_units_of_av1_come_out_as_they_went_in() -> None:
    """Each OBU with its content; delimiters are not stored. A cut one costs itself."""
    sent = encode_av1(frames=12)
    packets = [
        (3600 * number, bytes(join_obus([bytes([TEMPORAL_DELIMITER << 3]), *unit]))) for number, unit in enumerate(sent)
    ]
    found = units_of("av1", b"", *packets)
    assert [split_obus(bytes(unit.nals)) for unit in found] == sent
    assert [unit.rtp_timestamp for unit in found] == [timestamp for timestamp, _packet in packets]
    assert found[0].sync
    assert found[0].parameters is not None
    taker = packet_units("av1", b"", found.append)
    with pytest.raises(CodecError, match="past the"):
        taker.push(packets[0][1][:-5], 0, 0)
