"""How shipping is, for people: nothing while all is well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.quantities import format_bytes, format_span
from storage.model import HOUR_US

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


NOTABLE_US = 48 * HOUR_US
"""Time enough to find another disk, or whoever looks after the store."""


def shipping_words(ship: Mapping[str, Any] | None) -> Iterator[str]:
    """Lines about `ship`'s document; None: it does not answer."""
    if ship is None:
        yield "ship does not answer: what is recorded stays in the spool"
        return
    if ship["error"]:
        yield f"the object store takes nothing: {ship['error']}"
        segments, size = ship["backlog_segments"], format_bytes(ship["backlog_bytes"])
        yield f"{segments} segments ({size}) wait in the spool, the oldest since {_age(ship)}; recording goes on"
    elif ship["failing_segments"]:
        segment, why = next(iter(ship["failing"].items()))
        yield f"{ship['failing_segments']} segments could not be stored and are tried again, such as {segment}: {why}"
    yield from filling_words(ship, within_us=NOTABLE_US)
    for spool, why in ship["absent_spools"].items():
        yield f"{spool} is not shipped: {why}"
    yield from ship["store"]["warnings"]


def filling_words(ship: Mapping[str, Any], *, within_us: int) -> Iterator[str]:
    """A line for each spool whose disk is full in less than `within_us`, at the trend of the last 20 minutes."""
    for spool in ship["spools"]:
        full_in_us = spool["full_in_us"]
        if full_in_us is not None and full_in_us < within_us:
            free, span = format_bytes(spool["free_bytes"]), format_span(full_in_us)
            yield f"the disk of {spool['path']} is full in {span} if it goes on like this ({free} are free)"


def _age(ship: Mapping[str, Any]) -> str:
    return format_span(ship["oldest_waiting_age_us"])
