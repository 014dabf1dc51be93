"""Whatever happens to a segment file, the scan finds exactly the fragments that are whole, in bounded work."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from media.commit import COMMIT_BOX_BYTES, Commit
from media.errors import Mp4Error
from media.fmp4_read import SegmentScan, SegmentScanner, read_sealed, scan
from tests.builders_segment import File, plain_track, plain_units, reader, write

FILE = write(plain_track(), plain_units(6))
SEALED = FILE.sealed
INIT_BYTES = len(FILE.init)

damage = st.lists(st.tuples(st.integers(INIT_BYTES, len(SEALED) - 1), st.integers(1, 255)), max_size=6)
anywhere = st.integers(0, len(SEALED))


def ends(file: File) -> list[int]:
    """Where the commit box of each fragment ends."""
    return [commit.box_offset + COMMIT_BOX_BYTES for commit in file.commits]


def found_in(content: bytes, *, verify: bool = True) -> SegmentScan | None:
    """A scan; None when the file is refused, which only an Mp4Error may do."""
    try:
        return scan(reader(content), len(content), verify=verify)
    except Mp4Error:
        return None


def commits_of(found: SegmentScan | None) -> list[Commit]:
    """The commits of all fragments found."""
    return [fragment.commit for fragment in found.fragments] if found else []


def damaged(content: bytes, flips: list[tuple[int, int]]) -> bytes:
    """The content with some bytes changed; those past its end are not."""
    changed = bytearray(content)
    for place, mask in flips:
        if place < len(changed):
            changed[place] ^= mask
    return bytes(changed)


def untouched(before: bytes, after: bytes) -> list[Commit]:
    """The commits of the fragments that are whole in `after`: moof, mdat and commit box as they were."""
    whole = zip(FILE.commits, ends(FILE), strict=True)
    return [commit for commit, end in whole if after[commit.offset : end] == before[commit.offset : end]]


def assert_accounted(found: SegmentScan, size_bytes: int) -> None:
    """Every byte of the file is init, a fragment with its box, the closing boxes, or torn; none is two of them."""
    pieces = [(0, found.init_bytes), *found.torn]
    pieces += [(f.commit.offset, f.commit.box_offset + COMMIT_BOX_BYTES) for f in found.fragments]
    if found.seal:
        samples = found.seal.samples_offset, found.seal.samples_offset + found.seal.samples_length
        seal = samples[1], found.valid_bytes
        is_torn = any(start <= samples[0] and samples[1] <= end for start, end in found.torn)
        pieces += [seal] if is_torn else [samples, seal]
    at = 0
    for start, end in sorted(pieces):
        assert start == at
        at = end
    assert at == size_bytes


@given(cut=anywhere, zeros=st.integers(0, 3000))
def test_a_cut_anywhere_keeps_all_whole_fragments(cut: int, zeros: int) -> None:
    """Also with a tail of zeros, as a power loss leaves it."""
    content = SEALED[:cut] + bytes(zeros)
    expected = untouched(SEALED, content)
    found = found_in(content)
    assert commits_of(found) == expected
    if found:
        assert_accounted(found, len(content))
        assert found.valid_bytes == (len(SEALED) if found.seal else ends(FILE)[len(expected) - 1])


@given(flips=damage)
def test_damage_anywhere_costs_only_what_it_touches(flips: list[tuple[int, int]]) -> None:
    """With hashes checked, exactly the untouched fragments are found, before and after the damage."""
    content = damaged(SEALED, flips)
    found = found_in(content)
    assert commits_of(found) == untouched(SEALED, content)
    if found:
        assert_accounted(found, len(content))
        assert bool(found.torn or found.faults) == (content != SEALED)


@given(flips=damage)
def test_without_hashes_a_fragment_counts_by_its_boxes(flips: list[tuple[int, int]]) -> None:
    """Nothing untouched is lost, and nothing whose commit box was touched is found."""
    content = damaged(SEALED, flips)
    found = commits_of(found_in(content, verify=False))
    boxes = {commit for commit in FILE.commits if content[commit.box_offset :][:COMMIT_BOX_BYTES] == commit.to_box()}
    assert set(untouched(SEALED, content)) <= set(found) <= boxes


@given(flips=damage, cut=anywhere, noise=st.binary(max_size=400), at=anywhere)
def test_nothing_else_is_ever_raised(flips: list[tuple[int, int]], cut: int, noise: bytes, at: int) -> None:
    """Cut, damaged and with bytes put in anywhere, the init section included: an answer or an Mp4Error."""
    content = damaged(SEALED[:cut], flips)
    content = content[:at] + noise + content[at:]
    for verify in (False, True):
        found = found_in(content, verify=verify)
        if found:
            assert_accounted(found, len(content))
    with suppress(Mp4Error):
        read_sealed(reader(content), len(content))


@given(flips=damage, cut=anywhere)
def test_a_recovered_file_is_a_segment_again(flips: list[tuple[int, int]], cut: int) -> None:
    """Cut at `valid_bytes` and closed, it has the same fragments; doing it once more changes nothing."""
    found = found_in(damaged(FILE.open[:cut], flips))
    if found is None:
        return
    content = damaged(FILE.open[:cut], flips)[: found.valid_bytes] + b"".join(found.closing_boxes())
    again = found_in(content)
    assert again is not None
    assert again.seal is not None
    assert again.fragments == found.fragments
    assert again.samples == found.samples
    short = read_sealed(reader(content), len(content))
    assert (short.fragments, short.samples, short.seal) == (again.fragments, again.samples, again.seal)
    assert short.torn == again.torn


@given(flips=damage, sizes=st.lists(anywhere, max_size=12))
def test_a_growing_file_ends_up_as_if_read_at_once(flips: list[tuple[int, int]], sizes: list[int]) -> None:
    """The scanner may look at any time in between, and reads each byte a bounded number of times."""
    content = damaged(SEALED, flips)
    bytes_read = 0

    def read_at(offset: int, length: int) -> bytes:
        nonlocal bytes_read
        bytes_read += min(length, len(content) - offset)
        return content[offset : offset + length]

    scanner = SegmentScanner(read_at)
    for size in sorted(sizes):
        try:
            scanner.advance(size)
        except Mp4Error:
            assert size < INIT_BYTES
    scanner.advance(len(content))
    looks = len(sizes) + len(FILE.commits) + len(flips) + 3
    assert bytes_read <= 2 * len(content) + 3 * 4096 * looks
    try:
        result = scanner.result()
    except Mp4Error:
        assert found_in(content, verify=False) is None
    else:
        assert result == found_in(content, verify=False)
