"""All benchmarks, one after the other: `make bench`, about 10 minutes on an otherwise idle machine.

    python -m benchmarks [--quick]

Each is a program of its own and says in its first lines what it measures and how.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys

FULL = {
    "ingest": ["--cameras", "20", "--seconds", "20", "--rounds", "5"],
    "kernel": [],
    "durability": [],
    "playback": [],
    "simulator": ["--cameras", "20", "100", "220"],
}
QUICK = {
    "ingest": ["--cameras", "10", "--seconds", "5", "--rounds", "1"],
    "kernel": ["--seconds", "5"],
    "durability": [],
    "simulator": ["--cameras", "20", "--seconds", "5"],
}


def main() -> None:
    """Run them; the first that fails ends the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="about a minute, for a first look")
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}", flush=True)
    for name, arguments in (QUICK if options.quick else FULL).items():
        print(f"\n## {name}\n", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)


if __name__ == "__main__":
    main()
