"""Pictures drawn and encoded as time goes by: a camera that shows what it is now."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from media.errors import CodecError
from simulator.codecs import find_codec
from simulator.encoder import Setting
from simulator.picture import HEIGHT, WIDTH, Picture
from simulator.source import CodedFrame
from simulator.timetable import Timetable, steady_lap

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from simulator.options import Kind


class LiveSource:
    """One encoder, shared by all sessions of its camera. Nothing is drawn while nobody watches.

    Work is done on `workers`, one picture of a camera at a time. Where the machine is too slow, pictures are late at
    first; once a second of them is waiting, the next are left out, as a camera does.
    """

    def __init__(self, kind: Kind, name: str, phase_us: int, workers: Executor, seed: int = 0) -> None:
        """Encodes one picture to learn the parameter sets: some milliseconds, not for the event loop.

        Without B-frames, whatever the kind says: a picture is sent as soon as it is taken.
        """
        self.timetable = Timetable(steady_lap(kind.fps), phase_us)
        self._picture = Picture(name, seed=seed)
        self.codec = find_codec(kind.codec)
        self._encoder = self.codec.encoder(Setting(WIDTH, HEIGHT, kind.fps, kind.bitrate_bps))
        self._gop_frames = kind.gop_frames
        self._gop = -1
        self._workers = workers
        self._waiting: deque[tuple[int, Callable[[int, CodedFrame], None]]] = deque()
        self._waiting_max = kind.fps
        self._busy = False
        parameters = self.codec.parameters(self._encoder.encode(self._picture.render(0), sync=True))
        if parameters is None:
            raise CodecError(f"the {kind.codec} encoder put no parameters into a sync sample")
        self.parameters = parameters

    def next_sync(self, number: int) -> int:
        """Sync samples lie on multiples of the GOP."""
        return -(-number // self._gop_frames) * self._gop_frames

    def produce(self, number: int, deliver: Callable[[int, CodedFrame], None]) -> None:
        """Draw and encode on a worker, then deliver; left out if too many are waiting."""
        if len(self._waiting) < self._waiting_max:
            self._waiting.append((number, deliver))
            self._work()

    def _work(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        number, deliver = self._waiting.popleft()
        work = asyncio.get_running_loop().run_in_executor(self._workers, self._make, number)
        work.add_done_callback(partial(self._finish, number, deliver))

    def _make(self, number: int) -> CodedFrame:
        gop = number // self._gop_frames
        # By number, not by count: if the picture that should have been a sync sample was left out, the next one is.
        sync, self._gop = gop != self._gop, gop
        units = self._encoder.encode(self._picture.render(self.timetable.presented_us(number)), sync=sync)
        return CodedFrame.from_units(self.codec, units, marked=True)

    def _finish(
        self, number: int, deliver: Callable[[int, CodedFrame], None], work: asyncio.Future[CodedFrame]
    ) -> None:
        self._busy = False
        if work.cancelled():
            self._waiting.clear()  # the simulator is closing
            return
        self._work()
        deliver(number, work.result())
