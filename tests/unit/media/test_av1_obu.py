"""OBUs: sizes, and units taken apart and put together."""

from __future__ import annotations

import pytest

from media.av1_obu import join_obus, leb128, obu_content, obu_type, read_leb128, split_obus
from media.errors import CodecError
from tests.builders_av1 import INTER, KEY, METADATA, SEQUENCE, layered


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001"), (1 << 21, "80808001")],
)
def test_sizes_take_as_few_bytes_as_they_need(value: int, encoded: str) -> None:
    """AV1 4.10.5: 7 bits a byte, the lowest first."""
    assert leb128(value).hex() == encoded
    assert read_leb128(b"--" + bytes.fromhex(encoded) + b"--", 2, 99) == (value, 2 + len(encoded) // 2)


def test_sizes_with_more_bytes_than_needed_are_read() -> None:
    """Encoders leave room for a size they do not know yet."""
    assert read_leb128(bytes.fromhex("85808000"), 0, 4) == (5, 4)
    assert read_leb128(bytes.fromhex("ffffffff0f"), 0, 5) == ((1 << 32) - 1, 5)


@pytest.mark.parametrize("broken", ["", "80", "808080808080808000", "ffffffff10", "80808080808001"])
def test_sizes_that_do_not_end_or_are_too_large_are_refused(broken: str) -> None:
    """More than 8 bytes, or more than 32 bits."""
    with pytest.raises(CodecError, match="leb128"):
        read_leb128(bytes.fromhex(broken), 0, len(broken) // 2)


def test_a_unit_is_taken_apart_and_put_together() -> None:
    """The last OBU of a sample may lack its size (AV1-ISOBMFF 2.4)."""
    obus = [SEQUENCE, layered(METADATA), b"\x30", KEY]
    unit = join_obus(obus)
    assert split_obus(unit) == obus
    assert split_obus(unit + INTER) == [*obus, INTER]
    assert [obu_type(obu[0]) for obu in obus] == [1, 5, 6, 6]
    assert obu_content(layered(METADATA)) == obu_content(METADATA) == METADATA[1:]


@pytest.mark.parametrize("broken", ["80", "34", "3203aabb", "32", "b200"])
def test_bytes_that_are_no_unit_are_refused(broken: str) -> None:
    """A forbidden bit, half a header, a size that is missing or does not fit."""
    with pytest.raises(CodecError):
        split_obus(bytes.fromhex(broken))


def test_a_unit_of_more_obus_than_asked_for_is_refused() -> None:
    """Each takes more memory than it has bytes."""
    unit = join_obus([METADATA] * 5)
    assert len(split_obus(unit, most=5)) == 5
    with pytest.raises(CodecError, match="more than 4 OBUs"):
        split_obus(unit, most=4)
