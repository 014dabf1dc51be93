"""A copy of the embedded catalog, consistent and whole, taken while others write to it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from media.errors import CatalogError, Conflict
from storage import files
from storage.statements import statements

if TYPE_CHECKING:
    from pathlib import Path

PAGES = 256
"""A step of 4 MiB. Between two steps others write; what they changed is copied again."""


def back_up(catalog: Path, file: Path) -> int:
    """Copy it, check the copy, and only then give it its name; its size. Conflict if there is such a file."""
    if file.exists():
        raise Conflict(f"{file}: there is such a file already")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    os.close(files.create_exclusive(draft, mode=0o600))  # it knows every camera
    try:
        _copy(catalog, draft)
        _sync(draft)
        try:
            files.link(draft, file)
        except FileExistsError:
            raise Conflict(f"{file}: there is such a file already") from None
    finally:
        files.unlink(draft)
    files.sync_directory(file.parent)
    return file.stat().st_size


def _copy(catalog: Path, draft: Path) -> None:
    try:
        with closing(sqlite3.connect(catalog, timeout=10)) as source, closing(sqlite3.connect(draft)) as copy:
            source.backup(copy, pages=PAGES, sleep=0.01)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without another that belongs to it
            found = copy.execute(statements("move")["check_copy"]).fetchone()[0]
    except sqlite3.Error as error:
        raise CatalogError(f"catalog {catalog}: {error}") from error
    if found != "ok":
        raise CatalogError(f"catalog {catalog}: the copy is damaged: {found}", hint="so is the catalog, most likely")


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        files.datasync(fd)
    finally:
        files.close(fd)
