"""The contract of `storage.catalog.Inventory`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from media.errors import ConfigError, Conflict, GapReason, KeyUnfit, NotFound
from media.url import CameraUrl
from storage.model import main_stream
from tests.builders_catalog import POLICY, SECOND, T0, desired, segment, site

if TYPE_CHECKING:
    from pathlib import Path

    from storage.catalog import Catalog
    from storage.clock import FakeClock

KEPT_ID = UUID("5b1dd5a1-6d0e-4a54-9d0c-1f0b7a1b2c3d")


async def test_apply_adds_what_is_missing_and_names_it(catalog: Catalog, clock: FakeClock) -> None:
    """Sites, cameras and policies appear, with ids that the diff shows."""
    changes = await catalog.inventory.apply([site(desired(), networks=("10.17.0.0/24",), uplink_bps=40)], [POLICY])
    assert [(change.noun, change.verb, change.name) for change in changes] == [
        ("policy", "added", "default"),
        ("site", "added", "harbour"),
        ("camera", "added", "gate"),
    ]
    camera = await catalog.inventory.camera("gate")
    assert camera.id.version == 4
    assert str(changes[2]) == f"camera gate added (id: {camera.id})"
    assert (camera.site, camera.policy, camera.enabled, camera.origin) == ("harbour", "default", True, "file")
    assert (camera.stream, camera.enabled_since_us) == (main_stream(camera.id), clock.wall_us())
    (place,) = await catalog.inventory.sites()
    assert (place.name, place.networks, place.uplink_bps) == ("harbour", ("10.17.0.0/24",), 40)


async def test_apply_is_idempotent(catalog: Catalog, clock: FakeClock) -> None:
    """The second call finds nothing to change, whenever it comes."""
    wanted = [site(desired("gate"), desired("quay", enabled=False), uplink_bps=40)]
    await catalog.inventory.apply(wanted, [POLICY])
    before = await catalog.inventory.cameras()
    clock.advance(60 * SECOND)
    assert await catalog.inventory.apply(wanted, [POLICY]) == []
    assert await catalog.inventory.cameras() == before


async def test_a_dry_run_says_the_same_and_changes_nothing(catalog: Catalog) -> None:
    """What would happen can be read before it happens."""
    wanted = [site(desired())]
    shown = await catalog.inventory.apply(wanted, [POLICY], dry_run=True)
    assert [str(change).split(" (")[0] for change in shown] == [
        "policy default added",
        "site harbour added",
        "camera gate added",
    ]
    assert await catalog.inventory.cameras() == []
    assert await catalog.inventory.sites() == []
    assert await catalog.inventory.policies() == {}


async def test_changed_fields_are_named(catalog: Catalog) -> None:
    """The diff shows before and after of each."""
    await catalog.inventory.apply([site(desired())], [POLICY])
    longer = replace(POLICY, keep_max_us=2 * POLICY.keep_max_us)
    changes = await catalog.inventory.apply([site(desired(bitrate_bps=4_000_000), uplink_bps=7)], [longer])
    assert [str(change) for change in changes] == [
        f'policy default changed: keep_max_us "{POLICY.keep_max_us}" -> "{longer.keep_max_us}"',
        'site harbour changed: uplink_bps "" -> "7"',
        'camera gate changed: bitrate_bps "" -> "4000000"',
    ]
    assert (await catalog.inventory.camera("gate")).bitrate_bps == 4_000_000


async def test_the_way_to_a_camera_comes_back(catalog: Catalog) -> None:
    """What it sends on, and whom to believe to be it; a change of these is named."""
    pin = "sha256/" + 43 * "A" + "="
    await catalog.inventory.apply([site(desired(transport="udp", tls_ca="/etc/ca.pem"))], [POLICY])
    camera = await catalog.inventory.camera("gate")
    assert (camera.transport, camera.tls_ca, camera.tls_pin) == ("udp", "/etc/ca.pem", "")
    changes = await catalog.inventory.apply([site(desired(tls_pin=pin))], [POLICY])
    (change,) = (str(change) for change in changes)
    assert all(field in change for field in ('transport "udp" -> "tcp"', 'tls_ca "/etc/ca.pem" -> ""', f'-> "{pin}"'))
    assert (await catalog.inventory.camera("gate")).tls_pin == pin


async def test_sound_is_recorded_only_where_that_was_said(catalog: Catalog) -> None:
    """Off unless it is on; a change of it is named, for it may need a permit."""
    await catalog.inventory.apply([site(desired())], [POLICY])
    assert not (await catalog.inventory.camera("gate")).audio
    changes = await catalog.inventory.apply([site(desired(audio=True))], [POLICY])
    assert [str(change) for change in changes] == ['camera gate changed: audio "False" -> "True"']
    assert (await catalog.inventory.camera("gate")).audio
    await catalog.inventory.apply([site(desired())], [POLICY])
    assert not (await catalog.inventory.camera("gate")).audio


async def test_what_speaks_to_a_camera_comes_back(catalog: Catalog) -> None:
    """Our own client, if nothing else was said."""
    await catalog.inventory.apply([site(desired())], [POLICY])
    assert (await catalog.inventory.camera("gate")).source == "rtsp"
    url = CameraUrl.parse("http://10.17.0.11/video.mjpg")
    (change,) = await catalog.inventory.apply([site(desired(url=url, source="libav"))], [POLICY])
    assert 'source "rtsp" -> "libav"' in str(change)
    camera = await catalog.inventory.camera("gate")
    assert (camera.source, camera.url) == ("libav", url)


async def test_credentials_come_back_and_are_never_shown(catalog: Catalog) -> None:
    """A changed password is a change that does not tell the password."""
    await catalog.inventory.apply([site(desired())], [POLICY])
    before = await catalog.inventory.camera("gate")
    assert (before.url.username, before.url.password) == ("operator", "hunter2")
    other = CameraUrl.parse("rtsp://operator:correct-horse@10.17.0.11/media")
    (change,) = await catalog.inventory.apply([site(desired(url=other))], [POLICY])
    assert (await catalog.inventory.camera("gate")).url == other
    assert "credentials" in str(change)
    assert not {"hunter2", "correct-horse"} & set(repr((change, before)).replace('"', " ").replace("'", " ").split())


async def test_a_camera_with_an_id_may_be_renamed(catalog: Catalog) -> None:
    """It stays the same camera, with its stream and so with its footage."""
    await catalog.inventory.apply([site(desired("gate", id=KEPT_ID))], [POLICY])
    before = await catalog.inventory.camera("gate")
    (change,) = await catalog.inventory.apply([site(desired("gate-north", id=KEPT_ID))], [POLICY])
    after = await catalog.inventory.camera("gate-north")
    assert str(change) == 'camera gate-north changed: name "gate" -> "gate-north"'
    assert (after.id, after.stream, after.enabled_since_us) == (KEPT_ID, before.stream, before.enabled_since_us)


async def test_two_cameras_may_swap_their_names(catalog: Catalog) -> None:
    """Names are unique before and after, whatever they are in between."""
    await catalog.inventory.apply([site(desired("east"), desired("west"))], [POLICY])
    east, west = await catalog.inventory.cameras()
    await catalog.inventory.apply([site(desired("west", id=east.id), desired("east", id=west.id))], [POLICY])
    assert (await catalog.inventory.camera("west")).id == east.id
    assert (await catalog.inventory.camera("east")).id == west.id


async def test_an_id_in_the_file_keeps_footage_across_catalogs(catalog: Catalog) -> None:
    """Footage that came first, from a spool, belongs to the camera as soon as the file names it."""
    row = segment(0, 60, stream=main_stream(KEPT_ID))
    await catalog.footage.register([(row, b"")])
    await catalog.inventory.apply([site(desired("gate", id=KEPT_ID))], [POLICY])
    camera = await catalog.inventory.camera("gate")
    assert [each.id for each in await catalog.footage.segments(camera.stream, T0, T0 + 90 * SECOND)] == [row.id]


async def test_a_camera_missing_from_the_file_stays_unless_pruned(catalog: Catalog, clock: FakeClock) -> None:
    """Pruning disables it. Its footage is not touched."""
    await catalog.inventory.apply([site(desired("gate"), desired("quay"))], [POLICY])
    quay = await catalog.inventory.camera("quay")
    await catalog.footage.register([(segment(0, 60, stream=quay.stream), b"")])
    assert await catalog.inventory.apply([site(desired("gate"))], [POLICY]) == []
    clock.advance(60 * SECOND)
    (change,) = await catalog.inventory.apply([site(desired("gate"))], [POLICY], prune=True)
    assert str(change) == "camera quay disabled"
    assert not (await catalog.inventory.camera("quay")).enabled
    assert len(await catalog.footage.segments(quay.stream, T0, T0 + 90 * SECOND)) == 1
    assert await catalog.inventory.apply([site(desired("gate"))], [POLICY], prune=True) == []


async def test_pruning_leaves_cameras_of_the_api_alone(catalog: Catalog) -> None:
    """A camera knows who made it."""
    await catalog.inventory.apply([site(desired("gate"))], [POLICY])
    await catalog.inventory.add(desired("quay"), site="harbour")
    assert (await catalog.inventory.camera("quay")).origin == "api"
    assert await catalog.inventory.apply([site(desired("gate"))], [POLICY], prune=True) == []
    assert (await catalog.inventory.camera("quay")).enabled


async def test_the_file_takes_over_a_camera_that_it_lists(catalog: Catalog) -> None:
    """The change of origin is part of the diff."""
    await catalog.inventory.apply([], [POLICY])
    await catalog.inventory.add(desired("quay"), site="harbour")
    (change,) = await catalog.inventory.apply([site(desired("quay"))], [POLICY])
    assert str(change) == 'camera quay changed: origin "api" -> "file"'


async def test_a_camera_that_is_there_is_not_silently_replaced(catalog: Catalog) -> None:
    """By name or by id, of the file or of the API, disabled or not; only who asks for it changes it."""
    await catalog.inventory.apply([site(desired("gate"))], [POLICY])
    gate = await catalog.inventory.remove("gate")
    for wanted in (desired("gate"), desired("door", id=gate.id)):
        with pytest.raises(Conflict, match=f"there is a camera gate already, with the id {gate.id}"):
            await catalog.inventory.add(wanted, site="harbour")
    assert await catalog.inventory.cameras() == [gate]
    changed = await catalog.inventory.add(desired("gate"), site="harbour", change=True)
    assert (changed.id, changed.enabled) == (gate.id, True)


async def test_add_keeps_the_site_as_it_is(catalog: Catalog) -> None:
    """A camera added to a site does not change the site's networks."""
    await catalog.inventory.apply([site(networks=("10.17.0.0/24",), uplink_bps=40)], [POLICY])
    await catalog.inventory.add(desired("quay"), site="harbour")
    (place,) = await catalog.inventory.sites()
    assert (place.networks, place.uplink_bps) == (("10.17.0.0/24",), 40)


async def test_a_removed_camera_is_disabled_and_keeps_its_footage(catalog: Catalog) -> None:
    """Only retention deletes."""
    await catalog.inventory.apply([site(desired("gate"))], [POLICY])
    camera = await catalog.inventory.camera("gate")
    await catalog.footage.register([(segment(0, 60, stream=camera.stream), b"")])
    removed = await catalog.inventory.remove("gate")
    assert (removed.id, removed.enabled, removed.origin) == (camera.id, False, "api")
    assert len(await catalog.footage.segments(camera.stream, T0, T0 + 90 * SECOND)) == 1
    with pytest.raises(NotFound, match="no camera 'quay'"):
        await catalog.inventory.remove("quay")


async def test_a_camera_is_found_by_id_or_name(catalog: Catalog) -> None:
    """Wherever an id is taken, the name is, too."""
    await catalog.inventory.apply([site(desired("gate", id=KEPT_ID))], [POLICY])
    by_name = await catalog.inventory.camera("gate")
    assert by_name == await catalog.inventory.camera(str(KEPT_ID))
    with pytest.raises(NotFound, match="no camera 'tower'"):
        await catalog.inventory.camera("tower")


async def test_enabling_and_disabling_leave_no_instant_undeclared(catalog: Catalog, clock: FakeClock) -> None:
    """From the first enabling on there is a gap until somebody records, and a disabled camera says so (I4)."""
    await catalog.inventory.apply([site(desired("gate"))], [POLICY])
    camera = await catalog.inventory.camera("gate")
    clock.advance(10 * SECOND)
    await catalog.inventory.apply([site(desired("gate", enabled=False))], [POLICY])
    clock.advance(10 * SECOND)
    await catalog.inventory.apply([site(desired("gate"))], [POLICY])
    rows = await catalog.gaps.gaps(camera.stream, T0 - SECOND, T0 + 60 * SECOND)
    assert [(row.start_us, row.end_us, row.reason) for row in rows] == [
        (T0, T0 + 10 * SECOND, GapReason.SHUTDOWN),
        (T0 + 10 * SECOND, T0 + 20 * SECOND, GapReason.CAMERA_DISABLED),
        (T0 + 20 * SECOND, None, GapReason.SHUTDOWN),
    ]
    again = await catalog.inventory.camera("gate")
    assert (again.enabled_since_us, again.expected_since_us) == (T0 + 20 * SECOND, T0)
    assert await catalog.gaps.expected_since() == {camera.stream: T0}


async def test_a_camera_that_was_never_enabled_is_not_expected(catalog: Catalog) -> None:
    """It owes nothing yet."""
    await catalog.inventory.apply([site(desired("gate", enabled=False))], [POLICY])
    camera = await catalog.inventory.camera("gate")
    assert camera.expected_since_us is None
    assert await catalog.gaps.expected_since() == {}


async def test_impossible_lists_are_refused_as_a_whole(catalog: Catalog) -> None:
    """The error names the camera, and nothing is changed."""
    await catalog.inventory.apply([site(desired("gate", id=KEPT_ID))], [POLICY])
    other = UUID(int=5, version=4)
    impossible = [
        ([site(desired("tower"), desired("tower"))], "tower is listed twice"),
        ([site(desired("tower")), site(desired("tower"), name="quay")], "tower is listed twice"),
        ([site(desired("tower", policy="forever"))], "camera tower: no policy named 'forever'"),
        ([site(desired("gate", id=other))], f"gate is known with the id {KEPT_ID}, not {other}"),
        ([site(desired("a", id=other), desired("b", id=other))], "the same id"),
    ]
    for wanted, message in impossible:
        with pytest.raises(ConfigError, match=message.replace("(", "\\(")):
            await catalog.inventory.apply([*wanted], [POLICY])
    assert [camera.name for camera in await catalog.inventory.cameras()] == ["gate"]
    assert [place.name for place in await catalog.inventory.sites()] == ["harbour"]


async def test_a_rename_onto_another_camera_is_refused(catalog: Catalog) -> None:
    """Names are unique over files and API."""
    await catalog.inventory.apply([site(desired("gate", id=KEPT_ID))], [POLICY])
    await catalog.inventory.add(desired("quay"), site="harbour")
    with pytest.raises(ConfigError, match="camera quay: the name belongs to camera"):
        await catalog.inventory.apply([site(desired("quay", id=KEPT_ID))], [POLICY])


async def test_a_city_is_applied_at_once(catalog: Catalog) -> None:
    """55 sites with four cameras each, renamed in one go the next time."""
    names = [(place, camera) for place in range(55) for camera in "abcd"]
    first = [
        site(*(desired(f"{place}-{camera}") for _, camera in names[:4]), name=f"site-{place}") for place in range(55)
    ]
    await catalog.inventory.apply(first, [POLICY])
    ids = {camera.name: camera.id for camera in await catalog.inventory.cameras()}
    assert len(ids) == len(set(ids.values())) == 220
    renamed = [
        site(
            *(desired(f"new-{place}-{letter}", id=ids[f"{place}-{letter}"]) for letter in "abcd"), name=f"site-{place}"
        )
        for place in range(55)
    ]
    assert len(await catalog.inventory.apply(renamed, [POLICY])) == 220
    assert {camera.id for camera in await catalog.inventory.cameras()} == set(ids.values())


async def test_logins_are_sealed_anew(catalog: Catalog, tmp_path: Path) -> None:
    """With the key that seals now; the one before it is needed no more, and who comes without it reads all."""
    wanted = [site(desired("gate"), desired("quay", enabled=False))]
    await catalog.inventory.apply(wanted, [POLICY])
    before = await catalog.inventory.cameras()
    assert await catalog.inventory.reseal() == 0
    key = tmp_path / "key"
    replace_key(key, "22" * 32 + "\n" + key.read_text())
    assert await catalog.inventory.reseal() == 2
    replace_key(key, "22" * 32)
    assert await catalog.inventory.cameras() == before
    assert await catalog.inventory.reseal() == 0


async def test_logins_stay_as_they_are_if_one_does_not_open(catalog: Catalog, tmp_path: Path) -> None:
    """Half a change of keys would need both of them for ever."""
    await catalog.inventory.apply([site(desired("gate"))], [POLICY])
    key = tmp_path / "key"
    old = key.read_text()
    replace_key(key, "22" * 32 + "\n" + old)
    await catalog.inventory.apply([site(desired("quay"))], [POLICY])
    replace_key(key, "33" * 32 + "\n" + "22" * 32)
    with pytest.raises(KeyUnfit, match="was sealed by the key"):
        await catalog.inventory.reseal()
    replace_key(key, "22" * 32 + "\n" + old)
    assert await catalog.inventory.reseal() == 1


def replace_key(path: Path, text: str) -> None:
    """As an operator does it: a new file over the old one."""
    draft = path.with_name("key.new")
    draft.touch(0o600)
    draft.write_text(text)
    draft.replace(path)
