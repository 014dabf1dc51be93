"""The storm: simulated cameras, the whole product, SIGKILL for one of its processes every few seconds, and a verdict.

    python -m tests.scenario.storm --cameras 20 --minutes 3 --kill-every 5 --seed 1 --data DIR --json OUT

    1. Start `hulta simulate` (never killed; its log of what it sent is S) and `hulta run`.
    2. When every camera is recording, kill random roles, the supervisor too, and restart only the supervisor.
       All the while, note outside the product what `record` announces as durable (A).
    3. Stop killing; wait until every camera is durable past that moment and everything before it is settled.
    4. Ask the public API for everything between the first kill and then: R and G.
    5. Judge (tests/scenario/verdict.py) and print the figures. Exits: 0 passed, 1 violations, 2 no verdict.

The range begins when all cameras are recording and ends where all of them are durable, so the frames of the last
moment, which nobody announced yet, lie outside of it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from media.errors import MediaError
from tests.scenario.storm_evidence import Archive, evidence, sent_frames, unlisted
from tests.scenario.storm_facts import CameraEvidence, Kill, Violation
from tests.scenario.storm_result import Result, figures
from tests.scenario.storm_system import ROLES, SUPERVISOR, Plan, StormFailed, System, camera_name, storm_system, wait
from tests.scenario.storm_watch import Announcements
from tests.scenario.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

START_S = 90
SETTLE_S = 120
CALM_GOPS = 3
"""How long it goes on after the last kill, so that the last outage is in the range as a whole."""


def run_storm(plan: Plan, say: Callable[[str], None] = lambda _: None) -> Result:
    """The whole storm. StormFailed when it could not be carried out."""
    with storm_system(plan) as system, Announcements(system.hulta_data / "run" / "record.sock") as announced:
        archive = Archive(system.api, plan.data)
        try:
            names = [camera_name(url) for url in system.urls]
            announced.wait_past(names, 0, START_S)
            from_us = max(announced.through_us(name) for name in names)
            say(f"{len(names)} cameras are recording; {plan.seconds} s of kills begin (seed {plan.seed})")
            kills = storm(system, say)
            again_us = time.time_ns() // 1000
            wait(
                SETTLE_S, "all cameras to record", lambda: all(announced.through_us(name) > again_us for name in names)
            )
            to_us = max(announced.through_us(name) for name in names) + CALM_GOPS * plan.gop_us
            wait(SETTLE_S, "all cameras to go on", lambda: all(announced.through_us(name) > to_us for name in names))
            wait(SETTLE_S, "everything to settle", lambda: settled(system, archive, names, from_us, to_us))
            say("settled; asking for everything")
            return gather(system, archive, announced, kills=kills, from_us=from_us, to_us=to_us)
        finally:
            archive.close()


def storm(system: System, say: Callable[[str], None]) -> list[Kill]:
    """Kill until the time is up."""
    plan = system.plan
    chance = random.Random(plan.seed)
    began = time.monotonic()
    kills: list[Kill] = []
    while (due := (len(kills) + 1) * plan.kill_every_s) <= plan.seconds:
        time.sleep(max(0.0, began + due - time.monotonic()))
        role, pid = victim(system, chance.choice(plan.roles))
        kills.append(Kill(system.kill(role, pid), role))
        say(f"{time.monotonic() - began:6.1f} s  killed {role} ({pid})")
    return kills


def victim(system: System, role: str) -> tuple[str, int]:
    """The process of a role; while it is being started again, wait for it."""
    wait(START_S, f"{role} to be there", lambda: role in system.roles())
    return role, system.roles()[role]


def settled(system: System, archive: Archive, names: list[str], from_us: int, to_us: int) -> bool:
    """Whether only the living run is left in the spool and nothing of the range is undecided."""
    if len([*(system.hulta_data / "spool").glob("[0-9a-f]*/")]) != 1:
        return False
    try:
        return not any(archive.timeline(name, from_us, to_us)["pending"] for name in names)
    except httpx.HTTPError:
        return False


def gather(
    system: System, archive: Archive, announced: Announcements, *, kills: list[Kill], from_us: int, to_us: int
) -> Result:
    """Collect the evidence, camera by camera, and judge it."""
    plan, sent, result = system.plan, sent_frames(system.sent_log), Result()
    cameras: list[CameraEvidence] = []
    known: set[UUID] = set()
    for name in (camera_name(url) for url in system.urls):
        try:
            found, segments = evidence(
                archive,
                name,
                from_us=from_us,
                to_us=to_us,
                frame_us=1_000_000 // plan.fps,
                sent=sent[name],
                announced=announced.seen(name, to_us),
            )
        except (httpx.HTTPError, MediaError) as error:
            detail = f"{type(error).__name__}: {error}"
            result.violations.append(Violation(rule="evidence_is_readable", camera=name, detail=detail))
            continue
        known |= segments
        cameras.append(found)
        result.violations += judge(found, kills, gop_us=plan.gop_us, recovery_us=plan.recovery_us)
    result.violations += system_violations(system, known, to_us)
    result.figures = figures(plan, cameras, kills)
    return result


def system_violations(system: System, known: set[UUID], to_us: int) -> Iterator[Violation]:
    """What concerns the whole archive: its listing, its own check, and what the processes said."""
    for detail in unlisted(system.hulta_data, known, to_us):
        yield Violation(rule="listing_is_rows", camera="", detail=detail)
    code, words = system.check()
    if code != 0:
        yield Violation(rule="check_is_content", camera="", detail=f"hulta check exits {code}: {words}")
    log = (system.plan.data / "hulta.log").read_text(errors="replace")
    if "Traceback (most recent call last)" in log:
        detail = log[log.index("Traceback (most recent call last)") :][:600]
        yield Violation(rule="no_traceback", camera="", detail=detail)


def plan_of(given: argparse.Namespace, scratch: Path) -> Plan:
    """The plan that the command line asks for."""
    plan = Plan(
        data=(given.data or scratch).resolve(),
        cameras=given.cameras,
        seconds=round(given.minutes * 60),
        kill_every_s=given.kill_every,
        seed=random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed,
        roles=tuple(given.roles.split(",")),
        bitrate=given.bitrate,
        **({"product": given.product.resolve()} if given.product else {}),
    )
    if unknown := set(plan.roles) - {*ROLES, SUPERVISOR}:
        raise StormFailed(f"no such role: {', '.join(sorted(unknown))}")
    return plan


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.scenario.storm", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cameras", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--kill-every", type=float, default=5, metavar="SECONDS")
    parser.add_argument("--roles", default=",".join((*ROLES, SUPERVISOR)), help="which may be killed")
    parser.add_argument("--seed", type=int, help="the same seed kills the same roles in the same order")
    parser.add_argument("--bitrate", default="1M", help="of each camera")
    parser.add_argument("--data", type=Path, help="a new directory, kept for a look afterwards")
    parser.add_argument("--product", type=Path, help="test the packages in this directory, not this repository's")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the verdict there, too")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hulta-storm-") as scratch:
        try:
            result = run_storm(plan_of(given, Path(scratch)), say=lambda line: print(line, flush=True))
        except StormFailed as failure:
            print(f"no verdict: {failure}", file=sys.stderr)
            return 2
    print(result)
    if given.json:
        given.json.write_text(result.to_json())
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
