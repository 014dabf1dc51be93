"""What an S3 server does that a directory does not: refuse, lose answers, keep versions, be full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.x509 import DNSName
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.versioningconfig import VersioningConfig

from media.errors import HultaError, ObjectConflict, ObjectMissing, ObjectStoreError
from storage.clock import FakeClock, HostClock
from storage.s3_address import S3Address
from storage.s3_capabilities import CREATE, Capabilities
from storage.s3_requests import Body, S3Requests
from storage.s3_store import S3Store
from storage.s3_words import StoreBusy, refusal
from storm.proxy import Down, FaultProxy
from tests.ceph_server import ACCESS_KEY, SECRET_KEY, Ceph, shared_ceph
from tests.certificates import certify
from tests.ports import free_port
from tests.s3_server import BUCKET, s3_server, shared_rclone

KEY = "v1/a/b/2026/11/24/05/1-2-3-4.mp4"
FOOTAGE = bytes(range(256)) * 4096


@pytest.fixture(name="ceph")
def _ceph() -> Ceph:
    return shared_ceph()


@pytest.fixture(name="made")
async def _made() -> AsyncIterator[Any]:
    """Opens stores, which are closed in the end."""
    opened: list[S3Store] = []

    def make(address: S3Address) -> S3Store:
        opened.append(S3Store(address, HostClock()))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


async def put(store: S3Store, path: Path, content: bytes = FOOTAGE) -> None:
    """A segment from a file."""
    await asyncio.to_thread(path.write_bytes, content)
    await store.put_file(KEY, path, sha256=sha256(content).digest(), size_bytes=len(content))


async def test_the_server_refuses_to_overwrite(ceph: Ceph) -> None:
    """The condition gets there, signed: a second object under a key is 412, not metadata of the first."""
    requests = S3Requests(ceph.address(), HostClock(), connections=1)
    body = Body(b"one", 3, sha256(b"one").hexdigest())
    assert requests.send("PUT", "x", headers=CREATE, body=body).code == ""
    assert requests.send("PUT", "x", headers=CREATE, body=body).status == 412
    assert requests.send("GET", "x").content == b"one"
    requests.close()


async def test_bytes_that_changed_on_their_way_are_refused(ceph: Ceph, made: Any, tmp_path: Path) -> None:
    """The server compares what arrives with the hash that was signed; nothing of it is kept."""
    store = made(ceph.address())
    (tmp_path / "segment").write_bytes(FOOTAGE)
    with pytest.raises(ObjectStoreError, match="XAmzContentSHA256Mismatch") as caught:
        await store.put_file(KEY, tmp_path / "segment", sha256=sha256(b"other").digest(), size_bytes=len(FOOTAGE))
    assert "memory and disks" in caught.value.hint
    with pytest.raises(ObjectMissing):
        await store.stat(KEY)


async def test_an_object_without_our_hash_is_compared_by_its_bytes(ceph: Ceph, made: Any, tmp_path: Path) -> None:
    """One that somebody copied into the bucket: the same bytes are success, others stay as they are."""
    address = ceph.address(prefix="city/")
    bucket, client = address.bucket, ceph.client()
    (tmp_path / "copy").write_bytes(FOOTAGE)
    client.fput_object(bucket, f"city/{KEY}", str(tmp_path / "copy"))
    await put(made(address), tmp_path / "segment")
    with pytest.raises(ObjectConflict):
        await put(made(address), tmp_path / "segment", FOOTAGE[::-1])
    assert client.get_object(bucket, f"city/{KEY}").data == FOOTAGE


async def test_a_server_that_enforces_no_condition_is_asked_first(ceph: Ceph, made: Any, tmp_path: Path) -> None:
    """Ceph enforces it in no bucket that keeps versions. Nothing is overwritten all the same, and it is said."""
    address = ceph.address()
    ceph.client().set_bucket_versioning(address.bucket, VersioningConfig(ENABLED))
    store = made(address)
    await put(store, tmp_path / "segment")
    await put(store, tmp_path / "segment")
    with pytest.raises(ObjectConflict):
        await put(store, tmp_path / "segment", FOOTAGE[::-1])
    versions = ceph.client().list_objects(address.bucket, recursive=True, include_version=True)
    assert [each.object_name for each in versions if "_hulta/" not in (each.object_name or "")] == [KEY]
    found = await store.capabilities()
    assert not found.creates
    assert any("does not know conditional PUT" in each for each in found.warnings)


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_put_whose_answer_was_lost_is_made_once(ceph: Ceph, made: Any, tmp_path: Path, lost: int) -> None:
    """It is tried again, finds its own object, and is content."""
    with FaultProxy("127.0.0.1", ceph.port) as link:
        address = ceph.address(endpoint=f"http://127.0.0.1:{link.port}")
        store = made(address)
        assert (await store.capabilities()).creates
        order = link.lose_answers(to=b"PUT ", count=lost)
        await put(store, tmp_path / "segment")
        assert order.lost == lost
    assert await made(ceph.address(bucket=address.bucket)).read(KEY, 0, len(FOOTAGE) + 1) == FOOTAGE


async def test_a_server_that_is_away_is_said_and_found_again(ceph: Ceph, made: Any, tmp_path: Path) -> None:
    """In words, without keys; the same store works once it is back."""
    with FaultProxy("127.0.0.1", ceph.port) as link:
        store = made(ceph.address(endpoint=f"http://127.0.0.1:{link.port}"))
        with link.suffering(Down()), pytest.raises(ObjectStoreError) as caught:
            await put(store, tmp_path / "segment")
        assert f"127.0.0.1:{link.port}" in str(caught.value)
        assert SECRET_KEY not in f"{caught.value}{caught.value!r}{caught.value.hint}"
        await put(store, tmp_path / "segment")
        assert (await store.stat(KEY)).size_bytes == len(FOOTAGE)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"access_key": "nobody"}, ("InvalidAccessKeyId", "store.access_key")),
        ({"secret_key": "wrong"}, ("SignatureDoesNotMatch", "store.secret_key")),
        ({"bucket": "there-is-no-such-bucket"}, ("NoSuchBucket", "create the bucket")),
        ({"endpoint": f"http://127.0.0.1:{free_port()}"}, ("cannot be reached: ", "is it running?")),
        ({"endpoint": "http://no-such-host.invalid:1"}, ("cannot be reached: ", "is it running?")),
    ],
)
async def test_what_is_configured_wrongly_is_said_by_name(
    ceph: Ceph, made: Any, tmp_path: Path, changes: dict[str, str], words: tuple[str, str]
) -> None:
    """And what to do."""
    store = made(ceph.address(**changes))
    for attempt in (
        partial(put, store, tmp_path / "segment"),
        partial(store.stat, KEY),
        partial(store.read, KEY, 0, 1),
    ):
        with pytest.raises(ObjectStoreError) as caught:
            await attempt()
        told = f"{caught.value} {caught.value.hint}"
        assert all(word in told for word in words), told
        assert not isinstance(caught.value, ObjectMissing)
        assert changes.get("secret_key", SECRET_KEY) not in told
    with pytest.raises(ObjectStoreError, match=words[0]):
        _ = [each async for each in store.list("v1/")]


async def test_tls_is_verified(made: Any, ceph: Ceph, tmp_path: Path) -> None:
    """A server that speaks no TLS, for one, is not spoken to in the clear."""
    with pytest.raises(ObjectStoreError, match="TLS to s3://") as caught:
        await put(made(ceph.address(endpoint=ceph.endpoint.replace("http:", "https:"))), tmp_path / "segment")
    assert "store.ca" in caught.value.hint


async def test_a_server_is_believed_by_its_certificate(made: Any, tmp_path: Path) -> None:
    """Of an authority that `store.ca` names, for the host that was asked, and not over."""
    authority, stranger = certify(tmp_path / "authority.pem"), certify(tmp_path / "stranger.pem")
    ours = {"bucket": BUCKET, "prefix": "", "region": "us-east-1", "access_key": "hulta", "secret_key": SECRET_KEY}
    right: Any = {"names": (DNSName("localhost"),), "by": authority}
    for name, wrong, words in (
        ("right", {}, ""),
        ("foreign", {"by": stranger}, "certificate verify failed"),
        ("renamed", {"names": (DNSName("elsewhere.example"),)}, "Hostname mismatch|doesn't match"),
        ("over", {"end": datetime(2021, 1, 1, tzinfo=UTC)}, "certificate has expired"),
    ):
        shown = certify(tmp_path / f"{name}.pem", **(right | wrong))
        with s3_server(tmp_path / f"buckets-{name}", tls=shown.path) as port:
            store = made(S3Address(**ours, endpoint=f"https://localhost:{port}", ca=str(authority.path)))
            if not words:
                await put(store, tmp_path / "segment")
                assert await store.read(KEY, 0, len(FOOTAGE)) == FOOTAGE
                assert [each.key async for each in store.list("")] == [KEY]
                continue
            with pytest.raises(ObjectStoreError, match=words) as caught:
                await put(store, tmp_path / "segment")
            assert "store.ca" in caught.value.hint


async def test_clocks_that_differ_are_said(ceph: Ceph, tmp_path: Path) -> None:
    """A host 20 minutes off is refused by the server, and told whose fault it may be."""
    for minutes in (-20, 20):
        store = S3Store(ceph.address(), FakeClock(wall_us=HostClock().wall_us() + minutes * 60_000_000))
        with pytest.raises(ObjectStoreError, match="RequestTimeTooSkewed") as caught:
            await put(store, tmp_path / "segment")
        assert "NTP" in caught.value.hint
        store.close()


async def test_a_wrong_region_is_said(ceph: Ceph, made: Any, tmp_path: Path) -> None:
    """Ceph takes any region; what Amazon says of one reaches the operator as its words."""
    await put(made(ceph.address(region="eu-north-1")), tmp_path / "segment")
    for status, code in ((400, "AuthorizationHeaderMalformed"), (301, "PermanentRedirect")):
        assert "store.region" in refusal("PUT x", "s3://b at h", status, code).hint


async def test_a_server_that_knows_little_is_told_apart(made: Any) -> None:
    """rclone's, whose answers about versions, locks and rules are empty documents: none of them is a yes."""
    found = await made(shared_rclone().address()).capabilities()
    assert found == Capabilities(creates=False, verifies=False, skew_us=found.skew_us)
    assert [each.partition(":")[0] for each in found.warnings] == [
        "the object store does not know conditional PUT",
        "the object store does not compare what arrives with its hash",
    ]


async def test_a_full_bucket_is_said(ceph: Ceph, made: Any, tmp_path: Path) -> None:
    """A quota; what is there can still be read and deleted."""
    address = ceph.address()
    store = made(address)
    await put(store, tmp_path / "segment")
    limits = ("--quota-scope=bucket", f"--bucket={address.bucket}", "--max-objects=1")
    ceph.admin("quota", "set", *limits)
    ceph.admin("quota", "enable", "--quota-scope=bucket", f"--bucket={address.bucket}")
    with pytest.raises(ObjectStoreError, match="QuotaExceeded") as caught:
        await store.put_bytes("v1/another", b"x")
    assert "quota" in caught.value.hint
    assert await store.read(KEY, 0, 4) == FOOTAGE[:4]
    await store.delete(KEY)


async def test_deleting_leaves_no_version_behind(ceph: Ceph, made: Any, tmp_path: Path) -> None:
    """Kept 62 days and not a day longer: of a bucket that keeps versions, each one goes."""
    address = ceph.address(prefix="city/")
    ceph.client().set_bucket_versioning(address.bucket, VersioningConfig(ENABLED))
    store = made(address)
    await put(store, tmp_path / "segment")
    ceph.client().remove_object(address.bucket, f"city/{KEY}")  # somebody else's delete: a marker over our version
    await put(store, tmp_path / "segment")
    await store.put_bytes(f"{KEY}.more", b"a neighbour")
    await store.delete(KEY)
    left = [
        each.object_name for each in ceph.client().list_objects(address.bucket, recursive=True, include_version=True)
    ]
    assert {name for name in left if name and "_hulta/" not in name} == {f"city/{KEY}.more"}


async def test_what_the_bucket_can_do_is_told(ceph: Ceph, made: Any) -> None:
    """Versions, object lock, and rules that would delete footage; the trial leaves nothing."""
    plain, locked = ceph.address(prefix="city/"), ceph.address(bucket=ceph.make_bucket(object_lock=True))
    found = await made(plain).capabilities()
    assert (found.creates, found.verifies, found.locks, found.expires, found.warnings) == (True, True, False, False, ())
    found = await made(locked).capabilities()
    assert (found.locks, found.versioned) == (True, True)
    assert list(ceph.client().list_objects(plain.bucket, recursive=True)) == []
    for prefix, touches in {"city/north/": True, "": True, "village/": False}.items():
        rule = Rule(ENABLED, rule_filter=Filter(prefix=prefix), rule_id="old", expiration=Expiration(days=30))
        ceph.client().set_bucket_lifecycle(plain.bucket, LifecycleConfig([rule]))
        found = await made(plain).capabilities()
        assert found.expires is touches
        assert any("rules of its own" in each for each in found.warnings) is touches


def test_keys_are_never_shown(ceph: Ceph) -> None:
    """Neither in an address nor in anything that holds one."""
    address = S3Address(
        bucket="b", prefix="p/", endpoint=ceph.endpoint, region="r", access_key=ACCESS_KEY, secret_key=SECRET_KEY
    )
    assert str(address) == f"s3://b/p at 127.0.0.1:{ceph.port}"
    for shown in (repr(address), f"{[address]}"):
        assert SECRET_KEY not in shown
        assert ACCESS_KEY not in shown


@pytest.mark.parametrize(
    ("style", "url"),
    [("path", "https://s3.example:9000/city/a/v1/x"), ("virtual", "https://city.s3.example:9000/a/v1/x")],
)
def test_buckets_stand_in_the_path_or_in_the_host(style: Any, url: str) -> None:
    """As the server wants it."""
    address = S3Address(
        bucket="city",
        prefix="a/",
        endpoint="https://s3.example:9000",
        region="",
        access_key="",
        secret_key="",
        style=style,
    )
    assert address.url("a/v1/x") == urlsplit(url)


def test_what_is_busy_is_told_apart() -> None:
    """Who ships slows down for it; it is no fault of the object's."""
    assert issubclass(StoreBusy, HultaError)
