"""Fuzzing with atheris (libFuzzer): each target in a process of its own. A broken promise is kept, and fails.

    python -m tests.fuzz.run [--seconds 600] [TARGET ...]

Inputs that reach new code are collected in build/fuzz/TARGET, beside those of tests/fuzz/corpus/TARGET, and go on from
there the next time; `tests.fuzz.keep` takes the useful ones over. An input that breaks a promise is written to
build/fuzz/broken/TARGET-*: replay it with `python -m tests.fuzz.replay TARGET FILE`, mend, and put it into the corpus.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.fuzz.replay import CORPUS

WORK = Path("build/fuzz")
MOST_INPUT_BYTES = 4096
SECONDS_AN_INPUT = 5
MEMORY_MB = 1024

# In a process of its own: libFuzzer ends the process it runs in. What is imported inside is instrumented.
_FUZZ = """
import sys, atheris
with atheris.instrument_imports(include=["media"]):
    from tests.fuzz.targets import TARGETS
atheris.Setup(sys.argv[1:], TARGETS[sys.argv.pop(1)])
atheris.Fuzz()
"""


def fuzz(target: str, seconds: int) -> bool:
    """Whether the target kept its promises for so long."""
    found, broken, kept = WORK / target, WORK / "broken", CORPUS / target
    for directory in (found, broken, kept):
        directory.mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": seconds,
        "max_len": MOST_INPUT_BYTES,
        "timeout": SECONDS_AN_INPUT,
        "rss_limit_mb": MEMORY_MB,
        "artifact_prefix": f"{broken}/{target}-",
        "print_final_stats": 1,
        "verbosity": 1,
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-c", _FUZZ, target, *arguments, str(found), str(kept)]
    with (WORK / f"{target}.log").open("w") as log:
        return subprocess.run(command, stdout=log, stderr=log, check=False).returncode == 0


def main() -> int:
    """Each target in turn."""
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all if none is named")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    failed = []
    for target in given.targets or TARGETS:
        if not fuzz(target, given.seconds):
            failed.append(target)
        runs = [
            line for line in (WORK / f"{target}.log").read_text(errors="replace").splitlines() if "stat::number" in line
        ]
        print(target, "BROKEN" if target in failed else "clean", *runs, flush=True)
    for target in failed:
        print(f"{target}: see {WORK}/{target}.log and {WORK}/broken/{target}-*")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
