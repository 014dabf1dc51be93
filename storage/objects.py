"""The object store port: immutable objects under keys that are never used twice.

One conformance suite (tests/contract/test_object_store.py) runs against every implementation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from media.errors import ObjectStoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path


_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")  # no empty part, no leading dot: nothing leads elsewhere
MOST_KEY_CHARACTERS = 900
"""S3 takes 1024 bytes, and a store may put a prefix before it."""


def require_key(key: str) -> list[str]:
    """The parts of a key. ObjectStoreError for what is none: no key leads out of a store."""
    parts = key.split("/")
    if len(key) > MOST_KEY_CHARACTERS or not all(map(_PART.fullmatch, parts)):
        raise ObjectStoreError(f"not a key of an object: {key!r}")
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStat:
    """An object as the store lists it."""

    key: str
    size_bytes: int


class ObjectStore(Protocol):
    """Where segments live. Keys are relative, `/`-separated, and made of immutable facts only.

    Every method may raise ObjectStoreError; the caller tries again later, and every method may be repeated.
    """

    async def put_file(self, key: str, path: Path, *, sha256: bytes, size_bytes: int) -> None:
        """Store a file whose hash and size the caller knows. On return the object is durable and has these bytes.

        Creates, never overwrites: an object of the same bytes under this key is success, one of other bytes raises
        ObjectConflict and stays as it is. A partial object is never visible.
        """
        ...

    async def put_bytes(self, key: str, content: bytes) -> None:
        """Store a small object; the same contract as `put_file`."""
        ...

    async def stat(self, key: str) -> ObjectStat:
        """The object's size, asked of the store itself. ObjectMissing if there is none."""
        ...

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`, fewer only at the object's end. ObjectMissing if there is none."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the object; success if there is none."""
        ...

    def list(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """Every object whose key starts with `prefix`, in the order of the keys."""
        ...

    def state(self) -> Mapping[str, Any]:
        """JSON-ready, without asking anybody: `place` in words, and `warnings`: which guarantee is lower, and why."""
        ...

    def close(self) -> None:
        """Give back threads and connections; what is under way ends or is given up, and can be done again."""
        ...
