"""What can be asked of the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.errors import ConfigError
from simulator.options import Credentials, Kind, SimulatorOptions, parse_bitrate, parse_duration_us


@pytest.mark.parametrize(
    ("text", "bits"),
    [("4M", 4_000_000), ("1.5M", 1_500_000), ("800k", 800_000), ("64000", 64_000), (" 2m ", 2_000_000)],
)
def test_a_bitrate_is_a_number_with_a_decimal_prefix(text: str, bits: int) -> None:
    """4M is four million bits a second."""
    assert parse_bitrate(text) == bits


@pytest.mark.parametrize("text", ["", "M", "4 G", "-4M", "4Mbit", "1e6"])
def test_another_bitrate_is_refused_with_an_example(text: str) -> None:
    """The message shows what would be right."""
    with pytest.raises(ConfigError, match="such as 4M"):
        parse_bitrate(text)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [("1s", 1_000_000), ("500ms", 500_000), ("0.5s", 500_000), ("2m", 120_000_000), ("1h", 3_600_000_000)],
)
def test_a_duration_has_a_unit(text: str, microseconds: int) -> None:
    """1s is a second."""
    assert parse_duration_us(text) == microseconds


@pytest.mark.parametrize("text", ["", "1", "s", "1d", "-1s"])
def test_another_duration_is_refused_with_an_example(text: str) -> None:
    """The message shows what would be right."""
    with pytest.raises(ConfigError, match="such as 1s"):
        parse_duration_us(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cameras", 0),
        ("port", 70_000),
        ("fps", 0),
        ("bitrate_bps", 1_000),
        ("gop_us", 1_000),
        ("session_timeout_s", 0),
        ("queue_bytes", 1),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(field: str, value: int) -> None:
    """The message names the field and both bounds."""
    with pytest.raises(ConfigError, match=rf"simulator {field.partition('_')[0]}.*{value}.*between"):
        SimulatorOptions(**{field: value})  # type: ignore[arg-type] - one field at a time, all of them integers


def test_more_bits_than_a_picture_can_fill_are_refused() -> None:
    """4 Mbit/s at one frame a second could not be reached, and is not quietly missed."""
    with pytest.raises(ConfigError, match="bitrate at 1 fps"):
        SimulatorOptions(bitrate_bps=4_000_000, fps=1)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Before anything is started."""
    with pytest.raises(ConfigError, match=r"missing\.mp4: no such file"):
        SimulatorOptions(file=tmp_path / "missing.mp4")


def test_the_gop_is_counted_in_frames() -> None:
    """Half a second at 25 frames a second is 12 frames, and never none."""
    assert Kind(fps=25, gop_us=500_000).gop_frames == 12
    assert Kind(fps=25, gop_us=40_000).gop_frames == 1


def test_a_login_that_no_client_could_send_is_refused() -> None:
    """A colon in the name cannot be told from the one before the password (RFC 7617)."""
    with pytest.raises(ConfigError, match="username"):
        Credentials(username="a:b", password="secret")
    with pytest.raises(ConfigError, match="digest, basic or both"):
        Credentials(username="a", password="secret", schemes=("ntlm",))


def test_a_login_does_not_show_itself() -> None:
    """Neither name nor password get into a log."""
    text = repr(SimulatorOptions(credentials=Credentials(username="operator", password="secret")))
    assert "operator" not in text
    assert "secret" not in text
