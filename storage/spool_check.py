"""What lies in the spool and is not what its name says: damaged, cut, foreign. Reads only; part of `check`.

A sealed name is given when all bytes are synced, so a file that carries one is complete whenever it is seen. Open files
are left out: they change, and recovery judges them.
"""

from __future__ import annotations

import contextlib
import errno
from functools import partial
from typing import TYPE_CHECKING

from media.errors import Mp4Error
from media.fmp4_read import read_sealed, scan
from media.init_section import MOST_INIT_BYTES, init_section_bytes
from storage import files, layout
from storage.audit import Finding, FindingKind
from storage.segment_row import segment_from_scan
from storage.spool_runs import run_directories

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from media.identity import SegmentIdentity


def look(*spools: Path, deep: bool = False) -> list[Finding]:
    """Everything that is wrong with sealed files in all runs, dead or alive; `deep` compares every hash. Blocks."""
    return [
        finding for run in sorted(run_directories(*spools)) for path in _files(run) for finding in _look(path, deep)
    ]


def _files(run: Path) -> Iterator[Path]:
    """What is in the directories of a run's streams."""
    for directory in _below(run):
        if layout.parse_stream_name(directory.name) is not None:
            yield from _below(directory)


def _below(directory: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # gone meanwhile, or none: recovery says so
        return [directory / name for name in files.names(directory)]
    return []


def _look(path: Path, deep: bool) -> Iterator[Finding]:
    name = layout.parse_segment_path(path)
    if name is None and not layout.is_copy(path):
        yield Finding(kind=FindingKind.SPOOL_FOREIGN, subject=f"file {path}", what="not the name of a segment")
    if name is not None and name.sealed and (what := _fault(path, name.identity, deep=deep)):
        yield Finding(kind=FindingKind.SPOOL_UNREADABLE, subject=f"file {path}", what=what)


def _fault(path: Path, identity: SegmentIdentity, *, deep: bool) -> str:
    """What keeps a sealed file from being read as the segment that its name promises; empty if nothing does."""
    try:
        fd = files.open_read(path)
    except FileNotFoundError:
        return ""  # stored, and let go
    except OSError as error:
        return _why(error)
    try:
        return _fault_in(fd, identity, deep=deep)
    except Mp4Error as error:
        return str(error)
    except OSError as error:
        return _why(error)
    finally:
        files.close(fd)


def _fault_in(fd: int, identity: SegmentIdentity, *, deep: bool) -> str:
    size_bytes, read_at = files.size_bytes(fd), partial(files.read_at, fd)
    found = scan(read_at, size_bytes, verify=True) if deep else read_sealed(read_at, size_bytes)
    segment_from_scan(found, size_bytes)
    if found.seal is None:
        return "its seal is damaged"
    if found.identity != identity:
        return f"it holds segment {found.identity}"
    if init_section_bytes(read_at(0, MOST_INIT_BYTES)) != found.init_bytes:
        return "its init section is not as long as its seal says"
    return "; ".join(found.faults)


def _why(error: OSError) -> str:
    return f"{error.strerror} ({errno.errorcode.get(error.errno or 0, '?')})"
