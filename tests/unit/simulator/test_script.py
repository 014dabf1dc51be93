"""Scripts and flags as people write them."""

from __future__ import annotations

import pytest

from media.errors import ConfigError
from simulator.faults import make_fault
from simulator.script import MAX_STEPS, Step, parse_flag, parse_script
from simulator.steps import MOST_SAID

S = 1_000_000


def _where(path: tuple[str | int, ...]) -> str:
    return "s.yaml:" + ".".join(map(str, path))


def _parse(*steps: object) -> tuple[Step, ...]:
    return parse_script({"steps": [*steps]}, _where).steps


def test_a_script_is_read() -> None:
    """Every kind of step."""
    steps = _parse(
        {"at": "10s", "for": "20s", "fault": "loss", "percent": 3, "cameras": ["*-a", "b"]},
        {"at": 0, "for": "500ms", "fault": False, "sites": "norrby-1"},
        {"at": "1s", "for": "1s", "fault": 404, "cameras": ["*"]},
        {"at": "5s", "every": "10s", "for": "3m", "fault": "kill", "role": "any"},
        {"at": "5s", "fault": "timestamp-jump", "by": "1s", "cameras": [17]},
    )
    assert steps == (
        Step(at_us=10 * S, for_us=20 * S, fault=make_fault("loss", {"percent": 3}), cameras=("*-a", "b")),
        Step(for_us=S // 2, fault=make_fault("off", {}), sites=("norrby-1",)),
        Step(at_us=S, for_us=S, fault=make_fault("404", {}), cameras=("*",)),
        Step(at_us=5 * S, every_us=10 * S, for_us=180 * S, fault=make_fault("kill", {})),
        Step(at_us=5 * S, fault=make_fault("timestamp-jump", {"by": "1s"}), cameras=("17",)),
    )
    assert [step.place for step in steps] == [f"s.yaml:steps.{index}" for index in range(5)]


STEP = {"at": "1s", "for": "1s", "fault": "loss", "cameras": ["*"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fault": "los"}, "s.yaml:steps.0: no fault is called `los`; did you mean `loss`?"),
        ({"fault": True}, "s.yaml:steps.0: no fault is called `True`"),
        ({"fault": None}, "s.yaml:steps.0: a step needs `fault:`, the name of one"),
        ({"percnt": 1}, "s.yaml:steps.0.percnt: unknown key `percnt` for loss; did you mean `percent`?"),
        ({"percent": 200}, "s.yaml:steps.0.percent: percent '200': must be between 0.01 and 100"),
        ({"camera": "x"}, "s.yaml:steps.0.camera: unknown key `camera` for loss; did you mean `cameras`?"),
        ({"at": None}, "s.yaml:steps.0: at None: must be a number with a unit such as 10s, 500ms, 2m or 1h"),
        ({"at": "later"}, "s.yaml:steps.0: at 'later': must be a number with a unit such as 1s, 500ms, 2m or 1h"),
        ({"at": 10}, "s.yaml:steps.0: at 10: must be a number with a unit such as 10s, 500ms, 2m or 1h"),
        ({"at": "2000m"}, "s.yaml:steps.0: at '2000m': must be at most 86400s"),
        ({"for": 0}, "s.yaml:steps.0: `for` must be longer than 0"),
        ({"every": "1s"}, "s.yaml:steps.0: loss lasts: it takes `for`, not `every`"),
        ({"fault": "cut"}, "s.yaml:steps.0: cut happens in an instant: with `for` it needs `every`, how often"),
        ({"fault": "cut", "every": "1ms"}, "s.yaml:steps.0: `for` must be longer than 0, `every` at least 100ms"),
        ({"fault": "cut", "every": "100ms", "for": "20m"}, "s.yaml:steps.0: that is more than 10000 times"),
        ({"cameras": []}, "s.yaml:steps.0: cameras: must be names or patterns"),
        ({"cameras": {"a": 1}}, "s.yaml:steps.0: cameras: must be names or patterns"),
        ({"cameras": [None]}, "s.yaml:steps.0: cameras: must be names or patterns"),
        ({"fault": "pause"}, "s.yaml:steps.0: pause is for the recorder: it takes no `cameras` and no `sites`"),
    ],
)
def test_what_is_wrong_with_a_step_is_said(change: dict[str, object], message: str) -> None:
    """Where it stands, and what it may be."""
    with pytest.raises(ConfigError) as failure:
        _parse({**STEP, **change})
    assert str(failure.value).startswith(message)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("at", "a step needs `at:`, when it begins, such as 10s"),
        ("for", "loss lasts: it needs `for:`, how long, such as 20s"),
        ("cameras", "loss needs `cameras` or `sites`; ['*'] is all"),
        ("fault", "a step needs `fault:`, the name of one"),
    ],
)
def test_what_a_step_lacks_is_said(missing: str, message: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ConfigError) as failure:
        _parse({key: value for key, value in STEP.items() if key != missing})
    assert str(failure.value) == f"s.yaml:steps.0: {message}"


def test_what_is_wrong_with_every_step_is_said_at_once() -> None:
    """Up to a screenful."""
    with pytest.raises(ConfigError) as failure:
        parse_script({"steps": [{**STEP, "at": 10}, STEP, {**STEP, "fault": "los"}]}, _where)
    first, second = str(failure.value).splitlines()
    assert first.startswith("s.yaml:steps.0: at 10")
    assert second.startswith("s.yaml:steps.2: no fault is called `los`")
    with pytest.raises(ConfigError) as failure:
        parse_script({"steps": [{**STEP, "at": 10}] * 50}, _where)
    assert str(failure.value).splitlines()[MOST_SAID:] == ["... and 30 more"]


def test_a_flag_is_not_offered_what_only_storms_do() -> None:
    """`kil` is near to `kill`, which the simulator would refuse."""
    with pytest.raises(ConfigError) as failure:
        parse_flag("kil,at=1s")
    assert "kill`" not in str(failure.value)


@pytest.mark.parametrize(
    "value",
    [None, [], "steps", {}, {"steps": {}}, {"steps": []}, {"steps": ["x"]}, {"steps": [STEP] * (MAX_STEPS + 1)}],
)
def test_what_is_no_script_is_refused(value: object) -> None:
    """With the place."""
    with pytest.raises(ConfigError, match=r"^s\.yaml:"):
        parse_script(value, _where)


def test_an_unknown_key_beside_the_steps_is_refused() -> None:
    """Somebody meant something by it."""
    with pytest.raises(ConfigError, match=r"^s\.yaml:step: unknown key `step`; did you mean `steps`\?"):
        parse_script({"steps": [STEP], "step": []}, _where)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("stall", Step(fault=make_fault("stall", {}), cameras=("*",), sites=("*",))),
        (
            "loss,percent=0.5@norrby-*",
            Step(fault=make_fault("loss", {"percent": 0.5}), cameras=("norrby-*",), sites=("norrby-*",)),
        ),
        (
            "cut,every=10s@*-a",
            Step(every_us=10 * S, fault=make_fault("cut", {}), cameras=("*-a",), sites=("*-a",)),
        ),
        (
            "timestamp-jump,at=5s,by=1s",
            Step(at_us=5 * S, fault=make_fault("timestamp-jump", {"by": "1s"}), cameras=("*",), sites=("*",)),
        ),
        ("off,at=1s,for=2s", Step(at_us=S, for_us=2 * S, fault=make_fault("off", {}), cameras=("*",), sites=("*",))),
    ],
)
def test_a_flag_is_a_step(text: str, step: Step) -> None:
    """On all cameras and for ever, unless it says otherwise."""
    assert parse_flag(text) == step


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("losss", "no fault is called `losss`; did you mean `loss`?"),
        ("loss,percent", "`percent`: parameters are written key=value, each once"),
        ("loss,percent=1,percent=2", "`percent=2`: parameters are written key=value, each once"),
        ("loss,percent=101", "percent '101': must be between 0.01 and 100"),
        ("loss,colour=1", "loss has no parameter `colour`"),
        ("kill,at=1s", "kill is for the recorder, not for cameras: only `hulta storm` does that"),
        ("loss@", "after `@` comes a pattern of camera or site names"),
        ("cut", "cut happens in an instant: say when, `at=10s`, or how often, `every=10s`"),
    ],
)
def test_what_is_wrong_with_a_flag_is_said(text: str, message: str) -> None:
    """With the flag as it was written."""
    with pytest.raises(ConfigError) as failure:
        parse_flag(text)
    assert str(failure.value).startswith(f"--fault {text}: {message}")
