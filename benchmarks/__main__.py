"""All benchmarks, one after the other: `make bench`, about 15 minutes on an otherwise idle machine.

    python -m benchmarks [--quick] [--work DIRECTORY] [--results DIRECTORY] [QUESTION ...]

Each question is a program of its own in a process group of its own, bounded in time. One that fails does not stop the
others; it is named at the end, and the exit code is 1. With `--quick`, about a minute, nothing that is kept is written.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks import machine, readme
from benchmarks.children import die_with_parent
from benchmarks.measuring import free_bytes, until
from benchmarks.question import LIMIT_S, RESULTS, results_folder, working_directory

QUESTIONS = {
    "ingest": 8_000_000_000,
    "durability": 3_000_000_000,
    "ship": 3_000_000_000,
    "whole_path": 20_000_000_000,
    "kernel": 0,
    "catalog": 2_000_000_000,
    "retrieval": 4_000_000_000,
    "simulator": 0,
    "simulated_city": 0,
}
"""In this order; the room on the disk that each needs for a moment, in bytes."""

GRACE_S = 30


def answer(question: str, *, work: Path, results: Path, quick: bool) -> str:
    """Run one question; why it failed, empty if it did not."""
    needed_bytes, there_bytes = QUESTIONS.get(question, 0), free_bytes(work)
    if there_bytes < needed_bytes:
        return f"needs {needed_bytes / 1e9:.0f} GB on the disk of {work}, {there_bytes / 1e9:.1f} GB are free"
    command = [sys.executable, "-m", f"benchmarks.{question}", "--work", str(work), "--results", str(results)]
    os.sync()  # what the question before left to write is not this one's
    child = subprocess.Popen(
        [*command, *(["--quick"] if quick else [])],
        start_new_session=True,
        preexec_fn=partial(die_with_parent, signal.SIGTERM),  # noqa: PLW1509 - one call into libc, no other threads
    )
    try:
        until(lambda: _ended(child.pid), what=f"the end of {question}", within_s=LIMIT_S + GRACE_S)
    except TimeoutError as error:
        return str(error)
    finally:
        _end(child)
    return "" if child.returncode == 0 else f"ended with exit code {child.returncode}"


def _ended(pid: int) -> bool:
    """Whether a child has ended. It is not reaped, so its id, and that of its group, stay its own."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a question and everything it started: its process group."""
    if not _ended(child.pid):
        child.terminate()
        with suppress(TimeoutError):
            until(lambda: _ended(child.pid), what="its end", within_s=GRACE_S)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def answer_all(questions: Sequence[str], *, work: Path, results: Path, quick: bool) -> dict[str, str]:
    """Run them; those that failed, and why."""
    failed = {}
    for question in questions:
        print(f"\n## {question}\n", flush=True)
        began = time.monotonic()
        with working_directory(work) as empty:
            why = answer(question, work=empty, results=results, quick=quick)
        print(f"\n{question}: {why or 'done'}, {time.monotonic() - began:.0f} s", flush=True)
        if why:
            failed[question] = why
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 if a question failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="about a minute, for a first look")
    parser.add_argument("--work", type=Path, default=Path.cwd(), help="a directory on the disk to be measured")
    parser.add_argument("--results", type=Path, help="where JSON and SVG go (benchmarks/results)")
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=f"of {', '.join(QUESTIONS)}; all of them")
    options = parser.parse_args(arguments)
    unknown = set(options.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"no such question: {', '.join(sorted(unknown))} (there are {', '.join(QUESTIONS)})")
    results = options.results or results_folder(quick=options.quick)
    print(", ".join(f"{key} {value}" for key, value in machine.describe().items()), flush=True)
    signal.signal(signal.SIGTERM, _stop)
    failed = answer_all(options.questions or list(QUESTIONS), work=options.work, results=results, quick=options.quick)
    print(f"\nresults are in {results}")
    if results == RESULTS:
        readme.rewrite()
    for question, why in failed.items():
        print(f"FAILED {question}: {why}")
    return 1 if failed else 0


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(143)  # unwinds: the running question is ended


if __name__ == "__main__":
    sys.exit(main())
