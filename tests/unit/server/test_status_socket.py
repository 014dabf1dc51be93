"""How a role answers for itself."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from server.status_socket import answering, read_status


async def test_a_role_answers_with_its_state_of_the_moment(tmp_path: Path) -> None:
    """Each reader gets the state as it is when it asks."""
    path = tmp_path / "record.sock"
    counts = {"frames": 1}
    async with answering(path, lambda: counts):
        assert await read_status(path) == {"frames": 1}
        counts["frames"] = 2
        assert await asyncio.gather(*(read_status(path) for _ in range(20))) == [{"frames": 2}] * 20


async def test_nobody_answers_before_and_after(tmp_path: Path) -> None:
    """Silence is None, and nothing is left of the socket."""
    path = tmp_path / "record.sock"
    assert await read_status(path) is None
    async with answering(path, dict):
        pass
    assert await read_status(path) is None
    assert not path.exists()


async def test_the_socket_of_a_killed_predecessor_is_replaced(tmp_path: Path) -> None:
    """A name that nobody listens on any more does not keep a role from starting."""
    path = tmp_path / "record.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert await read_status(path) is None
    async with answering(path, lambda: {"pid": 1}):
        assert await read_status(path) == {"pid": 1}


async def test_a_role_that_hangs_is_silent(tmp_path: Path) -> None:
    """A socket that accepts and says nothing counts as no answer, in time."""
    path = tmp_path / "record.sock"
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(path))
        hanging.listen()
        assert await read_status(path, timeout_s=0.05) is None


@pytest.mark.parametrize("answer", [b"", b"{", b"[1]", b"\xff"])
async def test_what_is_no_document_is_silence(tmp_path: Path, answer: bytes) -> None:
    """A torn or foreign answer is not trusted."""

    async def reply(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    path = tmp_path / "record.sock"
    server = await asyncio.start_unix_server(reply, path)
    async with server:
        assert await read_status(path) is None


async def test_a_large_state_arrives_whole(tmp_path: Path) -> None:
    """The state of a thousand cameras is larger than a socket's buffer."""
    state = {"streams": {str(number): "x" * 1000 for number in range(1000)}}
    path = tmp_path / "record.sock"
    async with answering(path, lambda: state):
        assert await read_status(path) == state


async def test_a_data_directory_may_have_a_long_name(tmp_path: Path) -> None:
    """The 108 bytes of a Unix address do not bound what people call their disks."""
    deep = tmp_path / ("d" * 120) / "run"
    deep.mkdir(parents=True)
    async with answering(deep / "record.sock", lambda: {"pid": 1}):
        assert await read_status(deep / "record.sock") == {"pid": 1}
    assert not (deep / "record.sock").exists()
