"""Which key a process has, and what its children inherit."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.errors import KeyUnfit
from server import api_token, key_access
from server.api_token import find_token, make_token
from server.role import ROLES
from server.settings import read_settings
from storage.key_file import GivenKeys
from storage.layout import Layout
from storage.secrets import SecretBox

KEY, OTHER = "11" * 32, "22" * 32
TOKEN = "0123456789abcdef-canary"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HULTA_KEY", raising=False)
    monkeypatch.delenv("HULTA_KEY_FILE", raising=False)
    monkeypatch.setattr(key_access, "_from_parent", None)
    monkeypatch.setattr(key_access, "_used_variables", set())
    monkeypatch.setattr(api_token, "_from_parent", "")


def seals_with(data: Path) -> str:
    """Which key the box of a data directory has, by its id."""
    return key_access.secret_box(Layout(data)).key_id()


def id_of(key: str) -> str:
    """What a key is called."""
    return SecretBox(GivenKeys(key, "test")).key_id()


def test_the_key_is_in_the_data_directory_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As itself or as a file; not both ways."""
    key_access.secret_box(Layout(tmp_path)).seal("x", "y")
    own = seals_with(tmp_path)
    (tmp_path / "elsewhere").touch(0o600)
    (tmp_path / "elsewhere").write_text(OTHER)
    monkeypatch.setenv("HULTA_KEY_FILE", str(tmp_path / "elsewhere"))
    assert seals_with(tmp_path) == id_of(OTHER) != own
    monkeypatch.setenv("HULTA_KEY", KEY)
    with pytest.raises(KeyUnfit, match="both set"):
        seals_with(tmp_path)
    monkeypatch.delenv("HULTA_KEY_FILE")
    assert seals_with(tmp_path) == id_of(KEY)
    monkeypatch.setenv("HULTA_KEY", "")
    with pytest.raises(KeyUnfit, match="HULTA_KEY is not a key"):
        seals_with(tmp_path)


def test_a_child_gets_the_key_and_not_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor any secret that the configuration took from there."""
    monkeypatch.setenv("HULTA_KEY", KEY)
    monkeypatch.setenv("GATE_PASSWORD", "hunter2")
    monkeypatch.setenv("UNUSED", "1")
    config = tmp_path / "hulta.yaml"
    camera = "{name: gate, url: 'rtsp://10.0.0.1/', username: u, password: '${GATE_PASSWORD}'}"
    config.write_text("sites: [{name: s, cameras: [" + camera + "]}]\n")
    read_settings(config)
    inherited = key_access.inheritable()
    assert {"HULTA_KEY", "GATE_PASSWORD"} & set(inherited) == set()
    assert inherited["UNUSED"] == "1"
    line = key_access.handed_down("record").removeprefix(b"\n")
    monkeypatch.delenv("HULTA_KEY")
    key_access.take_over(line)
    assert seals_with(tmp_path) == id_of(KEY)
    key_access.take_over(key_access.handed_down("record"))
    key_access.secret_box(Layout(tmp_path)).seal("x", "y")
    assert seals_with(tmp_path) != id_of(KEY)


def test_the_token_goes_to_serve_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hears cameras has no use for the way into the API."""
    monkeypatch.setenv("HULTA_TOKEN", TOKEN)
    assert "HULTA_TOKEN" not in key_access.inheritable()
    told = {role: key_access.handed_down(role) for role in ROLES}
    assert [role for role in ROLES if TOKEN.encode() in told[role]] == ["serve"]
    monkeypatch.delenv("HULTA_TOKEN")
    key_access.take_over(told["serve"])
    assert make_token(tmp_path / "token") == find_token(tmp_path / "token") == TOKEN
    assert not (tmp_path / "token").exists()


def test_several_keys_of_the_environment_reach_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One on each line, as in a file."""
    monkeypatch.setenv("HULTA_KEY", f"{KEY}\n{OTHER}")
    line = key_access.handed_down("ship")
    monkeypatch.delenv("HULTA_KEY")
    key_access.take_over(line)
    assert seals_with(tmp_path) == id_of(KEY)
    assert key_access.secret_box(Layout(tmp_path)).open(SecretBox(GivenKeys(OTHER, "test")).seal("x", "y"), "y") == "x"
