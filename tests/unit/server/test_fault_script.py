"""Scripts of faults from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.errors import ConfigError
from server.fault_script import read_script
from simulator.faults import make_fault
from simulator.script import Step


def _script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "storm.yaml"
    path.write_text(text)
    return path


def test_a_script_is_read_from_its_file(tmp_path: Path) -> None:
    """As it is in the documentation; YAML 1.1 reads `off` as a boolean and 404 as a number."""
    path = _script(
        tmp_path,
        "steps:\n"
        '  - {at: 10s, for: 20s, fault: loss, percent: 2, cameras: ["*-a"]}\n'
        "  - {at: 40s, for: 20s, fault: off, sites: [storm-norrby-003]}\n"
        "  - {at: 70s, fault: timestamp-jump, by: 10s, cameras: [storm-hulta-001-b]}\n"
        "  - {at: 5s, every: 10s, for: 3m, fault: kill, role: any}\n"
        "  - at: 0s\n"
        "    for: 1s\n"
        "    fault: 404\n"
        '    cameras: "*"\n',
    )
    script = read_script(path)
    assert [step.fault.name for step in script.steps] == ["loss", "off", "timestamp-jump", "kill", "404"]
    assert script.steps[0] == Step(
        at_us=10_000_000, for_us=20_000_000, fault=make_fault("loss", {"percent": 2}), cameras=("*-a",)
    )
    assert [step.place for step in script.steps] == [f"{path}:{line}" for line in (2, 3, 4, 5, 6)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps:\n- at: 1s\n  fault: cut\n  cameras: ['*']\n  percent: 2\n", ":5: unknown key `percent` for cut"),
        ("steps:\n- at: 1s\n  for: 1s\n  fault: losss\n", ":2: no fault is called `losss`; did you mean `loss`?"),
        ("steps:\n- at: 1s\n  at: 2s\n", ":3: steps[0].at: given twice"),
        ("steps: [\n", ":2: not valid YAML"),
        ("", ":1: a script is a table with the key `steps`"),
    ],
)
def test_an_error_names_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    """Somebody has to find it."""
    path = _script(tmp_path, text)
    with pytest.raises(ConfigError) as failure:
        read_script(path)
    assert str(failure.value).startswith(f"{path}{message}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Not there, or no text."""
    with pytest.raises(ConfigError, match="No such file"):
        read_script(tmp_path / "storm.yaml")
    (tmp_path / "storm.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_script(tmp_path / "storm.yaml")
