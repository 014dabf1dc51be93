"""From the configuration to what the catalog is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.catalog_access import open_catalog
from server.desired import FALLBACK_POLICY, apply_settings
from server.settings import Settings, parse_settings
from server.settings_catalog import CatalogAddress
from storage.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
policies:
  default: {keep_max: 62d, keep_min: 60d, purpose: permit}
  short: {keep_max: 2d}
sites:
  - name: harbour
    networks: [10.17.0.0/24]
    uplink: 40M
    cameras:
      - {name: gate, url: "rtsp://10.17.0.1/x", bitrate: 4M, policy: short, class: high}
      - {name: pier, url: "rtsp://10.17.0.2/x", enabled: false}
"""


def settings(text: str) -> Settings:
    """Settings from a text."""
    return parse_settings(text, file="h.yaml", environment={})


async def test_the_catalog_gets_what_the_file_says(tmp_path: Path) -> None:
    """Every field of sites, cameras and policies."""
    async with open_catalog(CatalogAddress(), Layout(tmp_path)) as catalog:
        await apply_settings(catalog.inventory, settings(CONFIG))
        (site,) = await catalog.inventory.sites()
        gate, pier = await catalog.inventory.cameras()
        policies = await catalog.inventory.policies()
    assert (site.name, site.networks, site.uplink_bps) == ("harbour", ("10.17.0.0/24",), 40_000_000)
    assert (gate.site, gate.bitrate_bps, gate.policy, gate.klass, gate.origin) == (
        "harbour",
        4_000_000,
        "short",
        "high",
        "file",
    )
    assert (pier.enabled, pier.policy, pier.klass) == (False, "default", "normal")
    assert (policies["default"].keep_max_us, policies["default"].keep_min_us) == (
        62 * 86_400 * 10**6,
        60 * 86_400 * 10**6,
    )
    assert (policies["short"].keep_max_us, policies["short"].purpose) == (2 * 86_400 * 10**6, "")


async def test_a_new_catalog_keeps_footage_for_a_bounded_time(tmp_path: Path) -> None:
    """A configuration without policies still deletes; one that comes later decides for itself."""
    async with open_catalog(CatalogAddress(), Layout(tmp_path)) as catalog:
        await apply_settings(catalog.inventory, settings(""))
        assert await catalog.inventory.policies() == {"default": FALLBACK_POLICY}
        await apply_settings(catalog.inventory, settings(CONFIG))
        await apply_settings(catalog.inventory, settings(""))
        assert (await catalog.inventory.policies())["default"].keep_max_us == 62 * 86_400 * 10**6
