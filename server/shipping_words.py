"""How shipping is, for people: nothing while all is well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.quantities import format_bytes, format_span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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
    yield from ship["store"]["warnings"]


def _age(ship: Mapping[str, Any]) -> str:
    return format_span(ship["oldest_waiting_age_us"])
