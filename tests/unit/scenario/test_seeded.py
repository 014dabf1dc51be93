"""The seeded bugs stay usable: each still applies to the packages as they are, and names a rule that exists."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from storm.rules_whole import lowest_class_goes_first
from storm.verdict import RULES
from tests.scenario.seeded_bugs import PATCHES, caught_by, copy_product

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [patch.stem for patch in PATCHES]


@pytest.mark.parametrize("patch", PATCHES, ids=NAMES)
def test_a_seeded_bug_applies(patch: Path, tmp_path: Path) -> None:
    """Where the code around a bug was changed, the patch has to be made anew, or nothing proves that it is caught."""
    product = copy_product(tmp_path / "product", patch)
    for source in product.rglob("*.py"):
        compile(source.read_text(), str(source), "exec")
    again = subprocess.run(["git", "apply", "--check", str(patch)], cwd=product, capture_output=True, check=False)
    assert again.returncode != 0, "the patch changed nothing"


@pytest.mark.parametrize("patch", PATCHES, ids=NAMES)
def test_a_seeded_bug_names_the_rule_that_catches_it(patch: Path) -> None:
    """Failing for another reason would not show that the bug was noticed."""
    assert caught_by(patch) in {rule.__name__ for rule in (*RULES, lowest_class_goes_first)}
