"""Durations, rates and addresses."""

from __future__ import annotations

import pytest

from server.quantities import (
    ListenAddress,
    format_bytes,
    format_duration,
    format_rate,
    parse_duration_us,
    parse_rate_bps,
)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("15m", 900), ("36h", 129_600), ("62d", 5_356_800), ("2w", 1_209_600)]
)
def test_durations_are_microseconds(text: str, seconds: int) -> None:
    """Each unit is what its letter says."""
    assert parse_duration_us(text) == seconds * 1_000_000


@pytest.mark.parametrize("text", ["", "62", "d", "62 d", "1.5d", "-1d", "62D", "0s", "99999999w", "62d12h", "٣d"])
def test_anything_else_is_no_duration(text: str) -> None:
    """What could be read in two ways is not read at all."""
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration_us(text)


@pytest.mark.parametrize(
    ("text", "rate_bps"), [("4M", 4_000_000), ("1.5G", 1_500_000_000), ("800k", 800_000), ("64000", 64_000)]
)
def test_rates_are_bits_per_second(text: str, rate_bps: int) -> None:
    """Prefixes are decimal."""
    assert parse_rate_bps(text) == rate_bps


@pytest.mark.parametrize("text", ["", "4 M", "4Mb", "4Mi", "M", "-4M", "0", "1e6", "99999G"])
def test_anything_else_is_no_rate(text: str) -> None:
    """Bytes, binary prefixes and nonsense are refused."""
    with pytest.raises(ValueError, match="must be a bit rate"):
        parse_rate_bps(text)


def test_quantities_are_shown_as_they_are_written() -> None:
    """What is printed can be read back."""
    assert [format_duration(parse_duration_us(text)) for text in ("62d", "36h", "90s")] == ["62d", "36h", "90s"]
    assert [format_rate(parse_rate_bps(text)) for text in ("4M", "1.5G", "800k", "64")] == ["4M", "1.5G", "800k", "64"]
    assert [format_bytes(size) for size in (12, 4096, 5_000_000, 43_200_000_000)] == [
        "12 B",
        "4.1 kB",
        "5.0 MB",
        "43.2 GB",
    ]


@pytest.mark.parametrize(
    ("text", "address", "loopback", "url"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080), True, "http://127.0.0.1:8080"),
        ("localhost:1", ("127.0.0.1", 1), True, "http://127.0.0.1:1"),
        ("[::1]:8080", ("::1", 8080), True, "http://[::1]:8080"),
        (":8080", ("0.0.0.0", 8080), False, "http://127.0.0.1:8080"),
        ("0.0.0.0:80", ("0.0.0.0", 80), False, "http://127.0.0.1:80"),
        ("[::]:80", ("::", 80), False, "http://[::1]:80"),
        ("10.1.2.3:80", ("10.1.2.3", 80), False, "http://10.1.2.3:80"),
    ],
)
def test_listen_addresses(text: str, address: tuple[str, int], loopback: bool, url: str) -> None:
    """An address knows whether others can reach it, and how this host does."""
    listen = ListenAddress.parse(text)
    assert ((listen.host, listen.port), listen.loopback, listen.url) == (address, loopback, url)
    assert ListenAddress.parse(str(listen)) == listen


@pytest.mark.parametrize(
    "text", ["", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "host:80", "::1"]
)
def test_anything_else_is_no_listen_address(text: str) -> None:
    """A name other than localhost could change its meaning; it is refused."""
    with pytest.raises(ValueError, match=r"must (be an address|listen on)"):
        ListenAddress.parse(text)
