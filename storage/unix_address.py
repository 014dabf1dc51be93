"""Addresses of Unix sockets, which hold 108 bytes, for paths of any length."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_BYTES = 100


@contextmanager
def unix_address(path: Path) -> Iterator[str]:
    """The path in a form that fits a Unix address, for the length of a block, whatever the data directory is called."""
    if len(os.fsencode(path)) < MOST_BYTES:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
