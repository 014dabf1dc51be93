"""`alerts:` in the configuration: whom to tell, and when."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from server.quantities import format_duration
from server.settings_fields import Duration, Secret, Table, from_text
from storage.model import HOUR_US

MAIL_PORT = 587  # submission (RFC 6409)
MOST_RECIPIENTS = 20
DEFAULT_STOPPED_US = 10_000_000
MOST_STOPPED_US = 86_400_000_000
MOST_FORECAST_US = 30 * 24 * HOUR_US


def _hook_url(value: SecretStr) -> SecretStr:
    """The path of a webhook often is its secret: nothing but the origin is ever shown."""
    text = value.get_secret_value()
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("must be a URL such as https://alarms.example.org/hulta") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("must be a URL such as https://alarms.example.org/hulta")
    if parts.username is not None:
        raise ValueError("must hold no credentials; use `token`")
    return value


def _mail_address(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})", value):
        raise ValueError("must be a mail address such as duty@example.org")
    return value


def _header_text(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]{1,4096}", value.get_secret_value()):
        raise ValueError("must be letters, digits and signs of ASCII, without blanks")
    return value


def mail_server(value: str) -> tuple[str, int]:
    """A host name or an address, and a port; ValueError otherwise."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}))(?::([0-9]{1,5}))?", value)
    if match is None or not 0 < int(match[2] or MAIL_PORT) < 65536:
        raise ValueError("must be a mail server and a port, such as mail.example.org:587")
    return match[1].strip("[]"), int(match[2] or MAIL_PORT)


def _mail_server_text(value: str) -> str:
    mail_server(value)
    return value


HookUrl = Annotated[SecretStr, AfterValidator(_hook_url), PlainSerializer(SecretStr.get_secret_value)]
Token = Annotated[Secret, AfterValidator(_header_text)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]
MailServer = Annotated[str, from_text(_mail_server_text)]


class WebhookRules(Table):
    """A POST of JSON. `secret` signs it, `token` is its bearer token, `ca` a file that vouches for the receiver."""

    url: HookUrl
    secret: Secret | None = None
    token: Token | None = None
    ca: str | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may be shown."""
        parts = urlsplit(self.url.get_secret_value())
        return f"{parts.scheme}://{parts.netloc}"


class MailRules(Table):
    """A mail through a server that takes it for us (RFC 6409)."""

    server: MailServer
    username: str | None = None
    password: Secret | None = None
    sender: MailAddress = Field(alias="from")
    to: Annotated[tuple[MailAddress, ...], Field(min_length=1, max_length=MOST_RECIPIENTS)]
    tls: Literal["starttls", "tls", "none"] = "starttls"
    ca: str | None = None

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise PydanticCustomError("credentials", "username and password need one another")
        if self.password is not None and self.tls == "none":
            raise PydanticCustomError("credentials", "a password is not sent without TLS; set tls to starttls or tls")
        return self


class AlertRules(Table):
    """Whom to tell that a camera stopped, shows nothing new, has a wrong clock, or that footage finds no place."""

    stopped_after: Annotated[Duration, PlainSerializer(format_duration), Field(le=MOST_STOPPED_US)] = DEFAULT_STOPPED_US
    spool_full_within: Annotated[Duration, PlainSerializer(format_duration), Field(le=MOST_FORECAST_US)] = 24 * HOUR_US
    webhook: WebhookRules | None = None
    mail: MailRules | None = None
