"""Sealing of camera credentials: AES-256-GCM under the key in `<data>/key`.

A sealed text is `version || nonce || ciphertext and tag`. It is bound to its version and, by associated data (camera id
and field), to its place: a sealed text copied to another camera does not open. The nonce is 96 random bits: safe for
2**32 sealings under one key (NIST SP 800-38D, 8.3), far more than a city's cameras will ever need.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from media.errors import StorageError
from storage import files

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32


class SecretBox:
    """Seals and opens short texts under one key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def at(cls, path: Path) -> SecretBox:
        """The box of a key file, which is created (0600, durable) if there is none. StorageError if it is no key."""
        if not path.exists():
            _create_key(path)
        try:
            key = bytes.fromhex(path.read_text("ascii").strip())
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise StorageError(
                f"{path} is not a key of {_KEY_BYTES} bytes in hex",
                hint="restore it from a backup: without it the stored camera credentials cannot be read",
            )
        return cls(key)

    def seal(self, text: str, aad: str) -> bytes:
        """Encrypt `text`, bound to `aad`."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, text.encode(), _VERSION + aad.encode())

    def open(self, sealed: bytes, aad: str) -> str:
        """Decrypt what `seal` made for the same `aad`. StorageError names the place, never the content."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, sealed[:1] + aad.encode()).decode()
        except (InvalidTag, ValueError):
            raise StorageError(
                f"the sealed text of {aad} does not open with this key",
                hint="the key file belongs to another data directory, or the text was copied from another place",
            ) from None


def _create_key(path: Path) -> None:
    """Write a new key under a name of its own, then link it into place: nobody ever reads half a key."""
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    fd = files.create_exclusive(draft, mode=0o600)
    try:
        files.append(fd, [os.urandom(_KEY_BYTES).hex().encode() + b"\n"], 0)
        files.datasync(fd)
    finally:
        files.close(fd)
    with suppress(FileExistsError):  # another process was first; its key counts
        files.link(draft, path)
    files.unlink(draft)
    files.sync_directory(path.parent)
