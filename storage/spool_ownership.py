"""Whether a spool may be used: only on a disk that says it is ours, and that is mounted.

A disk that is not mounted leaves an empty directory on the disk below, and recording there would fill that one without
a word. A disk of another installation would have its footage shipped into the wrong catalog, one of another host is
recorded by two. So all are refused, each with what to do about it; a person who means it says `hulta spool accept`.
Nothing here overwrites or removes an identity.

At first use the installation is written first and then the identity, each durably and each only if there is none:
killed in between, or run by two processes at once, it comes to the same.
"""

from __future__ import annotations

import contextlib
import errno
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from uuid import uuid4

from media.errors import SpoolError
from storage import files, layout, spool_identity
from storage.spool_identity import ACCEPT, Installation, SpoolIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from storage.layout import Layout

T = TypeVar("T")


class Spools(NamedTuple):
    """The spools of a role: those it uses, and those that may not be used now, with why."""

    here: Sequence[Path]
    absent: Mapping[Path, str] = {}


class ClaimedDisks(NamedTuple):
    """The spools that may be used, and those that may not, with what is in the way."""

    here: Mapping[Path, SpoolIdentity]
    refused: Mapping[Path, SpoolError]


def claim_disks(data: Layout, spools: Sequence[Path], host: str) -> ClaimedDisks:
    """`require_own_disk` of each. Blocks; SpoolError, that of the first, if none of them may be used."""
    here: dict[Path, SpoolIdentity] = {}
    refused: dict[Path, SpoolError] = {}
    for spool in spools:
        try:
            here[spool] = require_own_disk(data, spool, host)
        except SpoolError as error:
            refused[spool] = error
    if not here:
        raise next(iter(refused.values()))
    return ClaimedDisks(here, refused)


def earlier_spools(data: Layout) -> list[Path]:
    """Spools of this installation that are no longer recorded on and are still there: what is left is shipped."""
    try:
        known = spool_identity.read_installation(data)
        if known is None:
            return []
        places = [data.root / kept.path for kept in known.disks.values() if kept.path]
        return [place for place in places if place not in data.spools and _is_of(known, place)]
    except SpoolError:
        return []  # whoever records or ships says what is the matter with it


def _is_of(known: Installation, spool: Path) -> bool:
    try:
        found = spool_identity.read_identity(spool)
    except (OSError, SpoolError):
        return False
    return found is not None and found.installation == known.id and found.disk in known.disks


def retire_disk(data: Layout, spool: Path, why: str) -> None:
    """Remember that a disk failed: nothing more is recorded on it until it is accepted again. Blocks; SpoolError."""
    try:
        known = spool_identity.read_installation(data)
        place = _place(data, spool)
        for disk, kept in () if known is None else known.disks.items():
            if known is not None and kept.path == place:
                disks = {**known.disks, disk: replace(kept, retired=why)}
                spool_identity.write_installation(data, replace(known, disks=disks))
    except OSError as error:
        raise unusable(data.installation, error) from error


def retired_spools(data: Layout, spools: Sequence[Path]) -> dict[Path, str]:
    """Those of them that failed, and why. SpoolError."""
    known = spool_identity.read_installation(data)
    why = {} if known is None else {kept.path: kept.retired for kept in known.disks.values() if kept.retired}
    return {spool: why[place] for spool in spools if (place := _place(data, spool)) in why}


def require_own_disk(data: Layout, spool: Path, host: str) -> SpoolIdentity:
    """The identity of the spool's disk, made if nobody has used either before. Blocks; SpoolError if it is refused."""
    try:
        known, found = spool_identity.read_installation(data), spool_identity.read_identity(spool)
        if known is None:
            if found is not None:
                raise _refused(spool, f"it belongs to installation {found.installation}, and {data.root} to none yet")
            known = _begin_installation(data)
        place = _place(data, spool)
        identity = _first_use(known, spool, place, host) if found is None else found
        _require_ours(known, identity, spool, host)
        before = known.disks.get(identity.disk)
        if before is None or (before.generation, before.path) != (identity.generation, place):
            spool_identity.write_installation(data, known.with_disk(identity, place))
    except OSError as error:
        raise unusable(spool, error) from error
    return identity


def _begin_installation(data: Layout) -> Installation:
    spool_identity.create_once(data.installation, spool_identity.installation_json(Installation(id=uuid4())))
    made = spool_identity.read_installation(data)  # ours, or that of a process that was first
    assert made is not None
    return made


def _place(data: Layout, spool: Path) -> str:
    """A spool's path as it is remembered: below the data directory without it, as that may be moved as a whole."""
    return str(spool.relative_to(data.root) if spool.is_relative_to(data.root) else spool)


def _first_use(known: Installation, spool: Path, place: str, host: str) -> SpoolIdentity:
    """The identity of a disk that has none; refused where there should be one."""
    for disk, kept in known.disks.items():
        if kept.path == place:
            raise SpoolError(
                f"{spool}: disk {disk} is not there: it was the last time, and its identity is gone",
                hint=f"mount it; if another, empty disk has taken its place for good, say `{ACCEPT}`",
            )
    make_spool(spool)
    identity = SpoolIdentity(disk=uuid4(), installation=known.id, generation=1, host=host)
    spool_identity.create_once(spool / layout.IDENTITY, spool_identity.identity_json(identity))
    made = spool_identity.read_identity(spool)
    assert made is not None
    return made


def _require_ours(known: Installation, found: SpoolIdentity, spool: Path, host: str) -> None:
    if found.installation != known.id:
        raise _refused(spool, f"it belongs to installation {found.installation}, this one is {known.id}")
    if host and found.host and host != found.host:
        raise SpoolError(
            f"{spool}: disk {found.disk} belongs to host {found.host}, this one is {host}",
            hint=f"mount this host's own disk; if the host was renamed or the disk has moved for good, say `{ACCEPT}`",
        )
    before = known.disks.get(found.disk)
    if before is not None and found.generation < before.generation:
        raise SpoolError(
            f"{spool}: disk {found.disk} is of generation {found.generation}, and was of {before.generation}: "
            "an old copy of it",
            hint=f"mount the disk itself; if only the copy is left, say `{ACCEPT}`",
        )


def accept_disk(data: Layout, spool: Path, host: str) -> SpoolIdentity:
    """Take the disk that is there for this installation's own, because a person says so; what it says from now on.

    What it said before is kept beside it, as `identity.1` and so on. Nobody may record or ship meanwhile. SpoolError.
    """
    try:
        known, found = _installation(data), _said(lambda: spool_identity.read_identity(spool))
        if known is None:
            known = Installation(id=uuid4() if found is None else found.installation)
            spool_identity.write_installation(data, known)
        make_spool(spool)
        identity = _accepted(known, found, host)
        _keep_beside(spool / layout.IDENTITY)
        spool_identity.write_identity(spool, identity)
        spool_identity.write_installation(data, known.with_disk(identity, _place(data, spool), retired=""))
    except OSError as error:
        raise unusable(spool, error) from error
    return identity


def _accepted(known: Installation, found: SpoolIdentity | None, host: str) -> SpoolIdentity:
    """A new disk's identity, or that of a known one, of the next generation."""
    if found is None:
        return SpoolIdentity(disk=uuid4(), installation=known.id, generation=1, host=host)
    before = known.disks.get(found.disk)
    generation = max(found.generation, 0 if before is None else before.generation) + 1
    return replace(found, installation=known.id, generation=generation, host=host)


def _installation(data: Layout) -> Installation | None:
    """What the data directory remembers; if that cannot be read, it is kept beside, and nothing is remembered."""
    known = _said(lambda: spool_identity.read_installation(data))
    if known is None:
        _keep_beside(data.installation)
    return known


def _said(read: Callable[[], T]) -> T | None:
    """What a file says; None if it says nothing that can be read. A newer version's is not for us to set aside."""
    try:
        return read()
    except spool_identity.Unreadable:
        return None


def _keep_beside(path: Path) -> None:
    """A second name for a file that is about to be replaced."""
    taken = set(files.names(path.parent))
    name = next(free for number in count(1) if (free := f"{path.name}.{number}") not in taken)
    with contextlib.suppress(FileNotFoundError):
        files.link(path, path.with_name(name))


def _refused(spool: Path, why: str) -> SpoolError:
    hint = f"mount this installation's own disk there; if its footage is to be shipped from here, say `{ACCEPT}`"
    return SpoolError(f"{spool}: the disk is another one's: {why}", hint=hint)


def unusable(spool: Path, error: OSError) -> SpoolError:
    """What keeps a disk from being used, in words."""
    code = errno.errorcode.get(error.errno or 0, "?")
    hint = "check that the spool's disk is mounted, writable and not full"
    if error.errno == errno.EROFS:
        hint = "it is mounted read-only, perhaps after an error (see `dmesg`): check it, then mount it for writing"
    return SpoolError(f"{error.filename or spool}: {error.strerror or error} ({code})", hint=hint)


def make_spool(spool: Path) -> None:
    """The spool's directory, its name durable."""
    with contextlib.suppress(FileExistsError):
        files.make_directory(spool)
        files.sync_directory(spool.parent)
