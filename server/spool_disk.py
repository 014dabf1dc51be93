"""Whether the spool lies on a disk that keeps what fdatasync promised.

tmpfs forgets with the power, network file systems with the network, and both pass every fsync. Overlay (a container's
own layer) keeps it as long as the container lives, so it only warns.
"""

from __future__ import annotations

from pathlib import Path

from media.errors import ConfigError

FORGETFUL = frozenset({"tmpfs", "ramfs", "nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"})
CONTAINER_LAYERS = frozenset({"overlay", "aufs"})
MOUNTS = Path("/proc/self/mountinfo")


def check_spool_disk(directory: Path) -> str:
    """A warning or "". Raises ConfigError for a file system that forgets."""
    kind = file_system(directory, MOUNTS.read_text())
    if kind in FORGETFUL:
        raise ConfigError(
            f"{directory} is on {kind}, which loses footage with the power or the network",
            hint="choose a local disk with --data, or set spool.accept_loss: true",
        )
    if kind in CONTAINER_LAYERS:
        return f"{directory} is on {kind}: footage goes with the container; mount a volume there"
    return ""


def file_system(directory: Path, mounts: str) -> str:
    """The type of the file system a directory is on, from the text of proc(5) mountinfo."""
    found = ("", "unknown")
    place = str(directory.resolve())
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].encode().decode("unicode_escape")  # blanks are \\040
        if (place == point or place.startswith(point.rstrip("/") + "/")) and len(point) >= len(found[0]):
            found = (point, after.split(" ")[0])
    return found[1]
