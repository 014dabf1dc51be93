"""What an S3 server can do, found out by trying it in the bucket: not every one refuses what it should.

The trials are below `_hulta/` of the prefix, beside everything that Hulta keeps, and nothing of them is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import uuid4

from minio.error import MinioException

from media.errors import ObjectStoreError
from storage.s3_requests import Body
from storage.s3_words import refusal

if TYPE_CHECKING:
    from storage.clock import Clock
    from storage.s3_requests import S3Requests

PLACE = "_hulta/"
CREATE = {"If-None-Match": "*"}
_TRIAL = b"Hulta tries what this store can do. This object may be deleted."
_VERSIONED = {"Enabled", "Suspended"}
_MOST_SKEW_US = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What was found. `skew_us` is how far the server's clock is ahead of ours."""

    creates: bool
    """An object that is there is never overwritten (conditional PUT)."""

    verifies: bool
    """What arrived is compared with its hash."""

    versioned: bool = False
    """Deleted objects stay behind as versions."""

    locks: bool = False
    expires: bool = False
    """The bucket has rules of its own that delete what is ours."""

    skew_us: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Which guarantee is lower for what, in words."""
        found = []
        if not self.creates:
            found.append(
                "does not know conditional PUT: it is asked for each object first, and two hosts that write the "
                "same one in the same moment would not notice"
            )
        if not self.verifies:
            found.append(
                "does not compare what arrives with its hash: each object is read back before it counts as stored"
            )
        if self.expires:
            found.append(
                "has rules of its own that delete objects of this bucket: footage may go before its time, even under a "
                "hold. Remove them"
            )
        if abs(self.skew_us) > _MOST_SKEW_US:
            way = "ahead" if self.skew_us > 0 else "behind"
            found.append(f"has a clock that is {abs(self.skew_us) / 1e6:.0f} s {way}: look at NTP on both")
        return tuple(f"the object store {words}" for words in found)

    @property
    def words(self) -> str:
        """What it can do, in a line."""
        can = {"conditional PUT": self.creates, "checks hashes": self.verifies, "object lock": self.locks}
        versions = "versioned" if self.versioned else "not versioned"
        return ", ".join([name if able else f"no {name}" for name, able in can.items()] + [versions])


def probe(requests: S3Requests, clock: Clock) -> Capabilities:
    """Try it all; a second or less. ObjectStoreError where not even that is possible."""
    name = f"{requests.address.prefix}{PLACE}{uuid4()}"
    right = Body(_TRIAL, len(_TRIAL), sha256(_TRIAL).hexdigest())
    headers = requests.address.headers()
    try:
        first = requests.send("PUT", name, headers=headers, body=right)
        if first.code:
            raise refusal("the first object", str(requests.address), first.status, first.code)
        skew_us = _skew_us(first.headers.get("Date", ""), clock)
        second = requests.send("PUT", name, headers=headers | CREATE, body=right)
        wrong = requests.send("PUT", f"{name}-w", headers=headers, body=right._replace(sha256=sha256().hexdigest()))
    finally:
        for each in (name, f"{name}-w"):
            requests.send("DELETE", each)
    return Capabilities(
        creates=second.status == 412,
        verifies=bool(wrong.code),
        versioned=_versioned(requests),
        locks=_locks(requests),
        expires=_expires(requests),
        skew_us=skew_us,
    )


def _skew_us(date: str, clock: Clock) -> int:
    """By the header of an answer, which counts in seconds: half a second is nothing."""
    try:
        theirs_us = int(parsedate_to_datetime(date).timestamp() * 1_000_000)
    except ValueError:
        return 0
    return theirs_us - clock.wall_us()


def _versioned(requests: S3Requests) -> bool:
    try:
        return requests.bucket.get_bucket_versioning(requests.address.bucket).status in _VERSIONED
    except (MinioException, ObjectStoreError, ValueError):
        return False  # not offered, or not for this key: then nothing can be deleted by version either


def _locks(requests: S3Requests) -> bool:
    try:  # by the document itself: one that says nothing is what a server answers that knows no locks
        return b">Enabled</ObjectLockEnabled>" in requests.send("GET", "", query={"object-lock": ""}).content
    except ObjectStoreError:
        return False


def _expires(requests: S3Requests) -> bool:
    """Whether a rule of the bucket's may touch what lies below our prefix."""
    try:
        lifecycle = requests.bucket.get_bucket_lifecycle(requests.address.bucket)
    except (MinioException, ObjectStoreError, ValueError):
        return False
    ours = requests.address.prefix
    for rule in lifecycle.rules if lifecycle else ():
        theirs = (rule.rule_filter.prefix if rule.rule_filter else None) or ""
        if rule.status == "Enabled" and rule.expiration and (ours.startswith(theirs) or theirs.startswith(ours)):
            return True
    return False
