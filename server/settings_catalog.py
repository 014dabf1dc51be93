"""Where the catalog is: the table `catalog` (docs/catalogs.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from media.errors import ConfigError
from server.settings_fields import AbsolutePath, Secret, Table
from storage.postgres_address import PostgresAddress, without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

EMBEDDED = "sqlite"


class CatalogAddress(Table):
    """A file in the data directory, or a database of a PostgreSQL server. `url` never holds credentials once read."""

    url: str = EMBEDDED
    username: str | None = None
    password: Secret | None = None
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] | None = None
    ca: AbsolutePath = ""
    accept_loss: bool = False

    @model_validator(mode="before")
    @classmethod
    def _credentials_apart(cls, value: Any) -> Any:
        """What stands inside the URL is moved beside it, so that nothing that shows the URL shows them."""
        if not isinstance(value, dict) or not isinstance(value.get("url"), str) or "@" not in value["url"]:
            return value
        url, username, password = without_credentials(value["url"])
        found: Mapping[str, Any] = {"username": username, "password": password}
        for name, text in found.items():
            if text is not None and value.get(name) is not None:
                raise _fault(name, "stands both here and in url")
        return {**value, "url": url, **{name: text for name, text in found.items() if text is not None}}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.url == EMBEDDED:
            given = sorted(name for name in self.model_fields_set if name != "url" and getattr(self, name))
            if given:
                raise _fault(given[0], f"is for a server, and url is `{EMBEDDED}`")
            return self
        if self.password is not None and self.username is None:
            raise _fault("username", "is needed with a password")
        address = self._parsed()
        if self.ca and address.mode not in {"verify-ca", "verify-full"}:
            raise _fault("ca", f"is of no use with `sslmode: {address.mode}`")
        return self

    def _parsed(self) -> PostgresAddress:
        try:
            return PostgresAddress.parse(
                self.url,
                username=self.username,
                password=None if self.password is None else self.password.get_secret_value(),
                sslmode=self.sslmode or "",
                ca=self.ca,
                accept_loss=self.accept_loss,
            )
        except (ConfigError, ValueError) as error:
            words = str(error) if isinstance(error, ConfigError) else "must be postgresql://host/database"
            raise _fault("url", f"{words}, or `{EMBEDDED}`") from None

    @property
    def postgres(self) -> PostgresAddress | None:
        """The database; None for the file."""
        return None if self.url == EMBEDDED else self._parsed()


def _fault(name: str, words: str) -> PydanticCustomError:
    return PydanticCustomError("catalog", "{words}", {"words": words, "below": (name,)})
