"""What S3 servers, and the way to them, say when something is wrong; as sentences that tell what to do."""

from __future__ import annotations

import re
import ssl

import urllib3
from minio.error import InvalidResponseError

from media.errors import ObjectStoreError

_CODE = re.compile(rb"<Code>\s*([A-Za-z0-9.]{1,64})\s*</Code>")
"""Of the error document. It is a server's, and of a foreign one if need be: nothing else of it is looked at."""

_STATUS = re.compile(r"Response code: ([0-9]{3}),")
_OBJECT = re.compile(r"^(?:<[^>]*>|\w+\([^)]*\)|\[[^]]*\]): ")

TRY_AGAIN = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "Throttling"} | {
    "ConditionalRequestConflict"
}
"""What a server says that may answer the same request another time."""

_TRY_AGAIN_STATUS = {408, 429, 500, 502, 503, 504}
_BUSY = {"SlowDown", "ServiceUnavailable", "Throttling", "RequestTimeout"}

_KEYS = "check `store.access_key` and `store.secret_key`"
_HINTS = {
    "InvalidAccessKeyId": f"the server knows no such access key: {_KEYS}",
    "SignatureDoesNotMatch": f"the secret key is not that of the access key, or a proxy changes requests: {_KEYS}",
    "AccessDenied": "the access key may not do this: give it the policy of a writer, or of whatever this host does",
    "AllAccessDisabled": "the account is shut",
    "ExpiredToken": "the session token has expired: renew it",
    "InvalidToken": "the server does not know the session token",
    "NoSuchBucket": "create the bucket; Hulta never does",
    "PermanentRedirect": "the bucket is in another region: check `store.region` and `store.endpoint`",
    "TemporaryRedirect": "the bucket is in another region: check `store.region` and `store.endpoint`",
    "AuthorizationHeaderMalformed": "check `store.region`",
    "InvalidLocationConstraint": "check `store.region`",
    "QuotaExceeded": "the bucket or its owner is at its quota: raise it, or keep footage for a shorter time",
    "EntityTooLarge": "the server takes no object of this size in one piece: use shorter segments",
    "InsufficientStorage": "the store is full",
    "XMinioStorageFull": "the store is full",
    "RequestTimeTooSkewed": "the clocks of this host and of the server differ by over 15 min: look at NTP on both",
    "BadDigest": "the bytes changed on their way: look at memory and network of this host",
    "XAmzContentSHA256Mismatch": "the bytes are not those that were hashed: look at memory and disks of this host",
    "InvalidBucketName": "check `store.url`",
    "MethodNotAllowed": "the server does not offer this",
    "NotImplemented": "the server does not offer this",
}


class StoreBusy(ObjectStoreError):  # noqa: N818 - what the server says of itself
    """The server asks for fewer requests, or does not keep up."""


def code_of(status: int, content: bytes) -> str:
    """The server's own code for what is wrong, or one that stands for its status."""
    match = _CODE.search(content[:4096])
    if match is not None:
        return match[1].decode("ascii")
    return {403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed"}.get(status, f"HTTP{status}")


def may_be_tried_again(status: int, code: str) -> bool:
    """Whether the same request may be answered another time."""
    return status in _TRY_AGAIN_STATUS or code in TRY_AGAIN


def is_certificate(error: Exception) -> bool:
    """Whether it is the server's certificate that is wrong: the same it will be in a second."""
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in (error, *error.args))


def refusal(what: str, place: str, status: int, code: str) -> ObjectStoreError:
    """An answer of the server's that is none."""
    kind = StoreBusy if code in _BUSY or status in {429, 503} else ObjectStoreError
    said = code if code != f"HTTP{status}" else "an answer that is none of S3's: is this the right `store.endpoint`?"
    return kind(f"{what}: {place} says {status}, {said}", hint=_HINTS.get(code, ""))


def broken(what: str, place: str, error: Exception) -> ObjectStoreError:
    """No answer: the network, TLS, or something that speaks no HTTP."""
    cause: BaseException = error
    while isinstance(cause, urllib3.exceptions.MaxRetryError) and cause.reason is not None:
        cause = cause.reason
    if isinstance(cause, InvalidResponseError):  # an error document that calls itself another type than XML
        said = str(cause)
        status = _STATUS.search(said)
        number = int(status[1]) if status else 0
        return refusal(what, place, number, code_of(number, said.encode()))
    if isinstance(cause, urllib3.exceptions.SSLError):
        hint = "the certificate is not that of a host and an authority that this host trusts: `store.ca` names a file"
        return ObjectStoreError(f"{what}: TLS to {place} failed: {_reason(cause)}", hint=hint)
    if isinstance(cause, urllib3.exceptions.NewConnectionError | urllib3.exceptions.NameResolutionError):
        return ObjectStoreError(f"{what}: {place} cannot be reached: {_reason(cause)}", hint="is it running?")
    if isinstance(cause, urllib3.exceptions.TimeoutError):
        return StoreBusy(f"{what}: {place} does not answer in time")
    return ObjectStoreError(f"{what}: the connection to {place} broke: {_reason(cause)}")


def _reason(error: BaseException) -> str:
    """What is said, without the objects and addresses that urllib3 puts before it."""
    inner = error.args[-1] if error.args else error
    text = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    return _OBJECT.sub("", text) or type(error).__name__
