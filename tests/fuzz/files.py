"""Targets: what is read from segment files, which a disk may have damaged or somebody may have made."""

from __future__ import annotations

from contextlib import suppress

from media.boxes import children
from media.closing import parse_samples_box
from media.commit import Commit, Seal
from media.errors import Mp4Error
from media.fmp4_read import read_sealed, scan
from media.fragment_index import decode
from media.init_section import init_section_bytes, read_tracks
from media.moof import fragment_samples
from media.sample_table import SampleTable
from tests.fuzz.inputs import Input

_MOST_READ = 64
"""How many times over a file may be read by one scan: it is read in windows that may overlap."""


class _File:
    """A file that counts what is read of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.read_bytes = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """A part of it, which must be inside."""
        assert offset >= 0
        assert length >= 0
        found = self.content[offset : offset + length]
        self.read_bytes += len(found)
        return found


def segment_files(content: bytes) -> None:
    """A file is refused, or what is said to be in it lies inside of it; and it is not read over and over."""
    for read in (
        lambda file: scan(file.read_at, len(content), verify=True),
        lambda file: read_sealed(file.read_at, len(content)),
    ):
        file = _File(content)
        try:
            found = read(file)
        except Mp4Error:
            continue
        finally:
            assert file.read_bytes <= (_MOST_READ + len(content) // 100) * (len(content) + 4096)
        assert found.valid_bytes <= len(content)
        for fragment in found.fragments:
            assert 0 <= fragment.data_offset <= fragment.data_offset + fragment.data_bytes <= len(content)


READERS = (
    lambda content: list(children(content)),
    init_section_bytes,
    read_tracks,
    Commit.from_box,
    Seal.from_box,
    parse_samples_box,
    fragment_samples,
    SampleTable.decode,
    decode,
)


def file_boxes(content: bytes) -> None:
    """Every reader of a box or a table, the first byte says which: a value, or Mp4Error."""
    given = Input(content)
    read = READERS[given.number() % len(READERS)]
    with suppress(Mp4Error):
        read(given.rest())
