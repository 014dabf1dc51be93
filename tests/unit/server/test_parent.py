"""Children end with their supervisor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
CODE = "import os; from server.parent import *; print(follow_parent(), PARENT_VARIABLE in os.environ)"


def run(parent: str | None) -> str:
    """What a child prints that was told of this parent."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if parent is not None:
        environment["HULTA_SUPERVISOR_PID"] = parent
    return subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_a_child_of_its_supervisor_goes_on() -> None:
    """And does not hand the number on to what it starts itself."""
    assert run(str(os.getpid())) == "True False\n"


def test_a_child_whose_supervisor_is_gone_ends() -> None:
    """It was started by somebody who died before it could ask to be ended with him."""
    assert run("1") == ""


def test_what_no_supervisor_started_is_left_alone() -> None:
    """A role that is run by hand ends by hand."""
    assert run(None) == "False False\n"
