"""What one field of the configuration may say: names, durations, rates, addresses, secrets; and a table of fields.

Each parser says in a ValueError what the value must be, and never repeats it.
"""

from __future__ import annotations

import ipaddress
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from media.errors import ConfigError
from media.url import CameraUrl
from server import settings_errors
from server.quantities import ListenAddress, parse_duration_us, parse_rate_bps

if TYPE_CHECKING:
    from collections.abc import Callable


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


def from_text(parse: Callable[[str], Any]) -> BeforeValidator:
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


def gop_us(value: str) -> int:
    """A duration that may also be milliseconds."""
    if re.fullmatch(r"[0-9]{1,6}ms", value):
        return int(value.removesuffix("ms")) * 1000
    return parse_duration_us(value)


def _camera_url(value: str) -> CameraUrl:
    try:
        url = CameraUrl.parse(value)
    except ConfigError as error:
        raise ValueError(str(error).removeprefix("camera URL: ")) from None
    return url


def tls_file(value: str) -> str:
    """A file of authorities; empty for those of the host. ValueError for a path that depends on where one stands."""
    if (value and not value.startswith("/")) or "\x00" in value:
        raise ValueError("must be the whole path of a file, such as /etc/hulta/cameras.pem")
    return value


def tls_pin_of(value: str) -> str:
    """The pin of a public key; empty for none. ValueError for anything else, which would let nobody in."""
    if value and not re.fullmatch(r"sha256/[A-Za-z0-9+/]{43}=", value):
        raise ValueError("must be `sha256/` and the SHA-256 of the public key in base64; docs/cameras.md says how")
    return value


def _whole_number(value: Any) -> Any:
    if isinstance(value, bool | float):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


WholeNumber = BeforeValidator(_whole_number)
Duration = Annotated[int, from_text(parse_duration_us)]
Rate = Annotated[int, BeforeValidator(_rate)]
Name = Annotated[str, AfterValidator(checked_name)]
Network = Annotated[str, AfterValidator(_network)]
Address = Annotated[CameraUrl, from_text(_camera_url)]


def spool_place(value: str) -> str:
    """The directory of a spool. ValueError for one that depends on where one stands."""
    if not value.startswith("/") or "\x00" in value or ".." in value.split("/") or not value.strip("/"):
        raise ValueError("must be the whole path of a directory, such as /srv/spool-a")
    return value.rstrip("/")


SpoolPlace = Annotated[str, AfterValidator(spool_place)]
AbsolutePath = Annotated[str, AfterValidator(tls_file)]
Pin = Annotated[str, AfterValidator(tls_pin_of)]
Listen = Annotated[ListenAddress, from_text(ListenAddress.parse), PlainSerializer(str)]
Secret = Annotated[SecretStr, PlainSerializer(SecretStr.get_secret_value)]
