"""Inputs that fuzzing found useful, replayed without a fuzzer: one file, or the corpus of a target.

python -m tests.fuzz.replay TARGET [FILE ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def corpus_of(target: str) -> list[Path]:
    """The inputs that are kept for a target."""
    return sorted((CORPUS / target).iterdir()) if (CORPUS / target).is_dir() else []


def main() -> None:
    """Ends with the traceback of the first broken promise."""
    target, *files = sys.argv[1:]
    for path in [Path(name) for name in files] or corpus_of(target):
        TARGETS[target](path.read_bytes())


if __name__ == "__main__":
    main()
