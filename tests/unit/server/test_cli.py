"""The command line: what it prints and how it exits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from media.errors import CatalogError, ConfigError, HultaError, NoFootage, NotFound, RangeError
from server.cli import build
from server.cli_footage import _table
from server.cli_frame import exit_code, new_table
from server.cli_status import COLUMNS, _row

SECRET = "hunter2-canary"
CONFIG = """\
policies:
  default: {keep_max: 62d, purpose: "permit 55"}
sites:
  - name: harbour
    cameras:
      - {name: gate, url: rtsp://10.0.0.1/x, username: u, password: "${CAM_PASSWORD}", bitrate: 6M}
      - {name: pier, url: rtsp://10.0.0.2/x, enabled: false}
"""


@pytest.fixture(name="config")
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("HULTA_CONFIG", "HULTA_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CAM_PASSWORD", SECRET)
    path = tmp_path / "my.yaml"
    path.write_text(CONFIG)
    return path


def hulta(*words: str | Path, given: str = "") -> Result:
    """What a command prints and how it exits. It never prints the password, and never a traceback."""
    result = CliRunner().invoke(build(), [str(word) for word in words], input=given)
    assert SECRET not in result.output
    assert "Traceback" not in result.output
    return result


def test_config_check_explains(config: Path) -> None:
    """What is recorded, how long it is kept, how much that is."""
    result = hulta("config", "check", config)
    assert result.exit_code == 0
    for words in (
        "127.0.0.1:8080 (open to this host)",
        "default keeps 62d at most: permit 55",
        "2 at 1 sites, 1 of them",
    ):
        assert words in result.output
    assert "6Mbit/s, 64.8 GB a day" in result.output


@pytest.mark.parametrize("way", ["argument", "option", "variable", "default"])
def test_the_configuration_is_found(config: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, in HULTA_CONFIG, or as ./hulta.yaml."""
    words: list[str | Path] = ["config", "check"]
    if way == "argument":
        words.append(config)
    elif way == "option":
        words += ["--config", config]
    elif way == "variable":
        monkeypatch.setenv("HULTA_CONFIG", str(config))
    else:
        config.rename("hulta.yaml")
    assert "2 at 1 sites" in hulta(*words).output


def test_a_fault_of_the_configuration_is_a_sentence_and_exit_2(config: Path) -> None:
    """For every command that reads it."""
    config.write_text("hots: {}\n")
    for words in (
        ["config", "check", config],
        ["run", "--config", config],
        ["apply", config],
    ):
        result = hulta(*words)
        assert (result.exit_code, "my.yaml:1: hots: unknown key; did you mean `host`?" in result.output) == (2, True)
    assert not Path("hulta-data").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["footage", "gate", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T01:00:00Z"],
        ["export", "gate", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T01:00:00Z", "-o", "f.mp4"],
        ["check"],
        ["cameras", "list"],
    ],
)
def test_a_question_needs_no_passwords(config: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    """An operator's shell has none of the variables that the service has; the address of the server is in the file."""
    hulta("apply", config)
    monkeypatch.delenv("CAM_PASSWORD")
    config.write_text(f"host: {{listen: '127.0.0.1:9'}}\n{CONFIG}")
    result = hulta(*words, "--config", config)
    assert "CAM_PASSWORD" not in result.output
    asks = words[0] in {"status", "footage", "export"}
    assert ("no server answers at http://127.0.0.1:9" in result.output, result.exit_code) == (asks, int(asks))
    config.write_text("host: {listen: '${NOT_SET}'}\n")
    result = hulta(*words, "--config", config)
    assert (result.exit_code, "the environment variable NOT_SET is not set" in result.output) == (2, True)


def test_an_empty_file_is_called_so(config: Path) -> None:
    """It is valid, and it is hardly what somebody meant."""
    for text in ("", "# nothing yet\n", "{}\n"):
        config.write_text(text)
        result = hulta("config", "check", config)
        assert (result.exit_code, "The file says nothing: no cameras are recorded" in result.output) == (0, True)
    config.write_text("host: {}\n")
    assert "says nothing" not in hulta("config", "check", config).output


def test_changes_are_printed_as_the_file_has_them(config: Path) -> None:
    """62d, not 5356800000000; 6M, not 6000000."""
    hulta("apply", config)
    config.write_text(CONFIG.replace("62d", "36h").replace("bitrate: 6M", "bitrate: 1.5M"))
    changed = hulta("apply", config).output
    assert 'policy default changed: keep_max "62d" -> "36h"' in changed
    assert 'bitrate "6M" -> "1.5M"' in changed


def test_a_missing_file_is_a_sentence(config: Path) -> None:
    """With its name."""
    result = hulta("run", "--config", "nowhere.yaml")
    assert (result.exit_code, "nowhere.yaml: No such file or directory" in result.output) == (2, True)
    assert config.exists()


def test_apply_prints_the_difference_and_the_ids_it_minted(config: Path) -> None:
    """Once; the second time there is nothing to do. A dry run changes nothing."""
    planned = hulta("apply", config, "--dry-run")
    assert (planned.exit_code, "camera gate added" in planned.output, "would change" in planned.output) == (
        0,
        True,
        True,
    )
    first = hulta("apply", config)
    assert re.search(r"camera gate added \(id: [0-9a-f-]{36}\)", first.output)
    assert "Nothing to change." in hulta("apply", config).output


def test_apply_disables_what_the_file_no_longer_lists_only_with_prune(config: Path) -> None:
    """A line that was lost in an editor does not stop a recording."""
    hulta("apply", config)
    config.write_text(CONFIG[: CONFIG.index("      - {name: gate")])
    config.write_text(config.read_text() + "      - {name: pier, url: rtsp://10.0.0.2/x, enabled: false}\n")
    assert "Nothing to change." in hulta("apply", config).output
    assert "camera gate disabled" in hulta("apply", config, "--prune").output


def test_starting_without_a_policy_shortens_nothing(config: Path) -> None:
    """What an earlier configuration promised to keep stays promised."""
    hulta("apply", config)
    config.write_text("sites: []\n")
    assert "Nothing to change." in hulta("apply", config).output


def test_cameras_are_added_listed_and_removed(config: Path) -> None:
    """The password is asked for; it is shown nowhere."""
    assert config.exists()
    added = hulta(
        "cameras",
        "add",
        "rtsp://10.0.0.3/x",
        "--name",
        "tower",
        "--site",
        "hill",
        "--username",
        "u",
        given=f"{SECRET}\n",
    )
    assert re.search(r"tower is [0-9a-f-]{36}", added.output)
    listed = hulta("cameras", "list")
    assert re.search(r"tower +hill +rtsp://10.0.0.3/x +default +api +yes", listed.output)
    assert "tower is disabled" in hulta("cameras", "remove", "tower").output
    assert re.search(r"tower .* no", hulta("cameras", "list").output)


def test_a_camera_is_not_silently_replaced(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is taken is refused with what to do about it; asked to change the camera, its id stays."""
    assert config.exists()
    monkeypatch.setenv("HULTA_CAMERA_PASSWORD", SECRET)
    words = ["--name", "tower", "--site", "hill", "--username", "u", "--bitrate", "4M"]
    first = hulta("cameras", "add", "rtsp://10.0.0.3/x", *words)
    refused = hulta("cameras", "add", "rtsp://10.0.0.4/y", *words)
    assert refused.exit_code == 1
    assert "there is a camera tower already" in refused.output
    assert "--change" in refused.output
    assert "rtsp://10.0.0.3/x" in hulta("cameras", "list", "--json").output
    second = hulta("cameras", "add", "rtsp://10.0.0.4/y", *words, "--change")
    assert first.output == second.output
    assert "rtsp://10.0.0.4/y" in hulta("cameras", "list", "--json").output


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["cameras", "add", "http://10.0.0.1/", "--name", "a", "--site", "b"], 2, "is opened by `source: libav` only"),
        (["cameras", "test", "rtsp://10.0.0.1/", "--source", "vlc"], 2, "--source: must be rtsp or libav"),
        (["cameras", "add", "rtsp://10.0.0.1/", "--name", "a/b", "--site", "b"], 2, "--name: must be 1 to 64 letters"),
        (["cameras", "test", "rtsps://10.0.0.1/", "--tls-pin", "x"], 2, "--tls-pin: must be `sha256/` and the SHA-256"),
        (["cameras", "test", "rtsps://10.0.0.1/", "--tls-ca", "ca.pem"], 2, "--tls-ca: must be the whole path"),
        (
            ["cameras", "add", "rtsp://10.0.0.1/", "--name", "a", "--site", "b", "--bitrate", "x"],
            2,
            "--bitrate: must be a bit rate",
        ),
        (["cameras", "add", "rtsp://10.0.0.1/", "--name", "a", "--site", "b", "--policy", "x"], 2, "policy"),
        (["cameras", "add", "rtsp://10.0.0.1/"], 2, "Missing option"),
        (["cameras", "remove", "nobody"], 3, "there is no data directory"),
        (["cameras", "list", "--data", "nowhere"], 3, "there is no data directory"),
        (["status", "--data", "nowhere"], 3, "there is no data directory"),
        (["check", "--data", "."], 3, "there is no data directory"),
        (["nonsense"], 2, "No such command"),
        (["export", "gate"], 2, "Missing option"),
        (["demo", "--cameras", "0"], 2, "greater than or equal to 1"),
        (["simulate", "--bitrate", "fast"], 2, "bitrate 'fast'"),
        (["simulate", "--file", "nowhere.mp4"], 2, "no such file"),
        (["simulate", "--fleet", "nowhere.yaml"], 2, "nowhere.yaml: No such file"),
        (["simulate", "--fleet", "my.yaml", "--fps", "12"], 2, "--fleet says itself what --fps would say"),
        (["simulate", "--fault", "los"], 2, "--fault los: no fault is called `los`; did you mean `loss`?"),
        (["simulate", "--fault", "loss@cam/0002"], 2, "no camera is called `cam/0002`; did you mean `cam/0001`?"),
        (["simulate", "--fault", "kill,at=1s"], 2, "--fault kill,at=1s: kill is for the recorder, not for cameras"),
        (["simulate", "--script", "nowhere.yaml"], 2, "nowhere.yaml: No such file"),
        (["simulate", "--gop", "1"], 2, "--gop: duration '1': a number with a unit such as 1s, 500ms, 2m or 1h"),
        (["simulate", "--gop", "1h"], 2, "--gop: simulator gop"),
        (["simulate", "--codec", "mpeg2"], 2, "--codec: codec 'mpeg2': simulated cameras have h264"),
        (["simulate", "--codec", "h264", "--file", "x.mp4"], 2, "--file has a codec of its own"),
        (["simulate", "--fleet", "my.yaml", "--codec", "h264"], 2, "--fleet says itself what --codec would say"),
        (["simulate", "--bitrate", "4X"], 2, "--bitrate: bitrate '4X'"),
        (["simulate", "--fps", "0"], 2, "--fps: simulator fps 0: must be between 1 and 120"),
        (["simulate", "--username", "u"], 2, "--password (or HULTA_SIMULATE_PASSWORD) is missing"),
        (["simulate", "--password", "p"], 2, "--username is missing"),
        (["simulate", "--wait"], 2, "--wait is about --script, which is not given"),
    ],
)
def test_what_a_person_gets_wrong_is_a_sentence(config: Path, words: list[str], code: int, message: str) -> None:
    """With an exit that scripts can tell apart."""
    assert config.exists()
    result = hulta(*words)
    assert (result.exit_code, message in result.output) == (code, True), result.output


@pytest.mark.parametrize("words", [["config", "check", "my.yaml"], ["simulate", "--port", "0"]])
def test_nobody_reads_on(config: Path, words: list[str]) -> None:
    """`hulta ... | head -3` ends without a word, as a program that SIGPIPE has ended."""
    assert config.exists()
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-P", "-m", "server", *words]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_no_server_is_a_sentence(config: Path) -> None:
    """Questions about footage go to the server; without one they fail, and say how to start it."""
    hulta("apply", config)
    for words in (
        ["status"],
        ["footage", "gate", "--from", "x", "--to", "y"],
        ["export", "gate", "--from", "x", "--to", "y", "-o", "f.mp4"],
    ):
        config.with_name("hulta.yaml").write_text("host: {listen: '127.0.0.1:1'}\n")
        result = hulta(*words)
        assert (result.exit_code, "no server answers at http://127.0.0.1:1" in result.output) == (1, True)
        assert "hulta run" in result.output
    assert not Path("f.mp4").exists()
    assert not Path("f.mp4.part").exists()


def test_a_camera_that_is_no_name_is_not_found(config: Path) -> None:
    """Whatever it would have meant in a path."""
    hulta("apply", config)
    for name in ("", "../../x"):
        result = hulta("footage", name, "--from", "x", "--to", "y")
        assert (result.exit_code, f"no camera '{name}'" in result.output) == (3, True)


def test_an_export_into_a_directory_is_a_sentence(config: Path) -> None:
    """Before anything is fetched."""
    hulta("apply", config)
    for file in (".", "", "hulta-data"):
        result = hulta("export", "gate", "--from", "x", "--to", "y", "-o", file)
        assert (result.exit_code, "is a directory: name the mp4 to write" in result.output) == (2, True)


def test_a_question_creates_nothing(config: Path) -> None:
    """An empty directory is not a server's, and stays empty."""
    empty = config.with_name("empty")
    empty.mkdir()
    for words in (["check"], ["cameras", "list"], ["status"]):
        assert hulta(*words, "--data", empty).exit_code == 3
    assert not list(empty.iterdir())


def test_an_address_that_is_not_recorded_from_is_named(config: Path) -> None:
    """The file is valid; the camera would stay dark."""
    camera = "cameras: [{name: gate, url: 'rtsp://127.0.0.1:8554/cam/0001'}]"
    config.write_text(f"sites:\n  - {{name: harbour, {camera}}}\n")
    result = hulta("config", "check", config)
    assert (result.exit_code, "camera gate has the address 127.0.0.1" in result.output) == (0, True)
    config.write_text(f"sites:\n  - {{name: harbour, networks: [127.0.0.0/8], {camera}}}\n")
    assert "warning" not in hulta("config", "check", config).output


def test_a_data_directory_that_may_not_be_used_is_a_sentence(config: Path) -> None:
    """A file in its place."""
    assert config.exists()
    Path("hulta-data").write_text("")
    result = hulta("apply", config)
    assert (result.exit_code, "hulta-data" in result.output) == (1, True)


def test_exits_are_those_of_the_contract() -> None:
    """0 done, 1 failed, 2 usage, 3 not found, 4 nothing in range."""
    errors = (HultaError("x"), CatalogError("x"), ConfigError("x"), RangeError("x"), NotFound("x"), NoFootage("x"))
    assert [exit_code(error) for error in errors] == [1, 1, 2, 2, 3, 4]


@pytest.mark.parametrize("said", ["404 No [/x] here", "404 [bold]No", "404 \x1b]0;No\x1b[2J"])
def test_what_a_camera_says_is_shown_and_not_obeyed(said: str) -> None:
    """One camera's words keep nobody from seeing the others, and do not reach the terminal as orders."""
    at = "2026-01-01T00:00:00.000000Z"
    camera = {"name": "gate", "site": "harbour", "state": "failed", "reason": "protocol", "detail": said, "since": at}
    status = new_table(*COLUMNS)
    status.add_row(*_row({**camera, "durable_through": None, "bitrate_bps": None, "camera_clock_offset_us": None}))
    gap = {"from": at, "to": at, "reason": "protocol", "detail": said}
    footage = _table({"spans": [], "gaps": [gap], "expired": [], "missing": [], "pending": []})
    console = Console(width=200, force_terminal=True, color_system=None)
    for table in (status, footage):
        with console.capture() as printed:
            console.print(table)
        assert f"protocol: {said}".replace("\x1b", "?") in printed.get()
