"""Sealing of credentials, and the key file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from media.errors import StorageError
from storage.secrets import SecretBox

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_sealed_opens_at_its_place(tmp_path: Path) -> None:
    """With the same key, also in another process."""
    sealed = SecretBox.at(tmp_path / "key").seal("rtsp://operator:hunter2@camera/", "camera 1 url")
    assert b"hunter2" not in sealed
    assert SecretBox.at(tmp_path / "key").open(sealed, "camera 1 url") == "rtsp://operator:hunter2@camera/"


def test_the_same_text_is_never_sealed_alike(tmp_path: Path) -> None:
    """Nobody sees which cameras share a password."""
    box = SecretBox.at(tmp_path / "key")
    assert box.seal("secret", "place") != box.seal("secret", "place")


def test_a_sealed_text_opens_nowhere_else(tmp_path: Path) -> None:
    """Copied to another camera, changed, cut, of another version or under another key it is refused, unnamed."""
    box, other = SecretBox.at(tmp_path / "key"), SecretBox.at(tmp_path / "other")
    sealed = box.seal("hunter2", "camera 1 url")
    attempts = [(box, sealed, "camera 2 url"), (other, sealed, "camera 1 url")]
    attempts += [(box, sealed[:length], "camera 1 url") for length in (0, 1, 12, 13, 20, len(sealed) - 1)]
    for index in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[index] ^= 1
        attempts.append((box, bytes(flipped), "camera 1 url"))
    for opener, text, place in attempts:
        with pytest.raises(StorageError, match=f"the sealed text of {place} does not open") as caught:
            opener.open(text, place)
        assert "hunter2" not in str(caught.value)


def test_the_key_file_is_private_and_made_once(tmp_path: Path) -> None:
    """Processes that start together end up with one key, and leave no draft behind."""
    path = tmp_path / "key"
    with ThreadPoolExecutor(8) as threads:
        boxes = list(threads.map(lambda _: SecretBox.at(path), range(8)))
    sealed = boxes[0].seal("x", "place")
    assert {box.open(sealed, "place") for box in boxes} == {"x"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    """And not replaced: it may be the only trace of the right one."""
    path = tmp_path / "key"
    for content in (b"", b"00" * 31, b"xyz", b"\xff" * 32):
        path.write_bytes(content)
        with pytest.raises(StorageError, match="is not a key"):
            SecretBox.at(path)
        assert path.read_bytes() == content
