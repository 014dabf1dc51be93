"""docs/faults.md is about the faults that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.fault_script import read_script
from simulator.faults import CATALOGUE
from simulator.script import parse_flag

PAGE = (Path(__file__).parents[3] / "docs" / "faults.md").read_text()
ROWS = dict(re.findall(r"^\| `([\w-]+)`[^|]*(\|.*)$", PAGE, re.MULTILINE))


def test_every_fault_of_a_camera_has_a_row() -> None:
    """And no row is about a fault that is not there."""
    assert {*ROWS} == {name for name, kind in CATALOGUE.items() if kind.place.of_cameras}


@pytest.mark.parametrize("name", [name for name, kind in CATALOGUE.items() if kind.parameters and name in ROWS])
def test_parameters_stand_with_their_defaults(name: str) -> None:
    """As they are written."""
    for parameter in CATALOGUE[name].parameters:
        assert f"`{parameter.name}={parameter.show(parameter.default)}`" in ROWS[name]


def test_the_example_is_a_script(tmp_path: Path) -> None:
    """Whoever copies it has one that works."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "script.yaml"
    path.write_text(example)
    assert len(read_script(path).steps) == 6


def test_flags_of_the_page_are_flags() -> None:
    """All of them."""
    flags = re.findall(r"--fault ([a-z][^\s`]*)", PAGE)
    assert len(flags) >= 3
    for flag in flags:
        assert parse_flag(flag)
