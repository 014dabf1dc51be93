"""Sealing of credentials, and where the key comes from."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from media.errors import KeyUnfit, StorageError
from storage.key_file import GivenKeys, KeyFile
from storage.secrets import SecretBox

PLACE = "camera 1 url"
KEY, OTHER = "11" * 32, "22" * 32


def given(*keys: str) -> SecretBox:
    """A box of keys as text."""
    return SecretBox(GivenKeys(",".join(keys), "HULTA_KEY"))


def key_file(path: Path, *keys: str) -> Path:
    """A private file with keys."""
    path.touch(0o600)
    path.write_text("\n".join(keys) + "\n")
    return path


def test_what_was_sealed_opens_at_its_place(tmp_path: Path) -> None:
    """With the same key, also in another process."""
    sealed = SecretBox.at(tmp_path / "key").seal("rtsp://operator:hunter2@camera/", PLACE)
    assert b"hunter2" not in sealed
    assert SecretBox.at(tmp_path / "key").open(sealed, PLACE) == "rtsp://operator:hunter2@camera/"


def test_what_an_earlier_release_sealed_opens() -> None:
    """Its texts name no key; each one is tried."""
    sealed = b"\x01" + bytes(12) + AESGCM(bytes.fromhex(KEY)).encrypt(bytes(12), b"secret", b"\x01" + PLACE.encode())
    assert given(KEY).open(sealed, PLACE) == given(OTHER, KEY).open(sealed, PLACE) == "secret"
    for box, place in ((given(OTHER), PLACE), (given(KEY), "camera 2 url")):
        with pytest.raises(StorageError, match="does not open with this key"):
            box.open(sealed, place)


def test_the_same_text_is_never_sealed_alike() -> None:
    """Nobody sees which cameras share a password."""
    assert given(KEY).seal("secret", PLACE) != given(KEY).seal("secret", PLACE)


def test_a_sealed_text_opens_nowhere_else() -> None:
    """Copied to another camera, changed, cut or of another version it is refused, and nothing of it is told."""
    box = given(KEY)
    sealed = box.seal("hunter2", PLACE)
    attempts = [(sealed, "camera 2 url"), (sealed, "camera 1 urls"), (b"\x01" + sealed[1:], PLACE)]
    attempts += [(sealed[:length], PLACE) for length in range(len(sealed))]
    for index in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[index] ^= 1
        attempts.append((bytes(flipped), PLACE))
    for text, place in attempts:
        with pytest.raises(StorageError, match=f"the sealed text of {place}") as caught:
            box.open(text, place)
        assert "hunter2" not in str(caught.value) + caught.value.hint


def test_another_key_is_told_from_a_damaged_text() -> None:
    """By what the keys are called; the names are not the keys."""
    sealed = given(KEY).seal("hunter2", PLACE)
    with pytest.raises(KeyUnfit) as caught:
        given(OTHER).open(sealed, PLACE)
    ours, theirs = given(KEY).key_id(), given(OTHER).key_id()
    assert str(caught.value) == (
        f"the sealed text of camera 1 url was sealed by the key {ours}, and HULTA_KEY has {theirs}"
    )
    assert "restore" in caught.value.hint
    assert ours != theirs
    assert ours not in KEY


def test_the_first_of_several_keys_seals_and_all_of_them_open() -> None:
    """So a key can be changed while everything runs."""
    before, both = given(KEY), given(OTHER, KEY)
    old, new = before.seal("a", PLACE), both.seal("b", PLACE)
    assert (both.open(old, PLACE), both.open(new, PLACE)) == ("a", "b")
    assert given(OTHER).open(new, PLACE) == "b"
    assert (both.is_sealed_now(old), both.is_sealed_now(new)) == (False, True)


def test_the_key_file_is_private_and_made_once(tmp_path: Path) -> None:
    """By whoever seals first: processes that start together end up with one key, and leave no draft behind."""
    path = tmp_path / "key"
    with ThreadPoolExecutor(8) as threads:
        sealed = list(threads.map(lambda _: SecretBox.at(path).seal("x", PLACE), range(8)))
    assert {SecretBox.at(path).open(text, PLACE) for text in sealed} == {"x"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_a_lost_key_is_never_replaced_by_opening(tmp_path: Path) -> None:
    """A new one would open nothing, and hide that the old one is gone."""
    path = tmp_path / "key"
    sealed = SecretBox.at(path).seal("hunter2", PLACE)
    path.unlink()
    with pytest.raises(KeyUnfit, match=f"the key file {path} is missing") as caught:
        SecretBox.at(path).open(sealed, PLACE)
    assert "restore it" in caught.value.hint
    assert not path.exists()


def test_who_has_read_the_key_goes_on_without_the_file(tmp_path: Path) -> None:
    """What runs is not stopped by somebody who moves a file."""
    box = SecretBox.at(tmp_path / "key")
    sealed = box.seal("x", PLACE)
    (tmp_path / "key").unlink()
    assert box.open(sealed, PLACE) == "x"
    assert not (tmp_path / "key").exists()


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A key that another process has put first seals from the next text on."""
    path = key_file(tmp_path / "key", KEY)
    box = SecretBox.at(path)
    old = box.seal("x", PLACE)
    key_file(tmp_path / "new", OTHER, KEY).replace(path)
    assert box.is_sealed_now(given(OTHER).seal("y", PLACE))
    assert box.open(old, PLACE) == "x"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o601])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    """With the command that mends it."""
    path = key_file(tmp_path / "key", KEY)
    path.chmod(mode)
    with pytest.raises(KeyUnfit, match=f"open to others \\(mode {mode:04o}\\)") as caught:
        SecretBox.at(path).seal("x", PLACE)
    assert caught.value.hint == f"chmod 600 {path}"
    path.chmod(0o400)
    assert SecretBox.at(path).seal("x", PLACE)


def test_a_key_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """He may change it. Root is trusted, and trusts the owner of the directory: an operator's `sudo hulta`."""
    path = key_file(tmp_path / "key", KEY)
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner != 0:
        with pytest.raises(KeyUnfit, match=f"belongs to user {owner}"):
            SecretBox.at(path).seal("x", PLACE)
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        assert SecretBox.at(path).seal("x", PLACE)
        return
    os.chown(path, 12345, -1)
    with pytest.raises(KeyUnfit, match="belongs to user 12345"):
        SecretBox.at(path).seal("x", PLACE)


def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """And not replaced: it may be the only trace of the right one."""
    path = key_file(tmp_path / "key")
    for content in (b"", b"00" * 31, b"xyz", b"\xff" * 32, (KEY.encode() + b"\n") * 17, b"1" * 5000):
        path.write_bytes(content)
        with pytest.raises(KeyUnfit, match="is not a key of 32 bytes in hex") as caught:
            SecretBox.at(path).seal("x", PLACE)
        assert content.decode("latin-1") == "" or content.decode("latin-1") not in str(caught.value)
        assert path.read_bytes() == content
    for text in ("", "no key", KEY[:-2]):
        with pytest.raises(KeyUnfit, match="HULTA_KEY is not a key"):
            given(text)


def test_a_file_that_a_person_named_is_never_made(tmp_path: Path) -> None:
    """It is followed where it is a link, as secrets are mounted, and its absence is an error."""
    box = SecretBox(KeyFile(tmp_path / "link", made_by_us=False))
    with pytest.raises(KeyUnfit, match="there is no key file"):
        box.seal("x", PLACE)
    (tmp_path / "link").symlink_to(key_file(tmp_path / "secret", KEY))
    assert given(KEY).open(box.seal("x", PLACE), PLACE) == "x"


def test_a_directory_is_no_key(tmp_path: Path) -> None:
    """Nor a link, where the file is ours to make."""
    (tmp_path / "key").mkdir()
    (tmp_path / "link").symlink_to(key_file(tmp_path / "secret", KEY))
    for name in ("key", "link"):
        with pytest.raises(KeyUnfit, match="cannot be read"):
            SecretBox.at(tmp_path / name).seal("x", PLACE)
