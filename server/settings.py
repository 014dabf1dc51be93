"""The configuration file `hulta.yaml`: what it may say, and what it means.

Pydantic stands here, at the edge, and nowhere inside. `read_settings` returns a frozen `Settings` or raises one
ConfigError with a line for everything that is wrong: `hulta.yaml:12: sites[0].cameras[0].keep_mx: unknown key; ...`.
A value is never repeated in a message, and a password is a type that does not print.

Keys that this version knows but cannot serve yet (`sub_url`) are refused, not ignored: a recording
server that silently does something else than its configuration says is worse than one that does not start.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ingest.libav_order import source_problem
from media.errors import ConfigError
from media.url import ENCRYPTED
from server import settings_errors, yaml_loader
from server.key_access import Variables
from server.quantities import ListenAddress
from server.settings_alerts import AlertRules
from server.settings_catalog import CatalogAddress
from server.settings_fields import (
    AbsolutePath,
    Address,
    Duration,
    Listen,
    Name,
    Network,
    Pin,
    Rate,
    Secret,
    SpoolPlace,
    Table,
    WholeNumber,
    from_text,
    gop_us,
)
from server.settings_store import StoreAddress

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from media.url import CameraUrl

DEFAULT_POLICY = "default"
MOST_SPOOL_DISKS = 64
MAX_SEGMENT_S = 600  # a bound of the format: it bounds every range query of the catalog


class Host(Table):
    """The machine that runs this."""

    name: Name = Field(default_factory=lambda: re.sub(r"[^\w.-]", "-", socket.gethostname()).strip("-.") or "host")
    listen: Listen = ListenAddress("127.0.0.1", 8080)

    @property
    def given_name(self) -> str:
        """The name that the file gives; "" where it is the machine's own, which a container has a new one of."""
        return self.name if "name" in self.model_fields_set else ""


class SpoolRules(Table):
    """What the local queue may lie on. `accept_loss` allows file systems that forget: tmpfs, NFS.

    `disks` are directories on file systems of their own, which share the cameras; none: `spool` in the data directory.
    """

    accept_loss: bool = False
    disks: Annotated[tuple[SpoolPlace, ...], Field(max_length=MOST_SPOOL_DISKS)] = ()

    @field_validator("disks")
    @classmethod
    def _each_once(cls, disks: tuple[str, ...]) -> tuple[str, ...]:
        for number, disk in enumerate(disks):
            others = [f"{other}/" for place, other in enumerate(disks) if place != number]
            if any(other.startswith(f"{disk}/") for other in others):
                raise PydanticCustomError("disks", "one is named twice, or lies in another one")
        return disks


class SegmentRules(Table):
    """How long a segment is."""

    seconds: Annotated[int, WholeNumber, Field(ge=1, le=MAX_SEGMENT_S)] = 60


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

    fps: Annotated[int, WholeNumber, Field(ge=1, le=120)] = 25
    gop: Annotated[int, from_text(gop_us)] = 1_000_000
    b_frames: bool = False
    codec: Literal["h264", "h265", "av1"] = "h264"
    audio: Literal["aac", "opus", "pcma", "pcmu"] | None = None


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
    transport: Literal["tcp", "udp"] = "tcp"
    tls_ca: AbsolutePath = ""
    tls_pin: Pin = ""
    audio: bool = False
    source: Literal["rtsp", "libav"] = "rtsp"
    sub_url: None = None
    enabled: bool = True
    simulate: Simulation = Simulation()

    @model_validator(mode="after")
    def _one_set_of_credentials(self) -> Self:
        if self.password is not None and self.username is None:
            raise PydanticCustomError("credentials", "password needs username")
        if self.username is not None and self.url.username is not None:
            raise PydanticCustomError("credentials", "credentials stand both in url and in username")
        try:
            self.address  # noqa: B018 - what it is made of has bounds
        except ConfigError as error:
            raise PydanticCustomError("credentials", "{problem}", {"problem": str(error)}) from None
        return self

    @model_validator(mode="after")
    def _tls_is_spoken(self) -> Self:
        if (self.tls_ca or self.tls_pin) and self.url.scheme not in ENCRYPTED:
            raise PydanticCustomError(
                "tls", "tls_ca and tls_pin are of use with an encrypted url only, such as rtsps://"
            )
        if self.tls_ca and self.tls_pin:
            raise PydanticCustomError("tls", "tls_pin takes the place of tls_ca: give one of them")
        if self.url.scheme == "rtsps" and self.transport == "udp":
            raise PydanticCustomError("tls", "with rtsps, packets over udp would not be encrypted: use transport: tcp")
        return self

    @model_validator(mode="after")
    def _source_speaks_the_scheme(self) -> Self:
        problem = source_problem(self.source, self.url.scheme)
        if problem:
            raise PydanticCustomError("source", "{problem}", {"problem": problem})
        if self.source == "libav" and self.transport != "tcp":
            raise PydanticCustomError("source", "transport is not for `source: libav`, which takes TCP")
        if self.source == "libav" and self.audio:
            raise PydanticCustomError("source", "audio is not for `source: libav`, which brings pictures alone")
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
    alerts: AlertRules = AlertRules()
    policies: dict[str, PolicyRules] = Field(default_factory=dict)
    sites: tuple[SiteEntry, ...] = ()

    @model_validator(mode="after")
    def _names_resolve(self) -> Self:
        _check_names(self)
        return self

    def for_role(self, role: str) -> bytes:
        """What a child of the supervisor needs, as JSON, secrets included: for a pipe, never for a file or a log.

        Sites are left out: their cameras are in the catalog. Whom to tell is told to `keep` alone, and `record`, which
        hears cameras, gets no password but theirs.
        """
        others = {"keep": set[str](), "record": {"alerts", "catalog", "store"}}.get(role, {"alerts"})
        unneeded: dict[str, Any] = dict.fromkeys({"sites", "policies"} | others, True)
        if not self.host.given_name:
            unneeded["host"] = {"name"}  # the child finds the same one, and knows that the file gives none
        return self.model_dump_json(exclude=unneeded, by_alias=True, exclude_none=True).encode()


def _check_names(settings: Settings) -> None:
    """Names and ids are unique, and what they refer to exists. Raises for the first that is not."""
    _unique([((index,), site.name) for index, site in enumerate(settings.sites)], "name", "site")
    cameras = [
        ((index, "cameras", number), camera)
        for index, site in enumerate(settings.sites)
        for number, camera in enumerate(site.cameras)
    ]
    _unique([(path, camera.name) for path, camera in cameras], "name", "camera")
    _unique([(path, str(camera.id)) for path, camera in cameras if camera.id], "id", "camera")
    for path, camera in cameras:
        if camera.policy not in settings.policies and camera.policy != DEFAULT_POLICY:
            raise settings_errors.fault(("sites", *path, "policy"), "names no entry of `policies`")


def _unique(named: list[tuple[yaml_loader.Path, str]], key: str, noun: str) -> None:
    """Case is ignored: names that differ only in case are one name to a person."""
    counts = Counter(name.casefold() for _, name in named)
    for path, name in reversed(named):
        if counts[name.casefold()] > 1:
            raise settings_errors.fault(("sites", *path, key), f"another {noun} has this {key}")


def parse_settings(text: str, *, file: str, environment: Mapping[str, str]) -> Settings:
    """Settings from the text of a file. Raises ConfigError with one line for each fault."""
    document = yaml_loader.load(text, file=file, environment=environment)
    try:
        return Settings.model_validate(document.value)
    except ValidationError as error:
        raise settings_errors.explain(error, document) from None


def read_settings(path: Path) -> Settings:
    """Settings from a file, with `${VAR}` from the environment."""
    return parse_settings(read_text(path), file=str(path), environment=Variables())


def read_tables(path: Path, names: Collection[str]) -> Settings:
    """Settings with some tables of a file alone, for commands that need no other `${VAR}`."""
    document = yaml_loader.load(read_text(path), file=str(path), environment=Variables(), only=names)
    try:
        return Settings.model_validate(document.value)
    except ValidationError as error:
        raise settings_errors.explain(error, document) from None


def read_text(path: Path) -> str:
    """A configuration file as text; ConfigError where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}:1: the file is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'cannot be read'}") from None
