"""Using a big catalog and leaving it as it was: what a benchmark adds is taken out again, also after a kill.

One benchmark at a time: the archive is locked. What may be added is only ever behind the archive's end, or belongs to
the cameras of the site LIVE_SITE, so it can be told from the archive without a list.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

from benchmarks.city import Archive
from benchmarks.city_rows import END_US, NOW_US, camera_id, phases
from storage.model import main_stream

LIVE_SITE = "bench-live"

_BEHIND = (
    "DELETE FROM segment_samples WHERE segment IN (SELECT id FROM segments WHERE stream = ? AND start_us >= ?)",
    "DELETE FROM segments WHERE stream = ? AND start_us >= ?",
    "DELETE FROM tombstones WHERE stream = ? AND start_us >= ?",
    "DELETE FROM gaps WHERE stream = ? AND start_us >= ?",
)
_GAP = "INSERT INTO gaps (stream, start_us, end_us, reason, detail) VALUES (?, ?, ?, ?, '')"
_DECLARED = "UPDATE streams SET declared_until_us = ? WHERE id = ?"
_LIVE = "SELECT cameras.id, stream FROM cameras JOIN sites ON sites.id = cameras.site WHERE sites.name = ?"
_LIVE_CAMERA = ("DELETE FROM cameras WHERE stream = ?", "DELETE FROM streams WHERE id = ?")
_LIVE_STREAM = ("DELETE FROM events WHERE stream = ?", "DELETE FROM run_streams WHERE stream = ?")
_LIVE_RUNS = (
    "DELETE FROM events WHERE run IN (SELECT run FROM runs WHERE started_us > ?)",
    "DELETE FROM runs WHERE started_us > ?",
)


def live_names(cameras: int) -> list[str]:
    """The cameras that a benchmark records into the archive's catalog."""
    return [f"{LIVE_SITE}-{number:03}" for number in range(cameras)]


@contextmanager
def borrowed(archive: Archive) -> Iterator[None]:
    """Have the archive alone; it is as before when the block ends, and when it begins."""
    lock = os.open(archive.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        tidy(archive.root)
        yield
        tidy(archive.root)
    finally:
        os.close(lock)


def tidy(root: Path) -> None:
    """Take out whatever was added to the archive."""
    with closing(sqlite3.connect(root / "catalog.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        live = connection.execute(_LIVE, (LIVE_SITE,)).fetchall()
        for _, stream in live:
            _run(connection, _BEHIND, (stream, 0))
            _run(connection, (*_LIVE_STREAM, *_LIVE_CAMERA), (stream,))
        _run(connection, _LIVE_RUNS, (NOW_US,))
        connection.execute("DELETE FROM sites WHERE name = ?", (LIVE_SITE,))
        for name, phase_us in phases():
            stream = main_stream(camera_id(name)).bytes
            _run(connection, _BEHIND, (stream, END_US + phase_us))
            connection.execute(_GAP, (stream, END_US + phase_us, NOW_US, "shutdown"))
            connection.execute(_GAP, (stream, NOW_US, None, "camera_disabled"))
            connection.execute(_DECLARED, (END_US + phase_us, stream))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for name in ("spool", "quarantine", "run"):
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "assignments.json").unlink(missing_ok=True)
    for camera, _ in live:
        shutil.rmtree(root / "objects" / "v1" / str(UUID(bytes=camera)), ignore_errors=True)


def _run(connection: sqlite3.Connection, statements: tuple[str, ...], values: tuple[object, ...]) -> None:
    for statement in statements:
        connection.execute(statement, values)


def forget_pages(archive: Archive) -> None:
    """Let the system forget what it has read of the catalog: the next question goes to the disk.

    Of this file alone (posix_fadvise): dropping all caches would need root and hurt whatever else runs.
    """
    for name in ("catalog.sqlite", "catalog.sqlite-wal"):
        path = archive.root / name
        if path.exists():
            fd = os.open(path, os.O_RDONLY)
            os.fdatasync(fd)  # pages that are not on the disk yet cannot be forgotten
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)
