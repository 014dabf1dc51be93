"""Commit boxes and seals: fixed layouts, and a chain that notices."""

from __future__ import annotations

import struct
from dataclasses import replace
from hashlib import sha256
from zlib import crc32

import pytest

from media.boxes import COMMIT_USERTYPE, checked_box, with_checksum
from media.commit import COMMIT_BOX_BYTES, SEAL_BOX_BYTES, Commit, Seal, bounded_loss, camera_clock, link
from media.errors import Mp4Error
from tests.builders_segment import IDENTITY, plain_track, plain_units, write

FILE = write(plain_track(), plain_units())
COMMIT = FILE.commits[1]
SEAL = Seal.from_box(FILE.sealed[-SEAL_BOX_BYTES:])


def test_a_commit_survives_its_box() -> None:
    """Every field comes back."""
    assert Commit.from_box(COMMIT.to_box()) == COMMIT
    assert len(COMMIT.to_box()) == COMMIT_BOX_BYTES == 300


def test_a_stranger_finds_the_fields_where_the_format_page_says() -> None:
    """The offsets of docs/formats/segment.md, read without Hulta's code."""
    raw = COMMIT.to_box()
    assert raw[4:8] == b"uuid"
    assert raw[8:24].hex() == "891a1d9b39804a00b2314709636d6974"
    assert (raw[24], raw[25], raw[26]) == (1, 1, 1)
    assert struct.unpack_from(">I", raw, 28) == (1,)
    assert raw[32:48] == IDENTITY.camera.bytes
    assert raw[48:64] == IDENTITY.stream.bytes
    assert struct.unpack_from(">QQQQ", raw, 64) == (3, 0x1122334455667788, 42, 5)
    assert struct.unpack_from(">IIQQ", raw, 96) == (1, COMMIT.header_bytes, COMMIT.offset, COMMIT.length)
    assert struct.unpack_from(">qqQQ", raw, 120) == (COMMIT.wall_us, COMMIT.end_wall_us, 10_800, 10_800)
    assert struct.unpack_from(">III", raw, 152) == (3, 1, 1)
    assert raw[168:200] == sha256(FILE.init).digest()
    assert raw[200:232] == sha256(FILE.fragments[1]).digest()
    assert raw[232:264] == FILE.commits[0].chain
    assert raw[264:296] == sha256(raw[:264]).digest()
    assert struct.unpack_from(">I", raw, 296) == (crc32(raw[:296]),)


@pytest.mark.parametrize(
    ("offset_us", "told_us"),
    [
        (None, None),
        (0, 0),
        (-41_000_900, -41_001_000),
        (86_400_000_000, 86_400_000_000),
        (-26 * 31_536_000_000_000, -2_147_483_647_000),
        (26 * 31_536_000_000_000, 2_147_483_647_000),
    ],
)
def test_a_commit_tells_what_the_cameras_own_clock_said(offset_us: int | None, told_us: int | None) -> None:
    """To a millisecond, or to 24 days; nothing where nothing was known, as in every file of an earlier version."""
    clock_ms, known = camera_clock(offset_us)
    commit = replace(COMMIT, clock_quality=COMMIT.clock_quality | known, camera_clock_ms=clock_ms)
    raw = commit.to_box()
    assert Commit.from_box(raw).camera_clock_offset_us == told_us
    assert struct.unpack_from(">i", raw, 164) == (clock_ms,)
    assert raw[26] & 8 == known
    assert COMMIT.to_box()[164:168] == bytes(4)


def test_the_chain_covers_every_field() -> None:
    """Whatever is changed in a commit, its chain would have to be another one."""
    for field, value in [
        ("wall_us", 0),
        ("camera_clock_ms", 5),
        ("lost_packets", 99),
        ("fragment", 7),
        ("sha256", bytes(32)),
    ]:
        assert link(replace(COMMIT, **{field: value})) != COMMIT.chain
    assert link(COMMIT) == COMMIT.chain


def test_a_number_that_does_not_fit_is_named() -> None:
    """An impossible value is an Mp4Error and not a struct.error."""
    with pytest.raises(Mp4Error, match=r"fragment 1 of .*out of range"):
        replace(COMMIT, offset=-1).to_box()
    with pytest.raises(Mp4Error, match=r"seal of .*out of range"):
        replace(SEAL, samples=1 << 32).to_box()


def test_a_run_that_no_database_holds_is_refused() -> None:
    """Runs are below 2**63."""
    with pytest.raises(Mp4Error, match="epoch, run or sequence"):
        Commit.from_box(replace(COMMIT, identity=replace(IDENTITY, run=1 << 63)).to_box())


def test_a_commit_box_of_another_size_is_refused() -> None:
    """Whole and of version 1, and still not one of ours."""
    with pytest.raises(Mp4Error, match="commit box of 39 bytes"):
        Commit.from_box(checked_box(COMMIT_USERTYPE, 1, b"0123456789"))


def test_a_commit_of_a_newer_version_is_refused() -> None:
    """The version is at the same place for ever, so that old software can say so."""
    future = bytearray(COMMIT.to_box()[:-4])
    future[24] = 3
    with pytest.raises(Mp4Error, match="version 3"):
        Commit.from_box(with_checksum(bytes(future)))


def test_a_seal_survives_its_box() -> None:
    """Every field comes back, from the last bytes of the file."""
    assert Seal.from_box(SEAL.to_box()) == SEAL
    assert len(SEAL.to_box()) == SEAL_BOX_BYTES == 308


def test_a_seal_sums_up_its_fragments() -> None:
    """Counts, times, the track, and the head of the chain."""
    first, last = FILE.commits[0], FILE.commits[-1]
    assert (SEAL.fragments, SEAL.samples, SEAL.sync_samples, SEAL.lost_packets) == (4, 12, 4, 0 + 1 + 2 + 3)
    assert (SEAL.start_us, SEAL.end_us) == (first.wall_us, last.end_wall_us)
    assert (SEAL.media_ticks, SEAL.duration_ticks) == (0, 12 * 3600)
    assert (SEAL.codec, SEAL.width, SEAL.height, SEAL.timescale) == ("avc1.64001f", 320, 240, 90_000)
    assert SEAL.chain == last.chain
    assert SEAL.init_bytes == len(FILE.init)


def test_a_lying_camera_cannot_overflow_the_loss_count() -> None:
    """Sequence numbers that jump all the time must not keep a segment from being sealed."""
    commits = [replace(commit, lost_packets=bounded_loss(1 << 40)) for commit in FILE.commits]
    seal = Seal.over(commits, plain_track(), init_bytes=1, samples_offset=2, samples_length=3, end_us=4)
    assert Seal.from_box(seal.to_box()).lost_packets == 0xFFFF_FFFF
