"""Where a figure was measured: the machine, and the commit of what was measured."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def describe() -> dict[str, str | int]:
    """The machine in a few words; no name of the host, none of a person."""
    memory_kb = int(_field(Path("/proc/meminfo"), "MemTotal").split()[0])
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory_kb / (1 << 20)),
        "system": _field(Path("/etc/os-release"), "PRETTY_NAME", separator="=").strip('"'),
        "kernel": platform.release().partition("-")[0],
        "virtual": "hypervisor" in _field(Path("/proc/cpuinfo"), "flags").split(),
        "python": platform.python_version(),
        "ffmpeg": _first_line("ffmpeg", "-version").removeprefix("ffmpeg version ").partition(" ")[0],
    }


def commit() -> str:
    """The commit of the tree, `+` behind it where files under version control were changed; empty without git."""
    head = _first_line("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    status = ("status", "--porcelain", "--untracked-files=no", "--", ":!benchmarks/results")
    changed = _first_line("git", "-C", str(ROOT), *status)
    return f"{head}+" if head and changed else head


def _field(path: Path, name: str, *, separator: str = ":") -> str:
    """The first `name: value` of a file; empty if there is none."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        key, _, value = line.partition(separator)
        if key.strip() == name:
            return value.strip()
    return ""


def _first_line(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return next(iter(done.stdout.splitlines()), "") if done.returncode == 0 else ""
