"""What fuzzing found useful, replayed: every promise of the targets in tests/fuzz still holds (docs/fuzzing.md)."""

from __future__ import annotations

import pytest

from media import codecs
from tests.fuzz.replay import CORPUS, corpus_of
from tests.fuzz.targets import TARGETS

MOST_CORPUS_BYTES = 1 << 20


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_breaks_no_promise(target: str) -> None:
    """And there is one."""
    inputs = corpus_of(target)
    assert 0 < len(inputs) <= 50
    for path in inputs:
        TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 100, bytes(5000)], ids=["empty", "zero", "ones", "zeros"])
def test_the_plainest_inputs_break_no_promise(target: str, content: bytes) -> None:
    """Nothing, and nothing but the same."""
    TARGETS[target](content)


def test_every_corpus_has_its_target_and_is_small() -> None:
    """A renamed target would leave its corpus behind unread; a megabyte is enough."""
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < MOST_CORPUS_BYTES


def test_every_codec_has_its_target() -> None:
    """A codec that is added to the table is added here."""
    assert {codec.encoding.lower() for codec in codecs.VIDEO} <= set(TARGETS)
