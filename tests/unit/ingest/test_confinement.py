"""What a process that took everything from itself can still do: nothing of use to whoever broke into it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.disposable import surroundings

PRELUDE = """
import encodings.idna, fcntl, json, os, resource, signal, socket, sys
from ingest.confinement import confine
def tried(what):
    try:
        return repr(what())
    except (OSError, ValueError) as error:
        return type(error).__name__
version = confine(parent=os.getppid(), memory_bytes=1 << 29, files=16, cpu_s=5)
"""


def confined(code: str) -> dict[str, str]:
    """What a confined process prints, and that it ends in order."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", PRELUDE + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        **surroundings(),
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout)
    return said


@pytest.fixture(name="secret")
def _secret(tmp_path: Path) -> Path:
    path = tmp_path / "assignments.json"
    path.write_text("canary")
    return path


def _has_landlock() -> bool:
    return confined("print(json.dumps({'version': str(version)}))")["version"] != "0"


def test_no_file_is_read_or_written(secret: Path) -> None:
    """Neither the data directory nor another process's secrets."""
    if not _has_landlock():
        pytest.skip("this kernel has no Landlock")
    said = confined(
        f"""
paths = {{"secret": {str(secret)!r}, "parent": f"/proc/{{os.getppid()}}/environ"}}
print(json.dumps({{
    **{{name: tried(lambda path=path: open(path).read()) for name, path in paths.items()}},
    "listed": tried(lambda: os.listdir({str(secret.parent)!r})),
    "written": tried(lambda: open({str(secret)!r}, "w").write("x")),
    "new": tried(lambda: open({str(secret.parent)!r} + "/new", "w")),
}}))
"""
    )
    assert set(said.values()) == {"PermissionError"}, said
    assert secret.read_text() == "canary"


def test_what_landlock_leaves_of_files_is_taken_as_well(secret: Path) -> None:
    """Nothing can be opened; but rights and times would change without that."""
    path = str(secret)
    said = confined(
        f"""
print(json.dumps({{
    "chmod": tried(lambda: os.chmod({path!r}, 0)),
    "chown": tried(lambda: os.chown({path!r}, 1, 1)),
    "utime": tried(lambda: os.utime({path!r}, (0, 0))),
    "setxattr": tried(lambda: os.setxattr({path!r}, "user.x", b"x")),
}}))
"""
    )
    assert set(said.values()) == {"PermissionError"}, said
    assert secret.stat().st_mtime > 0


def test_nobody_is_spoken_to(tmp_path: Path) -> None:
    """Not by any family of addresses, not by datagram, not by asking for a name."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as near,
    ):
        near.bind(str(tmp_path / "door"))
        near.listen()
        port = server.getsockname()[1]
        said = confined(
            f"""
families = {{"v4": socket.AF_INET, "v6": socket.AF_INET6, "unix": socket.AF_UNIX, "netlink": 16, "packet": 17}}
print(json.dumps({{
    **{{name: tried(lambda it=it: socket.socket(it, socket.SOCK_DGRAM)) for name, it in families.items()}},
    "stream": tried(lambda: socket.create_connection(("127.0.0.1", {port}))),
    "name": tried(lambda: socket.getaddrinfo("camera.example", 80)),
}}))
"""
        )
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert said.pop("name") == "gaierror"
    assert set(said.values()) == {"PermissionError"}, said


@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM"])
def test_who_may_ask_for_connections_makes_none(kind: str) -> None:
    """A question that nobody answers is refused, and there is no way around it."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        program = ASKING.format(
            kind=kind,
            call="bind" if kind == "SOCK_DGRAM" else "connect",
            stream=server.getsockname(),
            datagram=heard.getsockname(),
        )
        done = subprocess.run(
            [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False, **surroundings()
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        server.settimeout(0)
        heard.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
        with pytest.raises(BlockingIOError):
            heard.recv(1)
    other = "SOCK_STREAM" if kind == "SOCK_DGRAM" else "SOCK_DGRAM"
    assert said.pop(kind) == "made"
    assert said.pop("asked") == "OSError"  # ENOSYS: whom it asks is gone
    assert other in said
    assert set(said.values()) == {"PermissionError"}, said


ASKING = """
import encodings.idna, json, os, socket, sys
from ingest.confinement import Asking, confine
def tried(what):
    try:
        what()
        return "made"
    except OSError as error:
        return type(error).__name__
ours, theirs = socket.socketpair()
confine(parent=os.getppid(), memory_bytes=1 << 29, files=16, cpu_s=5,
    asking=Asking(call="{call}", kind=socket.{kind}, whom=theirs))
_word, found, _flags, _from = socket.recv_fds(ours, 1, 1)
for descriptor in found:
    os.close(descriptor)
s = socket.socket(type=socket.{kind})
MSG_FASTOPEN = 0x20000000
print(json.dumps({{
    "SOCK_STREAM": tried(lambda: socket.socket(type=socket.SOCK_STREAM)),
    "SOCK_DGRAM": tried(lambda: socket.socket(type=socket.SOCK_DGRAM)),
    "raw": tried(lambda: socket.socket(type=socket.SOCK_RAW)),
    "asked": tried(lambda: s.{call}({stream})),
    "other": tried(lambda: getattr(s, "bind" if "{call}" == "connect" else "connect")(("127.0.0.1", 0))),
    "sendto": tried(lambda: s.sendto(b"x", {datagram})),
    "fast": tried(lambda: s.sendto(b"x", MSG_FASTOPEN, {stream})),
    "sendmsg": tried(lambda: s.sendmsg([b"x"], [], 0, {datagram})),
    "listen": tried(lambda: s.listen()),
}}))
"""


def test_no_other_process_is_started_or_touched() -> None:
    """Not even a copy of itself: there would be one more to end."""
    said = confined(
        f"""
print(json.dumps({{
    "fork": tried(os.fork),
    "exec": tried(lambda: os.execv({sys.executable!r}, ["python", "-V"])),
    "spawn": tried(lambda: os.posix_spawn({sys.executable!r}, ["python", "-V"], {{}})),
    "kill": tried(lambda: os.kill({os.getpid()}, 0)),
    "pidfd": tried(lambda: os.pidfd_open({os.getpid()})),
    "signals": tried(lambda: fcntl.fcntl(0, fcntl.F_SETOWN, {os.getpid()})),
    "limits of others": tried(lambda: resource.prlimit({os.getpid()}, resource.RLIMIT_CPU, (1, 1))),
    "own limits": tried(lambda: resource.setrlimit(resource.RLIMIT_CPU, (5, 5))),
    "priority": tried(lambda: os.setpriority(os.PRIO_PROCESS, {os.getpid()}, 19)),
}}))
"""
    )
    assert said.pop("own limits") == "ValueError"  # Python's word for EPERM
    assert set(said.values()) == {"PermissionError"}, said


def test_limits_are_in_force_and_no_others_are_signalled() -> None:
    """Memory, CPU time, open files; a file that was opened before cannot grow."""
    said = confined(
        f"""
def allocate():
    try:
        return str(len(bytearray(1 << 30)))
    except MemoryError:
        return "MemoryError"
kinds = ("AS", "CPU", "NOFILE", "FSIZE", "CORE")
print(json.dumps({{
    **{{kind: str(resource.getrlimit(getattr(resource, "RLIMIT_" + kind))) for kind in kinds}},
    "memory": allocate(),
    "kill": tried(lambda: os.kill({os.getpid()}, 0)),
    "environment": " ".join(sorted(os.environ)),
    "version": str(version),
}}))
"""
    )
    assert (said["AS"], said["CPU"], said["NOFILE"]) == (f"({1 << 29}, {1 << 29})", "(5, 5)", "(16, 16)")
    assert (said["FSIZE"], said["CORE"]) == ("(0, 0)", "(0, 0)")
    assert said["memory"] == "MemoryError"
    assert set(said["environment"].split()) <= {"PYTHONPATH", "LC_CTYPE"}  # the latter by Python itself (PEP 538)
    assert said["kill"] == "PermissionError"


CHILD = """
import os, sys
from ingest.confinement import confine
confine(parent=int(sys.argv[1]), memory_bytes=1 << 29, files=16, cpu_s=5)
print(os.getpid(), flush=True)
sys.stdin.read()
"""
PARENT = """
import os, subprocess, sys
subprocess.run([sys.executable, "-P", "-c", sys.argv[1], str(os.getpid())])
"""


def test_it_does_not_outlive_its_parent() -> None:
    """However that ended: its standard input stays open, so nothing else could tell it."""
    command = [sys.executable, "-P", "-c", PARENT, CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        ended = select.select([child], [], [], 10)[0]
        os.close(child)
    assert ended == [child]
