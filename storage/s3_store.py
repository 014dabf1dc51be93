"""An S3 bucket as object store (contract: `storage.objects.ObjectStore`).

A segment is one PUT from its file, in blocks, so memory does not depend on its size; the server compares it with its
hash, creates it and never overwrites (`If-None-Match: *`). Whatever an answer was lost of, the next attempt finds an
object under its key, and looks whether it is the same: its metadata tell the hash it was sent with. What a server
cannot do of this is found out once (`storage.s3_capabilities`) and done the slow way.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import structlog
import urllib3
from minio.error import MinioException, S3Error

from media.errors import ObjectConflict, ObjectMissing, ObjectStoreError
from storage import files
from storage.model import SECOND_US
from storage.objects import ObjectStat, require_key
from storage.s3_capabilities import CREATE, Capabilities, probe
from storage.s3_pace import Pace
from storage.s3_requests import Answer, Body, S3Requests
from storage.s3_words import broken, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from storage.clock import Clock
    from storage.s3_address import S3Address

T = TypeVar("T")

log = structlog.get_logger(__name__)

WRITERS, READERS = 8, 16
"""Requests at once. Viewers do not wait behind uploads; how many of these a server gets is up to it (`s3_pace`)."""

MOST_PUT_BYTES = 5 << 30
"""What S3 takes in one piece."""

HOUR_US = 3600 * SECOND_US
_LISTED_AT_ONCE = 1000
_HASH = "x-amz-meta-sha256"
_READ_BYTES = 4 << 20
_NO_OBJECT = {"NoSuchKey", "NoSuchVersion"}
_PARTIAL, _OK, _PAST_END, _EXISTS = 206, 200, 416, 412


class S3Store:
    """The `ObjectStore` in a bucket, below its prefix."""

    def __init__(self, address: S3Address, clock: Clock) -> None:
        self._pace = Pace(WRITERS)
        self._requests = S3Requests(address, clock, connections=WRITERS + READERS, busy=self._pace.slower)
        self._prefix = address.prefix
        self._clock = clock
        self._writers = ThreadPoolExecutor(WRITERS, "s3-write")
        self._readers = ThreadPoolExecutor(READERS, "s3-read")
        self._probing = threading.Lock()
        self._found: Capabilities | None = None

    async def put_file(self, key: str, path: Path, *, sha256: bytes, size_bytes: int) -> None:
        """See `ObjectStore.put_file`."""
        name = self._name(key)
        await self._run(self._writers, lambda: self._put_file(name, path, sha256, size_bytes))

    async def put_bytes(self, key: str, content: bytes) -> None:
        """See `ObjectStore.put_bytes`."""
        name, digest = self._name(key), sha256(content).digest()
        await self._run(self._writers, lambda: self._put(name, content, digest, len(content)))

    async def stat(self, key: str) -> ObjectStat:
        """See `ObjectStore.stat`."""
        name = self._name(key)
        answer = await self._run(self._readers, lambda: self._there("HEAD", name))
        return ObjectStat(key=key, size_bytes=int(answer.headers["Content-Length"]))

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """See `ObjectStore.read`."""
        name = self._name(key)
        return await self._run(self._readers, lambda: self._read(name, offset, length))

    async def delete(self, key: str) -> None:
        """See `ObjectStore.delete`. Of a bucket that keeps versions: every one of them, or nothing would be gone."""
        name = self._name(key)
        await self._run(self._writers, lambda: self._delete(name))

    async def list(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """See `ObjectStore.list`. A page at a time."""
        bucket = self._requests.address.bucket
        objects = self._requests.bucket.list_objects(bucket, prefix=self._prefix + prefix, recursive=True)
        while page := await self._run(self._readers, lambda: list(islice(objects, _LISTED_AT_ONCE))):
            for each in page:
                assert each.object_name is not None
                if not each.object_name.startswith(self._prefix + "_hulta/"):
                    yield ObjectStat(key=each.object_name.removeprefix(self._prefix), size_bytes=each.size or 0)

    async def capabilities(self) -> Capabilities:
        """What the server can do, asked once."""
        return await self._run(self._writers, self._capabilities)

    def link(self, key: str) -> str:
        """A URL under which anybody may read this object, with ranges, for the next 23 hours at least.

        Nobody is asked: it is signed here. It is the same for an hour, so that a growing playlist keeps its entries.
        """
        signed = datetime.fromtimestamp(self._clock.wall_us() // HOUR_US * HOUR_US // SECOND_US, UTC)
        address = self._requests.address
        return self._requests.bucket.presigned_get_object(
            address.bucket, self._name(key), expires=timedelta(days=1), request_date=signed
        )

    def state(self) -> Mapping[str, Any]:
        """See `ObjectStore.state`; `can`: what the server was found to do, None before it was asked."""
        found = self._found
        return {
            "place": str(self._requests.address),
            "uploads_at_once": self._pace.limit,
            "can": None if found is None else found.words,
            "warnings": () if found is None else found.warnings,
        }

    def close(self) -> None:
        """End what is under way: it can be done again."""
        self._requests.close()
        for threads in (self._writers, self._readers):
            threads.shutdown(wait=True, cancel_futures=True)

    def _name(self, key: str) -> str:
        require_key(key)
        return self._prefix + key

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        """Run `work` on a thread of the store, and say its errors in the store's terms."""
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, work)
        except S3Error as error:
            status = error.response.status
            raise refusal("a request", str(self._requests.address), status, error.code or "") from None
        except (urllib3.exceptions.HTTPError, MinioException) as error:
            raise broken("a request", str(self._requests.address), error) from None

    def _capabilities(self) -> Capabilities:
        with self._probing:
            if self._found is None:
                self._found = probe(self._requests, self._clock)
                log.info("object_store_found", place=str(self._requests.address), can=self._found.words)
                for warning in self._found.warnings:
                    log.warning("object_store_lacks", place=str(self._requests.address), what=warning)
            return self._found

    # --- writing

    def _put_file(self, name: str, path: Path, digest: bytes, size_bytes: int) -> None:
        try:
            file = path.open("rb", buffering=0)
        except OSError as error:
            raise ObjectStoreError(f"object {name}: {path}: {error.strerror}") from error
        with file:
            if (actual_bytes := files.size_bytes(file.fileno())) != size_bytes:
                raise ObjectStoreError(f"{path} has {actual_bytes} bytes instead of {size_bytes}")
            if size_bytes > MOST_PUT_BYTES:
                raise ObjectStoreError(
                    f"{path} has {size_bytes} bytes, more than S3 takes", hint="use shorter segments"
                )
            self._put(name, file, digest, size_bytes)

    def _put(self, name: str, body: BinaryIO | bytes, digest: bytes, size_bytes: int) -> None:
        found = self._capabilities()
        if not found.creates and self._is_there(name, digest, size_bytes):
            return
        headers = {
            **self._requests.address.headers(),
            "Content-Type": "video/mp4" if name.endswith(".mp4") else "application/octet-stream",
            _HASH: digest.hex(),
            **(CREATE if found.creates else {}),
        }
        with self._pace.upload():
            answer = self._requests.send("PUT", name, headers=headers, body=Body(body, size_bytes, digest.hex()))
        if answer.status == _EXISTS:
            if not self._is_there(name, digest, size_bytes):
                raise ObjectStoreError(f"object {name} was there, and is gone again")
        elif answer.code:
            raise refusal(f"object {name}", str(self._requests.address), answer.status, answer.code)
        elif not found.verifies and self._digest(name, size_bytes) != digest:
            self._delete(name)
            raise ObjectStoreError(f"object {name} came back with other bytes than were sent, and was removed")

    def _is_there(self, name: str, digest: bytes, size_bytes: int) -> bool:
        """Whether the object is there already. ObjectConflict if it has other bytes: it stays as it is."""
        try:
            answer = self._there("HEAD", name)
        except ObjectMissing:
            return False
        same_size = int(answer.headers["Content-Length"]) == size_bytes
        if same_size and answer.headers.get(_HASH) == digest.hex():
            return True
        if not same_size or self._digest(name, size_bytes) != digest:
            raise ObjectConflict(f"object {name} exists and has other bytes", hint="neither was touched; compare them")
        return True

    def _delete(self, name: str) -> None:
        if self._capabilities().versioned:
            self._delete_versions(name)
            return
        answer = self._requests.send("DELETE", name)
        if answer.code and answer.code not in _NO_OBJECT:
            raise refusal(f"object {name}", str(self._requests.address), answer.status, answer.code)

    def _delete_versions(self, name: str) -> None:
        bucket = self._requests.address.bucket
        versions = self._requests.bucket.list_objects(bucket, prefix=name, recursive=True, include_version=True)
        for each in versions:
            if each.object_name == name and each.version_id:
                answer = self._requests.send("DELETE", name, query={"versionId": each.version_id})
                if answer.code and answer.code not in _NO_OBJECT:
                    raise refusal(f"object {name}", str(self._requests.address), answer.status, answer.code)

    # --- reading

    def _there(self, method: str, name: str, headers: dict[str, str] | None = None, most_bytes: int = 0) -> Answer:
        answer = self._requests.send(method, name, headers=headers, most_bytes=most_bytes)
        if method == "HEAD" and answer.code:  # without words: an object that is missing, or its bucket?
            answer = self._requests.send("GET", name, headers={"Range": "bytes=0-0"})
            answer = answer if answer.code else self._requests.send("HEAD", name)  # it came meanwhile
        if answer.code in _NO_OBJECT:
            raise ObjectMissing(f"no object {name}")
        if answer.code and answer.status != _PAST_END:
            raise refusal(f"object {name}", str(self._requests.address), answer.status, answer.code)
        return answer

    def _read(self, name: str, offset: int, length: int) -> bytes:
        if length <= 0:
            self._there("HEAD", name)
            return b""
        answer = self._there("GET", name, {"Range": f"bytes={offset}-{offset + length - 1}"}, length)
        if answer.status == _PAST_END:
            return b""
        given = answer.headers.get("Content-Range", "")
        if answer.status == _PARTIAL or given.startswith(f"bytes {offset}-"):  # some say 200 and mean 206
            return answer.content
        if answer.status == _OK and offset:
            return self._there("GET", name, None, offset + length).content[offset:]
        return answer.content

    def _digest(self, name: str, size_bytes: int) -> bytes:
        """Of what the store has, read back."""
        digest = sha256()
        for offset in range(0, size_bytes, _READ_BYTES):
            digest.update(self._read(name, offset, min(_READ_BYTES, size_bytes - offset)))
        return digest.digest()
