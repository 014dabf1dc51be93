"""The catalogue of faults: names, parameters, bounds."""

from __future__ import annotations

import pytest

from media.errors import ConfigError
from simulator.faults import CATALOGUE, make_fault


def test_every_fault_can_be_had_without_parameters() -> None:
    """Each parameter has a default, and the default lies within its bounds."""
    for name, kind in CATALOGUE.items():
        fault = make_fault(name, {})
        assert {parameter.name for parameter in kind.parameters} == {*fault.parameters}
        assert make_fault(name, fault.written()) == fault


@pytest.mark.parametrize(
    ("name", "written", "parameter", "value"),
    [
        ("trickle", {"rate": "1.5M"}, "rate", 1_500_000),
        ("flood", {"factor": 3}, "factor", 3),
        ("loss", {"percent": "0.5"}, "percent", 0.5),
        ("gop", {"length": "2m"}, "length", 120_000_000),
        ("drift", {"ppm": "-4000"}, "ppm", -4000),
        ("timestamp-jump", {"by": "1500ms"}, "by", 1_500_000),
        ("kill", {"role": "ship"}, "role", "ship"),
    ],
)
def test_parameters_are_kept_in_their_unit(name: str, written: dict[str, object], parameter: str, value: int) -> None:
    """Text and numbers alike; and written again they mean the same."""
    fault = make_fault(name, written)
    assert fault.parameters[parameter] == value
    assert make_fault(name, fault.written()) == fault


def test_durations_and_rates_are_written_with_their_unit() -> None:
    """A log with `by: 10000000` would be a riddle."""
    assert make_fault("timestamp-jump", {}).written() == {"by": "10s"}
    assert make_fault("timestamp-jump", {"by": "1.5s"}).written() == {"by": "1500ms"}
    assert make_fault("trickle", {}).written() == {"rate": "64k"}
    assert make_fault("loss", {}).written() == {"percent": 2}


@pytest.mark.parametrize(
    ("name", "written", "message"),
    [
        ("lose", {}, "no fault is called `lose`; did you mean `loss`?"),
        ("loss", {"percnt": 2}, "loss has no parameter `percnt`; did you mean `percent`?"),
        ("loss", {"percent": 200}, "percent '200': must be between 0.01 and 100"),
        ("loss", {"percent": 0}, "percent '0': must be between 0.01 and 100"),
        ("loss", {"percent": "many"}, "percent 'many': must be a number of percent such as 2 or 0.5"),
        ("loss", {"percent": [2]}, "percent: must be a single value such as 2"),
        ("loss", {"percent": True}, "percent: must be a single value such as 2"),
        ("flood", {"factor": "2.5"}, "factor '2.5': must be a whole number"),
        ("timestamp-jump", {"by": 10}, "by '10': must be a number with a unit such as 1s, 500ms, 2m or 1h"),
        ("gop", {"length": "1m30s"}, "length '1m30s': must be a number with a unit such as 1s, 500ms, 2m or 1h"),
        ("gop", {"length": "20m"}, "length '20m': must be between 100ms and 300s"),
        ("trickle", {"rate": "fast"}, "rate 'fast': must be a number of bits a second such as 64k or 1.5M"),
        ("drift", {"ppm": 0}, "ppm 0: a clock that does not drift is no fault"),
        ("kill", {"role": "me"}, "role 'me': must be one of record, ship, keep, serve, supervisor, any"),
        ("stall", {"percent": 2}, "stall has no parameter `percent`"),
    ],
)
def test_what_is_wrong_is_said(name: str, written: dict[str, object], message: str) -> None:
    """Which parameter, what it was, and what it may be."""
    with pytest.raises(ConfigError) as failure:
        make_fault(name, written)
    assert str(failure.value) == message
