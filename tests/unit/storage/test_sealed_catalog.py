"""A catalog and the key that sealed its cameras."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.errors import KeyUnfit, StorageError
from storage.clock import FakeClock
from storage.key_file import GivenKeys
from storage.secrets import SecretBox
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import POLICY, desired, site

KEY, OTHER = "11" * 32, "22" * 32


async def opened(folder: Path, key: str = KEY) -> SqliteCatalog:
    """The catalog under a key."""
    return await SqliteCatalog.open(folder / "catalog.sqlite", FakeClock(), SecretBox(GivenKeys(key, "HULTA_KEY")))


@pytest.fixture
async def sealed(tmp_path: Path) -> Path:
    """The folder of a catalog with two cameras."""
    async with await opened(tmp_path) as catalog:
        await catalog.inventory.apply([site(desired("door"), desired("gate"))], [POLICY])
    return tmp_path


async def test_another_key_is_an_error_of_the_key_and_of_no_camera(sealed: Path) -> None:
    """Whoever asks, and whatever is to be changed: nothing is, and no camera is taken for a broken or a new one."""
    async with await opened(sealed, OTHER) as catalog:
        for attempt in (
            catalog.inventory.cameras(),
            catalog.inventory.camera("gate"),
            catalog.inventory.apply([site(desired("gate"))], [POLICY], prune=True),
            catalog.inventory.add(desired("new"), site="harbour"),
            catalog.inventory.remove("gate"),
        ):
            with pytest.raises(KeyUnfit, match=r"was sealed by the key [0-9a-f]{16}, and HULTA_KEY has [0-9a-f]{16}"):
                await attempt
        assert await catalog.inventory.policies() == {"default": POLICY}
    async with await opened(sealed) as catalog:
        assert [camera.enabled for camera in await catalog.inventory.cameras()] == [True, True]


async def test_a_lost_key_file_stays_lost(tmp_path: Path) -> None:
    """A start must not make a new one beside cameras that the old one sealed."""
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", FakeClock()) as catalog:
        await catalog.inventory.apply([site(desired("gate"))], [POLICY])
    (tmp_path / "key").unlink()
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", FakeClock()) as catalog:
        for _ in range(2):
            with pytest.raises(KeyUnfit, match="is missing"):
                await catalog.inventory.apply([site(desired("gate"))], [POLICY])
    assert not (tmp_path / "key").exists()


async def test_a_sealed_url_does_not_open_for_another_camera(sealed: Path) -> None:
    """Who may write into the database cannot send one camera's login to another camera's address."""
    async with await opened(sealed) as catalog:
        await catalog.database.write(
            lambda connection: connection.execute(
                "UPDATE cameras SET sealed_url = door.sealed_url FROM cameras AS door "
                "WHERE door.name = 'door' AND cameras.name = 'gate'"
            )
        )
        assert (await catalog.inventory.camera("door")).url.password == "hunter2"
        with pytest.raises(StorageError, match="does not open with this key") as caught:
            await catalog.inventory.camera("gate")
        assert not isinstance(caught.value, KeyUnfit)
