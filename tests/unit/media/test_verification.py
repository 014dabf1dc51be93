"""What a segment proves by itself: whatever is changed in it is noticed, and segments that do not follow each other."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from media.commit import SEAL_BOX_BYTES, Seal
from media.errors import Mp4Error
from media.identity import SegmentIdentity
from media.verification import Verification, breaks, verify
from tests.builders_segment import IDENTITY, File, cut, encode, plain_track, plain_units, reader, write

FILE = write(plain_track(), plain_units())
CHANGES = 10_000


def verified(content: bytes) -> Verification:
    """Of these bytes."""
    return verify(reader(content), len(content))


def is_proven(content: bytes) -> bool:
    """Whether nothing is found."""
    try:
        found = verified(content)
    except Mp4Error:
        return False
    return found.intact and found.sealed


@pytest.mark.parametrize("film", [FILE, write(encode().track, cut(encode().units))], ids=["plain", "pictures"])
def test_a_sealed_segment_is_proven(film: File) -> None:
    """As it was written, to its last byte."""
    found = verified(film.sealed)
    assert found.intact
    assert found.sealed
    assert (found.previous, found.head) == (film.commits[0].previous, film.commits[-1].chain)


def test_an_open_segment_is_proven_as_far_as_it_goes() -> None:
    """Without a seal nobody knows whether more followed."""
    found = verified(FILE.open)
    assert found.intact
    assert not found.sealed


def test_every_flipped_bit_is_found() -> None:
    """Anywhere: in boxes, payload, hashes, checksums, reserved bytes."""
    chance = random.Random(6)
    content = FILE.sealed
    for _ in range(CHANGES):
        at, bit = chance.randrange(len(content)), chance.randrange(8)
        changed = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
        assert not is_proven(changed), f"bit {bit} of byte {at}"


def test_every_truncation_and_every_byte_too_many_is_found() -> None:
    """At each length, and behind the end."""
    content = FILE.sealed
    for length in range(len(content)):
        assert not is_proven(content[:length]), f"the first {length} bytes"
    assert not is_proven(content + b"\0")


def test_pieces_that_are_left_out_or_moved_are_found() -> None:
    """Whole fragments with their commit boxes, too: what each says of its place is in its hash."""
    pairs = [fragment + commit.to_box() for fragment, commit in zip(FILE.fragments, FILE.commits, strict=True)]
    for number in range(len(pairs)):
        assert not is_proven(FILE.init + b"".join(pairs[:number] + pairs[number + 1 :]) + FILE.closing)
    assert not is_proven(FILE.init + b"".join([pairs[1], pairs[0], *pairs[2:]]) + FILE.closing)


def test_a_seal_that_says_something_else_is_found() -> None:
    """Written with a good checksum by somebody who knows the format."""
    seal = Seal.from_box(FILE.sealed[-SEAL_BOX_BYTES:])
    for change in ({"start_us": seal.start_us - 1}, {"samples": 1}, {"width": 1}, {"codec": "hvc1"}):
        forged = replace(seal, **change).to_box()
        found = verified(FILE.sealed[:-SEAL_BOX_BYTES] + forged)
        assert not found.intact, change


def following(one: File, identity: SegmentIdentity) -> File:
    """The segment after one."""
    return write(plain_track(), plain_units(), identity=identity, previous_chain=one.commits[-1].chain)


def test_segments_that_follow_one_another() -> None:
    """Each goes on from the head of the one before; a new run begins anew."""
    second = following(FILE, replace(IDENTITY, sequence=IDENTITY.sequence + 1))
    new_run = write(plain_track(), plain_units(), identity=replace(IDENTITY, run=IDENTITY.run + 1, sequence=0))
    assert breaks([verified(each.sealed) for each in (FILE, second, new_run)]) == []


def test_segments_that_do_not() -> None:
    """One is left out, one was exchanged, one is of another stream, a run without its beginning."""
    second = following(FILE, replace(IDENTITY, sequence=IDENTITY.sequence + 1))
    third = following(second, replace(IDENTITY, sequence=IDENTITY.sequence + 2))
    exchanged = write(plain_track(), plain_units(samples=2), identity=replace(IDENTITY, sequence=IDENTITY.sequence + 1))
    other = write(plain_track(), plain_units(), identity=replace(IDENTITY, stream=IDENTITY.camera))
    late = write(plain_track(), plain_units(), identity=replace(IDENTITY, run=1, sequence=3))
    for files, why in (
        ([FILE, third], "segment 42 is followed by segment 44"),
        ([FILE, exchanged], "the chain is broken"),
        ([FILE, other], "different streams"),
        ([FILE, late], "begins with segment 3"),
    ):
        (found,) = breaks([verified(each.sealed) for each in files])
        assert (found.before, found.after) == (0, 1)
        assert why in found.why
