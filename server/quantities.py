"""Durations, bit rates and addresses as people write them in a configuration: `62d`, `40M`, `127.0.0.1:8080`.

Each parser takes text and returns a value with a unit, or raises ValueError with a sentence that does not repeat the
text: what stands in a configuration may be a secret that slipped into the wrong field.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_SECOND_US = 1_000_000
_DURATION = re.compile(r"([0-9]{1,9})(s|m|h|d|w)")
_DURATION_UNITS_US = {
    "s": _SECOND_US,
    "m": 60 * _SECOND_US,
    "h": 3600 * _SECOND_US,
    "d": 86_400 * _SECOND_US,
    "w": 7 * 86_400 * _SECOND_US,
}
MAX_DURATION_US = 100 * 366 * 86_400 * _SECOND_US

_RATE = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,3}))?([kMG]?)")
_RATE_UNITS = {"": 1, "k": 1000, "M": 1_000_000, "G": 1_000_000_000}


def parse_duration_us(text: str) -> int:
    """`62d`, `36h`, `15m`, `1s` in microseconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("must be a duration: a whole number and one of s, m, h, d, w, such as 62d")
    duration_us = int(match[1]) * _DURATION_UNITS_US[match[2]]
    if not 0 < duration_us <= MAX_DURATION_US:
        raise ValueError("must be a duration between 1s and 100 years")
    return duration_us


def format_duration(duration_us: int) -> str:
    """The shortest form that `parse_duration_us` reads back: 62d, 36h, 90s."""
    for unit in ("d", "h", "m", "s"):
        if duration_us % _DURATION_UNITS_US[unit] == 0:
            return f"{duration_us // _DURATION_UNITS_US[unit]}{unit}"
    return f"{duration_us / _SECOND_US:.6f}s"


def parse_rate_bps(text: str) -> int:
    """`4M`, `40M`, `1.5G`, `800k` or plain bits in bits per second; prefixes are decimal, as networks count."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError("must be a bit rate: a number and one of k, M, G, such as 4M (bit/s)")
    whole, fraction, unit = match.groups()
    rate_bps = int(whole + (fraction or "").ljust(3, "0")) * _RATE_UNITS[unit] // 1000
    if not 0 < rate_bps <= 10**13:
        raise ValueError("must be a bit rate between 1 bit/s and 10000G")
    return rate_bps


def format_rate(rate_bps: int) -> str:
    """A bit rate for people: 4M, 1.5G, 800k."""
    for unit in ("G", "M", "k"):
        if rate_bps >= _RATE_UNITS[unit]:
            return f"{rate_bps / _RATE_UNITS[unit]:.4g}{unit}"
    return str(rate_bps)


def format_bytes(size_bytes: int) -> str:
    """A size for people, in decimal units as disks are sold."""
    for exponent, unit in ((12, "TB"), (9, "GB"), (6, "MB"), (3, "kB")):
        if size_bytes >= 10**exponent:
            return f"{size_bytes / 10**exponent:.1f} {unit}"
    return f"{size_bytes} B"


def format_span(duration_us: int) -> str:
    """How long something is, for people, in the one unit that tells it best: 350 ms, 41 s, 3 h, 20 days."""
    for unit_us, name in ((86_400 * _SECOND_US, "days"), (3600 * _SECOND_US, "h"), (60 * _SECOND_US, "min")):
        if duration_us >= 2 * unit_us:
            return f"{duration_us // unit_us} {name}"
    if duration_us >= 10 * _SECOND_US:
        return f"{duration_us // _SECOND_US} s"
    return f"{duration_us / _SECOND_US:.2g} s" if duration_us >= _SECOND_US else f"{duration_us // 1000} ms"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where the API listens: a literal address or `localhost`, and a port (0: any free one)."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """`127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`; `:8080` is every address."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
            raise ValueError("must be an address and a port, such as 127.0.0.1:8080 or [::1]:8080")
        if not host:
            return cls("0.0.0.0", int(port))  # noqa: S104 - asked for; every request then needs the token
        if host == "localhost":
            return cls("127.0.0.1", int(port))
        try:
            address = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
        except ValueError:
            raise ValueError("must listen on an IP address of this host (IPv6 in brackets) or localhost") from None
        return cls(str(address), int(port))

    @property
    def loopback(self) -> bool:
        """Whether only this host can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def url(self) -> str:
        """The address as a browser or the CLI on this host reaches it."""
        address = ipaddress.ip_address(self.host)
        if address.is_unspecified:
            address = ipaddress.ip_address("::1" if address.version == 6 else "127.0.0.1")
        host = f"[{address}]" if address.version == 6 else str(address)
        return f"http://{host}:{self.port}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
