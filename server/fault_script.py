"""Scripts of faults from files: YAML in, `simulator.script` out, every error with file and line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from server import yaml_loader
from server.settings import read_text
from simulator.script import parse_script

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.script import Script


def read_script(path: Path) -> Script:
    """The script in a file. ConfigError names file and line, and the nearest of what is known."""
    document = yaml_loader.load(read_text(path), file=str(path), environment=os.environ)
    return parse_script(document.value, lambda at: f"{path}:{document.line(at)}")
