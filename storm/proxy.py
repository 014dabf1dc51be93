"""A TCP proxy that makes a link fail on request: for what lies between the product and its object store or catalog.

    with FaultProxy("127.0.0.1", 5432) as link:
        connect(port=link.port)
        with link.suffering(Latency(ms=40), Bandwidth(bits_per_s=8_000_000)):
            ...
        lost = link.lose_answers(to=b"COMMIT")   # the server commits, the client is reset instead of told
        link.reset()                             # now

The proxy has a thread and an event loop of its own, so it can be used from any test or script, blocking or not, and
goes on while the caller is busy. Its methods return when what they ask for is in force.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from media.errors import UsageError
from storm.proxy_faults import Bandwidth, Down, Latency, LinkFault, LostAnswers, Vanished
from storm.proxy_relay import Relay

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

__all__ = ["Bandwidth", "Down", "FaultProxy", "Latency", "LinkFault", "LostAnswers", "Vanished"]

CALL_S = 10
"""Longer than anything the proxy does on request: more is a defect, and is said instead of waited for."""

_Result = TypeVar("_Result")


class FaultProxy:
    """Listens on `port` of 127.0.0.1 and carries what comes to `host:port`, under the faults asked for."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._loop: asyncio.AbstractEventLoop
        self._closing: asyncio.Event
        self._ready: Future[Relay] = Future()
        self._served: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name=f"proxy to {host}:{port}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._relay = self._ready.result(CALL_S)
        self.port = self._relay.port
        return self

    def __exit__(self, *_: object) -> None:
        if not self._served.done():
            self._loop.call_soon_threadsafe(self._closing.set)
        self._served.result(CALL_S)
        self._thread.join(CALL_S)

    def begin(self, fault: LinkFault) -> None:
        """A fault lasts from now on, beside those that last already."""
        self._call(self._relay.begin(fault))

    def end(self, fault: LinkFault) -> None:
        """A fault that was begun is over."""
        self._call(self._relay.end(fault))

    @contextmanager
    def suffering(self, *faults: LinkFault) -> Iterator[None]:
        """Faults that last as long as the block."""
        begun: list[LinkFault] = []
        try:
            for fault in faults:
                self.begin(fault)
                begun.append(fault)
            yield
        finally:
            for fault in reversed(begun):
                self.end(fault)

    def reset(self) -> int:
        """RST to both ends of every connection; returns how many there were."""
        return self._call(self._relay.reset())

    def lose_answers(self, *, to: bytes = b"", count: int = 1) -> LostAnswers:
        """Lose the answers to the next `count` requests that contain the bytes `to` (none: to any request).

        The request reaches the server whole. When the first byte of the answer comes back, both ends are reset: the
        client cannot know what the server did. It is for protocols that answer one request at a time and only when
        they have carried it out: Postgres without a pipeline, HTTP/1.1 without `Expect: 100-continue`. In TLS no
        request can be recognised; leave out `to`.
        """
        if count < 1:
            raise UsageError("at least one answer to lose")
        return self._call(self._lose_answers(to, count))

    @property
    def open_connections(self) -> int:
        """How many connections it holds, frozen ones included."""
        return len(self._relay.connections)

    @property
    def passed_bytes(self) -> tuple[int, int]:
        """What it has carried so far, to the server and to clients."""
        return self._relay.up.passed_bytes, self._relay.down.passed_bytes

    async def _lose_answers(self, to: bytes, count: int) -> LostAnswers:
        return self._relay.lose_answers(to, count)

    def _call(self, call: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(CALL_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - it is raised again where the proxy is used
            for waiting in (self._ready, self._served):
                if not waiting.done():
                    waiting.set_exception(error)
        else:
            self._served.set_result(None)

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        async with Relay(*self._upstream) as relay:
            self._ready.set_result(relay)
            await self._closing.wait()
