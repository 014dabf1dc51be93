"""The page's files, as they are served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import server
from server.api_page import FILES

PAGE = Path(server.__file__).parent / "page"


def test_every_file_is_served_and_no_other() -> None:
    """What is in the folder is on the list, and the list names nothing else."""
    assert sorted(name for name, _ in FILES.values()) == sorted(path.name for path in PAGE.iterdir())


@pytest.mark.parametrize("path", sorted(PAGE.iterdir()), ids=lambda path: path.name)
def test_what_a_file_refers_to_is_served(path: Path) -> None:
    """Imports, scripts, styles and links lead to files on the list, or to the API."""
    text = path.read_text()
    names = re.findall(r'(?:from|src=|href=) ?"(\.?/[^"]*)"', text)
    assert [name for name in names if name.removeprefix(".") not in {*FILES, "/api/openapi.json"}] == []


def test_the_page_refers_to_elements_that_exist() -> None:
    """Each id that a script asks for is in the document."""
    document = (PAGE / "index.html").read_text()
    asked = set(re.findall(r'byId\("([^"]+)"\)', (PAGE / "page.js").read_text()))
    assert {name for name in asked if f'id="{name}"' not in document} == set()


@pytest.mark.parametrize("path", sorted(PAGE.iterdir()), ids=lambda path: path.name)
def test_a_file_is_valid_for_a_strict_policy(path: Path) -> None:
    """No inline script, style or handler, and no address but our own."""
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?://|style=|onclick|onload|<script>|innerHTML|eval\(", text) == []
