"""Whether the spool's disk keeps what it promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.errors import ConfigError
from server import spool_disk
from server.spool_disk import check_spool_disk, file_system

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /tmp rw - tmpfs tmpfs rw
31 22 0:26 / /srv/with\\040blank rw - nfs4 server:/x rw
32 30 254:16 / /tmp/disk rw - xfs /dev/vdb rw
33 22 0:30 / /merged rw - overlay overlay rw
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/var/lib/hulta", "ext4"),
        ("/tmp/data", "tmpfs"),
        ("/tmpdata", "ext4"),
        ("/tmp/disk/data", "xfs"),
        ("/srv/with blank/data", "nfs4"),
        ("/merged/data", "overlay"),
    ],
)
def test_the_innermost_mount_counts(place: str, kind: str) -> None:
    """As the kernel resolves the path."""
    assert file_system(Path(place), MOUNTS) == kind


@pytest.mark.parametrize(("place", "refused"), [("/tmp/data", True), ("/srv/with blank", True), ("/var", False)])
def test_a_file_system_that_forgets_is_refused(
    place: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do about it."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    monkeypatch.setattr(spool_disk, "MOUNTS", mounts)
    if refused:
        with pytest.raises(ConfigError) as caught:
            check_spool_disk(Path(place))
        assert "accept_loss" in caught.value.hint
    else:
        assert check_spool_disk(Path(place)) == ""


def test_a_container_layer_only_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps footage as long as the container lives."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    monkeypatch.setattr(spool_disk, "MOUNTS", mounts)
    assert "mount a volume" in check_spool_disk(Path("/merged"))
