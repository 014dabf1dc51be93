"""Whose disk a spool lies on: a file on the disk says it, and the data directory remembers it.

    <spool>/identity        the disk, whose installation it belongs to, its generation, its host
    <data>/installation     who this installation is, and the disks it has recorded on, each with the path it had

Both are JSON, written durably and whole. Here they are read and written; what follows from them is in
`storage/spool_ownership.py`. Format: docs/formats/spool-identity.md.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from media.errors import SpoolError
from storage import files, layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from storage.layout import Layout

VERSION = 1
MOST_BYTES = 1 << 16  # of either file; more is neither
ACCEPT = "hulta spool accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolIdentity:
    """What a disk says of itself. `host` is "" where the configuration names none: then any host may have it."""

    disk: UUID
    installation: UUID
    generation: int
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDisk:
    """What the data directory remembers of a disk: how often it was accepted, and where it was the last time."""

    generation: int
    path: str
    retired: str = ""
    """Why it is not recorded on any more, if it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Who keeps this data directory, and the disks of its spools."""

    id: UUID
    disks: Mapping[UUID, KnownDisk] = field(default_factory=dict)

    def with_disk(self, identity: SpoolIdentity, path: str, retired: str | None = None) -> Installation:
        """The same, with this disk at this path, and no other one there; as retired as it was, unless that is told."""
        before = self.disks.get(identity.disk)
        why = (before.retired if before else "") if retired is None else retired
        known = KnownDisk(generation=identity.generation, path=path, retired=why)
        others = {
            disk: replace(other, path="") if other.path == known.path else other for disk, other in self.disks.items()
        }
        return replace(self, disks={**others, identity.disk: known})


class Unreadable(SpoolError):  # noqa: N818 - the state of a file
    """It is there and does not say whose disk this is: truncated, overwritten or foreign."""


def read_identity(spool: Path) -> SpoolIdentity | None:
    """What the disk says; None if nothing. SpoolError if that is no identity, or one of a newer version."""
    path = spool / layout.IDENTITY
    fields = _read(path)
    if fields is None:
        return None
    try:
        return SpoolIdentity(
            disk=UUID(fields["disk"]),
            installation=UUID(fields["installation"]),
            generation=_number(fields["generation"]),
            host=_text(fields["host"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path) from error


def identity_json(identity: SpoolIdentity) -> dict[str, Any]:
    """As it stands in the file."""
    return {
        "version": VERSION,
        "disk": str(identity.disk),
        "installation": str(identity.installation),
        "generation": identity.generation,
        "host": identity.host,
    }


def read_installation(data: Layout) -> Installation | None:
    """What the data directory remembers; None if nothing. SpoolError as for `read_identity`."""
    fields = _read(data.installation)
    if fields is None:
        return None
    try:
        disks = {
            UUID(disk): KnownDisk(
                generation=_number(kept["generation"]), path=_text(kept["path"]), retired=_text(kept.get("retired", ""))
            )
            for disk, kept in fields["disks"].items()
        }
        return Installation(id=UUID(fields["installation"]), disks=disks)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(data.installation) from error


def write_installation(data: Layout, installation: Installation) -> None:
    """Replace the file, durably: a reader sees the old one or the new one."""
    _replace(data.installation, installation_json(installation))


def installation_json(installation: Installation) -> dict[str, Any]:
    """As it stands in the file."""
    disks = {
        str(disk): {"generation": kept.generation, "path": kept.path}
        | ({"retired": kept.retired} if kept.retired else {})
        for disk, kept in installation.disks.items()
    }
    return {"version": VERSION, "installation": str(installation.id), "disks": disks}


def write_identity(spool: Path, identity: SpoolIdentity) -> None:
    """Replace the file, as `write_installation` does. Who calls it has kept the one before."""
    _replace(spool / layout.IDENTITY, identity_json(identity))


def _replace(path: Path, fields: dict[str, Any]) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    _write_new(new, fields)
    files.rename(new, path)
    files.sync_directory(path.parent)


def create_once(path: Path, fields: dict[str, Any]) -> None:
    """Make a file durably unless there is one: whoever comes second finds that of the first, whole."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    _write_new(new, fields)
    try:
        with contextlib.suppress(FileExistsError):
            files.link(new, path)
    finally:
        files.unlink(new)
    files.sync_directory(path.parent)


def _write_new(path: Path, fields: dict[str, Any]) -> None:
    with contextlib.suppress(FileNotFoundError):
        files.unlink(path)  # of a process that was killed here, and had this number
    fd = files.create_exclusive(path)
    try:
        files.append(fd, [json.dumps(fields, indent=1).encode() + b"\n"], 0)
        files.datasync(fd)
    finally:
        files.close(fd)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        fd = files.open_read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        text = files.read_at(fd, 0, MOST_BYTES)
    finally:
        files.close(fd)
    try:
        fields = json.loads(text)
        version = _number(fields["version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path) from error
    if version > VERSION:
        raise SpoolError(f"{path}: version {version} is not known here", hint="upgrade this host")
    found: dict[str, Any] = fields
    return found


def _damaged(path: Path) -> Unreadable:
    return Unreadable(
        f"{path}: it does not say whose disk this is: truncated, overwritten or foreign",
        hint=f"put the right file back; if the disk is this installation's own beyond doubt, say `{ACCEPT}`",
    )


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError("a number above zero should be here")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("text should be here")
