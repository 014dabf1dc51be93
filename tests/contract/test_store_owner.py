"""Whose object store it is: every catalog with every store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from media.errors import ObjectMissing, ObjectStoreError
from storage.clock import FakeClock
from storage.model import DesiredSite
from storage.objects import ObjectStore
from storage.sqlite_catalog import SqliteCatalog
from storage.store_ownership import KEY, accept_store, claim_store, owner_of, require_own_store
from tests.builders_catalog import POLICY, T0, desired, site

if TYPE_CHECKING:
    from storage.catalog import Catalog


async def another(path: Path) -> SqliteCatalog:
    """A second catalog."""
    return await SqliteCatalog.open(path / "another.sqlite", FakeClock(wall_us=T0))


async def tell(catalog: Catalog, store: ObjectStore, *sites: DesiredSite) -> None:
    """Write what the catalog has to tell into its journal, as `ship` does after the claim."""
    await catalog.inventory.apply(list(sites), [POLICY])
    while (composed := await catalog.outbox.compose(writer=1, now_us=T0)) is not None:
        await store.put_bytes(composed.key, composed.content)
        await catalog.outbox.written(composed.sequence)


async def test_an_empty_store_is_claimed_once(catalog: Catalog, store: ObjectStore) -> None:
    """By hosts that begin at the same time, and at every later start; it names the catalog whose it is."""
    assert await owner_of(store) is None
    await asyncio.gather(*(claim_store(catalog, store) for _ in range(8)))
    await claim_store(catalog, store)
    assert await owner_of(store) == (await catalog.outbox.head()).catalog
    assert {each.key async for each in store.list("")} == {KEY}


async def test_another_catalogs_store_is_refused(catalog: Catalog, store: ObjectStore, tmp_path: Path) -> None:
    """With both names and a way out, and nothing is written; until a person says that it is ours."""
    await claim_store(catalog, store)
    async with await another(tmp_path) as other:
        mine, theirs = [(await each.outbox.head()).catalog for each in (other, catalog)]
        for attempt in (claim_store, require_own_store):
            with pytest.raises(ObjectStoreError, match=f"belongs to catalog {theirs}, this one is {mine}") as caught:
                await attempt(other, store)
            assert "hulta store accept" in caught.value.hint
        assert await owner_of(store) == theirs
        assert await accept_store(other, store) == mine
        await claim_store(other, store)
        with pytest.raises(ObjectStoreError, match=f"belongs to catalog {mine}"):
            await claim_store(catalog, store)


async def test_of_two_catalogs_that_begin_at_once_one_has_it(
    catalog: Catalog, store: ObjectStore, tmp_path: Path
) -> None:
    """The other one is refused, whichever that is: at once, or where a server may overwrite at its next start."""
    async with await another(tmp_path) as other:
        await asyncio.gather(claim_store(catalog, store), claim_store(other, store), return_exceptions=True)
        again = [
            (await asyncio.gather(claim_store(each, store), return_exceptions=True))[0] for each in (catalog, other)
        ]
        assert [type(outcome) for outcome in again if outcome is not None] == [ObjectStoreError]


async def test_an_empty_store_in_the_place_of_a_full_one_is_refused(
    catalog: Catalog, store: ObjectStore, tmp_path: Path
) -> None:
    """A wrong bucket, or a lost one: retention would leave tombstones for what it never deleted."""
    await claim_store(catalog, store)
    await tell(catalog, store, site(desired()))
    for lost in [each.key async for each in store.list("")]:
        await store.delete(lost)
    with pytest.raises(ObjectStoreError, match=r"nothing of this catalog's, which has written \d+ journal") as caught:
        await claim_store(catalog, store)
    assert "store.url" in caught.value.hint
    with pytest.raises(ObjectMissing):
        await store.stat(KEY)
    await accept_store(catalog, store)
    await claim_store(catalog, store)


async def test_a_store_from_before_is_known_by_its_journal(
    catalog: Catalog, store: ObjectStore, tmp_path: Path
) -> None:
    """Whose it is was not said by an earlier version: the first journal object says it."""
    await tell(catalog, store, site(desired()))
    async with await another(tmp_path) as other:
        with pytest.raises(ObjectStoreError, match="belongs to catalog"):
            await claim_store(other, store)
    await claim_store(catalog, store)
    assert await owner_of(store) == (await catalog.outbox.head()).catalog


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "does not say whose store this is"),
        (b"\0" * 100, "does not say whose store this is"),
        (b"[1]", "does not say whose store this is"),
        (b"[" * 4000, "does not say whose store this is"),
        (b'{"format":"hulta-store","version":1,"catalog":7}', "does not say whose store this is"),
        (b'{"format":"hulta-store","version":2,"catalog":"x"}', "version 2; this version of Hulta knows 1"),
    ],
    ids=["empty", "zeros", "a list", "nested", "no id", "newer"],
)
async def test_what_names_no_catalog_is_refused(
    catalog: Catalog, store: ObjectStore, content: bytes, words: str
) -> None:
    """Whoever may write into the bucket can put anything there."""
    await store.put_bytes(KEY, content)
    with pytest.raises(ObjectStoreError, match=words):
        await claim_store(catalog, store)
