"""Which spools a role may use, before it uses any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from media.errors import ConfigError, SpoolError
from server.settings import Settings, SpoolRules
from server.spool_access import claim_spools, spools_to_read, with_disks
from storage.layout import Layout
from storage.spool_identity import read_identity

if TYPE_CHECKING:
    from pathlib import Path


def settings(*disks: Path, accept_loss: bool = True) -> Settings:
    """A configuration with these disks."""
    return Settings(spool=SpoolRules(disks=tuple(map(str, disks)), accept_loss=accept_loss))


def data_of(root: Path, given: Settings) -> Layout:
    """A data directory."""
    root.mkdir(exist_ok=True)
    return with_disks(Layout(root), given)


def test_two_spools_on_one_file_system_are_refused(tmp_path: Path) -> None:
    """One of them is not mounted, as a rule; a trial may say that it does not matter."""
    disks = [tmp_path / "a", tmp_path / "b"]
    given = settings(*disks, accept_loss=False)
    data = data_of(tmp_path / "data", given)
    with pytest.raises(ConfigError, match=r"a and .*b are on one file system") as caught:
        claim_spools(given, data, data.spools)
    assert "mounted" in caught.value.hint
    assert set(claim_spools(settings(*disks), data, data.spools).here) == set(disks)


def test_what_is_left_on_an_earlier_spool_is_read_on(tmp_path: Path) -> None:
    """The one in the data directory, after disks were given, though it is on the file system of one of them."""
    before = settings()
    data = data_of(tmp_path / "data", before)
    claim_spools(before, data, data.spools)
    given = settings(tmp_path / "a", accept_loss=False)
    later = data_of(tmp_path / "data", given)
    assert spools_to_read(later) == [tmp_path / "a", data.spool]
    assert set(claim_spools(given, later, spools_to_read(later)).here) == {tmp_path / "a", data.spool}


def test_a_disk_that_is_refused_keeps_no_other_one_from_being_used(tmp_path: Path) -> None:
    """It is told with what is wrong; only without any other one is it an error."""
    disks = [tmp_path / "a", tmp_path / "b"]
    given = settings(*disks)
    data = data_of(tmp_path / "data", given)
    claim_spools(given, data, data.spools)
    (disks[0] / "identity").rename(tmp_path / "kept")  # as if it were not mounted
    claimed = claim_spools(given, data, data.spools)
    assert list(claimed.here) == disks[1:]
    assert "is not there" in str(claimed.refused[disks[0]])
    assert read_identity(disks[0]) is None, "nothing was written below it"
    (disks[1] / "identity").unlink()
    with pytest.raises(SpoolError, match="is not there"):
        claim_spools(given, data, data.spools)
