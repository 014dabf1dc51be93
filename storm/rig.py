"""The storm from beginning to end.

    1. Start the simulated cameras (never killed; their log of what they sent is S) and the product.
    2. When every camera is recorded, let the script begin: faults of cameras, kills and pauses of processes. All the
       while, note what the API says is durable (A).
    3. When it is over, wait until every camera is recorded again, or had to be, and everything has settled.
    4. Ask the public API for everything since the script began: R and G. Judge, camera by camera.

The range begins when all cameras are recorded and ends where all of them are durable, so the frames of the last moment,
which nobody announced yet, lie outside of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from storm.announcements import Announcements
from storm.api import ApiFailed
from storm.disk import require_room
from storm.evidence import read_timeline, segment_ids
from storm.examination import Question, examine_all, workers
from storm.facts import SECOND_US, Violation
from storm.figures import figures
from storm.listing import stored, unlisted
from storm.logs import first_traceback, read_faults, split_sent_log
from storm.outages import causes
from storm.plan import StormFailed
from storm.processes import end
from storm.result import Result
from storm.rules_whole import lowest_class_goes_first
from storm.strikes import Strikes
from storm.system import System, storm_system
from storm.waiting import pause_until, wait, wall_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from storm.facts import FaultWindow, Strike
    from storm.plan import StormPlan

START_S = 120
SETTLE_S = 180
CALM_GOPS = 3
"""How long it goes on when all is well again, so that the last outage is in the range as a whole."""

MOST_CALM_US = 30 * SECOND_US


def run_storm(plan: StormPlan, say: Callable[[str], None] = lambda _: None) -> Result:
    """The whole storm. StormFailed when it could not be carried out."""
    plan.data.mkdir(parents=True, exist_ok=True)
    require_room(plan, workers())
    with storm_system(plan) as system, Announcements(system.api) as announced:
        return Rig(system, announced, say).run()


class Rig:
    """One storm while it lasts."""

    def __init__(self, system: System, announced: Announcements, say: Callable[[str], None]) -> None:
        self._system = system
        self._plan = system.plan
        self._announced = announced
        self._say = say
        self._names = [camera.name for camera in self._plan.cameras]
        self._strikes = Strikes(system, say)
        self._result = Result()

    def run(self) -> Result:
        """Storm, wait, judge."""
        self._begin()
        self._strikes.run(self._plan.blows, self._result.began_us)
        self._last_until(self._result.began_us + self._plan.seconds * SECOND_US)
        self._calm()
        self._settle()
        end(self._system.simulator)  # what it would send from now on is not asked for
        return self._judge()

    def _begin(self) -> None:
        names, announced = self._names, self._announced
        if not wait(START_S, lambda: not announced.behind(names, 0)):
            late = announced.behind(names, 0)
            raise StormFailed(f"{len(late)} of {len(names)} cameras were not recorded within {START_S} s: {late[:5]}")
        self._result.from_us = max(announced.through_us(name) for name in names)
        self._say(f"{len(names)} cameras are recorded; {self._plan.seconds} s of storm begin (seed {self._plan.seed})")
        self._result.began_us = wall_us()
        self._system.begin_script()

    def _last_until(self, instant_us: int) -> None:
        while (now_us := wall_us()) < instant_us:
            self._system.require_simulator()
            pause_until(min(instant_us, now_us + SECOND_US))

    def _calm(self) -> None:
        """Wait until all cameras are recorded again, or had to be by the bounds of their faults."""
        over_us = wall_us()
        self._say("the script is over; waiting until all cameras are recorded again")
        left_s = max(0, self._due_us() - over_us) / 1e6 + SETTLE_S
        names = self._names
        if wait(left_s, lambda: not self._announced.behind(names, over_us)):
            gop_us = min(max(camera.gop_us for camera in self._plan.cameras), MOST_CALM_US // CALM_GOPS)
            self._result.to_us = wall_us() + CALM_GOPS * gop_us
            over_us = self._result.to_us
            wait(SETTLE_S, lambda: not self._announced.behind(names, over_us))
        else:
            self._result.to_us = wall_us()
        after_s = (over_us - self._result.began_us) / 1e6
        for name in self._announced.behind(names, over_us):
            detail = f"nothing after {after_s:.1f} s is announced as durable, long after it was due"
            self._result.violations.append(Violation(rule="recording_resumes", camera=name, detail=detail))

    def _due_us(self) -> int:
        """By when every camera has to be recorded again, the longest wait for a sync sample included."""
        found = [
            cause.due_us
            for windows in self._faults().values()
            for cause in causes((), windows, cameras=len(self._names), kill_us=0)
        ]
        gop_us = max(camera.gop_us for camera in self._plan.cameras)
        return max(found, default=0) + gop_us

    def _faults(self) -> dict[str, list[FaultWindow]]:
        log = self._system.fault_log
        return read_faults(log, self._result.to_us or wall_us(), self._plan.step_numbers) if log.exists() else {}

    def _settle(self) -> None:
        """Wait until nothing of the range is undecided and all of it is in the object store."""
        unsettled = [*self._names]

        def settled() -> bool:
            objects = self._stored()
            unsettled[:] = [name for name in unsettled if not self._is_settled(name, objects.keys())]
            return not unsettled

        within_s = SETTLE_S + sum(blow.for_us for blow in self._plan.blows if blow.fault) / 1e6
        if not wait(within_s, settled, look_s=2):
            self._say(f"not settled within {within_s:.0f} s: {', '.join(unsettled)}")

    def _stored(self) -> dict[UUID, str]:
        return stored(self._system.hulta_data, self._plan.product_config.get("store", {}))

    def _is_settled(self, name: str, objects: AbstractSet[UUID]) -> bool:
        api, from_us, to_us = self._system.api, self._result.from_us, self._result.to_us
        try:
            if read_timeline(api, name, from_us, to_us)["pending"]:
                return False
            return objects >= {*segment_ids(api, name, from_us, to_us)}
        except ApiFailed:
            return False

    def _judge(self) -> Result:
        result, strikes = self._result, self._strikes.done
        self._say("settled; asking for everything")
        result.strikes = strikes
        result.reports = [*examine_all(self._questions(strikes))]
        result.violations += [violation for report in result.reports for violation in report.violations]
        result.violations += [*self._strikes.violations, *self._of_the_whole()]
        result.figures = figures(self._plan, result.reports, strikes, result.from_us, result.to_us)
        return result

    def _questions(self, strikes: Sequence[Strike]) -> list[Question]:
        logs = split_sent_log(self._system.sent_log, self._plan.data / "sent")
        faults = self._faults()
        if left_out := {*self._plan.step_numbers} - {each.step for windows in faults.values() for each in windows}:
            raise StormFailed(f"step {min(left_out)} of the script was not carried out: nothing is proved")
        return [
            Question(
                api=self._system.api,
                camera=camera,
                cameras=len(self._names),
                from_us=self._result.from_us,
                to_us=self._result.to_us,
                began_us=self._result.began_us,
                sent_log=logs.get(camera.name),
                announced=self._announced.seen(camera.name, self._result.to_us),
                faults=[fault for fault in faults.get(camera.name, ()) if fault.start_us < self._result.to_us],
                strikes=strikes,
                kill_us=self._plan.kill_us,
                full=self._system.full,
                scratch=self._plan.data / f"video-{index}.mp4",
            )
            for index, camera in enumerate(self._plan.cameras)
        ]

    def _of_the_whole(self) -> Iterator[Violation]:
        """What concerns the whole archive: its listing, its own check, and what the processes said."""
        known = frozenset().union(*(report.segments for report in self._result.reports))
        for detail in unlisted(self._stored(), known, self._result.to_us):
            yield Violation(rule="listing_is_rows", camera="", detail=detail)
        classes = {
            camera["name"]: camera["class"] for site in self._plan.product_config["sites"] for camera in site["cameras"]
        }
        result, full = self._result, self._system.full
        for detail in lowest_class_goes_first(result.reports, classes, result.strikes, full, self._plan.segment_s):
            yield Violation(rule="lowest_class_goes_first", camera="", detail=detail)
        code, words = self._system.check()
        if code != 0:
            yield Violation(rule="check_is_content", camera="", detail=f"hulta check exits {code}: {words}")
        if detail := first_traceback(self._system.hulta_log):
            yield Violation(rule="no_traceback", camera="", detail=detail)
        yield from self._announced.violations
