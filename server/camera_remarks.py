"""What is odd about a camera, in words, since when: conditions, losses, missing sound, a recorder that is silent.

None of it is a failure: the camera may well record. Conditions are the recorder's (`ingest.conditions`). Of losses it
has counters, so what is told here is that they rise; that is over when they have not for a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

NOT_HEARD_US = 1_000_000
"""Shorter than that nobody needs to know: it is within one look of the page."""

OVER_US = 60_000_000

_COUNTED = {
    "lost_packets": "packets are lost on the way: {count}",
    "overflowed_packets": "this host is too slow for its datagrams: {count} found no room",
    "foreign_packets": "somebody else sends packets to where its own come: {count}",
}
_CONDITIONS = {
    "frozen_picture": "shows the same picture again and again",
    "frozen_timestamps": "its timestamps stand still",
}


class Remark(NamedTuple):
    """One of them. `since_us` is wall time."""

    kind: str
    since_us: int
    words: str


@dataclass(slots=True)
class _Rise:
    """A counter: where it stood before it began to rise, and when it last did."""

    before: int
    count: int
    since_us: int = 0
    risen_us: int = 0


class Remarks:
    """Of all cameras. Remembers their counters."""

    def __init__(self) -> None:
        self._rises: dict[tuple[UUID, str], _Rise] = {}
        self._without_sound_us: dict[UUID, int] = {}

    def of(self, stream: UUID, live: Mapping[str, Any], now_us: int, *, silent_us: int) -> list[Remark]:
        """What is odd by what the recorder said `silent_us` ago; the gravest first."""
        if live["state"] == "disabled":
            return []
        found = [*_silence(now_us, silent_us), *_conditions(live), *self._sound(stream, live, now_us)]
        for name in [name for name in _COUNTED if name in live]:  # a recorder that is silent has no counters
            found += self._losses(stream, name, int(live[name]), now_us)
        return found

    def _sound(self, stream: UUID, live: Mapping[str, Any], now_us: int) -> Iterator[Remark]:
        words = live.get("without_sound")
        if not words:
            self._without_sound_us.pop(stream, None)
            return
        yield Remark("without_sound", self._without_sound_us.setdefault(stream, now_us), str(words))

    def _losses(self, stream: UUID, name: str, count: int, now_us: int) -> Iterator[Remark]:
        key = stream, name
        rise = self._rises.get(key)
        if rise is None or count < rise.count:  # a new recorder counts from nothing
            self._rises[key] = _Rise(before=count, count=count)
            return
        if count > rise.count:
            if now_us - rise.risen_us > OVER_US:
                rise.since_us, rise.before = now_us, rise.count
            rise.count, rise.risen_us = count, now_us
        if now_us - rise.risen_us <= OVER_US:
            yield Remark(name, rise.since_us, _COUNTED[name].format(count=rise.count - rise.before))


def _silence(now_us: int, silent_us: int) -> Iterator[Remark]:
    if silent_us > NOT_HEARD_US:
        words = f"the recorder has not been heard from for {silent_us // 1_000_000} s"
        yield Remark("not_heard", now_us - silent_us, words)


def _conditions(live: Mapping[str, Any]) -> Iterator[Remark]:
    for kind, since_us in (live.get("conditions") or {}).items():
        yield Remark(kind, int(since_us), _clock(live) if kind == "camera_clock" else _CONDITIONS.get(kind, kind))


def _clock(live: Mapping[str, Any]) -> str:
    offset_us = live.get("camera_clock_offset_us")
    if offset_us is None:
        return "its clock was wrong"
    return f"its clock is {abs(offset_us) / 1e6:.1f} s {'fast' if offset_us > 0 else 'slow'}"
