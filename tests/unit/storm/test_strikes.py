"""Kills and pauses: drawn by seed, carried out on the right process, and nobody stays stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator.faults import Fault, make_fault
from simulator.script import Script, Step
from storm.plan import Blow, blows
from storm.processes import Handle, children, end, handle_of
from storm.strikes import Strikes
from storm.waiting import wait, wall_us

SLEEPER = "import signal, sys; sys.stdout.write('up'); sys.stdout.flush(); signal.pause()"


def step(kind: str, at_s: int, role: str, *, for_s: int | None = None, every_s: int | None = None) -> Step:
    """One line of a script."""
    return Step(
        at_us=at_s * 1_000_000,
        for_us=None if for_s is None else for_s * 1_000_000,
        every_us=None if every_s is None else every_s * 1_000_000,
        fault=make_fault(kind, {"role": role}),
    )


def test_the_blows_of_a_script_in_the_order_of_time() -> None:
    """A pause lasts; a kill that is repeated is many."""
    script = Script((step("kill", 5, "serve", for_s=20, every_s=10), step("pause", 7, "record", for_s=30)))
    assert blows(script, {}, seed=1) == [
        Blow(5_000_000, "kill", "serve", 0, 1),
        Blow(7_000_000, "pause", "record", 30_000_000, 2),
        Blow(15_000_000, "kill", "serve", 0, 1),
    ]


def test_the_same_seed_hits_the_same_roles() -> None:
    """And another one others."""
    script = Script((step("kill", 1, "any", for_s=50, every_s=1),))
    one, same, other = (blows(script, {}, seed=seed) for seed in (1, 1, 2))
    assert one == same != other
    assert {blow.role for blow in one} == {"record", "ship", "keep", "serve", "supervisor"}


class System:
    """Processes that can be hit, and no links."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.gone = False

    def role(self, name: str) -> Handle | None:
        """There is one role."""
        return Handle(self.process.pid) if name == "record" and self.process.poll() is None else None

    def kill(self, role: str, process: Handle) -> None:
        """As the real one."""
        assert role == "record"
        process.signal(signal.SIGKILL)
        self.process.wait()

    def strain(self, what: str, fault: Fault) -> Callable[[], None]:
        """No links."""
        raise AssertionError(f"{fault.name} of {what}")

    def require_simulator(self) -> None:
        """It is there."""
        if self.gone:
            raise RuntimeError("the simulator ended")


@pytest.fixture(name="sleeper")
def _sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(2)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def state_of(pid: int) -> str:
    """`T` is stopped, `S` sleeps."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def quiet(_line: str) -> None:
    """What a storm says while it lasts."""


def test_a_pause_ends(sleeper: subprocess.Popen[bytes]) -> None:
    """Stopped when it is due, and going on afterwards; both moments are noted."""
    said: list[str] = []
    strikes = Strikes(System(sleeper), say=lambda _line: said.append(state_of(sleeper.pid)))
    began_us = wall_us()
    strikes.run([Blow(0, "pause", "record", 300_000, 3)], began_us)
    (strike,) = strikes.done
    assert (strike.role, strike.kind, strike.step) == ("record", "pause", 3)
    assert strike.end_us - strike.at_us >= 300_000
    assert wait(5, lambda: state_of(sleeper.pid) == "S")


def test_whoever_was_stopped_goes_on_however_the_storm_ends(sleeper: subprocess.Popen[bytes]) -> None:
    """Here the simulator ends while a process is stopped."""
    system = System(sleeper)

    def fall(_line: str) -> None:
        system.gone = True

    with pytest.raises(RuntimeError):
        Strikes(system, fall).run(
            [Blow(0, "pause", "record", 60_000_000, 1), Blow(1, "kill", "record", 0, 2)], wall_us()
        )
    assert wait(5, lambda: state_of(sleeper.pid) == "S")


def test_a_kill_is_noted_before_it_is_felt(sleeper: subprocess.Popen[bytes]) -> None:
    """What is lost from that moment on has a cause."""
    strikes = Strikes(System(sleeper), quiet)
    before_us = wall_us()
    strikes.run([Blow(0, "kill", "record", 0, 1)], before_us)
    (strike,) = strikes.done
    assert before_us <= strike.at_us <= wall_us()
    assert sleeper.returncode == -signal.SIGKILL


def test_a_process_that_does_not_come_back_is_a_violation(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storm goes on with what is there."""
    monkeypatch.setattr("storm.strikes.BACK_S", 0.1)
    strikes = Strikes(System(sleeper), quiet)
    strikes.run([Blow(0, "kill", "ship", 0, 1), Blow(0, "kill", "record", 0, 2)], wall_us())
    assert [violation.rule for violation in strikes.violations] == ["processes_come_back"]
    assert [strike.role for strike in strikes.done] == ["record"]


def test_only_a_child_of_what_was_started_is_found(sleeper: subprocess.Popen[bytes]) -> None:
    """A process of the same role that somebody else started is none of ours."""
    assert sleeper.pid in children(os.getpid())
    assert handle_of(sleeper.pid, "record") is None


def test_a_stopped_process_is_ended_too(sleeper: subprocess.Popen[bytes]) -> None:
    """SIGTERM alone would wait until it goes on."""
    sleeper.send_signal(signal.SIGSTOP)
    end(sleeper)
    assert sleeper.returncode == -signal.SIGTERM


def test_an_impatient_interruption_leaves_nothing_behind(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second Ctrl-C while a process is being ended."""
    waiting = sleeper.wait

    def interrupted(timeout: float | None = None) -> int:
        if timeout is not None:
            raise KeyboardInterrupt
        return waiting()

    monkeypatch.setattr(sleeper, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        end(sleeper)
    assert sleeper.returncode is not None


def test_waiting_has_a_bound() -> None:
    """And says whether what was waited for came about."""
    never: Callable[[], bool] = lambda: False  # noqa: E731 - a condition
    assert not wait(0.05, never, look_s=0.01)
