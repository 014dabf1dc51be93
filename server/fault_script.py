"""Scripts of faults from files: YAML in, `simulator.script` out, every error with file and line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from media.errors import ConfigError
from server import yaml_loader
from simulator.script import parse_script

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.script import Script


def read_script(path: Path) -> Script:
    """The script in a file. ConfigError names file and line, and the nearest of what is known."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}:1: the file is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'cannot be read'}") from None
    document = yaml_loader.load(text, file=str(path), environment=os.environ)
    return parse_script(document.value, lambda at: f"{path}:{document.line(at)}")
