"""Anything may happen to a host in any order: both catalogs and a model in plain Python must agree at the end.

The same rules for the embedded catalog and for PostgreSQL. `HULTA_STATES` is how many lives are tried (`make states`
tries many); what fails is printed as a program that repeats it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.catalog_backings import Backing, PostgresBacking, SqliteBacking
from tests.catalog_world import LostAnswer, World
from tests.mortal import Calls

if TYPE_CHECKING:
    from collections.abc import Coroutine

ASKED = os.environ.get("HULTA_STATES")
LIVES = int(ASKED or "30")
STEPS = 25

SECONDS = st.integers(3, 9)
CALL, OPERATION = st.integers(0, 24), st.integers(0, 60)
records = precondition(lambda self: self.world.run is not None)
idles = precondition(lambda self: self.world.run is None)


class Lives(RuleBasedStateMachine):
    """A recorder, `ship`, `keep`, an operator, and what befalls them."""

    def backing(self, root: Path) -> Backing:
        """Where the catalog is."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        """An empty data directory, in memory where that is possible."""
        memory = Path("/dev/shm")
        self._place = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self._loop = asyncio.Runner()
        self.world = World(Path(self._place.name), self.backing(Path(self._place.name)))
        self._do(self.world.begin())

    def _do(self, work: Coroutine[Any, Any, object]) -> None:
        self._loop.run(work)

    @idles
    @rule()
    def start_run(self) -> None:
        """A recorder starts, and waits for a sync sample."""
        self.world.start_run()

    @records
    @rule(seconds=SECONDS)
    def record(self, seconds: int) -> None:
        """One segment."""
        self.world.record(seconds)

    @records
    @rule(seconds=SECONDS)
    def stall(self, seconds: int) -> None:
        """The camera sends nothing for a while."""
        self.world.stall(seconds)

    @records
    @rule(lengths=st.lists(SECONDS, min_size=1, max_size=6))
    def record_more(self, lengths: list[int]) -> None:
        """Segments without time between them."""
        for seconds in lengths:
            self.world.record(seconds)

    @records
    @rule()
    def die(self) -> None:
        """The recorder is killed between two segments."""
        self.world.die()

    @records
    @rule(seconds=SECONDS)
    def die_within(self, seconds: int) -> None:
        """It is killed in the middle of a fragment."""
        self.world.die_within(seconds)

    @records
    @rule()
    def stop(self) -> None:
        """It stops as it is told."""
        self.world.stop()

    @rule(minutes=st.integers(1, 9))
    def wait(self, minutes: int) -> None:
        """Minutes in which nothing is recorded."""
        self.world.wait(60 * minutes)

    @rule(again=st.booleans())
    def ship(self, *, again: bool) -> None:
        """And, when it is done, a new process finds nothing to change."""
        self._do(self.world.ship())
        self._do(self.world.require_agreement())
        if again:
            self.world.restart()
            self._do(self.world.ship())
            self._do(self.world.require_agreement())

    @rule(call=CALL, after=st.booleans(), dies=st.booleans())
    def ship_in_trouble(self, call: int, *, after: bool, dies: bool) -> None:
        """Killed, or left without an answer, before or after a call to catalog or store."""
        self._do(self.world.ship_with(Calls(call, after=after) if dies else LostAnswer(call, after=after)))

    @rule(operation=OPERATION)
    def ship_and_die_at_the_disk(self, operation: int) -> None:
        """Between two file operations."""
        self._do(self.world.ship_and_die_at_the_disk(operation))

    @rule()
    def sweep(self) -> None:
        """Two sweeps, and what is due is gone."""
        self._do(self.world.sweep())

    @rule(call=CALL, after=st.booleans(), dies=st.booleans())
    def sweep_in_trouble(self, call: int, *, after: bool, dies: bool) -> None:
        """As in `ship_in_trouble`."""
        self._do(self.world.sweep_with(Calls(call, after=after) if dies else LostAnswer(call, after=after)))

    @rule()
    def object_to_marks(self) -> None:
        """Somebody wants to keep what is marked."""
        self._do(self.world.object_to_marks())

    @rule()
    def give_up_what_waits(self) -> None:
        """The spool's disk is full."""
        self._do(self.world.give_up_what_waits())

    @rule()
    def lose_an_object(self) -> None:
        """Somebody deletes an object."""
        self._do(self.world.lose_an_object())

    @rule()
    def find_what_was_lost(self) -> None:
        """And brings it back."""
        self._do(self.world.find_what_was_lost())

    @rule()
    def save(self) -> None:
        """A copy of the catalog is taken."""
        self._do(self.world.save())

    @precondition(lambda self: self.world.has_copy)
    @rule()
    def restore(self) -> None:
        """It is put in place of the catalog, and all processes begin anew."""
        self._do(self.world.restore())

    @invariant()
    def nothing_is_lost(self) -> None:
        """After every step, whatever was cut short."""
        self.world.require_nothing_lost()

    def teardown(self) -> None:
        """Everything comes to rest, and must agree."""
        if not hasattr(self, "world"):
            return
        try:
            self.world.crash()
            self._do(self.world.ship())
            self._do(self.world.require_agreement())
        finally:
            self._do(self.world.end())
            self._loop.close()
            self._place.cleanup()


class SqliteLives(Lives):
    """In the embedded catalog."""

    def backing(self, root: Path) -> Backing:
        """See `Lives.backing`."""
        return SqliteBacking(root)


class PostgresLives(Lives):
    """In PostgreSQL."""

    def backing(self, root: Path) -> Backing:
        """See `Lives.backing`."""
        del root
        return PostgresBacking()


LONG_AND_MANY = settings(
    max_examples=LIVES,
    stateful_step_count=STEPS,
    print_blob=True,
    derandomize=not ASKED,  # who changed nothing sees no new failure; `make states` looks for some
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestSqlite, TestPostgres = SqliteLives.TestCase, PostgresLives.TestCase
TestSqlite.settings = TestPostgres.settings = LONG_AND_MANY
