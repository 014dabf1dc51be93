"""Signed requests to one bucket, made again where that may help. Blocking: `storage.s3_store` has the threads.

Why not by `minio.Minio` alone: its `put_object` cannot send `If-None-Match` (it would become metadata), reads a part
into memory and hashes what was hashed already. Its signer takes any header and a hash that is known: so an object is
sent from its file, in one PUT, and the server compares what arrived with the hash that is in the signature
(`x-amz-content-sha256`, Signature Version 4).
"""

from __future__ import annotations

import random
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import urlunsplit

import urllib3
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.signer import sign_v4_s3

from storage.s3_words import StoreBusy, broken, code_of, is_certificate, may_be_tried_again, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from urllib.parse import SplitResult

    from storage.clock import Clock
    from storage.s3_address import S3Address

CONNECT_S = 5.0
READ_S = 30.0
ATTEMPTS = 4
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
BLOCK_BYTES = 1 << 20
MOST_ERROR_BYTES = 64 << 10


class Body(NamedTuple):
    """What is sent: bytes, or a file from its beginning; its length, and its SHA-256 in hex."""

    content: BinaryIO | bytes
    length: int
    sha256: str


NO_BODY = Body(b"", 0, sha256(b"").hexdigest())


class _Asked(NamedTuple):
    """One request, before it is signed."""

    method: str
    url: SplitResult
    headers: Mapping[str, str]
    body: Body
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: `content` is that of a refusal or of a small answer."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    code: str = ""
    """The server's own word for what is wrong; empty for what went well."""


class S3Requests:
    """Requests to one bucket, from any thread. `connections` at most are kept open.

    `busy` hears of each answer that asks for less, or that did not come in time.
    """

    def __init__(
        self, address: S3Address, clock: Clock, *, connections: int, busy: Callable[[], None] = lambda: None
    ) -> None:
        self.address = address
        self._busy = busy
        self._clock = clock
        self._credentials = Credentials(address.access_key, address.secret_key, address.session_token)
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
            retries=False,
            ssl_context=ssl.create_default_context(cafile=address.ca or None) if address.secure else None,
            blocksize=BLOCK_BYTES,
        )
        self._closing = threading.Event()
        self.bucket = Minio(
            address.host,
            access_key=address.access_key,
            secret_key=address.secret_key,
            session_token=address.session_token,
            secure=address.secure,
            region=address.region,
            http_client=self._pool,
        )
        """For what concerns the bucket as a whole."""
        if address.style == "virtual":
            self.bucket.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call] # as minio has it

    def close(self) -> None:
        """Pauses end at once; so does what would be tried again."""
        self._closing.set()
        self._pool.clear()

    def send(
        self,
        method: str,
        name: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        most_bytes: int = MOST_ERROR_BYTES,
    ) -> Answer:
        """One request, made again after a pause with full jitter where that may help; the last answer.

        Of an answer `most_bytes` are read. ObjectStoreError if there is none, or only refusals that might pass.
        """
        asked = _Asked(method, self.address.url(name, query), headers or {}, body or NO_BODY, most_bytes)
        what, place = f"{method} {name or 'of the bucket'}", str(self.address)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._once(asked)
                if not may_be_tried_again(answer.status, answer.code):
                    return answer
                failed = refusal(what, place, answer.status, answer.code)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                failed = broken(what, place, error)
                if is_certificate(error):
                    raise failed from None
            if isinstance(failed, StoreBusy):
                self._busy()
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt)
            if attempt == ATTEMPTS or self._closing.wait(random.uniform(0, pause_s)):  # noqa: S311 - jitter
                raise failed
        raise AssertionError  # the loop returns or raises

    def _once(self, asked: _Asked) -> Answer:
        body = asked.body
        if not isinstance(body.content, bytes):
            body.content.seek(0)
        headers = self._signed(
            asked.method, asked.url, {**asked.headers, "Content-Length": str(body.length)}, body.sha256
        )
        response = self._pool.urlopen(
            asked.method,
            urlunsplit(asked.url),
            body=body.content or None,
            headers=headers,
            preload_content=False,
            redirect=False,
        )
        try:
            fine = response.status in {200, 204, 206}
            content = response.read(asked.most_bytes if fine else MOST_ERROR_BYTES)
        except BaseException:
            response.close()
            raise
        if response.length_remaining:  # more than was asked for: it is not read to keep a connection
            response.close()
        response.release_conn()
        code = "" if fine else code_of(response.status, content)
        return Answer(response.status, response.headers, content, code)

    def _signed(self, method: str, url: SplitResult, headers: Mapping[str, str], digest: str) -> Mapping[str, str]:
        now = datetime.fromtimestamp(self._clock.wall_us() / 1e6, UTC)
        token = self._credentials.session_token
        all_headers: dict[str, str | list[str] | tuple[str]] = {
            **headers,
            "Host": url.netloc,
            "x-amz-content-sha256": digest,
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
            **({"x-amz-security-token": token} if token else {}),
        }
        signed = sign_v4_s3(
            method=method,
            url=url,
            region=self.address.region,
            headers=all_headers,
            credentials=self._credentials,
            content_sha256=digest,
            date=now,
        )
        return {name: str(value) for name, value in signed.items()}
