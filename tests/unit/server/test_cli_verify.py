"""`hulta verify`: what it says of whole, damaged, foreign and missing files, and how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from media.commit import ZERO_CHAIN
from server.cli import build
from tests.builders_segment import IDENTITY, plain_track, plain_units, write

FILE = write(plain_track(), plain_units())
NEXT = write(
    plain_track(),
    plain_units(),
    identity=replace(IDENTITY, sequence=IDENTITY.sequence + 1),
    previous_chain=FILE.commits[-1].chain,
)
HEAD = NEXT.commits[-1].chain.hex()


def verify(*words: str | Path) -> tuple[int, str]:
    """The exit, and all that is said."""
    done = CliRunner().invoke(build(["verify"]), ["verify", *map(str, words)])
    return done.exit_code, done.stdout + done.stderr


@pytest.fixture(name="paths")
def _paths(tmp_path: Path) -> tuple[Path, Path]:
    one, two = tmp_path / "one.mp4", tmp_path / "two.mp4"
    one.write_bytes(FILE.sealed)
    two.write_bytes(NEXT.sealed)
    return one, two


def test_whole_files(paths: tuple[Path, Path]) -> None:
    """What is proven, and what is not without a head from elsewhere."""
    code, said = verify(*paths)
    assert code == 0
    assert said.count("intact") == 2
    assert HEAD in said
    assert "Proven: every byte is as it was written" in said
    assert "Not proven: that nobody wrote them anew" in said
    code, said = verify(*paths, "--head", HEAD.upper())
    assert code == 0
    assert "Not proven" not in said


def test_another_head_than_the_one_that_is_known(paths: tuple[Path, Path]) -> None:
    """A file that was made anew verifies by itself, and is found out."""
    code, said = verify(*paths, "--head", ZERO_CHAIN.hex())
    assert code == 1
    assert f"{paths[1]} ends in another head" in said
    assert "Proven" not in said


def test_files_that_do_not_follow(paths: tuple[Path, Path]) -> None:
    """In the wrong order."""
    code, said = verify(paths[1], paths[0])
    assert code == 1
    assert f"NOT LINKED  {paths[1]} and {paths[0]}: segment 43 is followed by segment 42" in said


def test_a_damaged_file(paths: tuple[Path, Path]) -> None:
    """Which fragment, which bytes; and the same for programs."""
    content = bytearray(FILE.sealed)
    content[len(FILE.init) + len(FILE.fragments[0]) - 1] ^= 1
    paths[0].write_bytes(content)
    code, said = verify(paths[0])
    assert code == 1
    assert said.startswith("DAMAGED ")
    assert "fragment 0: its bytes do not have the hash they had when they were written" in said
    assert "Proven" not in said
    code, said = verify(paths[0], paths[1], "--json")
    document = json.loads(said)
    assert code == 1
    assert [each["intact"] for each in document["files"]] == [False, True]
    assert document["files"][0]["torn"][0][0] == len(FILE.init)
    assert document["files"][1]["head"] == HEAD


def test_a_file_without_a_seal(paths: tuple[Path, Path]) -> None:
    """It is proven as far as it goes."""
    paths[0].write_bytes(FILE.open)
    code, said = verify(paths[0])
    assert code == 0
    assert "Not proven: that nothing followed" in said


@pytest.mark.parametrize("content", [b"", b"no mp4", FILE.init, FILE.sealed[100:]])
def test_what_is_no_segment(tmp_path: Path, content: bytes) -> None:
    """An export, a text, half of something: a sentence, and where to get segments."""
    path = tmp_path / "file.mp4"
    path.write_bytes(content)
    code, said = verify(path)
    assert code == 1
    assert said.startswith(f"error: {path}: ")
    assert "hint: only segments carry a proof" in said
    assert "Traceback" not in said


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """No such file; a directory; a head that is none."""
    assert verify(tmp_path / "none.mp4") == (1, f"error: {tmp_path / 'none.mp4'}: No such file or directory\n")
    code, said = verify(tmp_path)
    assert code == 1
    assert said.startswith(f"error: {tmp_path}: ")
    code, said = verify(tmp_path / "none.mp4", "--head", "beef")
    assert code == 2
    assert "--head beef: 64 hexadecimal digits" in said
