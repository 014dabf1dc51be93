"""Where a PostgreSQL catalog is and how it is reached: `postgresql://[user[:password]@]host[:port]/database`.

Its text never holds the password. Connections to another host are encrypted and the server's certificate is checked
against its name, unless `sslmode` says otherwise. `allow` and `prefer`, where the network decides, are not offered.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from media.errors import ConfigError

SCHEMES = ("postgresql", "postgres")
MODES = ("disable", "require", "verify-ca", "verify-full")
DEFAULT_PORT = 5432
_LEAST_VEILED = 4  # characters: shorter ones are in every sentence


def without_credentials(url: str) -> tuple[str, str | None, str | None]:
    """A URL, and the username and password that stood in it, decoded."""
    scheme, mark, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    credentials, at, host = place.rpartition("@")
    username, colon, password = credentials.partition(":")
    bare = f"{scheme}{mark}{host}{slash}{path}"
    return bare, unquote(username) if at else None, unquote(password) if colon else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """One database. `accept_loss`: a server that forgets what it said was durable will do (tests, trials)."""

    host: str
    database: str
    port: int = DEFAULT_PORT
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sslmode: str = ""
    ca: str = ""
    accept_loss: bool = False

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        sslmode: str = "",
        ca: str = "",
        accept_loss: bool = False,
    ) -> PostgresAddress:
        """From a URL and what stands beside it. ConfigError says what is wrong and never repeats the URL."""
        parts = urlsplit(url)
        host, database = parts.hostname or "", unquote(parts.path.removeprefix("/"))
        if parts.scheme not in SCHEMES or not host or not database or "/" in database:
            raise ConfigError("must be postgresql://host/database")
        if parts.query or parts.fragment:
            raise ConfigError("must end with the database; sslmode and ca are keys of their own")
        try:
            port = parts.port or DEFAULT_PORT
        except ValueError:
            raise ConfigError("has a port that is none") from None
        if parts.username is not None and username is not None:
            raise ConfigError("credentials stand both in url and in username")
        if sslmode and sslmode not in MODES:
            raise ConfigError(f"sslmode must be one of {', '.join(MODES)}")
        return cls(
            host=host,
            port=port,
            database=database,
            username=username if parts.username is None else unquote(parts.username),
            password=password if parts.password is None else unquote(parts.password),
            sslmode=sslmode,
            ca=ca,
            accept_loss=accept_loss,
        )

    def __str__(self) -> str:
        """Without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{host}:{self.port}/{self.database}"

    def veiled(self, words: str) -> str:
        """What a server said, without the password: one that gets it as it is may repeat it."""
        password = self.password or ""
        return words if len(password) < _LEAST_VEILED else words.replace(password, "***")

    @property
    def mode(self) -> str:
        """How the connection is protected."""
        return self.sslmode or ("disable" if self._is_loopback else "verify-full")

    def tls(self) -> ssl.SSLContext | bool:
        """For the client: a context, or False for none. ConfigError if the file of authorities is none."""
        if self.mode == "disable":
            return False
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"catalog.ca {self.ca}: {error.strerror or 'is no file of certificates'}") from None
        context.check_hostname = self.mode == "verify-full"
        if self.mode == "require":
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def is_exposed(self) -> bool:
        """Whether somebody between here and there could listen or answer in its place."""
        return self.mode in {"disable", "require"} and not self._is_loopback

    @property
    def _is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
