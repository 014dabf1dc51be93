"""Whose object store this is: one object in it names the catalog whose footage it holds.

Two catalogs in one bucket and prefix would each take the other's footage for lost or foreign. Worse, one pointed
at a wrong bucket would "delete" what is not there, and leave tombstones for footage that stays where it is for ever.
So `ship` and `keep` do nothing with a store before it is known to be theirs. Format: docs/formats/store-owner.md.

The object is made once and never overwritten; of two hosts that begin at once one makes it, and both find it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

from media.errors import ObjectConflict, ObjectMissing, ObjectStoreError
from storage import catalog_journal

if TYPE_CHECKING:
    from storage.catalog import Catalog
    from storage.objects import ObjectStore

KEY = "v1/_catalog"
FORMAT, VERSION = "hulta-store", 1
ACCEPT = "hulta store accept"
_MOST_BYTES = 4096
_ELSEWHERE = "check `store.url`: it may be another bucket or prefix. Footage waits in the spool meanwhile"


async def claim_store(catalog: Catalog, store: ObjectStore) -> None:
    """Make sure that the store is this catalog's; one that is empty becomes it. ObjectStoreError with what to do."""
    head = await catalog.outbox.head()
    owner = await owner_of(store)
    if owner is None:
        owner = await _journal_of(store)
        told = head.sequence - (await catalog.outbox.backlog()).composed
        if owner is None and told > 0:
            raise ObjectStoreError(
                f"the object store holds nothing of this catalog's, which has written {told} journal objects",
                hint=f"{_ELSEWHERE}; if what was there is lost for good, say `{ACCEPT}`",
            )
        _require(owner or head.catalog, head.catalog)
        try:
            await store.put_bytes(KEY, _content(head.catalog))
        except ObjectConflict:  # another host was first
            owner = await owner_of(store)
    _require(owner or head.catalog, head.catalog)


async def require_own_store(catalog: Catalog, store: ObjectStore) -> None:
    """ObjectStoreError if the store says that it is another catalog's. Changes nothing."""
    owner = await owner_of(store)
    if owner is not None:
        _require(owner, (await catalog.outbox.head()).catalog)


async def accept_store(catalog: Catalog, store: ObjectStore) -> UUID:
    """Make the store this catalog's, because a person says so; the catalog's id. Nothing else in it changes."""
    mine = (await catalog.outbox.head()).catalog
    content = _content(mine)
    try:
        await store.put_bytes(KEY, content)
    except ObjectConflict:
        await store.delete(KEY)
        await store.put_bytes(KEY, content)
    return mine


async def owner_of(store: ObjectStore) -> UUID | None:
    """The catalog that the store names; None if none. ObjectStoreError for an object that is none of ours, or newer."""
    try:
        content = await store.read(KEY, 0, _MOST_BYTES)
    except ObjectMissing:
        return None
    try:
        fields = json.loads(content)
        version, owner = fields["version"], fields["catalog"]
        if fields["format"] == FORMAT and version > VERSION:
            raise ObjectStoreError(
                f"object {KEY}: version {version}; this version of Hulta knows {VERSION}", hint="run the newer Hulta"
            )
        return UUID(owner)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise ObjectStoreError(
            f"object {KEY}: does not say whose store this is", hint=f"if it is this catalog's, say `{ACCEPT}`"
        ) from None


def _require(owner: UUID, mine: UUID) -> None:
    if owner != mine:
        raise ObjectStoreError(
            f"the object store belongs to catalog {owner}, this one is {mine}",
            hint=f"{_ELSEWHERE}; if that catalog is given up for good, say `{ACCEPT}`",
        )


def _content(catalog: UUID) -> bytes:
    return json.dumps({"format": FORMAT, "version": VERSION, "catalog": str(catalog)}).encode() + b"\n"


async def _journal_of(store: ObjectStore) -> UUID | None:
    """Whose the first journal object there is: an earlier Hulta did not say whose store it was."""
    async for found in store.list(catalog_journal.PREFIX):
        content = await store.read(found.key, 0, catalog_journal.MOST_CONTENT_BYTES)
        return catalog_journal.read_object(found.key, content).catalog
    return None
