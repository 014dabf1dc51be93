"""Who may use the API."""

from __future__ import annotations

import base64
import stat
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.responses import PlainTextResponse

from media.errors import UsageError
from server.api_token import find_token, make_token
from server.auth import Gate

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "a-token-of-at-least-16"


def client(token: str | None, *, host: str = "127.0.0.1:8080") -> httpx.AsyncClient:
    """A client of a gated application that would answer anything."""
    gate = Gate(PlainTextResponse("inside"), token=token)
    return httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url=f"http://{host}")


def basic(password: str, user: str = "") -> dict[str, str]:
    """Basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "localhost:9", "LOCALHOST", "[::1]:8080"])
async def test_loopback_is_open(host: str) -> None:
    """On this host no token is needed, under each of its names."""
    async with client(None, host=host) as http:
        assert (await http.get("/api/v1/cameras")).text == "inside"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8080", "[::2]"])
async def test_a_name_that_was_rebound_to_loopback_is_refused(host: str) -> None:
    """A page of any website could otherwise read footage through its own name."""
    async with client(None, host=host) as http:
        response = await http.get("/api/v1/cameras")
    assert (response.status_code, response.headers["content-type"]) == (403, "application/problem+json")


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"bearer {TOKEN}"}, basic(TOKEN), basic(TOKEN, "anna")],
)
async def test_the_token_opens(headers: dict[str, str]) -> None:
    """As a bearer token, or as the password that a browser asks for."""
    async with client(TOKEN) as http:
        assert (await http.get("/", headers=headers)).text == "inside"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Digest {TOKEN}"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Bearer \xff"},
        basic(""),
        basic("x", TOKEN),
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/v1/cameras", "/metrics", "/api/openapi.json", "/page.js", "/healthz/"])
async def test_nothing_else_opens(headers: dict[str, str], path: str) -> None:
    """No path but the two probes answers without the token; the answer tells how to ask, and nothing more."""
    async with client(TOKEN) as http:
        response = await http.get(path, headers=[(name, value.encode("latin-1")) for name, value in headers.items()])
    assert response.status_code == 401
    assert "Bearer" in response.headers["www-authenticate"]
    assert TOKEN not in response.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_need_no_token(path: str) -> None:
    """Whatever watches the process need not know its secrets."""
    async with client(TOKEN) as http:
        assert (await http.get(path)).text == "inside"


async def websocket_through(token: str | None, **headers: str) -> list[object]:
    """What the gate answers to a WebSocket, or that it let it through."""
    passed: list[object] = []

    async def app(scope: dict[str, object], _receive: object, _send: object) -> None:
        passed.append(scope["type"])

    async def send(message: dict[str, object]) -> None:
        passed.append(message.get("status", message["type"]))

    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    await Gate(app, token=token)({"type": "websocket", "path": "/", "headers": sent}, None, send)  # type: ignore[arg-type]
    return passed


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer no"}, {"host": "127.0.0.1"}])
async def test_a_websocket_needs_the_token_too(headers: dict[str, str]) -> None:
    """Refused with an answer of HTTP, before it is one."""
    assert await websocket_through(TOKEN, **headers) == [401, "websocket.http.response.body"]
    assert await websocket_through(TOKEN, authorization=f"Bearer {TOKEN}") == ["websocket"]


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        ("http://127.0.0.1:8080", True),
        ("HTTP://127.0.0.1:8080", True),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:8081", False),
        ("https://evil.example", False),
        ("http://evil.example/://127.0.0.1:8080", False),
        ("null", False),
        ("", False),
    ],
)
async def test_a_page_of_another_site_opens_no_socket_and_changes_nothing(origin: str, passes: bool) -> None:
    """Browsers say whose page asks; a page of ours may, and a program, which says nothing."""
    found = await websocket_through(None, host="127.0.0.1:8080", origin=origin)
    assert found == (["websocket"] if passes else [403, "websocket.http.response.body"])
    async with client(None) as http:
        for method in ("POST", "DELETE", "PATCH"):
            answer = await http.request(method, "/api/v1/cameras", headers={"Origin": origin})
            assert answer.status_code == (200 if passes else 403)
        assert (await http.get("/api/v1/cameras", headers={"Origin": origin})).status_code == 200
    assert await websocket_through(None, host="127.0.0.1:8080") == ["websocket"]


def test_a_token_is_made_once_and_for_the_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """256 random bits in a file of mode 0600, which stays."""
    monkeypatch.delenv("HULTA_TOKEN", raising=False)
    path = tmp_path / "token"
    assert find_token(path) is None
    token = make_token(path)
    assert len(token) == 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (make_token(path), find_token(path)) == (token, token)


def test_the_environment_may_give_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HULTA_TOKEN counts before the file, and no file is made."""
    monkeypatch.setenv("HULTA_TOKEN", TOKEN)
    assert (make_token(tmp_path / "token"), find_token(tmp_path / "token")) == (TOKEN, TOKEN)
    assert list(tmp_path.iterdir()) == []


def test_a_short_token_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be guessed is no token; the message does not repeat it."""
    monkeypatch.setenv("HULTA_TOKEN", "short-canary")
    with pytest.raises(UsageError, match="shorter than 16") as caught:
        make_token(tmp_path / "token")
    assert "canary" not in f"{caught.value} {caught.value.hint}"
