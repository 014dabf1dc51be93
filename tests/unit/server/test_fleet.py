"""What the roles say, and how long a word holds of one that says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from server import fleet as module
from server.fleet import ANSWER_S, FRESH_US, KEPT_US, PATIENT_S, RoleWatch
from storage.clock import FakeClock
from storage.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAID = {"run": "01"}


class Role:
    """A recorder that says what it is told to."""

    def __init__(self, root: Path) -> None:
        self.clock = FakeClock()
        self.watch = RoleWatch("record", Layout(root), self.clock)
        self.says: dict[str, Any] | None = SAID
        self.patience: list[float] = []

    async def answer(self, _path: Path, *, timeout_s: float) -> dict[str, Any] | None:
        """As `read_status`, which waits for nothing as long as it may."""
        self.patience.append(timeout_s)
        if self.says is None:
            self.clock.advance(round(timeout_s * 1_000_000))
        return self.says

    async def look(self, after_us: int = FRESH_US + 1) -> tuple[dict[str, Any] | None, int]:
        """What is known of it that much later, and how old that is."""
        self.clock.advance(after_us)
        return await self.watch.look(), self.watch.silent_us


@pytest.fixture(name="role")
def _role(tmp_path: Path) -> Iterator[Role]:
    role = Role(tmp_path)
    with patch.object(module, "read_status", role.answer):
        yield role


async def test_a_role_that_was_never_heard_says_nothing(role: Role) -> None:
    """There is nothing to keep."""
    role.says = None
    assert (await role.look())[0] is None


async def test_an_answer_holds_while_the_role_is_silent_and_not_for_ever(role: Role) -> None:
    """With its age, until the limit; then nobody knows."""
    assert await role.look() == (SAID, 0)
    role.says = None
    answer, silent_us = await role.look()
    assert (answer, silent_us) == (SAID, FRESH_US + 1 + 500_000)
    while silent_us <= KEPT_US:
        assert answer == SAID
        before_us, (answer, silent_us) = silent_us, await role.look()
        assert silent_us > before_us
    assert answer is None
    assert silent_us <= KEPT_US + FRESH_US + 1 + PATIENT_S * 1_000_000
    role.says = {"run": "02"}
    assert await role.look() == ({"run": "02"}, 0)


async def test_the_question_after_one_without_answer_is_patient(role: Role) -> None:
    """Every other one, as long as it is silent: a busy host answers, and nobody waits long for one that is dead."""
    role.says = None
    for _ in range(4):
        await role.look()
    role.says = SAID
    for _ in range(2):
        await role.look()
    assert role.patience == [ANSWER_S, PATIENT_S, ANSWER_S, PATIENT_S, ANSWER_S, ANSWER_S]


async def test_what_was_asked_a_moment_ago_is_not_asked_again(role: Role) -> None:
    """Many who ask are one question."""
    for _ in range(3):
        await role.look(after_us=1000)
    assert role.patience == [ANSWER_S]
