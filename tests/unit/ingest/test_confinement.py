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
import encodings.idna, json, os, resource, signal, socket, sys
from ingest.confinement import confine
def tried(what):
    try:
        return repr(what())
    except OSError as error:
        return type(error).__name__
version = confine(parent=os.getppid(), memory_bytes=1 << 29, files=16, cpu_s=5, tcp_port={port}, readable={readable})
"""


def confined(code: str, *, port: int | None = None, readable: tuple[str, ...] = ()) -> dict[str, str]:
    """What a confined process prints, and that it ends in order."""
    program = PRELUDE.format(port=port, readable=readable) + code
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False, timeout=30, **surroundings()
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
    """Neither the data directory nor another process's secrets; what was allowed can be read and not written."""
    if not _has_landlock():
        pytest.skip("this kernel has no Landlock")
    allowed = secret.with_name("allowed")
    allowed.write_text("fine")
    said = confined(
        f"""
paths = {{"secret": {str(secret)!r}, "allowed": {str(allowed)!r}, "parent": f"/proc/{{os.getppid()}}/environ"}}
print(json.dumps({{
    **{{name: tried(lambda path=path: open(path).read()) for name, path in paths.items()}},
    "listed": tried(lambda: os.listdir({str(secret.parent)!r})),
    "written": tried(lambda: open({str(allowed)!r}, "w").write("x")),
    "new": tried(lambda: open({str(secret.parent)!r} + "/new", "w")),
}}))
""",
        readable=(str(allowed),),
    )
    assert said["allowed"] == "'fine'"
    refused = {name: answer for name, answer in said.items() if name != "allowed"}
    assert set(refused.values()) == {"PermissionError"}, said
    assert allowed.read_text() == "fine"


def test_one_port_can_be_connected_to() -> None:
    """The camera's. Nothing can be listened at."""
    if not _has_landlock():
        pytest.skip("this kernel has no Landlock")
    with socket.create_server(("127.0.0.1", 0)) as camera, socket.create_server(("127.0.0.1", 0)) as other:
        own, foreign = (server.getsockname()[1] for server in (camera, other))
        said = confined(
            f"""
print(json.dumps({{
    "own": tried(lambda: socket.create_connection(("127.0.0.1", {own})).close()),
    "foreign": tried(lambda: socket.create_connection(("127.0.0.1", {foreign}))),
    "listen": tried(lambda: socket.create_server(("127.0.0.1", 0))),
}}))
""",
            port=own,
        )
    assert said == {"own": "None", "foreign": "PermissionError", "listen": "PermissionError"}


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
    assert said["kill"] == ("PermissionError" if int(said["version"]) >= 6 else "None")


CHILD = """
import os, sys
from ingest.confinement import confine
confine(parent=int(sys.argv[1]), memory_bytes=1 << 29, files=16, cpu_s=5, tcp_port=None)
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
