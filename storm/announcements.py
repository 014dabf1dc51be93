"""A, collected while the storm lasts: what the API says is durable, asked several times a second."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

from storm.api import Api, ApiFailed, instant_us
from storm.facts import FragmentId, Violation
from storm.waiting import wall_us

if TYPE_CHECKING:
    from collections.abc import Iterable

PERIOD_S = 0.1
ANSWER_S = 2.0
AHEAD_US = 2_000_000
"""More than any camera's clock is believed. What is announced is asked for if it ends in the range, so a time that is
far ahead would keep it from being asked for."""


class Announcements:
    """Polls on a thread of its own while it is entered. `seen` is by the name of the camera."""

    def __init__(self, api: Api) -> None:
        self._api = api.patient(ANSWER_S)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="announcements", daemon=True)
        self._lock = threading.Lock()
        self._seen: dict[str, dict[FragmentId, int]] = defaultdict(dict)
        self._ahead: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def seen(self, camera: str, until_us: int) -> dict[FragmentId, int]:
        """The fragments announced for a camera that end by then, and where they do."""
        with self._lock:
            return {mark: through_us for mark, through_us in self._seen[camera].items() if through_us <= until_us}

    def through_us(self, camera: str) -> int:
        """Up to which wall time the camera is durable, as last announced; 0 before."""
        with self._lock:
            return max(self._seen[camera].values(), default=0)

    def behind(self, cameras: Iterable[str], instant_us: int) -> list[str]:
        """The cameras that are not durable past an instant."""
        return [camera for camera in cameras if self.through_us(camera) <= instant_us]

    @property
    def violations(self) -> list[Violation]:
        """Cameras of which was called durable what had not happened yet."""
        with self._lock:
            return [
                Violation(rule="announced_is_retrieved", camera=name, detail=f"durable {ahead_us / 1e6:.2f} s ahead")
                for name, ahead_us in self._ahead.items()
            ]

    def _watch(self) -> None:
        while not self._stop.wait(PERIOD_S):
            try:
                document = self._api.json("recording")
            except ApiFailed:
                continue  # to be killed and restarted is what the API is here for
            with self._lock:
                self._note(document)

    def _note(self, document: dict[str, Any]) -> None:
        for camera in document["cameras"]:
            durable = camera["durable"]
            if durable is not None:
                numbers = durable["epoch"], durable["sequence"], durable["fragment"]
                mark = FragmentId(int(durable["run"], 16), *numbers)
                through_us = instant_us(durable["through"])
                self._seen[camera["name"]].setdefault(mark, through_us)
                if (ahead_us := through_us - wall_us()) > AHEAD_US:
                    self._ahead.setdefault(camera["name"], ahead_us)
