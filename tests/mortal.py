"""A process that is killed between two calls to catalog or store, as far as a process can do that to itself."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from tests.builders_spool import Stopped


@dataclass
class Calls:
    """Counts calls, and ends the process at one of them."""

    at_call: int = 1 << 30
    after: bool = False
    count: int = 0

    def begin(self, name: str) -> int:
        """Before a call."""
        number, self.count = self.count, self.count + 1
        if number > self.at_call or (number == self.at_call and not self.after):
            raise Stopped(f"before {name}")
        return number

    def end(self, number: int, name: str) -> None:
        """After a call."""
        if number >= self.at_call:
            raise Stopped(f"after {name}")


class Mortal:
    """Stands for a part of the catalog or for the store; dies with the process before or after one of the `calls`."""

    def __init__(self, part: Any, calls: Calls) -> None:
        self._part, self._calls = part, calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._part, name)

        async def call(*args: Any, **options: Any) -> Any:
            number = self._calls.begin(name)
            result = await method(*args, **options)
            self._calls.end(number, name)
            return result

        async def walk(*args: Any, **options: Any) -> AsyncIterator[Any]:
            number = self._calls.begin(name)
            async for each in method(*args, **options):
                yield each
            self._calls.end(number, name)

        return walk if inspect.isasyncgenfunction(method) else call
