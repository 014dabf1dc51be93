"""What docs/formats/segment.md promises to someone without Hulta."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from media.commit import COMMIT_BOX_BYTES
from tests.builders_audio import plain_sound
from tests.builders_segment import plain_track, plain_units, write

PAGE = Path(__file__).parents[3] / "docs/formats/segment.md"
FILE = write(plain_track(), plain_units())


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The verifier printed on the page."""
    match = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match is not None
    path = tmp_path / "verify.py"
    path.write_text(match[1])
    return path


def verify(script: Path, content: bytes) -> subprocess.CompletedProcess[str]:
    """Run the script on a file."""
    path = script.with_name("segment.mp4")
    path.write_bytes(content)
    return subprocess.run([sys.executable, str(script), str(path)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("content", [FILE.sealed, FILE.open], ids=["sealed", "open"])
def test_the_page_verifies_a_good_file(script: Path, content: bytes) -> None:
    """It prints the head of the chain."""
    done = verify(script, content)
    assert done.stdout == f"4 fragments verified, chain {FILE.commits[-1].chain.hex()}\n"


def test_the_page_verifies_a_file_with_sound(script: Path) -> None:
    """One chain through both tracks."""
    file = plain_sound()
    done = verify(script, file.sealed)
    assert done.stdout == f"6 fragments verified, chain {file.commits[-1].chain.hex()}\n"


def changed(place: int) -> bytes:
    """The sealed file with one byte changed."""
    return FILE.sealed[:place] + bytes([FILE.sealed[place] ^ 1]) + FILE.sealed[place + 1 :]


@pytest.mark.parametrize(
    "content",
    [
        changed(FILE.init.index(b"Hulta")),
        changed(FILE.commits[2].offset + FILE.commits[2].header_bytes),
        changed(FILE.commits[2].box_offset + 120),
        FILE.open[: FILE.commits[1].offset] + FILE.open[FILE.commits[2].offset :],
        FILE.open[: FILE.commits[1].offset]
        + FILE.open[FILE.commits[2].offset : FILE.commits[3].offset]
        + FILE.open[FILE.commits[1].offset : FILE.commits[2].offset]
        + FILE.open[FILE.commits[3].offset :],
    ],
    ids=["init section", "payload", "commit box", "dropped", "swapped"],
)
def test_the_page_finds_tampering(script: Path, content: bytes) -> None:
    """Each of these ends in an assertion."""
    done = verify(script, content)
    assert done.returncode != 0
    assert "AssertionError" in done.stderr


def test_the_page_names_the_sizes() -> None:
    """A changed layout must change the page."""
    assert f"**commit**, {COMMIT_BOX_BYTES} bytes" in PAGE.read_text()
