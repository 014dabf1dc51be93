"""The public HTTP API of one server, as any client sees it."""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from media.errors import HultaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATIENCE_S = 120.0
BLOCK_BYTES = 1 << 20
MOST_BYTES = 1 << 30
"""Of an answer that is held in memory. A segment is a few MB here."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class ApiFailed(HultaError):  # noqa: N818 - the answer failed, not the program
    """No answer, or one that says that something is wrong."""


class Api:
    """Asks `127.0.0.1:port`. Each question is a connection of its own: the server may be killed at any moment."""

    def __init__(self, port: int, patience_s: float = PATIENCE_S) -> None:
        self.port = port
        self._patience_s = patience_s

    def patient(self, seconds: float) -> Api:
        """The same server, waited for so long."""
        return Api(self.port, seconds)

    def json(self, *path: str, query: Mapping[str, str] | None = None) -> Any:
        """One answer, parsed."""
        try:
            return json.loads(self.read(*path, query=query))
        except ValueError:
            raise ApiFailed(f"{'/'.join(path)} is answered with something that is not JSON") from None

    def read(self, *path: str, query: Mapping[str, str] | None = None) -> bytes:
        """One answer, whole."""
        return b"".join(self.stream(*path, query=query, headers={}))

    def stream(
        self,
        *path: str,
        query: Mapping[str, str] | None = None,
        headers: dict[str, str],
        most_bytes: int = MOST_BYTES,
    ) -> Iterator[bytes]:
        """One answer in blocks. `headers` gets those of the response before the first."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self._patience_s)
        target = "/api/v1/" + "/".join(quote(part, safe="") for part in path)
        if query:
            target += "?" + urlencode(query)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            if response.status != http.client.OK:
                said = response.read(BLOCK_BYTES).decode(errors="replace")
                raise ApiFailed(f"{target} is answered with {response.status}: {said[:500]}")
            headers.update(response.getheaders())
            if (response.length or 0) > most_bytes:
                raise ApiFailed(f"{target} is answered with {response.length} bytes; {most_bytes} are the most")
            received = 0
            while block := response.read(BLOCK_BYTES):
                received += len(block)
                if received > most_bytes:  # not every answer says how long it is going to be
                    raise ApiFailed(f"{target} is answered with more than {most_bytes} bytes")
                yield block
            if response.length:
                raise ApiFailed(f"{target}: the answer ends {response.length} bytes too early")
        except (OSError, http.client.HTTPException) as error:
            raise ApiFailed(f"{target}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()


def instant_text(wall_us: int) -> str:
    """RFC 3339 UTC with microseconds."""
    return (_EPOCH + wall_us * _MICROSECOND).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant_us(written: str) -> int:
    """Microseconds UTC from RFC 3339."""
    return (datetime.fromisoformat(written) - _EPOCH) // _MICROSECOND


def within(from_us: int, to_us: int) -> dict[str, str]:
    """The query of a range."""
    return {"from": instant_text(from_us), "to": instant_text(to_us)}
