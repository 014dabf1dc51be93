"""The plan of a storm: a fleet and a script that fit each other and the time, every misfit named with its line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from media.errors import ConfigError
from server import cli_storm
from server.cli import build
from server.fault_script import read_script
from server.settings import parse_settings
from server.storm_plan import make_plan
from simulator.faults import CATALOGUE, Place
from storm.disk import needed_bytes, require_room
from storm.facts import Violation
from storm.plan import ROLES, SUPERVISOR, StormFailed, StormPlan
from storm.result import Result

if TYPE_CHECKING:
    from typer.testing import Result as CommandResult

EXAMPLES = Path(__file__).parents[3] / "examples"

FLEET = """\
policies:
  default: {keep_max: 2d, keep_min: 1d, purpose: trial}
sites:
  - name: gate
    cameras:
      - name: gate 1
        url: "rtsp://${NOT_SET}/x"
        bitrate: 1M
        audio: true
        simulate: {fps: 12, gop: 500ms, audio: opus}
      - {name: gate 2, url: rtsp://10.0.0.1/x, enabled: false}
  - name: yard
    cameras:
      - {name: yard 1, url: rtsp://10.0.0.2/x, class: high, simulate: {audio: aac}}
"""
SCRIPT = """\
steps:
  - {at: 1s, for: 10s, fault: off, sites: [gate]}
  - {at: 2s, every: 500ms, for: 5s, fault: kill, role: record}
  - {at: 3s, for: 9500ms, fault: drift, ppm: -4000, cameras: ["yard *"]}
"""


SERVERS = """\
store: {url: s3://footage/storm, endpoint: "http://127.0.0.1:9000", access_key: hulta, secret_key: not-a-secret}
catalog: {url: "postgresql://hulta@127.0.0.1:5432/storm"}
"""

OPTIONS = {"--fleet": "fleet.yaml", "--script": "script.yaml", "--minutes": "1"}


def storm(options: dict[str, str]) -> CommandResult:
    """The command, as it ends."""
    return CliRunner().invoke(build(["storm"]), ["storm", *(word for option in options.items() for word in option)])


def plan_of(
    folder: Path, script: str = SCRIPT, *, seconds: int = 20, cameras: int | None = None, spool_disk_mb: int = 0
) -> StormPlan:
    """The plan that the command line makes of these files."""
    (folder / "fleet.yaml").write_text(FLEET)
    (folder / "script.yaml").write_text(script)
    return make_plan(
        fleet=folder / "fleet.yaml",
        script=folder / "script.yaml",
        seconds=seconds,
        seed=1,
        data=folder / "data",
        cameras=cameras,
        spool_disk_mb=spool_disk_mb,
    )


def test_the_fleet_is_simulated_and_recorded(tmp_path: Path) -> None:
    """Its sites, names, rates and policies; a camera that is not enabled is neither."""
    plan = plan_of(tmp_path)
    assert [(camera.name, camera.site, camera.fps, camera.gop_us) for camera in plan.cameras] == [
        ("gate 1", "gate", 12, 500_000),
        ("yard 1", "yard", 25, 1_000_000),
    ]
    assert plan.product_config == {
        "policies": {"default": {"keep_max": "2d", "keep_min": "1d", "purpose": "trial"}},
        "sites": [
            {
                "name": "gate",
                "cameras": [
                    {
                        "name": "gate 1",
                        "bitrate": "1000000",
                        "policy": "default",
                        "class": "normal",
                        "transport": "tcp",
                        "audio": True,
                    }
                ],
            },
            {"name": "yard", "cameras": [{"name": "yard 1", "policy": "default", "class": "high", "transport": "tcp"}]},
        ],
    }
    fleet = parse_settings(json.dumps(plan.fleet), file="fleet.json", environment={})
    # A sound that is not recorded is not made: what is made is to come back.
    assert [camera.simulate.audio for site in fleet.sites for camera in site.cameras] == ["opus", None]
    assert [camera.simulate.gop for site in fleet.sites for camera in site.cameras] == [500_000, 1_000_000]


def test_the_simulator_gets_the_steps_about_cameras(tmp_path: Path) -> None:
    """As they were written, kills left out; their numbers are kept for the log."""
    plan = plan_of(tmp_path)
    (tmp_path / "script.json").write_text(json.dumps(plan.camera_script))
    before, after = read_script(tmp_path / "script.yaml").steps, read_script(tmp_path / "script.json").steps
    assert after == tuple(step for step in before if step.fault.name != "kill")
    assert plan.step_numbers == [1, 3]
    assert [blow.at_us for blow in plan.blows] == [2_000_000 + 500_000 * number for number in range(10)]


@pytest.mark.parametrize(
    ("script", "seconds", "said"),
    [
        (SCRIPT, 12, "script.yaml:4: drift ends at 12500ms, the storm at 12s"),
        ("steps:\n  - {at: 21s, fault: kill}\n", 20, "script.yaml:2: kill ends at 21s, the storm at 20s"),
        (
            "steps:\n  - {at: 1s, fault: cut, cameras: [gate 2]}\n",
            20,
            "no camera is called `gate 2`; did you mean `gate 1`",
        ),
        ("steps:\n  - {at: 1s, fault: cutt, cameras: ['*']}\n", 20, "script.yaml:2: no fault is called `cutt`"),
    ],
)
def test_a_script_that_does_not_fit(tmp_path: Path, script: str, seconds: int, said: str) -> None:
    """Neither the time nor the fleet nor the catalogue."""
    with pytest.raises(ConfigError, match=said.replace("[", r"\[").replace("*", r"\*")):
        plan_of(tmp_path, script, seconds=seconds)


def test_a_script_has_to_fit_the_cameras_that_are_left(tmp_path: Path) -> None:
    """`--cameras 1` leaves the yard out."""
    assert len(plan_of(tmp_path, "steps:\n  - {at: 1s, fault: kill}\n", cameras=1).cameras) == 1
    with pytest.raises(ConfigError, match="no camera is called `yard \\*`"):
        plan_of(tmp_path, cameras=1)


@pytest.mark.parametrize(("city", "cameras", "minutes"), [("storm", 60, 10), ("storm-large", 100, 15)])
def test_the_example_has_every_fault_at_least_once(city: str, cameras: int, minutes: int) -> None:
    """Over its cameras, within its minutes, with calm at the end."""
    fleet, script = EXAMPLES / f"{city}.yaml", EXAMPLES / f"{city}-script.yaml"
    plan = make_plan(fleet=fleet, script=script, seconds=minutes * 60, seed=1, data=Path())
    steps = read_script(script).steps
    others = {name for name, kind in CATALOGUE.items() if kind.place in {Place.LINK, Place.DISK}}
    assert {step.fault.name for step in steps} == {*CATALOGUE} - others
    assert len(plan.cameras) == cameras
    assert {blow.role for blow in plan.blows} == {"record", "ship", "keep", "serve", "supervisor"}
    assert max(step.end_us or step.at_us for step in steps) <= (minutes - 1) * 60_000_000


def test_the_example_of_links_has_every_fault_of_them(tmp_path: Path) -> None:
    """Both links, over the fleet of the long storm; without servers the first one is refused."""
    script, fleet, servers = EXAMPLES / "storm-links-script.yaml", EXAMPLES / "storm.yaml", tmp_path / "servers.yaml"
    with pytest.raises(ConfigError, match=r"storm-links-script\.yaml:\d+: link-\w+ is about the link to the store"):
        make_plan(fleet=fleet, script=script, seconds=1800, seed=1, data=tmp_path)
    servers.write_text(SERVERS)
    plan = make_plan(fleet=fleet, script=script, seconds=1800, seed=1, data=tmp_path, servers=servers)
    of_links = {(blow.kind, blow.role) for blow in plan.blows if blow.fault}
    assert {kind for kind, _ in of_links} == {name for name, kind in CATALOGUE.items() if kind.place is Place.LINK}
    assert {link for _, link in of_links} == {"store", "catalog"}
    assert plan.product_config["store"]["secret_key"] == "not-a-secret"


def test_a_full_disk_needs_a_disk_that_may_be_filled(tmp_path: Path) -> None:
    """One for the spool alone, and larger than what is to be left of it."""
    script = "steps:\n  - {at: 1s, for: 2s, fault: disk-full, left: 40}\n"
    with pytest.raises(ConfigError, match=r"script\.yaml:2: disk-full leaves 40 MB of the spool's disk: there is none"):
        plan_of(tmp_path, script)
    with pytest.raises(ConfigError, match="there is one of 40 MB"):
        plan_of(tmp_path, script, spool_disk_mb=40)
    plan = plan_of(tmp_path, script, spool_disk_mb=64)
    assert plan.spool_disk_bytes == 64_000_000
    assert [(blow.kind, blow.role, blow.for_us) for blow in plan.blows] == [("disk-full", "spool", 2_000_000)]


def test_the_example_of_a_full_disk(tmp_path: Path) -> None:
    """It fits its minutes and the disk that `make storm-full-disk` gives it, and kills every process meanwhile."""
    servers = tmp_path / "servers.yaml"
    servers.write_text(SERVERS)
    plan = make_plan(
        fleet=EXAMPLES / "storm-full-disk.yaml",
        script=EXAMPLES / "storm-full-disk-script.yaml",
        seconds=300,
        seed=1,
        data=tmp_path,
        servers=servers,
        spool_disk_mb=512,
    )
    assert "disk-full" in {blow.kind for blow in plan.blows}
    assert {blow.role for blow in plan.blows if blow.kind == "kill"} == {*ROLES, SUPERVISOR}


def test_the_short_example_fits_a_minute() -> None:
    """And twelve cameras."""
    script = EXAMPLES / "storm-minute.yaml"
    make_plan(fleet=EXAMPLES / "storm.yaml", script=script, seconds=60, seed=1, data=Path(), cameras=12)


def test_a_disk_that_is_too_small_is_noticed_before(tmp_path: Path) -> None:
    """Footage and logs of the whole storm, and what is fetched again, have to find room."""
    plan = plan_of(tmp_path)
    plan.data.mkdir()
    require_room(plan, workers=2)
    assert needed_bytes(plan, workers=2) < 2 << 30
    endless = replace(plan, seconds=10**9)
    with pytest.raises(StormFailed, match=r"the storm needs .* GB, the disk has .* GB free"):
        require_room(endless, workers=2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--script": "nowhere.yaml"}, "nowhere.yaml: No such file or directory"),
        ({"--minutes": "0.1"}, "off ends at 11s, the storm at 6s"),
        ({"--data": "."}, "--data .: a storm needs a new or empty directory"),
        ({"--data": "/proc/x"}, "no verdict: --data /proc/x: "),
        ({"--data": "fleet.yaml/x"}, "no verdict: --data fleet.yaml/x: Not a directory"),
        ({"--json": "nowhere/v.json"}, "no verdict: --json nowhere/v.json: No such file or directory"),
        ({"--html": "."}, "no verdict: --html .: Is a directory"),
        ({"--cameras": "99"}, "--cameras 99: fleet.yaml has 2 that are enabled"),
        ({"--minutes": "1m"}, "--minutes: give a number from 0.1 to 1440, such as 10"),
        ({"--minutes": "0"}, "--minutes: give a number from 0.1 to 1440, such as 10"),
    ],
)
def test_a_storm_that_cannot_be_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], said: str
) -> None:
    """Exit 2, with a sentence."""
    monkeypatch.chdir(tmp_path)
    plan_of(tmp_path)
    done = storm({**OPTIONS, **change})
    assert done.exit_code == 2
    assert said in done.output


def test_the_minutes_are_asked_for() -> None:
    """With what to give."""
    done = storm({name: value for name, value in OPTIONS.items() if name != "--minutes"})
    assert (done.exit_code, "--minutes: give a number from 0.1 to 1440, such as 10" in done.output) == (2, True)


@pytest.mark.parametrize(("violations", "code"), [([], 0), ([Violation(rule="no", camera="", detail="x")], 1)])
def test_a_verdict_that_cannot_be_written_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, violations: list[Violation], code: int
) -> None:
    """It is printed, written where it can be, and decides the exit. What was tried before is not left behind."""
    monkeypatch.chdir(tmp_path)
    plan_of(tmp_path)
    before: list[bool] = []

    def stormed(_plan: StormPlan, **_: object) -> Result:
        before.append(Path("data/v.html").exists())
        return Result(violations=violations)

    monkeypatch.setattr(cli_storm, "run_storm", stormed)
    done = storm({**OPTIONS, "--data": "data", "--json": "/dev/full", "--html": "data/v.html"})
    assert done.exit_code == code
    assert done.stdout.rstrip().splitlines()[-1].startswith(("PASSED", "FAILED")[code])
    assert "--json /dev/full: No space left on device" in done.stderr
    assert before == [False]
    assert "Hulta storm" in Path("data/v.html").read_text()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "sent.log"), TypeError("a defect")])
def test_what_prevents_a_verdict_is_no_violation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Exit 1 would say that promises were broken."""
    monkeypatch.chdir(tmp_path)
    plan_of(tmp_path)

    def stormed(_plan: StormPlan, **_: object) -> Result:
        raise error

    monkeypatch.setattr(cli_storm, "run_storm", stormed)
    done = storm(OPTIONS)
    assert (done.exit_code, "no verdict: " in done.stderr) == (2, True)
