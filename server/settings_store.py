"""Where the objects are: the table `store` (docs/object-stores.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from media.errors import ConfigError
from server.settings_fields import AbsolutePath, Secret, Table
from storage.s3_address import AMAZON, S3Address, parse_endpoint, parse_place

if TYPE_CHECKING:
    from collections.abc import Callable

DIRECTORY = "directory"
AMAZON_HOST = "amazonaws.com"


class StoreAddress(Table):
    """A directory below the data directory, or a bucket of an S3 server."""

    url: str = DIRECTORY
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: Secret | None = None
    session_token: Secret | None = None
    ca: AbsolutePath = ""
    style: Literal["path", "virtual"] | None = None
    encryption: Literal["AES256", "aws:kms"] | None = None
    kms_key: str | None = None
    links: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.url == DIRECTORY:
            given = sorted(name for name in self.model_fields_set if name != "url" and getattr(self, name))
            if given:
                raise _fault(given[0], f"is for a bucket, and url is `{DIRECTORY}`")
            return self
        self._parsed("url", parse_place, self.url)
        if self.endpoint is not None:
            self._parsed("endpoint", parse_endpoint, self.endpoint)
        elif self.region is None:
            raise _fault("endpoint", "is needed, such as https://s3.example:9000; or `region`, for Amazon's")
        for name in ("access_key", "secret_key"):
            if getattr(self, name) is None:
                raise _fault(name, "is needed; put it into the environment and write ${...} here")
        if self.kms_key is not None and self.encryption != "aws:kms":
            raise _fault("kms_key", "is of use with `encryption: aws:kms` only")
        if self.ca and not self._endpoint.startswith("https://"):
            raise _fault("ca", "is of use with an https:// endpoint only")
        return self

    @staticmethod
    def _parsed(name: str, parse: Callable[[str], Any], text: str) -> None:
        try:
            parse(text)
        except ConfigError as error:
            raise _fault(name, str(error)) from None

    @property
    def _endpoint(self) -> str:
        return parse_endpoint(self.endpoint) if self.endpoint else AMAZON.format(region=self.region)

    @property
    def s3(self) -> S3Address | None:
        """The bucket; None for the directory. Amazon's servers have buckets in their hosts' names, others in paths."""
        if self.url == DIRECTORY:
            return None
        assert self.access_key is not None
        assert self.secret_key is not None
        bucket, prefix = parse_place(self.url)
        amazon = self._endpoint.rstrip("/").endswith(AMAZON_HOST)
        return S3Address(
            bucket=bucket,
            prefix=prefix,
            endpoint=self._endpoint,
            region=self.region or "us-east-1",
            access_key=self.access_key,
            secret_key=self.secret_key.get_secret_value(),
            session_token=self.session_token.get_secret_value() if self.session_token else None,
            ca=self.ca,
            style=self.style or ("virtual" if amazon and "." not in bucket else "path"),
            encryption=self.encryption or "",
            kms_key=self.kms_key or "",
        )


def _fault(name: str, words: str) -> PydanticCustomError:
    return PydanticCustomError("store", "{words}", {"words": words, "below": (name,)})
