"""Identity and key: one segment, one id, one name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from media.errors import MediaError
from media.identity import object_key, parse_key
from tests.builders_segment import IDENTITY

KEY = (
    "v1/6b1f2a34-5c6d-4e7f-8a9b-0c1d2e3f4a5b/0f9e8d7c-6b5a-4938-a716-051423324150/2023/11/14/22/"
    "1700000000123-3-1122334455667788-42.mp4"
)


def test_the_id_never_changes() -> None:
    """Catalogs and URLs hold it: this value is pinned for good."""
    assert str(IDENTITY.segment_id) == "7c2eb776-dcb0-590f-8100-8e702b749087"


@pytest.mark.parametrize("field", ["epoch", "run", "sequence"])
def test_each_part_makes_another_id(field: str) -> None:
    """Two segments that differ in one number have nothing in common."""
    other = replace(IDENTITY, **{field: getattr(IDENTITY, field) + 1})
    assert other.segment_id != IDENTITY.segment_id


def test_the_key_is_made_of_immutable_facts() -> None:
    """UUIDs, the start in UTC, epoch, run and sequence."""
    assert object_key(IDENTITY, 1_700_000_000_123_456) == KEY


def test_a_key_leads_back_to_the_identity() -> None:
    """A bucket can be catalogued from its listing."""
    assert parse_key(KEY) == (IDENTITY, 1_700_000_000_123)


@pytest.mark.parametrize(
    "key",
    [
        "",
        KEY.replace(".mp4", ".mp4/.."),
        KEY.replace("v1/", "v2/"),
        KEY.replace("/22/", "/23/"),
        KEY.replace("/14/", "/15/"),
        KEY.replace("-3-", "-03-"),
        KEY.replace("-42.", "-99999999999999999999."),
        KEY.replace("-3-", "-9999999999999999999-"),
        KEY.replace("1122334455667788", "f122334455667788"),
        KEY.replace("6b1f2a34", "6B1F2A34"),
        KEY + "\n",
        "../" + KEY,
        KEY.replace("-42.", "-\u0664\u0662."),
    ],
)
def test_a_key_has_one_spelling(key: str) -> None:
    """Anything that `object_key` would not have written is refused."""
    with pytest.raises(MediaError):
        parse_key(key)


def test_dates_are_those_of_the_calendar() -> None:
    """Every day from 1970 to 2105, leap years and the exception of 2100 included."""
    day = datetime(1970, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    for number in range(135 * 366):
        at = day + timedelta(days=number)
        start_us = (number + 1) * 86_400_000_000 - 1
        assert object_key(IDENTITY, start_us).split("/")[3:7] == at.strftime("%Y/%m/%d/%H").split("/")
