"""The policies of docs/operations.md, as they stand there, on a server that enforces them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from media.errors import ObjectConflict, ObjectMissing, ObjectStoreError
from storage.clock import HostClock
from storage.s3_store import S3Store
from tests.ceph_server import Ceph, shared_ceph

PAGE = Path(__file__).parents[2] / "docs/operations.md"
ROLES = ("writer", "reader", "retainer")
KEY, OTHER, NEW = "v1/a/b/1.mp4", "v1/a/b/2.mp4", "v1/a/b/3.mp4"


def policies(bucket: str) -> dict[str, list[dict[str, object]]]:
    """The statements for each role, for this bucket."""
    text = PAGE.read_text().replace("arn:aws:s3:::footage", f"arn:aws:s3:::{bucket}")
    found = re.findall(r"^### (\w+)\n.*?```json\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    return {name.lower(): json.loads(policy)["Statement"] for name, policy in found}


@pytest.fixture(scope="module")
def stores() -> Iterator[dict[str, S3Store]]:
    """One bucket, opened with the key of its owner and of each role, and with a role's key below another prefix."""
    ceph: Ceph = shared_ceph()
    owner = ceph.address(prefix="boras/")
    for role in ROLES:
        ceph.make_user(role, f"key-of-{role}", f"not-a-secret-{role}")
    statements = [
        {**each, "Principal": {"AWS": [f"arn:aws:iam:::user/{role}"]}}
        for role, policy in policies(owner.bucket).items()
        for each in policy
    ]
    ceph.client().set_bucket_policy(owner.bucket, json.dumps({"Version": "2012-10-17", "Statement": statements}))

    def opened(role: str, prefix: str) -> S3Store:
        keys = {"access_key": f"key-of-{role}", "secret_key": f"not-a-secret-{role}"}
        return S3Store(ceph.address(bucket=owner.bucket, prefix=prefix, **keys), HostClock())

    made = {"owner": S3Store(owner, HostClock())}
    made |= {role: opened(role, "boras/") for role in ROLES}
    made |= {f"{role} elsewhere": opened(role, "other/") for role in ROLES}
    yield made
    for store in made.values():
        store.close()


@pytest.fixture(autouse=True)
async def _footage(stores: dict[str, S3Store]) -> None:
    await stores["owner"].put_bytes(KEY, b"footage")
    await stores["owner"].put_bytes(OTHER, b"more")


async def listed(store: S3Store) -> list[str]:
    """All keys."""
    return [each.key async for each in store.list("")]


def test_each_role_has_a_policy() -> None:
    """Else the rest would try nothing."""
    assert tuple(policies("b")) == ROLES


async def test_a_writer_writes_and_never_deletes(stores: dict[str, S3Store], tmp_path: Path) -> None:
    """Also a segment from a file; what is missing is missing, and not forbidden; an answer that was lost is found."""
    writer = stores["writer"]
    (tmp_path / "segment").write_bytes(b"new footage")
    for _ in range(2):
        await writer.put_file(NEW, tmp_path / "segment", sha256=sha256(b"new footage").digest(), size_bytes=11)
    with pytest.raises(ObjectConflict):
        await writer.put_bytes(KEY, b"FOOTAGE")
    assert await writer.read(KEY, 0, 100) == b"footage"
    with pytest.raises(ObjectMissing):
        await writer.stat("v1/none")
    with pytest.raises(ObjectStoreError, match="AccessDenied") as caught:
        await writer.delete(KEY)
    assert "policy" in caught.value.hint
    assert await listed(stores["owner"]) == [KEY, OTHER, NEW]
    assert (await writer.capabilities()).warnings == ()
    await stores["owner"].delete(NEW)


async def test_a_reader_reads_and_changes_nothing(stores: dict[str, S3Store]) -> None:
    """Nothing is put or deleted, whatever the key's owner tries."""
    reader = stores["reader"]
    assert await reader.read(KEY, 2, 3) == b"ota"
    assert await listed(reader) == [KEY, OTHER]
    with pytest.raises(ObjectMissing):
        await reader.read("v1/none", 0, 1)
    for attempt in (reader.put_bytes(NEW, b"x"), reader.put_bytes(KEY, b"x"), reader.delete(KEY)):
        with pytest.raises(ObjectStoreError, match="AccessDenied"):
            await attempt
    assert await listed(stores["owner"]) == [KEY, OTHER]


async def test_a_retainer_deletes_and_writes_nothing(stores: dict[str, S3Store]) -> None:
    """What it deleted is gone; it cannot put something else there."""
    retainer = stores["retainer"]
    await retainer.delete(KEY)
    await retainer.delete(KEY)
    assert await listed(stores["owner"]) == [OTHER]
    for name in (KEY, NEW):
        with pytest.raises(ObjectStoreError, match="AccessDenied"):
            await retainer.put_bytes(name, b"x")
    assert await listed(retainer) == [OTHER]


async def test_nobody_reaches_what_is_beside_the_prefix(stores: dict[str, S3Store]) -> None:
    """Of another city in the same bucket."""
    for role in ROLES:
        store = stores[f"{role} elsewhere"]
        for attempt in (store.put_bytes(KEY, b"x"), store.read(KEY, 0, 1), store.delete(KEY)):
            with pytest.raises(ObjectStoreError) as caught:
                await attempt
            assert isinstance(caught.value, ObjectMissing) or "AccessDenied" in str(caught.value)
