"""The catalog journal held against the catalog it was written from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.catalog_journal_reader import Replay, replay
from storage.catalog_journal_rows import (
    camera_of,
    event_of,
    gap_of,
    policy_of,
    site_of,
    tombstone_of,
    values_of,
)
from storage.catalog_journal_writer import BATCH_US, JournalWriter
from storage.model import SegmentState

if TYPE_CHECKING:
    from storage.catalog import Catalog
    from storage.clock import FakeClock
    from storage.objects import ObjectStore
    from storage.secrets import SecretBox

EVER = 1 << 60


async def tell(catalog: Catalog, store: ObjectStore, clock: FakeClock) -> None:
    """A minute passes, and everything that waits is written."""
    clock.advance(BATCH_US)
    writer = JournalWriter(catalog, store, clock)
    await writer.run_once()
    assert writer.state()["error"] is None
    assert writer.state()["waiting_changes"] == 0


async def require_agreement(catalog: Catalog, store: ObjectStore, box: SecretBox) -> Replay:
    """What the objects alone say is what the catalog says, row by row and field by field; what was read."""
    told = await replay(store)
    assert told.faults == []
    assert [link.sequence for link in told.links] == list(range(1, (await catalog.outbox.head()).sequence + 1))
    sites = {record["id"]: record for record in told.of("site")}
    streams = {record["id"]: record for record in told.of("stream")}
    cameras = [
        camera_of(record, site=sites[record["site"]], stream=streams[record["stream"]], box=box)
        for record in told.of("camera")
    ]
    assert sorted(map(site_of, sites.values()), key=lambda site: site.name) == await catalog.inventory.sites()
    assert {policy.name: policy for policy in map(policy_of, told.of("policy"))} == await catalog.inventory.policies()
    assert sorted(cameras, key=lambda camera: camera.name) == await catalog.inventory.cameras()
    since = await catalog.gaps.expected_since()
    assert set(since) <= {values_of(record)["id"] for record in streams.values()}
    for stream in {values_of(record)["id"] for record in streams.values()}:
        gaps = sorted(
            (gap for gap in map(gap_of, told.of("gap")) if gap.stream == stream), key=lambda gap: gap.start_us
        )
        assert gaps == await catalog.gaps.gaps(stream, -EVER, EVER)
        buried = [each for each in map(tombstone_of, told.of("tombstone")) if each.identity.stream == stream]
        order = lambda each: (each.start_us, each.identity.epoch, each.identity.run, each.identity.sequence)  # noqa: E731
        assert sorted(buried, key=order) == await catalog.expiry.tombstones(stream, -EVER, EVER)
        rows = await catalog.footage.segments(stream, -EVER, EVER, marked=True)
        lost = {values_of(record)["id"] for record in told.of("missing") if values_of(record)["stream"] == stream}
        assert lost == {row.id for row in rows if row.state is SegmentState.MISSING}
        known = [event for event in await catalog.gaps.events(stream, -EVER, EVER) if event.kind != "span_start"]
        mine = [event for event in map(event_of, told.of("event")) if event.stream in {stream, None}]
        assert [event for event in known if event not in mine] == []
    for record in told.of("run"):
        run = values_of(record)
        assert run["journal_offset"] == await catalog.gaps.journal_offset(run["run"])
    return told
