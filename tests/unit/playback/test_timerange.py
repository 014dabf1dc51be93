"""Instants and ranges as clients write them."""

from __future__ import annotations

import pytest

from media.errors import RangeError
from playback.timerange import DAY_US, format_instant, parse_instant, parse_range

EIGHT_US = 1_795_420_800_000_000  # 2026-11-23T08:00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T08:00:00Z",
        "2026-11-23t08:00:00z",
        "2026-11-23 08:00:00Z",
        "2026-11-23T08:00:00.000000Z",
        "2026-11-23T08:00:00.000000999Z",
        "2026-11-23T09:00:00+01:00",
        "2026-11-23T09:00:00 01:00",
        "2026-11-23T02:30:00-05:30",
        "2026-11-23T08:00:00-00:00",
        "  2026-11-23T08:00:00Z ",
    ],
)
def test_one_instant_in_many_spellings(text: str) -> None:
    """Any offset, either case, a + that a URL turned into a space, digits below a microsecond."""
    assert parse_instant("at", text) == EIGHT_US


def test_an_instant_is_printed_in_utc_with_microseconds() -> None:
    """And what is printed can be read again."""
    assert format_instant(EIGHT_US + 1) == "2026-11-23T08:00:00.000001Z"
    assert parse_instant("at", format_instant(EIGHT_US + 123_456)) == EIGHT_US + 123_456


def test_the_two_half_past_twos_of_autumn_are_an_hour_apart() -> None:
    """The night the clocks go back in Sweden: the offset says which one is meant."""
    first = parse_instant("from", "2026-10-25T02:30:00+02:00")
    second = parse_instant("from", "2026-10-25T02:30:00+01:00")
    assert second - first == 3_600_000_000


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "is missing"),
        ("", "is missing"),
        ("2026-11-23T08:00:00", "has no time zone"),
        ("2026-11-23", "is not an RFC 3339 instant"),
        ("08:00", "is not an RFC 3339 instant"),
        ("1795420800", "is not an RFC 3339 instant"),
        ("2026-11-23T08:00Z", "is not an RFC 3339 instant"),
        ("2026-11-23T08:00:00  01:00", "is not an RFC 3339 instant"),
        ("2026-11-23T08:00:00+0100", "is not an RFC 3339 instant"),
        ("٢٠٢٦-11-23T08:00:00Z", "is not an RFC 3339 instant"),
        ("2026-02-30T08:00:00Z", "is no date and time"),
        ("2026-11-23T24:00:00Z", "is no date and time"),
        ("2026-11-23T08:00:00+24:00", "has an impossible offset +24:00"),
        ("1969-12-31T23:59:59Z", "lies outside of 1970 to 2200"),
        ("57000-11-23T08:00:00Z", "is not an RFC 3339 instant"),
        ("9999-12-31T23:59:59-23:59", "lies outside of 1970 to 2200"),
        ("0001-01-01T00:00:00+23:59", "lies outside of 1970 to 2200"),
    ],
)
def test_what_is_no_instant_is_refused_by_name_and_value(text: str | None, what: str) -> None:
    """The message names the parameter, shows the value and says what is wrong with it."""
    with pytest.raises(RangeError) as caught:
        parse_instant("from", text)
    assert '"from"' in str(caught.value)
    assert what in str(caught.value)
    assert not text or repr(text) in str(caught.value)


def test_a_range_is_half_open_and_never_empty() -> None:
    """`from` lies before `to`, by their instants and not by their spelling."""
    found = parse_range("2026-11-23T10:00:00+02:00", "2026-11-23T08:00:01Z")
    assert (found.from_us, found.to_us) == (EIGHT_US, EIGHT_US + 1_000_000)
    for to_text in ("2026-11-23T08:00:00Z", "2026-11-23T07:59:59Z"):
        with pytest.raises(RangeError, match=r'"from" .* must lie before "to"'):
            parse_range("2026-11-23T08:00:00Z", to_text)


def test_a_range_of_more_than_a_month_is_refused() -> None:
    """Somebody mistyped a year, or wants to know what it costs."""
    month = parse_range("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    assert month.to_us - month.from_us == 31 * DAY_US
    with pytest.raises(RangeError, match=r'"from" .* and "to" .* are more than 31 days apart'):
        parse_range("2026-01-01T00:00:00Z", "2026-02-01T00:00:00.000001Z")
