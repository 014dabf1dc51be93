"""The configuration file `hulta.yaml`: what it may say, and what it means.

Pydantic stands here, at the edge, and nowhere inside. `read_settings` returns a frozen `Settings` or raises one
ConfigError with a line for everything that is wrong: `hulta.yaml:12: sites[0].cameras[0].keep_mx: unknown key; ...`.
A value is never repeated in a message, and a password is a type that does not print.

Keys that this version knows but cannot serve yet (Postgres, S3, UDP, audio) are refused, not ignored: a recording
server that silently does something else than its configuration says is worse than one that does not start.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from media.errors import ConfigError
from media.url import CameraUrl
from server import settings_errors, yaml_loader
from server.quantities import ListenAddress, parse_duration_us, parse_rate_bps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

DEFAULT_POLICY = "default"
MAX_SEGMENT_S = 600  # a bound of the format: it bounds every range query of the catalog


_Table = TypeVar("_Table", bound="Table")


class Table(BaseModel):
    """A mapping of the file: only the keys listed, frozen once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise PydanticCustomError("table", "must be a table of keys and values")
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in value:
            if key not in known:
                nearest = get_close_matches(key, known, n=1, cutoff=0.5)
                hint = f"did you mean `{nearest[0]}`?" if nearest else f"known are {', '.join(known)}"
                raise PydanticCustomError(
                    settings_errors.UNKNOWN_KEY, "unknown key; {hint}", {"key": key, "hint": hint}
                )
        return value


def _from_text(parse: Callable[[str], Any]) -> BeforeValidator:
    """Parse text with one of our own parsers; a value that is parsed already (a default) passes."""

    def convert(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("must be text; put it in quotes")  # noqa: TRY004 - pydantic collects ValueErrors
        return parse(str(value))  # a number has no unit: the parser says what is missing

    return BeforeValidator(convert)


def _rate(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a bit rate such as 4M (bit/s)")  # noqa: TRY004 - pydantic collects ValueErrors
    return parse_rate_bps(str(value))


def checked_name(value: str) -> str:
    """A name of a site, a camera or a host. ValueError says what it must be."""
    if not re.fullmatch(r"\w[\w .-]{0,62}\w|\w", value):
        raise ValueError("must be 1 to 64 letters, digits, `-`, `_`, `.` or spaces, with a letter or digit at each end")
    try:
        UUID(value)
    except ValueError:
        return value
    raise ValueError("must not look like an id, which is accepted wherever a name is")


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError("must be a network such as 10.17.0.0/24, without host bits") from None


def _gop_us(value: str) -> int:
    if re.fullmatch(r"[0-9]{1,6}ms", value):
        return int(value.removesuffix("ms")) * 1000
    return parse_duration_us(value)


def _camera_url(value: str) -> CameraUrl:
    try:
        url = CameraUrl.parse(value)
    except ConfigError as error:
        raise ValueError(str(error).removeprefix("camera URL: ")) from None
    if url.scheme != "rtsp":
        raise ValueError(f"scheme {url.scheme} is not served by this version; use rtsp")
    return url


def _whole_number(value: Any) -> Any:
    if isinstance(value, bool | float):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


def _only(table: _Table, url: str, served: str) -> _Table:
    if url != served:
        raise PydanticCustomError(
            "unserved", "this version serves only `{served}` here", {"served": served, "below": ("url",)}
        )
    return table


Duration = Annotated[int, _from_text(parse_duration_us)]
Rate = Annotated[int, BeforeValidator(_rate)]
Name = Annotated[str, AfterValidator(checked_name)]
Network = Annotated[str, AfterValidator(_network)]
Address = Annotated[CameraUrl, _from_text(_camera_url)]
Listen = Annotated[ListenAddress, _from_text(ListenAddress.parse), PlainSerializer(str)]
Secret = Annotated[SecretStr, PlainSerializer(SecretStr.get_secret_value)]


class Host(Table):
    """The machine that runs this."""

    name: Name = Field(default_factory=lambda: re.sub(r"[^\w.-]", "-", socket.gethostname()).strip("-.") or "host")
    listen: Listen = ListenAddress("127.0.0.1", 8080)


class CatalogAddress(Table):
    """Where the catalog is."""

    url: str = "sqlite"
    username: str | None = None
    password: Secret | None = None

    @model_validator(mode="after")
    def _served(self) -> Self:
        return _only(self, self.url, "sqlite")


class StoreAddress(Table):
    """Where the objects are."""

    url: str = "directory"
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: Secret | None = None

    @model_validator(mode="after")
    def _served(self) -> Self:
        return _only(self, self.url, "directory")


class SpoolRules(Table):
    """What the local queue may lie on. `accept_loss` allows file systems that forget: tmpfs, NFS."""

    accept_loss: bool = False


class SegmentRules(Table):
    """How long a segment is."""

    seconds: Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=MAX_SEGMENT_S)] = 60


class PolicyRules(Table):
    """How long footage is kept, and what for."""

    keep_max: Duration
    keep_min: Duration | None = None
    purpose: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.keep_min is not None and self.keep_min > self.keep_max:
            raise PydanticCustomError("order", "keep_min is longer than keep_max")
        return self


class Simulation(Table):
    """What `hulta simulate --fleet` sends in the camera's place, at its `bitrate`; nothing else looks at it."""

    fps: Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=120)] = 25
    gop: Annotated[int, _from_text(_gop_us)] = 1_000_000
    b_frames: bool = False


class CameraEntry(Table):
    """One camera of a site."""

    name: Name
    url: Address
    username: str | None = None
    password: Secret | None = None
    bitrate: Rate | None = None
    id: UUID | None = None
    policy: str = DEFAULT_POLICY
    klass: Literal["low", "normal", "high"] = Field(default="normal", alias="class")
    transport: Literal["tcp"] = "tcp"
    tls_ca: None = None
    audio: Literal[False] = False
    source: Literal["rtsp"] = "rtsp"
    sub_url: None = None
    enabled: bool = True
    simulate: Simulation = Simulation()

    @model_validator(mode="after")
    def _one_set_of_credentials(self) -> Self:
        if self.password is not None and self.username is None:
            raise PydanticCustomError("credentials", "password needs username")
        if self.username is not None and self.url.username is not None:
            raise PydanticCustomError("credentials", "credentials stand both in url and in username")
        return self

    @property
    def address(self) -> CameraUrl:
        """The URL with its credentials inside; it does not print them."""
        if self.username is None:
            return self.url
        password = self.password.get_secret_value() if self.password else ""
        return self.url.with_credentials(self.username, password)


class SiteEntry(Table):
    """A place with cameras and one uplink."""

    name: Name
    networks: tuple[Network, ...] = ()
    uplink: Rate | None = None
    cameras: tuple[CameraEntry, ...] = ()


class Settings(Table):
    """The whole file. An empty one is valid: a recorder without cameras, on loopback."""

    host: Host = Field(default_factory=Host)
    catalog: CatalogAddress = CatalogAddress()
    store: StoreAddress = StoreAddress()
    spool: SpoolRules = SpoolRules()
    segments: SegmentRules = SegmentRules()
    policies: dict[str, PolicyRules] = Field(default_factory=dict)
    sites: tuple[SiteEntry, ...] = ()

    @model_validator(mode="after")
    def _names_resolve(self) -> Self:
        settings_errors.check_names(self)
        return self

    def for_roles(self) -> bytes:
        """What a child of the supervisor needs, as JSON, secrets included: for a pipe, never for a file or a log.

        Sites are left out: their cameras are in the catalog.
        """
        return self.model_dump_json(exclude={"sites", "policies"}, by_alias=True, exclude_none=True).encode()


def parse_settings(text: str, *, file: str, environment: Mapping[str, str]) -> Settings:
    """Settings from the text of a file. Raises ConfigError with one line for each fault."""
    document = yaml_loader.load(text, file=file, environment=environment)
    try:
        return Settings.model_validate(document.value)
    except ValidationError as error:
        raise settings_errors.explain(error, document) from None


def read_settings(path: Path) -> Settings:
    """Settings from a file, with `${VAR}` from the environment."""
    return parse_settings(read_text(path), file=str(path), environment=os.environ)


def read_text(path: Path) -> str:
    """A configuration file as text; ConfigError where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}:1: the file is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'cannot be read'}") from None
