"""What a shorter policy would delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.due import newly_due
from server.settings import parse_settings
from storage.clock import FakeClock
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import CAMERA, SECOND, T0, desired, segment, site
from tests.builders_retention import DAY, policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MOVED = "{name: gate, url: 'rtsp://10.0.0.1/', policy: short}"


@pytest.fixture(name="catalog")
async def _catalog(tmp_path: Path) -> AsyncIterator[SqliteCatalog]:
    """A camera under a policy of 62 days, with a minute of footage at the end of each of 40 days."""
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", FakeClock(wall_us=T0)) as catalog:
        policies = [policy(62 * DAY, name="default"), policy(10 * DAY, name="short")]
        await catalog.inventory.apply([site(desired("gate", id=CAMERA))], policies)
        ends = [(day + 1) * DAY // SECOND for day in range(40)]
        await catalog.footage.register([(segment(end - 60, end, day), b"") for day, end in enumerate(ends)])
        yield catalog


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("policies: {default: {keep_max: 62d}}", 0),
        ("policies: {default: {keep_max: 90d}}", 0),
        ("policies: {default: {keep_max: 31d}}", 10),  # marked a day before keep_max: those that are 30 days old
        ("policies: {short: {keep_max: 5d}}", 0),
        (f"policies: {{short: {{keep_max: 10d}}}}\nsites: [{{name: harbour, cameras: [{MOVED}]}}]", 31),
        ("policies: {other: {keep_max: 1d}}", 0),
    ],
)
async def test_what_becomes_due_is_counted(catalog: SqliteCatalog, text: str, segments: int) -> None:
    """By the policy that the camera will have, and only what it is allowed to keep today."""
    settings = parse_settings(text, file="x", environment={})
    due = await newly_due(catalog, settings, T0 + 40 * DAY)
    row = segment(0, 60, 0)
    assert (due.segments, due.size_bytes, due.cameras) == (segments, segments * row.size_bytes, int(segments > 0))


async def test_footage_that_is_due_already_is_not_counted(catalog: SqliteCatalog) -> None:
    """It goes with the old policy as well."""
    settings = parse_settings("policies: {default: {keep_max: 31d}}", file="x", environment={})
    assert (await newly_due(catalog, settings, T0 + 101 * DAY)).segments == 0
