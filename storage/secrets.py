"""Sealing of camera credentials: AES-256-GCM under a key that is in a file or in the environment (`storage.key_file`).

A sealed text is `version || key id || nonce || ciphertext and tag`. It is bound to its version, its key's id and, by
associated data (camera id and field), to its place: a sealed text copied to another camera does not open. The key's id
tells a text that another key sealed from one that is damaged. Version 1, of earlier releases, has none.

The nonce is 96 random bits: safe for 2**32 sealings under one key (NIST SP 800-38D, 8.3), far more than a city's
cameras will ever need.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from media.errors import KeyUnfit, StorageError
from storage.key_file import HOW_TO_MAKE, KeyFile

if TYPE_CHECKING:
    from pathlib import Path

    from storage.key_file import KeySource

_BY_ANY = b"\x01"
_BY_ONE = b"\x02"
_ID_BYTES = 8
_NONCE_BYTES = 12


class SecretBox:
    """Seals and opens short texts. Sealing makes the key if there is none; opening never does."""

    def __init__(self, source: KeySource) -> None:
        self._source = source

    @classmethod
    def at(cls, path: Path) -> SecretBox:
        """The box of a key file, which is made (0600, durable) with the first text that is sealed."""
        return cls(KeyFile(path))

    def key_id(self) -> str:
        """Which key seals: 16 hex digits that tell nothing else about it. KeyUnfit if there is none."""
        return _id(self._keys()[0]).hex()

    def seal(self, text: str, aad: str) -> bytes:
        """Encrypt `text`, bound to `aad`. KeyUnfit if the key cannot be had."""
        if not self._source.keys():
            self._source.create()
        key, nonce = self._keys()[0], os.urandom(_NONCE_BYTES)
        head = _BY_ONE + _id(key)
        return head + nonce + AESGCM(key).encrypt(nonce, text.encode(), head + aad.encode())

    def open(self, sealed: bytes, aad: str) -> str:
        """Decrypt what `seal` made for the same `aad`. The errors name the place, never the content.

        KeyUnfit if the key cannot be had or is not the one that sealed it; StorageError if it is the text.
        """
        keys = self._keys()
        head, rest = _split(sealed)
        if len(head) > 1:
            keys = tuple(key for key in keys if _id(key) == head[1:])
            if not keys:
                raise self._another_key(aad, head[1:])
        nonce, body = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        for key in keys:
            try:
                return AESGCM(key).decrypt(nonce, body, head + aad.encode()).decode()
            except (InvalidTag, ValueError):
                continue
        raise StorageError(
            f"the sealed text of {aad} does not open with this key",
            hint="it is damaged, or was copied from another place, or an earlier release sealed it with another key",
        )

    def is_sealed_now(self, sealed: bytes) -> bool:
        """Whether the key that seals now has sealed it."""
        return _split(sealed)[0] == _BY_ONE + _id(self._keys()[0])

    def _keys(self) -> tuple[bytes, ...]:
        keys = self._source.keys()
        if not keys:
            raise KeyUnfit(
                f"{self._source.name} is missing, and with it the key to the cameras' credentials", hint=HOW_TO_MAKE
            )
        return keys

    def _another_key(self, aad: str, sealed_by: bytes) -> KeyUnfit:
        have = ", ".join(_id(key).hex() for key in self._keys())
        return KeyUnfit(
            f"the sealed text of {aad} was sealed by the key {sealed_by.hex()}, and {self._source.name} has {have}",
            hint="the key is another installation's, or was replaced: restore the one that belongs to this catalog",
        )


def _id(key: bytes) -> bytes:
    """What a key is called: nothing follows from it about the key."""
    return hmac.digest(key, b"hulta key id", hashlib.sha256)[:_ID_BYTES]


def _split(sealed: bytes) -> tuple[bytes, bytes]:
    """Version and key id, as far as they are bound to the text; and the rest."""
    length = 1 + _ID_BYTES if sealed[:1] == _BY_ONE else 1
    return sealed[:length], sealed[length:]
