"""Every reader of bytes answers with a value or an Mp4Error, and every value survives its bytes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.boxes import SAMPLES_USERTYPE, checked_box, children, parse_header, with_checksum
from media.closing import parse_samples_box, samples_box
from media.commit import SEAL_BOX_BYTES, Commit, Seal, link
from media.errors import MediaError, Mp4Error
from media.fragment_index import FragmentEntry
from media.fragment_index import decode as decode_index
from media.fragment_index import encode as encode_index
from media.identity import SegmentIdentity, object_key, parse_key
from media.init_section import init_section_bytes, read_init_section
from media.moof import Sample, fragment_header, fragment_samples
from media.sample_table import SampleTable, SampleTableBuilder
from tests.builders_segment import plain_track, plain_units, write

FILE = write(plain_track(), plain_units(3))
COMMIT_BOX = FILE.commits[1].to_box()
SEAL_BOX = FILE.closing[-SEAL_BOX_BYTES:]
SAMPLES_BOX = FILE.closing[:-SEAL_BOX_BYTES]
MOOF = FILE.fragments[0][: FILE.commits[0].header_bytes - 8]

u32 = st.integers(0, (1 << 32) - 1)
u63 = st.integers(0, (1 << 63) - 1)
u64 = st.integers(0, (1 << 64) - 1)
i64 = st.integers(-(1 << 63), (1 << 63) - 1)
i32 = st.integers(-(1 << 31), (1 << 31) - 1)
digest = st.binary(min_size=32, max_size=32)
identities = st.builds(SegmentIdentity, camera=st.uuids(), stream=st.uuids(), epoch=u63, run=u63, sequence=u63)
commits = st.builds(
    Commit,
    identity=identities,
    span=u64,
    fragment=u32,
    track=u32,
    offset=u64,
    length=u64,
    header_bytes=u32,
    init_sha256=digest,
    sha256=digest,
    previous=digest,
    chain=digest,
    wall_us=i64,
    end_wall_us=i64,
    media_ticks=u64,
    duration_ticks=u64,
    samples=u32,
    sync_samples=u32,
    starts_with_sync=st.booleans(),
    lost_packets=u32,
    clock_quality=st.integers(0, 255),
)
samples = st.lists(st.builds(Sample, u32, st.integers(0, 1 << 20), st.integers(-(1 << 20), 1 << 20), st.booleans()))
small = st.integers(0, 1 << 40)
entries = st.builds(
    FragmentEntry,
    offset=small,
    length=small,
    data_offset=small,
    media_ticks=small,
    duration_ticks=small,
    wall_us=st.integers(-(1 << 52), 1 << 52),
    end_wall_us=st.integers(-(1 << 52), 1 << 52),
    samples=u32,
    sync_samples=u32,
    starts_with_sync=st.booleans(),
    lost_packets=u32,
)


def mutated(original: bytes) -> st.SearchStrategy[bytes]:
    """The original with some bytes changed, cut or prolonged."""

    def change(flips: list[tuple[int, int]], cut: int, tail: bytes) -> bytes:
        changed = bytearray(original)
        for place, value in flips:
            changed[place] = value
        return bytes(changed[:cut]) + tail

    flip = st.tuples(st.integers(0, len(original) - 1), st.integers(0, 255))
    return st.builds(change, st.lists(flip, max_size=8), st.integers(0, len(original)), st.binary(max_size=20))


def signed(original: bytes) -> st.SearchStrategy[bytes]:
    """The original changed by someone who puts the CRC right."""
    return mutated(original[:-4]).map(with_checksum)


READERS = {
    "parse_header": (parse_header, FILE.init),
    "children": (lambda content: list(children(content)), FILE.sealed),
    "init_section_bytes": (init_section_bytes, FILE.init),
    "read_init_section": (read_init_section, FILE.init),
    "Commit": (Commit.from_box, COMMIT_BOX),
    "Seal": (Seal.from_box, SEAL_BOX),
    "samples box": (parse_samples_box, SAMPLES_BOX),
    "fragment_samples": (fragment_samples, MOOF),
    "sample table": (SampleTable.decode, parse_samples_box(SAMPLES_BOX)[1]),
    "fragment index": (
        decode_index,
        encode_index(
            [
                FragmentEntry(
                    offset=700,
                    length=500_000,
                    data_offset=800,
                    media_ticks=1,
                    duration_ticks=90_000,
                    wall_us=1 << 50,
                    end_wall_us=(1 << 50) + 1_000_000,
                    samples=25,
                    sync_samples=1,
                    starts_with_sync=True,
                    lost_packets=0,
                )
            ]
            * 3
        ),
    ),
}


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=200)
@given(content=st.data())
def test_readers_raise_nothing_but_mp4_errors(name: str, content: st.DataObject) -> None:
    """Noise, and the real thing with bytes changed, with the CRC put right or not."""
    read, original = READERS[name]
    raw = content.draw(st.one_of(st.binary(max_size=600), mutated(original), signed(original)))
    with suppress(Mp4Error):
        read(raw)


@given(commit=commits)
def test_any_commit_survives_its_box(commit: Commit) -> None:
    """All values of all fields."""
    assert Commit.from_box(commit.to_box()) == commit
    assert len(link(commit)) == 32


@given(
    commit=commits, seal=st.builds(lambda **changes: changes, samples=u32, start_us=i64, codec=st.just("avc1.42c01e"))
)
def test_any_seal_survives_its_box(commit: Commit, seal: dict[str, object]) -> None:
    """With whatever identity and counts."""
    whole = replace(Seal.from_box(SEAL_BOX), identity=commit.identity, chain=commit.chain, **seal)
    assert Seal.from_box(whole.to_box()) == whole


@given(some=st.lists(commits, min_size=1, max_size=4), table=st.binary(max_size=100))
def test_a_samples_box_survives_its_bytes(some: list[Commit], table: bytes) -> None:
    """The commits and the table, and nothing else of that usertype."""
    assert parse_samples_box(samples_box(some, table)) == (some, table)
    with pytest.raises(Mp4Error):
        parse_samples_box(checked_box(SAMPLES_USERTYPE, 1, table))


@given(ticks=u64, run=samples)
def test_any_run_of_samples_survives_a_moof(ticks: int, run: list[Sample]) -> None:
    """As long as the payload fits a 32-bit mdat."""
    try:
        header = fragment_header(1, ticks, run)
    except Mp4Error:
        assert sum(sample.size_bytes for sample in run) + 8 >= 1 << 32
    else:
        assert fragment_samples(header[:-8]) == (ticks, run)


@given(runs=st.lists(st.tuples(st.integers(0, 1 << 30), samples), max_size=4))
def test_a_sample_table_keeps_every_presentation_time(runs: list[tuple[int, list[Sample]]]) -> None:
    """Whatever the fragments' times: sizes and sync flags in order, presentation times exact, no negative duration."""
    builder = SampleTableBuilder()
    expected: list[tuple[int, int]] = []
    for decode_ticks, run in runs:
        builder.add(decode_ticks, run)
        at = decode_ticks
        for sample in run:
            expected.append((sample.size_bytes, at + sample.composition_offset_ticks))
            at += sample.duration_ticks
    table = SampleTable.decode(builder.table().encode())
    assert table.sizes.tolist() == [size for size, _ in expected]
    first = next((decode_ticks for decode_ticks, run in runs if run), 0)
    assert (table.presentation_ticks + first).tolist() == [pts for _, pts in expected]
    sync = [sample.sync for _, run in runs for sample in run]
    assert table.sync.tolist() == [index for index, is_sync in enumerate(sync) if is_sync]


@given(index=st.lists(entries, max_size=8))
def test_any_index_survives_its_bytes(index: list[FragmentEntry]) -> None:
    """Also one that makes no sense."""
    assert decode_index(encode_index(index)) == index


@given(identity=identities, start_us=st.integers(0, 253_402_300_799_999_999))
def test_any_identity_survives_its_key(identity: SegmentIdentity, start_us: int) -> None:
    """Up to the end of the year 9999."""
    assert parse_key(object_key(identity, start_us)) == (identity, start_us // 1000)


LIKE_A_KEY = r"v1/[0-9a-f-]{36}/[0-9a-f-]{36}/\d{4}/\d\d/\d\d/\d\d/\d+-\d+-[0-9a-f]{16}-\d+\.mp4"


@given(key=st.one_of(st.text(max_size=200), st.from_regex(LIKE_A_KEY)))
def test_keys_are_refused_with_a_media_error(key: str) -> None:
    """Names of other objects in the bucket, and keys that only look right."""
    try:
        identity, start_ms = parse_key(key)
    except MediaError:
        return
    assert object_key(identity, start_ms * 1000) == key
