"""NAL units strung together."""

from __future__ import annotations

import pytest

from media.errors import CodecError
from media.nal import START_CODE, join_length_prefixed, most_small_nals, split_annex_b, split_length_prefixed


@pytest.mark.parametrize(
    ("stream", "nals"),
    [
        (b"\x00\x00\x01\x67\x01\x00\x00\x01\x68\x02", [b"\x67\x01", b"\x68\x02"]),
        (b"\x00\x00\x00\x01\x67\x01\x00\x00\x00\x01\x68\x02", [b"\x67\x01", b"\x68\x02"]),
        (b"junk\x00\x00\x01\x67", [b"\x67"]),
        (b"\x00\x00\x01\x67\x80\x00\x00\x00", [b"\x67\x80"]),
        (b"\x00\x00\x01\x00\x00\x01\x67", [b"\x67"]),
        (b"\x00\x00\x01\x67\x00\x00\x03\x01", [b"\x67\x00\x00\x03\x01"]),
        (b"\x00\x00\x01", []),
        (b"", []),
    ],
)
def test_a_byte_stream_is_split(stream: bytes, nals: list[bytes]) -> None:
    """At start codes of 3 and 4 bytes; zeros around them belong to nothing."""
    assert split_annex_b(stream) == nals


def test_zeros_take_no_time() -> None:
    """A packet of them kept every camera of the process waiting: with the square of their number and more."""
    zeros = bytes(1 << 20)
    assert split_annex_b(START_CODE + b"\x41" + zeros + b"\x02") == [b"\x41" + zeros + b"\x02"]
    assert split_annex_b(START_CODE + b"\x41" + zeros) == [b"\x41"]


def test_start_codes_have_a_bound_where_there_is_one() -> None:
    """8 MiB of them would be two million NAL units."""
    stream = (START_CODE + b"\x41") * 40
    assert split_annex_b(stream, 40) == [b"\x41"] * 40
    with pytest.raises(CodecError, match="more than 39 start codes"):
        split_annex_b(stream, 39)
    assert most_small_nals(8 << 20) == most_small_nals(64 << 20) < 5000


def test_bytes_without_a_start_code_are_no_stream() -> None:
    """They would be dropped silently otherwise."""
    with pytest.raises(CodecError, match="no start code in 4 bytes"):
        split_annex_b(b"\x67abc")


def test_length_prefixed_units_read_back() -> None:
    """Of any size, in any buffer."""
    nals = [b"\x67", b"\x65" + bytes(70000), b"\x06x"]
    joined = join_length_prefixed(nals)
    assert split_length_prefixed(joined) == split_length_prefixed(memoryview(bytes(joined))) == nals
    assert split_length_prefixed(b"") == []


@pytest.mark.parametrize("broken", [b"\x00", b"\x00\x00\x00\x02a", b"\x00\x00\x00\x01ab", b"\xff\xff\xff\xffabc"])
def test_a_length_that_does_not_fit_is_refused(broken: bytes) -> None:
    """Files may be torn."""
    with pytest.raises(CodecError, match="past the"):
        split_length_prefixed(broken)
