"""Puts the figures of benchmarks/results into benchmarks/README.md, so that none is ever typed by hand.

    python -m benchmarks.readme [--check]

What stands between `<!-- figures: QUESTION -->` and `<!-- end -->` is rendered from `results/QUESTION.json`: the plot,
the sentence that says what to see, budgets, tables and notes. `--check` writes nothing and tells by its exit code.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.question import RESULTS
from benchmarks.report import markdown

README = RESULTS.parent / "README.md"
_SECTION = re.compile(r"(<!-- figures: ([a-z_]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(value: dict[str, Any]) -> str:
    """What a question's section shows."""
    machine = value["machine"]
    where = (
        f"{machine['cores']} cores{' of a virtual machine' if machine['virtual'] else ''} ({machine['cpu']}), "
        f"{machine['memory_gib']} GiB, {machine['system']}, Linux {machine['kernel']}, Python {machine['python']}, "
        f"load average {value['load_before']} before"
    )
    return "\n\n".join(
        (
            f"![{value['sees']}](results/{value['question']}.svg)",
            f"**{value['sees']}**",
            markdown(value),
            "\n".join(f"- {line}" for line in value["method"]),
            f"Measured {value['date']} at commit `{value['commit']}` in {value['took_s']:.0f} s. {where}.",
        )
    )


def filled(text: str, results: Path) -> str:
    """The page with every section that has results rendered anew; a section without results says so."""

    def section(found: re.Match[str]) -> str:
        path = results / f"{found[2]}.json"
        content = render(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else "Not measured yet."
        return f"{found[1]}\n{content}\n\n{found[3]}"

    return _SECTION.sub(section, text)


def rewrite(readme: Path = README, results: Path = RESULTS) -> bool:
    """Bring the page up to date; whether anything changed."""
    old = readme.read_text(encoding="utf-8")
    new = filled(old, results)
    if new != old:
        readme.write_text(new, encoding="utf-8")
    return new != old


def main() -> int:
    """Rewrite, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if the page is not up to date")
    if parser.parse_args().check:
        text = README.read_text(encoding="utf-8")
        return int(filled(text, RESULTS) != text)
    print(f"{README}: {'rewritten' if rewrite() else 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
