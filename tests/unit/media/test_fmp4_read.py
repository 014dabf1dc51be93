"""Reading segments back: the scan, the short way, the chain, and what damage and tampering do to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media.boxes import CHECKED_MARK, COMMIT_USERTYPE, checked_box, with_checksum
from media.commit import COMMIT_BOX_BYTES, ZERO_CHAIN, Commit, link
from media.errors import Mp4Error
from media.fmp4_read import SegmentScan, SegmentScanner, read_sealed, scan
from media.sample_table import SampleTable
from tests.builders_segment import IDENTITY, File, Unit, cut, encode, plain_track, plain_units, reader, write

FILE = write(plain_track(), plain_units())


def verified(content: bytes) -> SegmentScan:
    """A scan that checks hashes and chain."""
    return scan(reader(content), len(content), verify=True)


def numbers(found: SegmentScan) -> list[int]:
    """Which fragments were found."""
    return [fragment.commit.fragment for fragment in found.fragments]


class Reads:
    """A file that counts how often and how much is read of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.calls = 0
        self.bytes = 0

    def __call__(self, offset: int, length: int) -> bytes:
        """Read."""
        piece = self.content[offset : offset + length]
        self.calls += 1
        self.bytes += len(piece)
        return piece


# --- undamaged files


def test_a_sealed_file_gives_everything_back() -> None:
    """Identity, track, all commits, payload places, the seal, and nothing to complain about."""
    found = verified(FILE.sealed)
    assert (found.identity, found.track) == (IDENTITY, plain_track())
    assert [fragment.commit for fragment in found.fragments] == FILE.commits
    assert found.init_bytes == len(FILE.init)
    assert found.valid_bytes == len(FILE.sealed)
    assert found.seal is not None
    assert (found.torn, found.faults) == ((), ())
    for fragment, units in zip(found.fragments, plain_units(), strict=True):
        payload = FILE.sealed[fragment.data_offset : fragment.data_offset + fragment.data_bytes]
        assert payload == b"".join(unit.nals for unit in units)


def test_the_short_way_says_the_same_as_the_scan() -> None:
    """Two reads, and no difference."""
    reads = Reads(FILE.sealed)
    assert read_sealed(reads, len(FILE.sealed)) == verified(FILE.sealed)
    assert reads.calls == 2


def test_a_long_segment_takes_a_third_read() -> None:
    """The samples box of ten minutes does not fit the first read."""
    file = write(plain_track(), plain_units(300))
    reads = Reads(file.sealed)
    assert read_sealed(reads, len(file.sealed)) == verified(file.sealed)
    assert reads.calls == 3


def test_an_open_file_has_the_same_sample_table() -> None:
    """Made from the moofs, it is the one that the seal would have brought."""
    opened, sealed = verified(FILE.open), verified(FILE.sealed)
    assert opened.seal is None
    assert opened.samples == sealed.samples
    assert SampleTable.decode(opened.samples).sync.tolist() == [0, 3, 6, 9]


def test_recovery_seals_as_the_writer_would_have() -> None:
    """An open file plus its closing boxes is the sealed file, byte by byte."""
    assert FILE.open + b"".join(verified(FILE.open).closing_boxes()) == FILE.sealed


def test_a_real_stream_with_b_frames_comes_back() -> None:
    """Track from the sample entry, presentation times from the table."""
    stream = encode(b_frames=3)
    content = write(stream.track, cut(stream.units)).sealed
    found = verified(content)
    table = SampleTable.decode(found.samples)
    assert found.track == stream.track
    assert table.presentation_ticks.tolist() == [unit.pts_ticks for unit in stream.units]
    assert table.sizes.tolist() == [len(unit.nals) for unit in stream.units]


# --- an open file that grows


def test_a_growing_file_is_read_once() -> None:
    """Every look costs what was added since the last one."""
    file = write(plain_track(), plain_units(20, 3, 20_000))
    reads = Reads(file.open)
    scanner = SegmentScanner(reads)
    for commit in file.commits:
        scanner.advance(commit.box_offset + COMMIT_BOX_BYTES)
        assert numbers(scanner.result())[-1] == commit.fragment
    assert reads.calls <= 3 * len(file.commits)
    assert reads.bytes <= 3 * 4096 * len(file.commits)
    scanner.advance(len(file.open))
    assert scanner.result() == scan(reader(file.open), len(file.open))


def test_nothing_is_there_before_the_first_commit_box() -> None:
    """A file of an init section alone, or of half of one, is no segment yet; later it is."""
    scanner = SegmentScanner(reader(FILE.open))
    with pytest.raises(Mp4Error, match="inside its init section"):
        scanner.advance(len(FILE.init) - 1)
    scanner.advance(len(FILE.init))
    with pytest.raises(Mp4Error, match="no whole fragment"):
        scanner.result()
    scanner.advance(len(FILE.open))
    assert numbers(scanner.result()) == [0, 1, 2, 3]


# --- damage


def test_a_torn_tail_is_cut_off() -> None:
    """The fragments before it count, the rest is reported."""
    end = FILE.commits[2].box_offset
    found = verified(FILE.open[:end])
    assert numbers(found) == [0, 1]
    assert found.valid_bytes == FILE.commits[2].offset
    assert found.torn == ((FILE.commits[2].offset, end),)


def test_zeros_after_a_power_loss_are_torn() -> None:
    """A file system may leave a tail of zeros."""
    content = FILE.open + bytes(100_000)
    found = verified(content)
    assert numbers(found) == [0, 1, 2, 3]
    assert found.torn == ((len(FILE.open), len(content)),)


def test_the_scan_goes_on_behind_damage() -> None:
    """A hole in the middle costs the fragments it touches, and the file can still be sealed."""
    damaged = bytearray(FILE.open)
    hole = FILE.commits[1].offset + 10, FILE.commits[2].offset + 10
    damaged[slice(*hole)] = bytes(hole[1] - hole[0])
    found = verified(bytes(damaged))
    assert numbers(found) == [0, 3]
    assert found.torn == ((FILE.commits[1].offset, FILE.commits[3].offset),)
    sealed = bytes(damaged) + b"".join(found.closing_boxes())
    assert numbers(verified(sealed)) == [0, 3]
    assert read_sealed(reader(sealed), len(sealed)) == replace(verified(sealed), faults=())


def test_a_changed_byte_of_payload_is_found() -> None:
    """Only by its hash: the scan that does not verify keeps the fragment."""
    place = FILE.commits[1].offset + FILE.commits[1].header_bytes
    damaged = FILE.sealed[:place] + b"\xff" + FILE.sealed[place + 1 :]
    found = verified(damaged)
    assert numbers(found) == [0, 2, 3]
    assert "fragment 1: its bytes do not have the hash they had when they were written" in found.faults
    assert numbers(scan(reader(damaged), len(damaged))) == [0, 1, 2, 3]


def test_a_damaged_samples_box_costs_nothing() -> None:
    """Everything in it is found in the fragments, too."""
    place = len(FILE.open) + 60
    damaged = FILE.sealed[:place] + b"\xff" + FILE.sealed[place + 1 :]
    found = read_sealed(reader(damaged), len(damaged))
    assert found.seal is not None
    assert found.samples == verified(FILE.sealed).samples
    assert found.torn == ((len(FILE.open), found.seal.samples_offset + found.seal.samples_length),)


def test_bytes_behind_the_seal_belong_to_nothing() -> None:
    """The file ends with its seal."""
    content = FILE.sealed + b"more"
    found = read_sealed(reader(content), len(content))
    assert (found.valid_bytes, found.torn) == (len(FILE.sealed), ((len(FILE.sealed), len(content)),))
    assert found.seal is not None


def test_damage_is_searched_once() -> None:
    """Megabytes of what looks like the start of a box are read about once, however often someone looks."""
    marks = (b"\0\0\x01\x2c" + CHECKED_MARK + b"cmit" + bytes(10)) * 100_000
    content = FILE.open + marks
    reads = Reads(content)
    scanner = SegmentScanner(reads)
    for size in range(len(FILE.open), len(content), 200_000):
        scanner.advance(size)
    scanner.advance(len(content))
    assert numbers(scanner.result()) == [0, 1, 2, 3]
    assert reads.bytes < 2 * len(content)


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"RIFF" * 2000, FILE.init, FILE.open[len(FILE.init) :]])
def test_a_foreign_file_is_refused(content: bytes) -> None:
    """Not even an init section and one fragment: this is no segment."""
    for read in (scan, read_sealed):
        with pytest.raises(Mp4Error):
            read(reader(content), len(content))


def test_a_newer_file_is_refused_and_not_torn_apart() -> None:
    """Recovery by an old version must not move a new version's footage to quarantine as damage."""
    future = bytearray(FILE.commits[1].to_box()[:-4])
    future[24] = 3
    at = FILE.commits[1].box_offset
    content = FILE.open[:at] + with_checksum(bytes(future)) + FILE.open[at + COMMIT_BOX_BYTES :]
    with pytest.raises(Mp4Error, match="version 3"):
        scan(reader(content), len(content))


# --- tampering


def rewritten(file: File, order: list[int], *, relink: bool = False) -> bytes:
    """The fragments in another order, their commit boxes moved along by someone who knows the format."""
    content, previous = file.init, ZERO_CHAIN
    for number, source in enumerate(order):
        fragment = file.fragments[source]
        commit = replace(file.commits[source], offset=len(content), fragment=number)
        if relink:
            commit = replace(commit, previous=previous)
            commit = replace(commit, chain=link(commit))
            previous = commit.chain
        content += fragment + commit.to_box()
    return content


def test_a_dropped_fragment_is_found() -> None:
    """Cut out as it is, or with the later boxes moved: never unnoticed."""
    first, second = FILE.commits[1].offset, FILE.commits[2].offset
    assert verified(FILE.open[:first] + FILE.open[second:]).torn
    assert any("chain" in fault for fault in verified(rewritten(FILE, [0, 2, 3])).faults)


def test_two_swapped_fragments_are_found() -> None:
    """Times give it away to a reader, the chain proves it."""
    swapped = verified(rewritten(FILE, [0, 2, 1, 3]))
    assert any("chain" in fault for fault in swapped.faults)
    assert any("changed after it was written" in fault for fault in swapped.faults)


def test_a_changed_commit_box_is_found() -> None:
    """A new CRC does not help: the chain is the hash of what the box said."""
    lie = replace(FILE.commits[1], wall_us=0).to_box()
    at = FILE.commits[1].box_offset
    content = FILE.open[:at] + lie + FILE.open[at + COMMIT_BOX_BYTES :]
    assert verified(content).faults == ("fragment 1: its commit box was changed after it was written",)


def test_another_init_section_is_found() -> None:
    """Each commit box names the hash of the init section it was written for."""
    content = FILE.open.replace(b"Hulta\0", b"Malta\0", 1)
    assert len(verified(content).faults) == len(FILE.commits)
    assert all("another init section" in fault for fault in verified(content).faults)


def test_a_seal_that_tells_of_more_is_found() -> None:
    """The last fragment cannot be taken away under the seal."""
    removed = FILE.open[: FILE.commits[3].offset] + bytes(len(FILE.open) - FILE.commits[3].offset) + FILE.closing
    assert any("seal" in fault for fault in verified(removed).faults)


def test_the_chain_goes_on_from_segment_to_segment() -> None:
    """A segment missing in between is noticed: the next one names the head it goes on from."""
    second = write(
        plain_track(),
        plain_units(),
        identity=replace(IDENTITY, sequence=IDENTITY.sequence + 1),
        previous_chain=FILE.commits[-1].chain,
    )
    found = verified(second.sealed)
    assert found.faults == ()
    assert found.fragments[0].commit.previous == verified(FILE.sealed).fragments[-1].commit.chain


# --- what a camera may plant in its pictures


def planted(payload: bytes) -> bytes:
    """A file whose second fragment holds this payload, and whose second moof is damaged so that a search begins."""
    units = plain_units()
    units[1] = [Unit(nals=payload, pts_ticks=units[1][0].pts_ticks, sync=True)]
    file = write(plain_track(), units)
    place = file.commits[1].offset + 4
    return file.open[:place] + b"????" + file.open[place + 4 :]


def test_a_planted_box_of_another_segment_is_not_taken() -> None:
    """A commit box with a right CRC does not count when it is not of this segment, or not where it says."""
    foreign = replace(FILE.commits[2], identity=replace(IDENTITY, run=1)).to_box()
    misplaced = FILE.commits[2].to_box()
    content = planted(foreign + misplaced + bytes(64))
    found = scan(reader(content), len(content))
    assert numbers(found) == [0, 2, 3]
    assert found.identity == IDENTITY


def test_a_planted_box_of_a_newer_version_is_not_believed() -> None:
    """A camera cannot make its footage unreadable by planting a box from the future."""
    content = planted(checked_box(COMMIT_USERTYPE, 9, b"future") + bytes(64))
    assert numbers(scan(reader(content), len(content))) == [0, 2, 3]


def test_the_expected_identity_keeps_strangers_out() -> None:
    """Who knows what the file must be does not have to believe the first box found."""
    other = replace(IDENTITY, sequence=7)
    with pytest.raises(Mp4Error):
        scan(reader(FILE.open), len(FILE.open), identity=other)
    assert numbers(scan(reader(FILE.open), len(FILE.open), identity=IDENTITY)) == [0, 1, 2, 3]


def test_a_commit_box_that_contradicts_its_moof_is_damage() -> None:
    """A whole box over another moof's bytes does not count, even without the hashes."""
    for change in ({"samples": 9}, {"media_ticks": 5}, {"header_bytes": 0}, {"header_bytes": 60}, {"track": 2}):
        lie = replace(FILE.commits[1], **change).to_box()
        at = FILE.commits[1].box_offset
        content = FILE.open[:at] + lie + FILE.open[at + COMMIT_BOX_BYTES :]
        found = scan(reader(content), len(content))
        assert numbers(found) == [0, 2, 3]
        assert found.torn == ((FILE.commits[1].offset, FILE.commits[2].offset),)
        assert Commit.from_box(lie) not in [fragment.commit for fragment in found.fragments]
