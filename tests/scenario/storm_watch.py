"""A, collected from outside: what `record` announces as durable, read from its status socket many times a second."""

from __future__ import annotations

import json
import socket
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Self

from tests.scenario.storm_facts import FragmentId
from tests.scenario.storm_system import wait

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PERIOD_S = 0.05


class Announcements:
    """Polls the socket on a thread of its own while it is entered. `seen` is by the name of the camera."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="announcements")
        self._lock = threading.Lock()
        self._seen: dict[str, dict[FragmentId, int]] = defaultdict(dict)
        self.answers = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def seen(self, camera: str, until_us: int) -> frozenset[FragmentId]:
        """The fragments announced for a camera that end by then."""
        with self._lock:
            return frozenset(mark for mark, through_us in self._seen[camera].items() if through_us <= until_us)

    def through_us(self, camera: str) -> int:
        """Up to which wall time the camera is durable, as last announced; 0 before."""
        with self._lock:
            return max(self._seen[camera].values(), default=0)

    def wait_past(self, cameras: Sequence[str], instant_us: int, seconds: float) -> None:
        """Wait until all cameras are durable past an instant."""

        def behind() -> list[str]:
            return [camera for camera in cameras if self.through_us(camera) <= instant_us]

        wait(seconds, f"all cameras to be durable past {instant_us}", lambda: not behind())

    def _watch(self) -> None:
        while not self._stop.wait(PERIOD_S):
            document = ask(self._path)
            if document is not None:
                self.answers += 1
                with self._lock:
                    self._note(document)

    def _note(self, document: dict[str, object]) -> None:
        run, streams = document.get("run"), document.get("streams")
        if not isinstance(run, str) or not isinstance(streams, dict):
            return
        for stream in streams.values():
            durable = stream.get("durable")
            if durable:
                mark = FragmentId(int(run, 16), durable["epoch"], durable["sequence"], durable["fragment"])
                self._seen[stream["name"]].setdefault(mark, durable["through_us"])


def ask(path: Path, timeout_s: float = 1.0) -> dict[str, object] | None:
    """One JSON document from a status socket, or None where nobody answers whole."""
    received = bytearray()
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(timeout_s)
            client.connect(str(path))
            while block := client.recv(1 << 16):
                received += block
        document = json.loads(received)
    except (OSError, ValueError):
        return None  # being killed and restarted is what it is here for
    return document if isinstance(document, dict) else None
