"""Seeded bugs: known ways to lose footage, each of which must make the storm fail, and control runs that must pass.

    python -m tests.scenario.seeded_bugs [NAME ...]

Each patch in seeded/ is applied to a copy of the packages, and a short storm runs over the copy, two storms at a time.
The patch names the rule that has to catch it; others may, too. Exits 0 if every bug was caught by its rule and the
control runs passed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from server.storm_plan import make_plan
from storm.result import Result
from storm.rig import run_storm
from tests.s3_server import s3_server, servers_file

ROOT = Path(__file__).resolve().parents[2]
SEEDED = Path(__file__).parent / "seeded"
PATCHES = sorted(SEEDED.glob("*.patch"))
PACKAGES = ("media", "ingest", "storage", "retention", "playback", "server", "simulator", "storm")

USUAL, MANY_FRAGMENTS, FULL_DISK, NEARLY_FULL_DISK = "usual", "many-fragments", "full-disk", "nearly-full-disk"
SECONDS = {USUAL: 40, MANY_FRAGMENTS: 60, FULL_DISK: 60, NEARLY_FULL_DISK: 45}
"""Each kind of storm is a fleet and a script in seeded/, and has a control run."""

SPOOL_DISK_MB = {FULL_DISK: 64, NEARLY_FULL_DISK: 160}
"""These have a disk for the spool, which needs root, and an S3 server that goes away."""

SEED = 5
AT_ONCE = 2
SHOWN = 5


def caught_by(patch: Path) -> str:
    """The rule that has to catch a seeded bug."""
    found = re.search(r"^Caught by: (\w+)$", patch.read_text(), re.MULTILINE)
    assert found is not None, f"{patch.name} does not say what catches it"
    return found[1]


def storm_of(patch: Path) -> str:
    """The kind of storm that a seeded bug needs."""
    found = re.search(r"^Storm: ([\w-]+)$", patch.read_text(), re.MULTILINE)
    return USUAL if found is None else found[1]


def copy_product(target: Path, patch: Path | None = None) -> Path:
    """The packages, with a bug."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    if patch is not None:
        subprocess.run(["git", "apply", "--whitespace=nowarn", str(patch)], cwd=target, check=True)
    return target


def storm_over(product: Path, kind: str, data: Path) -> Result:
    """A short storm."""
    with s3_server(data.with_name("s3")) as port:
        plan = make_plan(
            fleet=SEEDED / f"{kind}.fleet.yaml",
            script=SEEDED / f"{kind}.script.yaml",
            seconds=SECONDS[kind],
            seed=SEED,
            data=data,
            servers=servers_file(data.with_name("servers.yaml"), port) if kind in SPOOL_DISK_MB else None,
            spool_disk_mb=SPOOL_DISK_MB.get(kind, 0),
        )
        # These bugs are not about speed.
        return run_storm(replace(plan, product=product, kill_us=30_000_000, segment_s=5))


def try_one(name: str, patch: Path | None) -> bool:
    """Run one and say how it went."""
    kind = name.removeprefix("control: ") if patch is None else storm_of(patch)
    with tempfile.TemporaryDirectory(prefix="hulta-seeded-") as scratch:
        product = copy_product(Path(scratch) / "product", patch)
        result = storm_over(product, kind, Path(scratch) / "data")
    good = result.passed if patch is None else caught_by(patch) in result.rules_broken
    wanted = "has to pass" if patch is None else f"has to break {caught_by(patch)}"
    lines = [f"{'ok  ' if good else 'BAD '} {name}: {wanted}; {len(result.violations)} violations"]
    shown = sorted(result.violations, key=lambda each: patch is not None and each.rule != caught_by(patch))[:SHOWN]
    print("\n".join([*lines, *(f"       {str(violation)[:200]}" for violation in shown)]), flush=True)
    return good


def main(names: list[str]) -> int:
    """The command line."""
    controls: dict[str, Path | None] = {f"control: {kind}": None for kind in SECONDS}
    cases = {**controls, **{patch.stem: patch for patch in PATCHES}}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = [*pool.map(lambda name: try_one(name, cases[name]), names or cases)]
    print(f"{sum(outcomes)} of {len(outcomes)} as they should be")
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
