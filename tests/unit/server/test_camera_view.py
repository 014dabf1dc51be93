"""A camera as it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from media.errors import GapReason
from playback.timerange import format_instant
from server.status_socket import answering
from storage.layout import Layout
from tests.builders_playback import NOON_US, Archive, film
from tests.builders_server import parts_of, recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOUR_US = 3_600_000_000


@pytest.fixture(name="archive")
async def _archive(tmp_path: Path) -> AsyncIterator[Archive]:
    archive = await Archive.create(tmp_path, now_us=NOON_US + 3_000_000)
    yield archive
    await archive.close()


async def shown(archive: Archive, said: dict[str, Any] | None) -> dict[str, Any]:
    """The camera JSON while the recorder says this; None: it does not answer."""
    parts = parts_of(archive)
    camera = await archive.catalog.inventory.camera("gate")
    if said is None:
        await parts.fleet.refresh()
        return await parts.cameras.describe(camera)
    async with answering(Layout(archive.root).socket("record"), lambda: said):
        await parts.fleet.refresh()
        return await parts.cameras.describe(camera)


def picked(camera: dict[str, Any]) -> tuple[str, str | None, str | None]:
    """State, reason, since."""
    return camera["state"], camera["reason"], camera["since"]


async def test_a_camera_that_records_is_what_the_recorder_says(archive: Archive) -> None:
    """With the end of what is durable."""
    durable = {"epoch": 1, "sequence": 3, "fragment": 2, "through_us": NOON_US + 1}
    camera = await shown(archive, recorder(archive.camera, since_us=NOON_US, durable=durable))
    assert picked(camera) == ("recording", None, format_instant(NOON_US))
    assert (camera["durable_through"], camera["bitrate_bps"]) == (format_instant(NOON_US + 1), 4_000_000)


async def test_a_camera_that_fails_says_why_and_since_its_newest_footage(archive: Archive) -> None:
    """The recorder was restarted since; the answer is still the end of the footage."""
    for segment in archive.record(film()):
        await archive.ship(segment)
    said = recorder(archive.camera, state="failed", reason="refused", since_us=NOON_US + 2_900_000, bitrate_bps=0)
    camera = await shown(archive, said)
    assert camera["durable_through"] == format_instant(segment.end_us)
    assert picked(camera) == ("failed", "refused", format_instant(segment.end_us))


async def test_a_camera_that_has_been_gone_for_long_is_found_behind_its_gaps(archive: Archive) -> None:
    """Gaps of several reasons in a row lead back to the last footage."""
    for segment in archive.record(film()):
        await archive.ship(segment)
    gaps, stream = archive.catalog.gaps, archive.camera.stream
    edges = [segment.end_us, segment.end_us + HOUR_US, segment.end_us + 5 * HOUR_US]
    await gaps.stitch(stream, until_us=edges[1], reason=GapReason.REFUSED)
    await gaps.stitch(stream, until_us=edges[2], reason=GapReason.CRASH)
    await gaps.stitch(stream, until_us=None, reason=GapReason.AUTH)
    archive.clock.step(9 * HOUR_US)
    camera = await shown(
        archive, recorder(archive.camera, state="failed", reason="auth", since_us=archive.clock.wall_us())
    )
    assert picked(camera) == ("failed", "auth", format_instant(segment.end_us))


async def test_a_camera_that_never_recorded_has_no_footage(archive: Archive) -> None:
    """And fails since it was enabled, for the reason that the recorder gives."""
    said = recorder(archive.camera, state="failed", reason="dns", detail="no such host", since_us=NOON_US)
    camera = await shown(archive, said)
    since = format_instant(archive.camera.enabled_since_us)
    assert (picked(camera), camera["durable_through"]) == (("failed", "dns", since), None)


async def test_a_restarted_recorder_does_not_make_a_failure_younger(archive: Archive) -> None:
    """A camera that never recorded has failed since it was enabled."""
    enabled_us = archive.camera.enabled_since_us
    for later_us in (HOUR_US, 2 * HOUR_US):
        said = recorder(archive.camera, state="failed", reason="dns", since_us=enabled_us + later_us)
        assert picked(await shown(archive, said)) == ("failed", "dns", format_instant(enabled_us))


async def test_a_recorder_that_does_not_answer_is_a_failure(archive: Archive) -> None:
    """Its cameras are not shown as recording by anybody's memory."""
    assert picked(await shown(archive, None)) == ("failed", "crash", format_instant(archive.camera.enabled_since_us))


async def test_a_recorder_that_is_silent_for_a_moment_has_not_failed(archive: Archive) -> None:
    """Its cameras stay what it said last, and that it was not heard is a remark; after 10 s it is a failure."""
    parts, camera = parts_of(archive, clock=archive.clock), await archive.catalog.inventory.camera("gate")
    async with answering(Layout(archive.root).socket("record"), lambda: recorder(camera, since_us=NOON_US)):
        await parts.fleet.refresh()
    archive.clock.advance(4_500_000)
    await parts.fleet.refresh()
    assert (await parts.cameras.describe(camera))["state"] == "recording"
    (remark,) = parts.cameras.remarks(camera)["remarks"]
    assert (remark["kind"], remark["words"]) == ("not_heard", "the recorder has not been heard from for 4 s")
    archive.clock.advance(6_000_000)
    await parts.fleet.refresh()
    said = parts.cameras.remarks(camera)
    assert picked(await parts.cameras.describe(camera))[:2] == ("failed", "crash")
    assert (said["detail"], said["remarks"]) == ("the recorder does not answer", [])


async def test_a_camera_that_was_just_added_is_connecting(archive: Archive) -> None:
    """The recorder has not read its assignment yet."""
    since = format_instant(archive.camera.enabled_since_us)
    assert picked(await shown(archive, {"run": "01", "streams": {}})) == ("connecting", None, since)


async def test_a_disabled_camera_is_disabled_whatever_the_recorder_says(archive: Archive) -> None:
    """The catalog decides what is wanted."""
    await archive.catalog.inventory.remove("gate")
    camera = await shown(archive, recorder(archive.camera))
    assert (camera["state"], camera["enabled"]) == ("disabled", False)


async def test_durable_footage_never_moves_back(archive: Archive) -> None:
    """A recorder that starts again has nothing durable yet; what was durable stays."""
    parts = parts_of(archive)
    durable = {"epoch": 1, "sequence": 3, "fragment": 2, "through_us": NOON_US}
    for said in (recorder(archive.camera, durable=durable), recorder(archive.camera)):
        parts.fleet.record.answer = said
        camera = await parts.cameras.describe(archive.camera)
        assert camera["durable_through"] == format_instant(NOON_US)


async def _interrupted(archive: Archive, *gaps: tuple[float, float, GapReason]) -> None:
    """Footage that ends the gap from the beginning, then gap rows, in hours after noon."""
    for segment in archive.record(film()):
        await archive.ship(segment)
    for start, end, reason in gaps:
        edges = NOON_US + round(start * HOUR_US), NOON_US + round(end * HOUR_US)
        await archive.catalog.gaps.stitch(archive.camera.stream, from_us=edges[0], until_us=edges[1], reason=reason)


SECOND = 1 / 3600


@pytest.mark.parametrize(
    ("gaps", "since"),
    [
        ([(1, 2, GapReason.REFUSED), (5 - 4 * SECOND, 5, GapReason.CRASH)], 2),
        (
            [
                (1, 2, GapReason.REFUSED),
                (4 - 3 * SECOND, 4, GapReason.SHUTDOWN),
                (5 - 4 * SECOND, 5 - 3 * SECOND, GapReason.SHUTDOWN),
                (5 - 3 * SECOND, 5, GapReason.NO_SYNC),
            ],
            2,
        ),
        ([(1, 2, GapReason.REFUSED), (5 - 120 * SECOND, 5, GapReason.CRASH)], 5),
        ([(1, 2, GapReason.REFUSED), (5 - 2 * SECOND, 5, GapReason.STALLED)], 5),
        ([(1, 2, GapReason.REFUSED), (5 - 2 * SECOND, 5, GapReason.NO_SYNC)], 5),
        ([(1, 2, GapReason.REFUSED), (4.99, 5 - 4 * SECOND, GapReason.DNS), (5 - 4 * SECOND, 5, GapReason.CRASH)], 5),
    ],
    ids=["a restart", "two restarts", "a long one", "the camera", "its key frames", "both"],
)
async def test_a_restart_of_ours_is_no_interruption_of_the_camera(
    archive: Archive, gaps: list[tuple[float, float, GapReason]], since: float
) -> None:
    """Under a minute it is passed over; what the camera did counts, however short. Asked again, the same."""
    await _interrupted(archive, *gaps)
    archive.clock.step(6 * HOUR_US)
    said = recorder(archive.camera, since_us=NOON_US + 5 * HOUR_US)
    parts = parts_of(archive)
    camera = await archive.catalog.inventory.camera("gate")
    async with answering(Layout(archive.root).socket("record"), lambda: said):
        await parts.fleet.refresh()
        for _ in range(2):
            assert (await parts.cameras.describe(camera))["since"] == format_instant(NOON_US + round(since * HOUR_US))
