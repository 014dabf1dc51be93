"""The file that tells the recording process what to record."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from ingest.assignments import Assignment, read_assignments, write_assignments
from media.errors import ConfigError
from media.url import CameraUrl
from storage.secrets import SecretBox

if TYPE_CHECKING:
    from pathlib import Path

ASSIGNMENT = Assignment(
    stream=UUID(int=2),
    camera=UUID(int=1),
    name="boras-hulta-017-a",
    epoch=3,
    url=CameraUrl.parse("rtsp://hulta:k%40nin%21@10.17.0.11/axis-media/media.amp?x=1"),
    segment_us=60_000_000,
    bitrate_bps=4_000_000,
    networks=("10.17.0.0/24",),
    transport="udp",
    tls_ca="/etc/hulta/cameras.pem",
    tls_pin="sha256/" + 43 * "A" + "=",
    source="libav",
    audio=True,
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """All fields, the password included."""
    box = SecretBox.at(tmp_path / "key")
    path = tmp_path / "assignments.json"
    write_assignments(path, [ASSIGNMENT], box)
    assert read_assignments(path, box) == [ASSIGNMENT]
    url = read_assignments(path, box)[0].url
    assert url is not None
    assert url.password == "k@nin!"


def test_a_file_that_says_nothing_of_sound_asks_for_none(tmp_path: Path) -> None:
    """An earlier version wrote it; and what is no true is false: sound is not recorded by mistake."""
    box = SecretBox.at(tmp_path / "key")
    path = tmp_path / "assignments.json"
    for written in ("", '"audio": "yes",', '"audio": 1,', '"audio": false,'):
        write_assignments(path, [ASSIGNMENT], box)
        path.write_text(path.read_text().replace('"audio": true,', written))
        assert not read_assignments(path, box)[0].audio


def test_the_file_holds_no_credentials_and_belongs_to_its_owner(tmp_path: Path) -> None:
    """Neither the password nor the user name, in any spelling; mode 0600; no temporary file left."""
    path = tmp_path / "assignments.json"
    write_assignments(path, [ASSIGNMENT], SecretBox.at(tmp_path / "key"))
    text = path.read_text()
    assert all(word not in text for word in ("k@nin", "k%40nin", "hulta:", "10.17.0.11"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["assignments.json", "key"]


def test_a_sealed_url_cannot_be_moved_to_another_stream(tmp_path: Path) -> None:
    """Swapping two cameras' secrets in the file is noticed, and is no reason to stop recording the others."""
    box = SecretBox.at(tmp_path / "key")
    path = tmp_path / "assignments.json"
    write_assignments(path, [ASSIGNMENT, replace(ASSIGNMENT, stream=UUID(int=3), name="other")], box)
    path.write_text(path.read_text().replace(str(UUID(int=2)), str(UUID(int=5))))
    moved, other = read_assignments(path, box)
    assert (moved.name, moved.url) == (ASSIGNMENT.name, None)
    assert "cannot be opened" in moved.problem
    assert other.url == ASSIGNMENT.url


@pytest.mark.parametrize("sealed", ["", "zz", "00" * 60])
def test_a_url_that_cannot_be_opened_is_the_trouble_of_its_camera(tmp_path: Path, sealed: str) -> None:
    """Damaged, or sealed with another key: it is named, and nothing of it is repeated."""
    box = SecretBox.at(tmp_path / "key")
    path = tmp_path / "assignments.json"
    write_assignments(path, [ASSIGNMENT], box)
    document = json.loads(path.read_text())
    document["streams"][0]["url"] = sealed
    path.write_text(json.dumps(document))
    (only,) = read_assignments(path, box)
    assert only.url is None
    assert only.problem.startswith("the camera's URL cannot be opened")


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"version": 2, "streams": []}', '{"version": 1, "streams": [{}]}'),
        *('{"version": 1, "streams": [{"stream": 5}]}', "[" * 100_000, "\0" * 4096),
    ],
)
def test_a_file_that_is_something_else_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """The recorder keeps its last assignments; the message names the file."""
    path = tmp_path / "assignments.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"assignments\.json"):
        read_assignments(path, SecretBox.at(tmp_path / "key"))


@pytest.mark.parametrize(
    ("name", "value"), [("segment_us", 0), ("segment_us", "60"), ("bitrate_bps", "4M"), ("epoch", None)]
)
def test_a_number_that_is_none_is_refused(tmp_path: Path, name: str, value: object) -> None:
    """Here, and not by the recorder in the midst of its work."""
    box = SecretBox.at(tmp_path / "key")
    path = tmp_path / "assignments.json"
    write_assignments(path, [ASSIGNMENT], box)
    document = json.loads(path.read_text())
    document["streams"][0][name] = value
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="where a number"):
        read_assignments(path, box)
