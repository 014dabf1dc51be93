"""Boxes: what is written can be read, and what is no box is refused."""

from __future__ import annotations

import pytest

from media.boxes import (
    CHECKED_VERSION_AT,
    COMMIT_USERTYPE,
    SEAL_USERTYPE,
    box,
    checked_box,
    child,
    children,
    full_box,
    is_intact,
    parse_header,
    require_intact,
    with_checksum,
)
from media.errors import Mp4Error


def test_a_box_is_size_type_and_content() -> None:
    """The size counts the header, and several pieces of content are joined."""
    assert box(b"free", b"ab", b"c") == b"\0\0\0\x0bfreeabc"


def test_a_full_box_begins_with_version_and_flags() -> None:
    """One byte of version, three bytes of flags."""
    assert full_box(b"trun", 1, 0xF01, b"x") == b"\0\0\0\x0dtrun\x01\x00\x0f\x01x"


def test_children_are_found_on_the_way_down() -> None:
    """A path of types leads to the content of the innermost box."""
    tree = box(b"moov", box(b"mvhd", b"1"), box(b"trak", box(b"tkhd", b"2"), box(b"mdia", b"3")))
    assert child(tree, b"moov", b"trak", b"mdia") == b"3"
    assert [kind for kind, _ in children(child(tree, b"moov"))] == [b"mvhd", b"trak"]


def test_a_missing_child_is_named() -> None:
    """The error says which box is not there."""
    with pytest.raises(Mp4Error, match="no 'mdia' box"):
        child(box(b"moov", box(b"trak")), b"moov", b"trak", b"mdia")


def test_a_64_bit_size_is_understood() -> None:
    """Size 1 means that the real size follows the type."""
    assert parse_header(b"\0\0\0\x01mdat" + (1 << 33).to_bytes(8, "big")) == (b"mdat", 16, 1 << 33)


@pytest.mark.parametrize(
    "bad",
    [b"", b"\0\0\0\x08fre", b"\0\0\0\x07free", b"\0\0\0\0free", b"\0\0\0\x01mdat\0\0", b"\0\0\0\x01mdat" + bytes(8)],
    ids=["empty", "short", "smaller than its header", "open end", "half a 64-bit size", "64-bit size of 0"],
)
def test_what_is_no_header_is_refused(bad: bytes) -> None:
    """A size that cannot be, or a header that is cut off."""
    with pytest.raises(Mp4Error):
        parse_header(bad)


def test_a_child_may_not_leave_its_parent() -> None:
    """A size that reaches past the parent is an error, not a short read."""
    with pytest.raises(Mp4Error, match="reaches 3 bytes past"):
        list(children(b"\0\0\0\x0bfree"))


def test_a_checked_box_believes_only_itself() -> None:
    """Whole, of the right usertype, and not a byte changed."""
    whole = checked_box(COMMIT_USERTYPE, 1, b"content")
    assert is_intact(whole, COMMIT_USERTYPE)
    assert not is_intact(whole, SEAL_USERTYPE)
    assert not is_intact(whole[:-1], COMMIT_USERTYPE)
    assert not is_intact(whole + b"\0", COMMIT_USERTYPE)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        assert not is_intact(bytes(changed), COMMIT_USERTYPE)


def test_a_newer_version_is_refused_with_a_message() -> None:
    """An undamaged box of version 2 is not damage: the message says what to do."""
    whole = checked_box(SEAL_USERTYPE, 2, b"of the future")
    with pytest.raises(Mp4Error, match="'seal' box of version 2; this Hulta knows versions up to 1") as error:
        require_intact(whole, SEAL_USERTYPE, 1)
    assert "later one" in error.value.hint


def test_version_0_never_was() -> None:
    """Zeros are not an early version."""
    unfinished = bytearray(checked_box(SEAL_USERTYPE, 1, b"")[:-4])
    unfinished[CHECKED_VERSION_AT] = 0
    with pytest.raises(Mp4Error, match="version 0"):
        require_intact(with_checksum(bytes(unfinished)), SEAL_USERTYPE, 1)
