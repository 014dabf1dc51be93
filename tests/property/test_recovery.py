"""Recovery of files that anything may have happened to."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.commit import of_pictures
from media.fmp4_read import read_sealed
from storage import layout
from storage.clock import FakeClock
from storage.recovery import RecoveredRun, recover_run
from tests.builders_audio import plain_sound
from tests.builders_segment import plain_track, plain_units, reader, write
from tests.builders_spool import RUN, FileSeam, identity, place, tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builders_segment import File

SEGMENTS = [write(plain_track(), plain_units(5), identity=identity()), plain_sound(identity())]
LONGEST = max(len(segment.sealed) for segment in SEGMENTS)

# Where, how long, and what: zeros of a lost page, other bytes, or a flipped bit.
damages = st.lists(
    st.tuples(st.integers(0, LONGEST - 1), st.integers(1, 200), st.sampled_from([0, 255, None])), max_size=4
)


def _damaged(whole: bytes, size_bytes: int, tail: bytes, hurts: list[tuple[int, int, int | None]]) -> bytes:
    content = bytearray(whole[:size_bytes])
    for start, length, value in hurts:
        for at in range(start, min(start + length, len(content))):
            content[at] = content[at] ^ 4 if value is None else value
    return bytes(content) + tail


def _recover(root: Path) -> RecoveredRun:
    with FileSeam(sync=False).installed():
        return recover_run(layout.run_directory(root / "spool", RUN), root / "quarantine", FakeClock(), lambda _: None)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    segment=st.sampled_from(SEGMENTS),
    size_bytes=st.integers(0, LONGEST),
    tail=st.binary(max_size=50) | st.just(bytes(5000)) | st.just(SEGMENTS[0].fragments[0]),
    hurts=damages,
    sealed=st.booleans(),
)
def test_whole_fragments_are_kept_and_no_byte_is_destroyed(  # noqa: PLR0917 - hypothesis fills them in by name
    tmp_path: Path, segment: File, size_bytes: int, tail: bytes, hurts: list[tuple[int, int, int | None]], sealed: bool
) -> None:
    """Each fragment whose bytes and init section are as written is in the sealed file; all other bytes are kept.

    With sound or without. Sound of which no picture is left is kept apart.
    """
    shutil.rmtree(tmp_path)
    content = _damaged(segment.sealed, size_bytes, tail, hurts)
    place(tmp_path / "spool", identity(), content, sealed=sealed)
    assert _recover(tmp_path).complete
    kept = list(tree(tmp_path / "quarantine").values()) if (tmp_path / "quarantine").exists() else []
    path = layout.sealed_path(tmp_path / "spool", identity())
    whole = [
        commit
        for commit in segment.commits
        if content[commit.offset : commit.box_offset + 400] == segment.sealed[commit.offset : commit.box_offset + 400]
        and content.startswith(segment.init)
    ]
    if not path.exists():
        assert of_pictures(whole) == []
        assert kept == [content]
        return
    result = path.read_bytes()
    found = read_sealed(reader(result), len(result))
    commits = [fragment.commit for fragment in found.fragments]
    assert set(whole) <= set(commits) <= set(segment.commits)
    for commit in commits:
        assert result[commit.offset : commit.box_offset] == segment.sealed[commit.offset : commit.box_offset]
    _assert_nothing_destroyed(content, result, kept)
    before = tree(tmp_path)
    again = _recover(tmp_path)
    assert (again.sealed, again.findings) == ((), ())
    assert tree(tmp_path) == before


def _assert_nothing_destroyed(content: bytes, result: bytes, kept: list[bytes]) -> None:
    """Every byte of the file before is still in it, at its place, or in a piece that was kept."""
    changed = [at for at in range(len(content)) if result[at : at + 1] != content[at : at + 1]]
    for piece in kept:
        start = content.find(piece)
        while start >= 0:
            changed = [at for at in changed if not start <= at < start + len(piece)]
            start = content.find(piece, start + 1)
    assert changed == []
