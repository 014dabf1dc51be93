"""Configurations as fleets of simulated cameras, and the two cities that come with the project."""

from __future__ import annotations

import ipaddress
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from media.errors import ConfigError
from server.city import read_fleet
from server.settings import Settings, Simulation, parse_settings
from simulator import CameraOptions, SimulatorOptions
from simulator.codecs import CODECS
from simulator.door import loopback_address

EXAMPLES = Path(__file__).parents[3] / "examples"
DAY_US = 86_400_000_000

SMALL = """\
host: {listen: "${NOT_SET}"}
store: {url: directory, secret_key: "${NOT_SET}"}
sites:
  - name: gate house
    cameras:
      - {name: gate 1, url: "rtsp://${NOT_SET}:${NOT_SET}/x", username: u, password: "${NOT_SET}"}
      - {name: gate 2, url: rtsp://10.0.0.1/x, bitrate: 2M, simulate: {fps: 12, gop: 8s, b_frames: true, audio: aac}}
  - name: yard
    cameras:
      - {name: yard, simulate: {fps: 50, gop: 500ms}}
"""


def _settings(name: str) -> Settings:
    return parse_settings((EXAMPLES / name).read_text(), file=name, environment={"CAM_PASSWORD": "secret"})


def _fleet(directory: Path, text: str) -> tuple[CameraOptions, ...]:
    (directory / "fleet.yaml").write_text(text)
    return read_fleet(directory / "fleet.yaml")


def test_a_fleet_is_the_cameras_of_a_configuration(tmp_path: Path) -> None:
    """Names, sites and what they send; addresses and secrets do not matter, set or not."""
    assert _fleet(tmp_path, SMALL) == (
        CameraOptions(name="gate 1", site="gate house"),
        CameraOptions(
            name="gate 2",
            site="gate house",
            bitrate_bps=2_000_000,
            fps=12,
            gop_us=8_000_000,
            b_frames=True,
            audio="aac",
        ),
        CameraOptions(name="yard", site="yard", fps=50, gop_us=500_000),
    )


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("fps: 12", "fpss: 12", "fleet.yaml:7: sites[0].cameras[1].simulate.fpss: unknown key; did you mean `fps`?"),
        ("fps: 12", "fps: 0", "fleet.yaml:7: sites[0].cameras[1].simulate.fps: must be greater than or equal to 1"),
        ("fps: 12", "codec: divx", "fleet.yaml:7: sites[0].cameras[1].simulate.codec: must be "),
        ("audio: aac", "audio: mp3", "fleet.yaml:7: sites[0].cameras[1].simulate.audio: must be "),
        ("gop: 8s", "gop: 8", "fleet.yaml:7: sites[0].cameras[1].simulate.gop: must be a duration"),
        ("gop: 8s", "gop: 1h", "fleet.yaml:7: sites[0].cameras[1]: simulator gop"),
        ("bitrate: 2M", "bitrate: 20M", "fleet.yaml:7: sites[0].cameras[1]: simulator bitrate at 12 fps"),
        ("name: yard, ", "", "fleet.yaml:10: sites[1].cameras[0].name: is required"),
        ("name: yard, ", "name: gate 1, ", "fleet.yaml:10: sites[1].cameras[0].name: another camera has this name"),
        ("store:", "stor:", "fleet.yaml:2: stor: unknown key; did you mean `store`?"),
        ("name: gate house", "name: [", "fleet.yaml:"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    """File, line and field, as with every configuration."""
    with pytest.raises(ConfigError) as caught:
        _fleet(tmp_path, SMALL.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path}/{complaint}")


@pytest.mark.parametrize("text", ["", "sites: []", "policies: {}"])
def test_a_fleet_without_cameras_is_refused(tmp_path: Path, text: str) -> None:
    """Serving nothing would look like success."""
    with pytest.raises(ConfigError, match="no camera"):
        _fleet(tmp_path, text)
    with pytest.raises(ConfigError, match="No such file"):
        read_fleet(tmp_path / "missing.yaml")


def test_the_city_is_what_it_is_said_to_be() -> None:
    """55 sites in three neighbourhoods, 4 cameras each, 4 Mbit/s on average to the bit, kept for 62 days."""
    settings = _settings("boras.yaml")
    cameras = [camera for site in settings.sites for camera in site.cameras]
    neighbourhoods = Counter(site.name.rsplit("-", 1)[0] for site in settings.sites)
    assert set(neighbourhoods) == {"boras-hulta", "boras-hassleholmen", "boras-norrby"}
    assert len(settings.sites) == 55
    for site in settings.sites:
        assert [camera.name for camera in site.cameras] == [f"{site.name}-{letter}" for letter in "abcd"]
    assert sum(camera.bitrate or 0 for camera in cameras) == 220 * 4_000_000
    policy = settings.policies["default"]
    assert (policy.keep_max, policy.keep_min) == (62 * DAY_US, 60 * DAY_US)
    assert "permit" in policy.purpose
    assert {camera.address.password for camera in cameras} == {"secret"}


@pytest.mark.parametrize("name", ["boras.yaml", "storm.yaml", "storm-large.yaml"])
def test_every_site_has_room_on_its_uplink(name: str) -> None:
    """A third more than its cameras send, and its cameras live where it says."""
    for site in _settings(name).sites:
        assert (site.uplink or 0) * 3 > sum(camera.bitrate or 0 for camera in site.cameras) * 4
        networks = [ipaddress.ip_network(network) for network in site.networks]
        for camera in site.cameras:
            assert any(ipaddress.ip_address(camera.url.host) in network for network in networks)


@pytest.mark.parametrize(
    ("name", "least", "most"), [("boras.yaml", 10, 14), ("storm.yaml", 8, 8), ("storm-large.yaml", 9, 9)]
)
def test_a_city_has_cameras_of_many_kinds(name: str, least: int, most: int) -> None:
    """Smart codecs with a GOP of 8 s, and B-frames, among them; each kind several times."""
    kinds = Counter(camera.kind for camera in read_fleet(EXAMPLES / name))
    assert least <= len(kinds) <= most
    assert min(kinds.values()) >= 5
    for rare in ({kind for kind in kinds if kind.gop_us == 8_000_000}, {kind for kind in kinds if kind.b_frames}):
        assert 1 <= len(rare) < len(kinds) / 2
    assert len({kind.fps for kind in kinds}) >= 5
    assert len({kind.bitrate_bps for kind in kinds}) >= 6


@pytest.mark.parametrize(("name", "sites"), [("storm.yaml", 15), ("storm-large.yaml", 25)])
def test_the_small_cities_are_made_for_storms(name: str, sites: int) -> None:
    """4 cameras at a site, 1 Mbit/s on average, 10 to 25 frames a second, at the addresses they are simulated at."""
    settings = _settings(name)
    fleet = read_fleet(EXAMPLES / name)
    assert [len(site.cameras) for site in settings.sites] == [4] * sites
    assert sum(camera.bitrate_bps for camera in fleet) == sites * 4 * 1_000_000
    assert {min(camera.fps for camera in fleet), max(camera.fps for camera in fleet)} == {10, 25}
    for place, site in enumerate(settings.sites):
        for number, camera in enumerate(site.cameras):
            expected = f"{loopback_address(place, number)}:8554/{camera.name}"
            assert str(camera.url) == f"rtsp://{expected}"


def test_a_fleet_has_the_codecs_that_the_simulator_has() -> None:
    """The settings name them, so that a wrong one is refused with its place."""
    field = Simulation.model_fields["codec"].annotation
    assert set(get_args(field)) == set(CODECS)


def test_all_cities_can_be_simulated() -> None:
    """Every kind is one that can be drawn."""
    for name in ("boras.yaml", "storm.yaml", "storm-large.yaml"):
        fleet = read_fleet(EXAMPLES / name)
        assert SimulatorOptions(fleet=fleet).lineup == fleet
