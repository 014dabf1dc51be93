"""Where an S3 bucket is, and what opens it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import SplitResult, urlencode, urlsplit

from media.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9._-]+)*)/?")
_ENDPOINT = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?/?")
_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")

AMAZON = "https://s3.{region}.amazonaws.com"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class S3Address:
    """A bucket, and a prefix of all keys in it. `str()` and `repr()` are for people: without keys.

    `ca` is a file of authorities; empty: those of the host. `style` says whether the bucket stands in the path or in
    the host's name; `encryption` is what the server is asked to encrypt with: "", "AES256" or "aws:kms".
    """

    bucket: str
    prefix: str
    endpoint: str
    region: str
    access_key: str
    secret_key: str
    session_token: str | None = None
    ca: str = ""
    style: Literal["path", "virtual"] = "path"
    encryption: str = ""
    kms_key: str = ""

    @property
    def host(self) -> str:
        """With its port, if that is not the usual one."""
        return urlsplit(self.endpoint).netloc

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.endpoint.startswith("https://")

    def url(self, name: str, query: Mapping[str, str] | None = None) -> SplitResult:
        """Of an object, or with an empty name of the bucket. `name` has the prefix; it needs no quoting."""
        scheme = "https" if self.secure else "http"
        host, path = (self.host, f"/{self.bucket}/{name}") if self.style == "path" else self._virtual(name)
        return SplitResult(scheme, host, path if name else path.rstrip("/") or "/", urlencode(query or {}), "")

    def headers(self) -> dict[str, str]:
        """What the server is asked to encrypt with."""
        if not self.encryption:
            return {}
        key = {"x-amz-server-side-encryption-aws-kms-key-id": self.kms_key} if self.kms_key else {}
        return {"x-amz-server-side-encryption": self.encryption, **key}

    def _virtual(self, name: str) -> tuple[str, str]:
        return f"{self.bucket}.{self.host}", f"/{name}"

    def __str__(self) -> str:
        prefix = f"/{self.prefix.rstrip('/')}" if self.prefix else ""
        return f"s3://{self.bucket}{prefix} at {self.host}"

    def __repr__(self) -> str:
        return f"S3Address({self})"


def parse_place(url: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`; the prefix ends in "/" or is empty. ConfigError."""
    match = _PLACE.fullmatch(url)
    if match is None or _DOTS.search(match[2]):
        raise ConfigError(
            "must be s3://BUCKET or s3://BUCKET/PREFIX: a bucket's name of 3 to 63 small letters, digits, `-` and `.`, "
            "a prefix of letters, digits, `-`, `_` and `.`"
        )
    return match[1], f"{match[2][1:]}/" if match[2] else ""


def parse_endpoint(url: str) -> str:
    """`http://host:port`, without anything behind it. ConfigError."""
    match = _ENDPOINT.fullmatch(url)
    if match is None or (match[3] and not 0 < int(match[3][1:]) < 1 << 16):
        raise ConfigError("must be http:// or https://, a host and perhaps a port, such as https://s3.example:9000")
    return url.rstrip("/")
