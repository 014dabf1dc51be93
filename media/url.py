"""The URL of a camera, which does not show its credentials."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

from media.errors import ConfigError

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
"""What our own client speaks."""

OTHER_PORTS = {"http": 80, "https": 443, "rtmp": 1935, "rtmps": 443, "tcp": 0, "udp": 0}
"""What libav may be asked to open as well; 0: the URL must name one."""

ENCRYPTED = frozenset({"rtsps", "https", "rtmps"})
"""Spoken inside TLS."""

MAX_URL_CHARACTERS = 4096
MAX_CREDENTIAL_CHARACTERS = 256
_MAX_QUOTED = 12
"""What becomes of one character of a password in a URL: up to four bytes of UTF-8, "%F0" each."""

_MAX_TEXT = MAX_URL_CHARACTERS + len(":@") + 2 * MAX_CREDENTIAL_CHARACTERS * _MAX_QUOTED

_LEAST_VEILED = 4
"""Characters of a password that is looked for by itself in what a camera says: "ok" is in every answer."""

# Cameras take credentials in the path and the query as well: "/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp".
_SECRET_FIELD = re.compile(r"(?i)((?:user(?:name)?|usr|login|pass(?:word|wd)?|pwd|pw|auth|token|key)=)[^&_;,/?\s]*")
_USERINFO = re.compile(r"(?i)([a-z][a-z0-9+.-]{0,15}://)[^/?#\s]*@")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")


def redact(text: str) -> str:
    """The same text with the credentials of URLs in it replaced by three stars."""
    return _SECRET_FIELD.sub(r"\1***", _USERINFO.sub(r"\1***@", text))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CameraUrl:
    """Where a camera is and how to log in there. `str()` and `repr()` are for logs and people: redacted."""

    scheme: str
    host: str
    port: int
    request_url: str
    """What goes into a request line: the URL as written, without credentials before the host."""
    username: str | None = None
    password: str | None = None

    def __post_init__(self) -> None:
        """ConfigError for more than has a place: what is accepted can be stored, and read back."""
        if len(self.request_url) > MAX_URL_CHARACTERS:
            raise ConfigError(f"camera URL: it is longer than {MAX_URL_CHARACTERS} characters")
        if max(len(self.username or ""), len(self.password or "")) > MAX_CREDENTIAL_CHARACTERS:
            raise ConfigError(f"camera URL: a name or password of more than {MAX_CREDENTIAL_CHARACTERS} characters")

    @classmethod
    def parse(cls, text: str) -> CameraUrl:
        """Read "rtsp://user:password@host:port/path?query". `ConfigError` says what is wrong, without the secret."""
        if len(text) > _MAX_TEXT or _FORBIDDEN.search(text):
            raise ConfigError("camera URL: it has blanks or control characters, or is very long")
        scheme, separator, rest = text.partition("://")
        scheme = scheme.lower()
        usual_port = {**DEFAULT_PORTS, **OTHER_PORTS}.get(scheme)
        if not separator or usual_port is None:
            named = f"scheme {scheme!r}" if separator and scheme.isalnum() else "no scheme"
            others = ", ".join(OTHER_PORTS)
            message = f"camera URL: {named}, but only rtsp and rtsps are supported, and {others} with `source: libav`"
            raise ConfigError(message, hint="rtsp://host/path")
        userinfo, host, target = _split_authority(rest)
        request_url = f"{scheme}://{host}{target}"
        name, port = _host_and_port(request_url)
        if not port and not usual_port:
            raise ConfigError(f"camera URL: no port in it, which {scheme} needs")
        username, colon, password = userinfo.partition(":") if userinfo is not None else (None, "", "")
        return cls(
            scheme=scheme,
            host=name,
            port=port or usual_port,
            request_url=request_url,
            username=None if username is None else unquote(username),
            password=unquote(password) if colon else None,
        )

    def with_credentials(self, username: str | None, password: str | None) -> CameraUrl:
        """The same camera with another login."""
        return replace(self, username=username, password=password)

    def unredacted(self) -> str:
        """The whole URL with credentials, for `parse` to read back. Only ever to be stored encrypted."""
        if self.username is None:
            return self.request_url
        scheme, _, rest = self.request_url.partition("://")
        password = "" if self.password is None else ":" + quote(self.password, safe="")
        return f"{scheme}://{quote(self.username, safe='')}{password}@{rest}"

    def veiled(self, words: str) -> str:
        """What a camera said, without this login in the forms in which it was sent, or a camera might repeat it.

        A status line, a header or a description may hold anything that the camera has heard, and its words go into
        logs, gaps and answers. A password of less than four characters is looked for only where the login is whole.
        """
        if self.username is None:
            return words
        password = self.password or ""
        login = f"{self.username}:{password}"
        forms = {b64encode(login.encode()).rstrip(b"=").decode(), quote(login, safe=":"), login}
        if len(password) >= _LEAST_VEILED:
            forms |= {password, quote(password, safe=""), quote(password), password.encode().hex()}
        for form in sorted(forms, key=len, reverse=True):
            words = words.replace(form, "***")
        return words

    def __str__(self) -> str:
        return redact(self.request_url)

    def __repr__(self) -> str:
        return f"CameraUrl({str(self)!r})"


def _split_authority(rest: str) -> tuple[str | None, str, str]:
    """Userinfo, host with port, and what follows. A password may contain '@': the last one counts (RFC 3986 3.2)."""
    match = re.search(r"[/?#]", rest)
    stop = match.start() if match else len(rest)
    userinfo, at, host = rest[:stop].rpartition("@")
    return (userinfo if at else None), host, rest[stop:]


def _host_and_port(url: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # The text may be a part of a password that was not encoded: it must not get into the message.
        raise ConfigError(
            "camera URL: the host or the port cannot be read",
            hint="write / ? # of a password as %2F %3F %23, or give username and password beside the URL",
        ) from None
    if not host:
        raise ConfigError("camera URL: no host in it")
    return host, port
