"""Simulated cameras of AV1: what is sent, marked and read back."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from media.av1_obu import join_obus, obu_content, obu_type
from media.av1_sequence import parse_sequence_header
from media.errors import ConfigError
from simulator.codecs import CODECS, codec_of_entry, codec_of_libav
from simulator.encoder import Setting
from simulator.frame_faults import flooded, units_of, without_parameter_sets
from simulator.loops import encode_loop
from simulator.options import Kind
from simulator.oracle import camera_uuid
from simulator.picture import HEIGHT, WIDTH, Picture
from simulator.source import CodedFrame
from tests.builders_av1 import DELIMITER, INTER, KEY, METADATA, PADDING, SEQUENCE

AV1 = CODECS["av1"]
CAMERA = camera_uuid("cam/0001")
KIND = Kind(bitrate_bps=500_000, fps=12, gop_us=1_000_000, codec="av1")


def test_the_mark_stands_before_the_first_frame() -> None:
    """Behind the sequence header and other metadata; it is read back from the sample that a file would hold."""
    obus = [SEQUENCE, METADATA, KEY, PADDING]
    frame = CodedFrame.from_units(AV1, obus, marked=True)
    received = AV1.receive(frame.payloads(CAMERA, 7, 8))
    assert [*received[:2], *received[3:]] == obus
    assert frame.sync
    mark, crc32 = AV1.examine(AV1.split(bytes(join_obus([DELIMITER, *received]))))
    assert mark == (CAMERA, 7, 8, crc32)
    assert crc32 == AV1.checksum(obus)
    assert len(received[2]) == AV1.mark_bytes


def test_a_frame_that_is_not_marked_is_untouched() -> None:
    """What comes out of a file goes out as it is."""
    frame = CodedFrame.from_units(AV1, [SEQUENCE, METADATA, INTER], marked=False)
    assert AV1.receive(frame.payloads(CAMERA, 7, 8)) == [SEQUENCE, METADATA, INTER]
    assert AV1.examine([SEQUENCE, METADATA, INTER]).mark is None
    assert not frame.sync


def test_decoders_skip_the_mark() -> None:
    """The pictures are the same with and without, bit for bit."""
    encoder = AV1.encoder(Setting(width=WIDTH, height=HEIGHT, fps=25, bitrate_bps=2_000_000))
    picture = Picture("cam/0001")
    plain = [encoder.encode(picture.render(number * 40_000), sync=number == 0) for number in range(4)]
    marked = [
        AV1.receive(CodedFrame.from_units(AV1, obus, marked=True).payloads(CAMERA, number, 8))
        for number, obus in enumerate(plain)
    ]
    assert all(len(with_mark) == len(without) + 1 for with_mark, without in zip(marked, plain, strict=True))
    assert np.array_equal(decoded(marked), decoded(plain))
    assert len(decoded(plain)) == 4


def test_a_loop_has_its_bitrate_and_its_gop() -> None:
    """Within 3 %, the marks counted; every sync sample has its sequence header in band."""
    reel = encode_loop(KIND)
    size_bytes = sum(len(payload) for frame in reel.frames for payload in frame.payloads(CAMERA, 44_885_598_597, 1))
    assert size_bytes * 8 * 1_000_000 / reel.lap.length_us == pytest.approx(KIND.bitrate_bps, rel=0.03)
    assert [index for index, frame in enumerate(reel.frames) if frame.sync] == list(range(0, 120, 12))
    track = reel.parameters.track()
    assert (track.width, track.height) == (WIDTH, HEIGHT)
    assert codec_of_entry(track.sample_entry) is AV1
    assert AV1.fmtp(reel.parameters, described=True) == "profile=0;level-idx=1;tier=0"


def test_faults_of_frames_do_what_they_do_to_other_codecs() -> None:
    """Padding floods a unit, and a sequence header can be left out: the checksum is that of what is sent."""
    frame = CodedFrame.from_units(AV1, [SEQUENCE, METADATA, KEY], marked=True)
    grown = flooded(frame, 10)
    received = AV1.receive(grown.payloads(CAMERA, 7, 8))
    assert sum(map(len, received)) == pytest.approx(10 * sum(map(len, units_of(frame))), rel=0.3)
    assert {obu_type(obu[0]) for obu in received[4:]} == {15}
    mark, crc32 = AV1.examine(received)
    assert mark is not None
    assert mark.crc32 == crc32
    bare = without_parameter_sets(frame)
    assert (units_of(bare), bare.sync) == ([METADATA, KEY], True), (
        "where a session may begin is the camera's own affair"
    )


def test_a_files_header_is_read() -> None:
    """A decoder configuration, and the bare OBUs that a stream begins with."""
    header = parse_sequence_header(obu_content(SEQUENCE))
    entry = header.track().sample_entry
    record = entry[entry.index(b"av1C") + 4 :]
    for content in (record, bytes(join_obus([DELIMITER, SEQUENCE]))):
        opened = AV1.open_header(content)
        assert AV1.parameters(opened.units) == header
        assert opened.split(bytes(join_obus([DELIMITER, KEY]))) == [KEY]
    assert AV1.parameters(AV1.open_header(b"").units) is None
    assert codec_of_libav("av1") is AV1


def test_b_frames_are_refused() -> None:
    """Temporal units come in the order they are shown."""
    with pytest.raises(ConfigError, match="b-frames"):
        Kind(bitrate_bps=500_000, fps=12, gop_us=1_000_000, codec="av1", b_frames=True)


def decoded(units: list[list[bytes]]) -> np.ndarray:
    """The pictures of temporal units, by libav."""
    stream = b"".join(bytes(join_obus([DELIMITER, *obus])) for obus in units)
    with av.open(io.BytesIO(stream), format="obu") as container:
        return np.array([frame.to_ndarray() for frame in container.decode(video=0)])
