"""Which addresses a camera may have."""

from __future__ import annotations

import pytest

from ingest.network import allowed, resolve
from media.errors import GapReason, SourceError


@pytest.mark.parametrize("address", ["10.17.0.11", "192.168.1.64", "172.16.3.3", "203.0.113.9", "fd00::17"])
def test_cameras_live_in_private_networks(address: str) -> None:
    """Unlike with a web service, a private address is the normal case."""
    assert allowed(address, ())


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.8.8", "::1", "169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"],
)
def test_this_host_and_the_link_are_out_of_bounds(address: str) -> None:
    """A camera's URL must not lead to the recorder's own services or to a cloud's metadata service."""
    assert not allowed(address, ())
    assert not allowed(address, ("10.17.0.0/24",))


def test_a_sites_networks_are_all_that_is_allowed() -> None:
    """Listing networks narrows, and is the only way to allow loopback."""
    assert allowed("10.17.0.11", ("10.17.0.0/24",))
    assert not allowed("10.18.0.11", ("10.17.0.0/24",))
    assert allowed("127.0.0.1", ("127.0.0.0/8",))


async def test_an_address_out_of_bounds_is_named_with_a_hint() -> None:
    """The operator learns what to put into the configuration."""
    with pytest.raises(SourceError, match=r"127\.0\.0\.1") as caught:
        await resolve("127.0.0.1", 554, ())
    assert caught.value.reason is GapReason.UNSUPPORTED
    assert "networks" in caught.value.hint


async def test_a_name_that_does_not_resolve_is_a_dns_gap() -> None:
    """`.invalid` never resolves (RFC 2606)."""
    with pytest.raises(SourceError, match=r"camera\.invalid") as caught:
        await resolve("camera.invalid", 554, ())
    assert caught.value.reason is GapReason.DNS
