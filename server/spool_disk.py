"""Whether the spool lies on a disk that keeps what fdatasync promised.

tmpfs forgets with the power, network file systems with the network, a mount without write barriers with the disk's own
buffer, and all of them pass every fsync. Overlay (a container's own layer) keeps footage as long as the container
lives, so it only warns. A disk that is mounted read-only keeps nothing at all; no setting excuses that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from media.errors import ConfigError

IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})
OF_THE_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "beegfs", "ceph", "coda", "davfs", "glusterfs", "lustre"}
)
CONTAINER_LAYERS = frozenset({"overlay", "aufs", "fuse.fuse-overlayfs"})
WITHOUT_BARRIERS = frozenset({"nobarrier", "barrier=0", "barrier=none"})
MOUNTS = Path("/proc/self/mountinfo")

_ESCAPED = re.compile(r"\\([0-7]{3})")  # blanks are \040 there

_BEHIND_A_PROGRAM = ("fuse", "fuse.")
"""FUSE: sshfs, s3fs, rclone and their like. What a sync means is up to the program; of none it is known to be enough.
`fuseblk` is a local disk (NTFS)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Where a file system is mounted, its type, and the options of the mount and of the file system."""

    point: str
    kind: str
    options: frozenset[str]


def check_spool_disk(directory: Path, *, accept_loss: bool = False) -> str:
    """A warning or "". Raises ConfigError for a disk that forgets, unless that is accepted, or takes nothing."""
    mount = mount_of(directory, MOUNTS.read_text(errors="surrogateescape"))
    if "ro" in mount.options:
        raise ConfigError(
            f"{directory} is on {mount.point}, which is mounted read-only",
            hint="if the kernel did that after an error (see `dmesg`), check the disk first; then mount it for writing",
        )
    if why := _forgets(mount):
        if not accept_loss:
            raise ConfigError(
                f"{directory} is on {mount.kind} ({mount.point}), {why}",
                hint="choose a local disk with --data, or set spool.accept_loss: true",
            )
        return f"{directory} is on {mount.kind} ({mount.point}), {why}; accepted by spool.accept_loss"
    if mount.kind in CONTAINER_LAYERS:
        return f"{directory} is on {mount.kind}: footage goes with the container; mount a volume there"
    return ""


def _forgets(mount: Mount) -> str:
    """How a disk loses what was synced, or ""."""
    if mount.kind in IN_MEMORY:
        return "which loses footage with the power"
    behind_a_program = mount.kind == _BEHIND_A_PROGRAM[0] or mount.kind.startswith(_BEHIND_A_PROGRAM[1])
    if mount.kind in OF_THE_NETWORK or (behind_a_program and mount.kind not in CONTAINER_LAYERS):
        return "which loses footage with the network"
    if found := WITHOUT_BARRIERS & mount.options:
        return f"mounted with {min(found)}, which loses footage with the power: mount it without that option"
    return ""


def mount_of(directory: Path, mounts: str) -> Mount:
    """The mount a directory is on, from the text of proc(5) mountinfo; of two on one point, the later one."""
    found = Mount(point="", kind="unknown", options=frozenset())
    place = str(directory.resolve())
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _source, of_all) = before.split(" "), after.split(" ", 2)
        point = _ESCAPED.sub(lambda escape: chr(int(escape[1], 8)), fields[4])
        if (place == point or place.startswith(point.rstrip("/") + "/")) and len(point) >= len(found.point):
            found = Mount(point=point, kind=kind, options=frozenset([*fields[5].split(","), *of_all.split(",")]))
    return found
