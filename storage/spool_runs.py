"""The runs in a spool: which there are, in which order, which of them live."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from storage import files, layout
from storage.journal import MAX_LINE_BYTES, read_journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_DIGITS = 20


def runs(*spools: Path) -> list[Path]:
    """The directories of all runs, the one that started first first; none if there is no spool yet."""
    return sorted(run_directories(*spools), key=lambda run: (_order_us(run), run.name))


def newest_order_us(*spools: Path) -> int:
    """The order of the newest run that there ever was; 0 if there was none.

    A run's directory goes with its last segment. What it leaves is a number in a file of the spool.
    """
    return max(0, *map(_noted_order_us, spools), *map(_order_us, run_directories(*spools)))


def note_order(spool: Path, order_us: int) -> None:
    """Keep the order of a run that begins. Its name is durable once the spool's directory is synced."""
    new = spool / f"{layout.ORDER}.new"
    with contextlib.suppress(FileNotFoundError):
        files.unlink(new)  # of an attempt that failed: what was synced in vain must not be synced again
    fd = files.create_exclusive(new)
    try:
        files.append(fd, [b"%d\n" % order_us], 0)
        files.datasync(fd)
    finally:
        files.close(fd)
    files.rename(new, spool / layout.ORDER)


def _noted_order_us(spool: Path) -> int:
    """What `note_order` kept; 0 if nothing did, or nothing that can be read."""
    with contextlib.suppress(OSError, ValueError):
        fd = files.open_read(spool / layout.ORDER)
        try:
            return int(files.read_at(fd, 0, _MOST_DIGITS))
        finally:
            files.close(fd)
    return 0


def run_directories(*spools: Path) -> Iterator[Path]:
    """The directories of all runs, in no order that means anything."""
    for spool in spools:
        with contextlib.suppress(FileNotFoundError):
            for name in files.names(spool):
                if layout.parse_run_name(name) is not None:
                    yield spool / name


def _order_us(run_directory: Path) -> int:
    """Where a run stands among the others: by the time at which it started, unless the clock went back between them.

    One without a readable journal comes first: it has nothing to say.
    """
    with contextlib.suppress(OSError):
        fd = files.open_read(run_directory / layout.JOURNAL)
        try:
            head = files.read_at(fd, 0, MAX_LINE_BYTES)
        finally:
            files.close(fd)
        for record in read_journal(lambda offset, length: head[offset : offset + length], len(head)).records[:1]:
            order_us = record.fields.get("order_us")  # not in a journal of an earlier version
            return int(record.fields.get("at_us", 0) if order_us is None else order_us)
    return 0


def is_alive(run_directory: Path) -> bool:
    """Whether somebody holds the run's lock: the process that records it, or one that recovers it right now."""
    try:
        fd = files.open_directory(run_directory)
    except FileNotFoundError:
        return False
    try:
        return not files.lock(fd, shared=True)
    finally:
        files.close(fd)


def remove_unborn(*spools: Path) -> None:
    """Clear directories of runs that died before they had a name: they hold a journal of one line, and no footage."""
    for spool in spools:
        with contextlib.suppress(FileNotFoundError):
            for name in files.names(spool):
                if name.startswith(layout.UNBORN_PREFIX):
                    _remove_unborn(spool / name)


def _remove_unborn(directory: Path) -> None:
    with contextlib.suppress(OSError):  # born, or cleared by somebody else, meanwhile; next time otherwise
        fd = files.open_directory(directory)
        try:
            if files.lock(fd):
                with contextlib.suppress(FileNotFoundError):
                    files.unlink(directory / layout.JOURNAL)
                files.remove_directory(directory)
        finally:
            files.close(fd)
