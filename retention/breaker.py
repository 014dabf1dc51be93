"""When to refuse to delete: a wrong clock and a mistyped policy look alike, everything is suddenly long overdue.

Two questions, both pure but for the clock that is passed in:

    Can the clock be trusted?  In the last SETTLE_US it may not have jumped against the boot clock by over STEP_US.
    Can this much be due?      While `keep` runs, footage is dealt with within minutes of its time. So whatever is
                               overdue by more than 1/20 of keep_max, or an hour if that is more, is refused.

The second bound speaks of lateness, which is the share of a stream's time that would go at once: 62d of footage under
`keep_max: 62h` is overdue by 59 days, and a clock that says 2036 makes everything overdue by years. It lets pass what
happens in a healthy life: the steady state (seconds late), a host that was down over a long weekend under a policy of
62 days (3d 2h allowed), a camera that was removed and whose last segments go. What it refuses, a person accepts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retention.policy import HOUR_US, MINUTE_US, Action, span

if TYPE_CHECKING:
    from retention.policy import Plan
    from storage.clock import Clock
    from storage.model import Policy

STEP_US = MINUTE_US
"""NTP slews less than this over any pause of `keep`; a leap second is less, too."""

SETTLE_US = HOUR_US
"""How long a clock has to run evenly after a jump: an hour late is harmless, a deletion by a wrong clock is not."""

LATE_SHARE = 20
LATE_FLOOR_US = HOUR_US


def late_limit_us(policy: Policy) -> int:
    """How overdue a segment may be under this policy before its deletion looks like a mistake."""
    return max(LATE_FLOOR_US, policy.keep_max_us // LATE_SHARE)


def refusal(plan: Plan, policy: Policy) -> str | None:
    """Why the plan for one stream is not to be carried out, or None if it may be."""
    due = [*plan.of(Action.MARK), *plan.of(Action.PURGE)]
    late_us = max((plan.now_us - decision.due_us for decision in due), default=0)
    if late_us <= late_limit_us(policy):
        return None
    return f"segments are overdue by up to {span(late_us)}, policy {policy.name} explains {span(late_limit_us(policy))}"


class ClockWatch:
    """Compares the wall clock with the boot clock, which never steps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_us = clock.wall_us() - clock.boot_us()
        self._stepped: tuple[int, int] | None = None  # when on the boot clock, and by how much

    def doubt(self) -> str | None:
        """Why the wall clock is not to be trusted now, or None. Every call compares it with the call before."""
        boot_us = self._clock.boot_us()
        offset_us = self._clock.wall_us() - boot_us
        step_us, self._offset_us = offset_us - self._offset_us, offset_us
        if abs(step_us) > STEP_US:
            self._stepped = (boot_us, step_us)
        if self._stepped is None or boot_us - self._stepped[0] >= SETTLE_US:
            return None
        ago_us, by_us = boot_us - self._stepped[0], self._stepped[1]
        direction = "forward" if by_us > 0 else "back"
        return (
            f"the clock jumped {direction} by {span(abs(by_us))}, {span(ago_us)} ago; it has to run {span(SETTLE_US)}"
        )
