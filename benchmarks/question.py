"""A benchmark as a program: every question is one, and `python -m benchmarks` runs them one after the other.

    def measure(run: Run) -> Report: ...

    if __name__ == "__main__":
        main(measure)

`run.work` is an empty directory on the disk to be measured; it is removed afterwards, however the program ends. A
program that takes longer than its limit ends itself.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks.machine import ROOT
from benchmarks.report import Report

RESULTS = ROOT / "benchmarks" / "results"
LIMIT_S = 900
WORK_PREFIX = "hulta-bench-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a question is to be answered: `quick` is a first look with few samples, about 10 s each."""

    quick: bool
    work: Path


def main(measure: Callable[[Run], Report]) -> None:
    """Parse the command line, measure, publish."""
    parser = argparse.ArgumentParser(
        description=sys.modules[measure.__module__].__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a first look, written to a temporary place")
    parser.add_argument("--work", type=Path, default=Path.cwd(), help="a directory on the disk to be measured")
    parser.add_argument("--results", type=Path, help="where JSON and SVG go (benchmarks/results)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(LIMIT_S)
    load_before, began = os.getloadavg()[0], time.monotonic()
    with working_directory(options.work) as work:
        report = measure(Run(quick=options.quick, work=work))
    folder = options.results or results_folder(quick=options.quick)
    report.publish(folder, quick=options.quick, took_s=time.monotonic() - began, load_before=load_before)


def results_folder(*, quick: bool) -> Path:
    """Where results go: a quick run's never over those that are kept."""
    return Path(tempfile.mkdtemp(prefix="hulta-bench-quick-")) if quick else RESULTS


@contextmanager
def working_directory(parent: Path) -> Iterator[Path]:
    """An empty directory, removed afterwards."""
    work = Path(tempfile.mkdtemp(prefix=WORK_PREFIX, dir=parent))
    try:
        yield work
    finally:
        shutil.rmtree(work)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(143)  # unwinds: children are ended, files removed


def _late(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(f"the benchmark took longer than {LIMIT_S} s")  # nothing on the way takes it for its own
