"""The CLI's side of the API: find the server of a data directory, ask it, turn its problems back into our errors."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode, urlsplit

from media.errors import HultaError, NoFootage, NotFound, StorageError, UsageError
from server import api_token
from server.problems import NO_FOOTAGE, NOT_FOUND, UNAVAILABLE, WRONG_REQUEST
from server.status_socket import read_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.settings import Settings
    from storage.layout import Layout

TIMEOUT_S = 60  # a server that recovers a large spool may take its time for the first answer
MAX_JSON_BYTES = 256 << 20

_ERRORS: dict[str, type[HultaError]] = {
    WRONG_REQUEST: UsageError,
    NOT_FOUND: NotFound,
    NO_FOOTAGE: NoFootage,
    UNAVAILABLE: StorageError,
}


class ApiClient:
    """Asks one server. Every failure is a HultaError whose kind decides the exit code."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self._token = token

    @classmethod
    async def find(cls, data: Layout, settings: Settings) -> Self:
        """The server of this data directory: where its process says it is, else where the configuration puts it."""
        document = await read_status(data.socket("serve"))
        url = document["address"] if document else settings.host.listen.url
        return cls(url, api_token.find_token(data.token))

    def get_json(self, *path: str, query: Mapping[str, str] | None = None) -> Any:
        """One answer, parsed."""
        response = self.open(*path, query=query)
        body = response.read(MAX_JSON_BYTES)
        try:
            return json.loads(body)
        except ValueError:
            raise HultaError(f"{self.url} answers with something that is not Hulta's") from None

    def open(
        self, *path: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """A response whose body is still to be read. `path` is below /api/v1, in parts."""
        for part in path:
            if not part or "/" in part:  # no name and no id, and another path to the server
                raise NotFound(f"no camera {part!r} (`hulta cameras list` shows names and ids)")
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=TIMEOUT_S)
        target = "/api/v1/" + "/".join(quote(part, safe="") for part in path)
        if query:
            target += "?" + urlencode(query)
        login = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            connection.request("GET", target, headers={**login, **(headers or {})})
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise HultaError(f"no server answers at {self.url}: {reason}", hint="start one with `hulta run`") from None
        if response.status >= 400:
            raise self._error(response)
        return response

    def _error(self, response: http.client.HTTPResponse) -> HultaError:
        try:
            problem = json.loads(response.read(1 << 20))
            kind, detail = str(problem["type"]), str(problem.get("detail") or problem["title"])
        except (ValueError, KeyError, TypeError):
            return HultaError(f"{self.url} answers {response.status} {response.reason}, which is not Hulta's")
        if response.status == http.client.UNAUTHORIZED:
            return HultaError(
                f"{self.url}: {detail}", hint=f"set {api_token.TOKEN_VARIABLE}, or name the server's --data"
            )
        return _ERRORS.get(kind, HultaError)(detail)
