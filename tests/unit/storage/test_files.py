"""Every byte or an error: the file operations of the spool."""

from __future__ import annotations

import errno
import os
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from storage import files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def test_append_writes_all_buffers_in_order_at_the_offset(tmp_path: Path) -> None:
    """Buffers of every kind arrive one after the other, empty ones included."""
    fd = files.create_exclusive(tmp_path / "file")
    assert files.append(fd, [b"ab", bytearray(b"cd"), b"", memoryview(b"ef")], 0) == 6
    assert files.append(fd, [b"gh"], 6) == 2
    assert files.read_at(fd, 0, 100) == b"abcdefgh"
    files.close(fd)


def test_append_takes_more_buffers_than_one_writev(tmp_path: Path) -> None:
    """A fragment of thousands of NAL units is written whole, beyond the kernel's limit per call."""
    fd = files.create_exclusive(tmp_path / "file")
    buffers = [number.to_bytes(2, "big") for number in range(3000)]
    assert files.append(fd, buffers, 0) == 6000
    assert files.read_at(fd, 0, 6000) == b"".join(buffers)
    files.close(fd)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 7])
def test_append_goes_on_after_a_short_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """A file system may take a part without an error: the rest follows, byte for byte."""
    real = os.pwritev

    def short(fd: int, views: Sequence[memoryview], offset: int) -> int:
        return real(fd, [b"".join(views)[:most]], offset)

    monkeypatch.setattr(os, "pwritev", short)
    fd = files.create_exclusive(tmp_path / "file")
    assert files.append(fd, [b"abc", b"d", b"efghij", b"k"], 0) == 11
    assert files.read_at(fd, 0, 100) == b"abcdefghijk"
    files.close(fd)


def test_append_gives_up_when_nothing_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write of nothing is an error, not an endless loop."""
    monkeypatch.setattr(os, "pwritev", lambda *_: 0)
    fd = files.create_exclusive(tmp_path / "file")
    with pytest.raises(OSError, match="takes no more"):
        files.append(fd, [b"abc"], 0)
    files.close(fd)


def test_append_reports_a_file_size_limit_after_a_short_write(tmp_path: Path) -> None:
    """At the limit the kernel takes what fits and refuses the rest: the caller is told."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    fd = files.create_exclusive(tmp_path / "file")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            files.append(fd, [bytes(700), bytes(700)], 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert caught.value.errno == errno.EFBIG
    assert files.size_bytes(fd) == 1000
    files.close(fd)


def test_create_refuses_an_existing_name(tmp_path: Path) -> None:
    """Two segments never share a file."""
    files.close(files.create_exclusive(tmp_path / "file"))
    with pytest.raises(FileExistsError):
        files.create_exclusive(tmp_path / "file")


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A FIFO would block, a link may lead elsewhere, a directory has no bytes."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("fifo", "directory", "link"):
        with pytest.raises(OSError, match=r"not a regular file|symbolic links"):
            files.open_read(tmp_path / name)
    files.close(files.open_read(tmp_path / "file"))


def test_reserve_leaves_the_size_alone(tmp_path: Path) -> None:
    """Reserved room is on the disk but not in the file."""
    fd = files.create_exclusive(tmp_path / "file")
    files.reserve(fd, 0, 1 << 20)
    assert files.size_bytes(fd) == 0
    assert os.fstat(fd).st_blocks * 512 >= 1 << 20
    files.close(fd)


def test_reserve_says_why_not(tmp_path: Path) -> None:
    """A refusal of the kernel is an OSError with its reason."""
    fd = files.create_exclusive(tmp_path / "file")
    files.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        files.reserve(fd, 0, 4096)


def test_read_at_stops_at_the_end(tmp_path: Path) -> None:
    """Fewer bytes than asked for mean the end of the file."""
    (tmp_path / "file").write_bytes(b"abcdef")
    fd = files.open_read(tmp_path / "file")
    assert files.read_at(fd, 4, 10) == b"ef"
    assert files.read_at(fd, 6, 10) == b""
    files.close(fd)


def test_a_lock_excludes_others_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    """The lock of a directory is what tells a live run from a dead one."""
    first, second = files.open_directory(tmp_path), files.open_directory(tmp_path)
    assert files.lock(first)
    assert not files.lock(second)
    assert not files.lock(second, shared=True)
    files.close(first)
    assert files.lock(second)
    files.close(second)


def test_shared_locks_live_together(tmp_path: Path) -> None:
    """Two readers that look whether a run is alive do not take each other for it."""
    first, second = files.open_directory(tmp_path), files.open_directory(tmp_path)
    assert files.lock(first, shared=True)
    assert files.lock(second, shared=True)
    files.close(first)
    files.close(second)


def test_every_operation_is_in_the_seam() -> None:
    """A function that fault injection does not know would be a hole in every crash test."""
    functions = {
        name
        for name, value in vars(files).items()
        if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == files.__name__
    }
    assert functions == set(files.OPERATIONS)
