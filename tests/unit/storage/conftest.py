"""What the tests of the spool share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.builders_spool import FileSeam

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def seam() -> Iterator[FileSeam]:
    """Every file operation of the test, in order."""
    with FileSeam().installed() as seam:
        yield seam
