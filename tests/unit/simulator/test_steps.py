"""Faults on a time line."""

from __future__ import annotations

from itertools import islice

import pytest

from media.errors import ConfigError
from simulator.faults import make_fault
from simulator.steps import Event, Phase, Script, Step

FLEET = {"norrby-1-a": "norrby-1", "norrby-1-b": "norrby-1", "hulta-1-a": "hulta-1", "spare": ""}
LOSS, STALL, CUT, KILL = (make_fault(name, {}) for name in ("loss", "stall", "cut", "kill"))
S = 1_000_000


def test_a_lasting_fault_begins_and_ends() -> None:
    """On the cameras whose names match, in the order of the fleet."""
    script = Script((Step(at_us=10 * S, for_us=20 * S, fault=LOSS, cameras=("*-a",)),))
    assert list(script.timeline(FLEET)) == [
        Event(10 * S, Phase.BEGIN, 1, LOSS, ("norrby-1-a", "hulta-1-a")),
        Event(30 * S, Phase.END, 1, LOSS, ("norrby-1-a", "hulta-1-a")),
    ]


def test_an_instant_fault_happens_once_or_again_and_again() -> None:
    """Every so long, as long as `for` says, its end left out."""
    once = Step(at_us=S, fault=CUT, cameras=("spare",))
    often = Step(at_us=2 * S, every_us=3 * S, for_us=9 * S, fault=CUT, sites=("hulta-*",))
    events = list(Script((often, once)).timeline(FLEET))
    assert [(event.at_us // S, event.step, event.cameras) for event in events] == [
        (1, 2, ("spare",)),
        (2, 1, ("hulta-1-a",)),
        (5, 1, ("hulta-1-a",)),
        (8, 1, ("hulta-1-a",)),
    ]
    assert {event.phase for event in events} == {Phase.ONCE}


def test_a_step_without_an_end_never_ends() -> None:
    """That is what flags are."""
    for_ever = Step(fault=LOSS, cameras=("*",))
    again = Step(every_us=5 * S, fault=CUT, cameras=("*",))
    events = list(islice(Script((for_ever, again)).timeline(FLEET), 4))
    assert [(event.at_us // S, event.phase) for event in events] == [
        (0, Phase.BEGIN),
        (0, Phase.ONCE),
        (5, Phase.ONCE),
        (10, Phase.ONCE),
    ]


def test_what_ends_ends_before_what_begins() -> None:
    """One fault may follow on the other's heels, also the same one."""
    first = Step(at_us=10 * S, for_us=5 * S, fault=LOSS, cameras=("*",))
    second = Step(at_us=15 * S, for_us=5 * S, fault=LOSS, cameras=("*",))
    events = list(Script((second, first)).timeline(FLEET))
    assert [(event.at_us // S, event.phase, event.step) for event in events] == [
        (10, Phase.BEGIN, 2),
        (15, Phase.END, 2),
        (15, Phase.BEGIN, 1),
        (20, Phase.END, 1),
    ]


def test_a_camera_is_chosen_once_however_many_patterns_match_it() -> None:
    """By its name or its site's."""
    step = Step(for_us=S, fault=LOSS, cameras=("norrby-1-a", "*-a"), sites=("norrby-*",))
    begin, _ = Script((step,)).timeline(FLEET)
    assert begin.cameras == ("norrby-1-a", "norrby-1-b", "hulta-1-a")


@pytest.mark.parametrize(
    ("cameras", "sites", "message"),
    [
        (("norby-1-a",), (), "s.yaml:3: no camera is called `norby-1-a`; did you mean `norrby-1-a`?"),
        (("*",), ("hulta-2",), "s.yaml:3: no site is called `hulta-2`; did you mean `hulta-1`?"),
        (("norrby-1",), (), "s.yaml:3: no camera is called `norrby-1`; did you mean `norrby-1-b`?"),
        (("zzz*",), ("zzz*",), "s.yaml:3: no camera and no site is called `zzz*`; known are "),
    ],
)
def test_a_name_that_nobody_has_is_an_error(cameras: tuple[str, ...], sites: tuple[str, ...], message: str) -> None:
    """A storm whose fault hits nobody would prove nothing."""
    step = Step(for_us=S, fault=LOSS, cameras=cameras, sites=sites, place="s.yaml:3")
    with pytest.raises(ConfigError) as failure:
        Script((step,)).timeline(FLEET)
    assert str(failure.value).startswith(message)


def test_a_city_is_not_listed_whole_and_every_wrong_name_is_said() -> None:
    """Five names are enough to see what they look like; the second mistake is in the same answer."""
    city = {f"gate-{number:02d}": "" for number in range(60)}
    steps = [Step(for_us=S, fault=LOSS, cameras=(f"{name}*",), sites=(f"{name}*",), place=name) for name in ("x", "zz")]
    with pytest.raises(ConfigError) as failure:
        Script(tuple(steps)).timeline(city)
    known = "known are gate-00, gate-01, gate-02, gate-03, gate-04 ... and 55 more"
    assert str(failure.value) == f"x: no camera is called `x*`; {known}\nzz: no camera is called `zz*`; {known}"


def test_a_pattern_of_a_flag_may_match_cameras_or_sites() -> None:
    """It stands in both places."""
    step = Step(fault=LOSS, cameras=("hulta-1",), sites=("hulta-1",))
    (event,) = Script((step,)).timeline(FLEET)
    assert event.cameras == ("hulta-1-a",)


def test_the_same_fault_twice_at_once_is_refused() -> None:
    """What would its end mean? Both places are named."""
    one = Step(at_us=10 * S, for_us=20 * S, fault=LOSS, cameras=("*-a",), place="s.yaml:3")
    two = Step(at_us=29 * S, for_us=S, fault=LOSS, sites=("hulta-1",), place="s.yaml:9")
    with pytest.raises(ConfigError) as failure:
        Script((two, one)).timeline(FLEET)
    assert str(failure.value) == "s.yaml:9: loss from 29s on hulta-1-a, which has it until 30s already (s.yaml:3)"
    assert list(Script((one, Step(at_us=29 * S, for_us=S, fault=LOSS, cameras=("*-b",)))).timeline(FLEET))
    assert list(Script((one, Step(at_us=15 * S, for_us=S, fault=STALL, cameras=("*",)))).timeline(FLEET))
    forever = Step(fault=LOSS, cameras=("*",), place="--fault loss")
    with pytest.raises(ConfigError, match="which has it for ever already"):
        Script((one, forever)).timeline(FLEET)


def test_a_long_fault_is_not_forgotten_behind_a_short_one() -> None:
    """The overlap is found however many steps of other cameras lie between."""
    long = Step(at_us=0, for_us=100 * S, fault=LOSS, cameras=("spare",), place="1")
    between = Step(at_us=10 * S, for_us=S, fault=LOSS, cameras=("hulta-1-a",), place="2")
    again = Step(at_us=90 * S, for_us=S, fault=LOSS, cameras=("*",), place="3")
    with pytest.raises(ConfigError, match="loss from 90s on spare"):
        Script((long, between, again)).timeline(FLEET)


def test_a_fault_of_a_process_has_no_cameras() -> None:
    """It is on the same time line."""
    (event,) = Script((Step(at_us=S, fault=KILL),)).timeline(FLEET)
    assert event == Event(S, Phase.ONCE, 1, KILL, ())
