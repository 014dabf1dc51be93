"""Whether the spool's disk keeps what it promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.errors import ConfigError
from server import spool_disk
from server.spool_disk import check_spool_disk, mount_of

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /tmp rw - tmpfs tmpfs rw
31 22 0:26 / /srv/with\\040blank rw - nfs4 server:/x rw
32 30 254:16 / /tmp/disk rw - xfs /dev/vdb rw
33 22 0:30 / /merged rw - overlay overlay rw
34 22 254:32 / /srv/Borås rw,noatime - ext4 /dev/vdc rw,nobarrier
35 22 254:48 / /srv/old rw - xfs /dev/vdd rw,barrier=0
36 22 0:40 / /srv/cloud rw - fuse.rclone remote: rw
37 22 254:64 / /srv/ntfs rw - fuseblk /dev/vde rw
38 22 254:80 / /srv/hurt ro,relatime - ext4 /dev/vdf ro,errors=remount-ro
39 22 0:41 / /srv/rootless rw - fuse.fuse-overlayfs fuse-overlayfs rw
40 22 0:42 / /srv/share rw - cifs //server/share rw
41 22 0:43 / /srv/ram rw - ramfs none rw
42 22 254:96 / /srv/ram rw - ext4 /dev/vdg rw
"""


@pytest.fixture(autouse=True)
def _mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """These, in the place of this machine's."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    monkeypatch.setattr(spool_disk, "MOUNTS", mounts)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/var/lib/hulta", "ext4"),
        ("/tmp/data", "tmpfs"),
        ("/tmpdata", "ext4"),
        ("/tmp/disk/data", "xfs"),
        ("/srv/with blank/data", "nfs4"),
        ("/merged/data", "overlay"),
        ("/srv/ram/data", "ext4"),
    ],
)
def test_the_innermost_mount_counts(place: str, kind: str) -> None:
    """As the kernel resolves the path; of two on one point the later one."""
    assert mount_of(Path(place), MOUNTS).kind == kind


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("/tmp/data", "on tmpfs (/tmp), which loses footage with the power"),
        ("/srv/with blank", "on nfs4 (/srv/with blank), which loses footage with the network"),
        ("/srv/share/data", "on cifs (/srv/share)"),
        ("/srv/cloud/data", "on fuse.rclone (/srv/cloud)"),
        ("/srv/Borås", "mounted with nobarrier"),
        ("/srv/old/data", "mounted with barrier=0"),
    ],
)
def test_a_disk_that_forgets_is_refused_unless_that_is_accepted(place: str, why: str) -> None:
    """With what to do about it; accepted, it is a warning that says the same."""
    with pytest.raises(ConfigError) as caught:
        check_spool_disk(Path(place))
    assert why in str(caught.value)
    assert "accept_loss" in caught.value.hint
    assert why in check_spool_disk(Path(place), accept_loss=True)


@pytest.mark.parametrize("place", ["/var/lib/hulta", "/tmp/disk", "/srv/ntfs/data", "/srv/ram"])
def test_a_local_disk_is_taken_without_a_word(place: str) -> None:
    """Also one that a program drives, if it is a local one."""
    assert check_spool_disk(Path(place)) == ""


@pytest.mark.parametrize("place", ["/merged", "/srv/rootless/data"])
def test_a_container_layer_only_warns(place: str) -> None:
    """It keeps footage as long as the container lives."""
    assert "mount a volume" in check_spool_disk(Path(place))


@pytest.mark.parametrize("accept_loss", [False, True])
def test_a_read_only_disk_is_refused_whatever_is_accepted(accept_loss: bool) -> None:
    """Nothing can be recorded there."""
    with pytest.raises(ConfigError, match="read-only") as caught:
        check_spool_disk(Path("/srv/hurt/data"), accept_loss=accept_loss)
    assert "mount it for writing" in caught.value.hint
