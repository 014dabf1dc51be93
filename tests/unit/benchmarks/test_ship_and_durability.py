"""The shipping and durability benchmarks do what they say: all is shipped, links are refused, each sync is timed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import durability, ship, spool_load
from benchmarks.spool_stock import make_stock
from media.fmp4_read import read_sealed
from storage import files


def test_the_stock_is_sealed_segments_of_a_minute(tmp_path: Path) -> None:
    """They are what `record` writes, so the shipper finds nothing to complain about."""
    stock = make_stock(tmp_path / "stock", 1)
    content = stock.paths[0].read_bytes()
    scan = read_sealed(lambda offset, length: content[offset : offset + length], len(content))
    assert (scan.identity, len(scan.fragments), scan.seal is not None) == (stock.identities[0], 60, True)
    assert stock.size_bytes == len(content) == pytest.approx(30_000_000, rel=0.02)


@pytest.mark.parametrize("destination", ship.DESTINATIONS, ids=lambda each: each.name)
async def test_everything_is_shipped_through_the_real_shipper(destination: ship.Destination, tmp_path: Path) -> None:
    """Linked where the store is on the spool's disk, copied where links are refused; the stock stays."""
    stock = make_stock(tmp_path / "stock", 2)
    data = tmp_path / "data"
    data.mkdir()
    cost = await ship.ship(destination, stock, data)
    assert min(cost.seconds, cost.cpu_s) > 0
    objects = list((data / "objects").rglob("*.mp4"))
    assert sorted(path.stat().st_size for path in objects) == sorted(path.stat().st_size for path in stock.paths)
    linked = [any(path.samefile(each) for each in stock.paths) for path in objects]
    assert linked == [destination.name.endswith("link")] * 2
    assert list((data / "spool").rglob("*.mp4")) == []


def test_the_loops_beside_do_their_least(tmp_path: Path) -> None:
    """One reads, one copies."""
    source, target = tmp_path / "a", tmp_path / "target"
    source.write_bytes(b"footage" * 1000)
    target.mkdir()
    ship.hash_loop([source], target)
    assert list(target.iterdir()) == []
    ship.copy_loop([source], target)
    assert (target / "0").read_bytes() == source.read_bytes()


def test_every_way_to_sync_makes_every_file_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many latencies as files, in order, and each fdatasync is one of them."""
    synced: list[int] = []
    real = files.datasync
    monkeypatch.setattr(files, "datasync", lambda fd: (synced.append(fd), real(fd)))
    monkeypatch.setattr(durability, "FRAGMENT_BYTES", 1000)
    monkeypatch.setattr(durability, "PAUSE_S", 0)
    found = durability.compare(tmp_path, 2)
    assert all(len(each.latencies_s) == durability.ROUND_FILES for rounds in found.values() for each in rounds)
    assert all(each.latencies_s == sorted(each.latencies_s) for rounds in found.values() for each in rounds)
    assert len(synced) == 2 * durability.ROUND_FILES * (len(found) - 1)  # syncfs needs none
    assert len(set(synced)) == durability.ROUND_FILES * (len(found) - 1)


def test_every_fragment_of_a_fleet_becomes_durable(tmp_path: Path) -> None:
    """Five cameras for a second are five fragments, each with its latency."""
    load = asyncio.run(spool_load.load(tmp_path / "spool", 5, 1))
    assert len(load.latencies_s) == 5
    assert 0 < load.latency_ms(50) <= load.latency_ms(100)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.mp4*")) >= 5 * spool_load.FRAGMENT_BYTES
