"""The segment writer: what it appends, and that the format does not change by accident."""

from __future__ import annotations

from hashlib import sha256

import pytest

from media.boxes import children
from media.commit import COMMIT_BOX_BYTES, SEAL_BOX_BYTES, ZERO_CHAIN
from media.errors import Mp4Error
from media.fmp4_write import Sample, SegmentWriter
from tests.builders_segment import IDENTITY, plain_track, plain_units, write

GOLDEN = "35e1195b410a0f4fbc5b16329f1788f9c9a868d3541d3058be6e1c6f50dd2a4c"


def one_fragment(writer: SegmentWriter, **changes: object) -> tuple[list[bytes | bytearray], object]:
    """A fragment of two samples."""
    arguments: dict[str, object] = {
        "payload": [bytearray(b"12345"), b"678"],
        "samples": [Sample(5, 3600, 0, sync=True), Sample(3, 3600, 0, sync=False)],
        "media_ticks": 0,
        "duration_ticks": 7200,
        "wall_us": 1,
        "end_wall_us": 80_001,
        "lost_packets": 0,
        "clock_quality": 0,
    }
    return writer.fragment(**(arguments | changes))  # type: ignore[arg-type]


def test_the_format_is_pinned() -> None:
    """A segment with a fixed identity has these bytes. When this changes, the format page and its version must, too."""
    assert sha256(write(plain_track(), plain_units()).sealed).hexdigest() == GOLDEN


def test_the_file_is_a_sequence_of_boxes() -> None:
    """That is ftyp moov (moof mdat uuid)* uuid uuid, as any box reader sees it."""
    kinds = [kind for kind, _ in children(write(plain_track(), plain_units(2)).sealed)]
    assert kinds == [b"ftyp", b"moov", *[b"moof", b"mdat", b"uuid"] * 2, b"uuid", b"uuid"]


def test_the_payload_is_not_copied() -> None:
    """The very buffers that came in go to the file."""
    payload = [bytearray(b"12345"), b"678"]
    buffers, _ = one_fragment(SegmentWriter(IDENTITY, plain_track(), 0, ZERO_CHAIN), payload=payload)
    assert buffers[1] is payload[0]
    assert buffers[2] is payload[1]


def test_sizes_add_up() -> None:
    """The writer knows how long the file is by now."""
    writer = SegmentWriter(IDENTITY, plain_track(), 0, ZERO_CHAIN)
    written = len(writer.init)
    for number in range(3):
        buffers, commit = one_fragment(writer, media_ticks=number * 7200)
        written += sum(map(len, buffers))
        assert writer.size_bytes == written == commit.box_offset + COMMIT_BOX_BYTES
        assert writer.chain == commit.chain
    assert len(writer.seal(5)[-1]) == SEAL_BOX_BYTES


def test_samples_that_do_not_add_up_are_refused() -> None:
    """A moof that lies about its mdat or its duration would be damage of our own making; the writer goes on."""
    writer = SegmentWriter(IDENTITY, plain_track(), 0, ZERO_CHAIN)
    before = writer.size_bytes, writer.chain
    for wrong in (
        {"payload": [b"1234"]},
        {"duration_ticks": 7201},
        {"payload": [], "samples": []},
        {"media_ticks": -1},
        {"clock_quality": 256},
    ):
        with pytest.raises(Mp4Error):
            one_fragment(writer, **wrong)
    assert (writer.size_bytes, writer.chain) == before
    buffers, _ = one_fragment(writer)
    fresh, _ = one_fragment(SegmentWriter(IDENTITY, plain_track(), 0, ZERO_CHAIN))
    assert buffers == fresh


def test_a_segment_without_a_fragment_has_no_seal() -> None:
    """There is nothing to find in it."""
    assert SegmentWriter(IDENTITY, plain_track(), 0, ZERO_CHAIN).seal(0) == []
