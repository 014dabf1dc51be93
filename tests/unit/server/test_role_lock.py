"""One of each role per data directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.role_lock import AlreadyRunning, RoleLock, end_holder, is_held, read_holder

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLDER = """
import signal, sys
from pathlib import Path
from server.role_lock import RoleLock
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with RoleLock.take(Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


@contextmanager
def holding(path: Path, kind: str = "polite") -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has the lock."""
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), kind], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_lock_is_had_once_and_names_its_holder(tmp_path: Path) -> None:
    """The second to come is told who was first."""
    path = tmp_path / "data" / "run" / "record.lock"
    with RoleLock.take(path):
        holder = read_holder(path)
        assert holder is not None
        assert holder.pid == os.getpid()
        with pytest.raises(AlreadyRunning, match=rf"record already runs on .*data \(pid {os.getpid()}\)"):
            RoleLock.take(path)
    assert (is_held(path), read_holder(path)) == (False, None)
    RoleLock.take(path).release()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    """The kernel drops the lock; the name that is left in the file counts no more."""
    path = tmp_path / "record.lock"
    with holding(path) as child:
        assert is_held(path)
        child.kill()
        child.wait()
        assert (is_held(path), read_holder(path)) == (False, None)
        RoleLock.take(path).release()


def test_a_recycled_pid_is_not_taken_for_the_holder(tmp_path: Path) -> None:
    """A process that has the number but was not born then is somebody else."""
    path = tmp_path / "record.lock"
    path.write_text(json.dumps({"pid": os.getpid(), "born": 1}))
    assert read_holder(path) is None


@pytest.mark.parametrize("text", ["", "nonsense", "{}", '{"pid": "x"}', "[1]"])
def test_a_torn_lock_file_names_nobody(tmp_path: Path, text: str) -> None:
    """Whoever died while writing its name is not in the way."""
    path = tmp_path / "record.lock"
    path.write_text(text)
    assert read_holder(path) is None
    RoleLock.take(path).release()


async def test_a_stale_holder_is_asked_to_end(tmp_path: Path) -> None:
    """SIGTERM, so that it seals what it has."""
    path = tmp_path / "record.lock"
    with holding(path) as child:
        await end_holder(path, patience_s=10)
        assert child.wait() == -signal.SIGTERM
        assert not is_held(path)


async def test_a_stubborn_holder_is_killed(tmp_path: Path) -> None:
    """Whoever does not hear SIGTERM in time does not keep a successor from recording."""
    path = tmp_path / "record.lock"
    with holding(path, "stubborn") as child:
        await end_holder(path, patience_s=0.1)
        assert child.wait() == -signal.SIGKILL


async def test_nobody_is_ended_where_nobody_holds(tmp_path: Path) -> None:
    """A file that names a living process without its lock is a leftover; that process is left alone."""
    path = tmp_path / "record.lock"
    await end_holder(path, patience_s=0.1)
    with holding(tmp_path / "other.lock") as child:
        path.write_text((tmp_path / "other.lock").read_text())
        await end_holder(path, patience_s=0.1)
        assert child.poll() is None
