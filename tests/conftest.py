"""What holds for all tests: none takes the machine from others, no example of Hypothesis fails for the time it took.

A machine that does something else for a fifth of a second is no fault of the code's; what hangs ends by pytest's limit.
A test that made its process a real-time one (AV1's encoder did: simulator/scheduling.py) would have every server and
browser that is started after it take the processors from whatever else is tested meanwhile.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("hulta", deadline=None)
settings.load_profile("hulta")

BEGAN = os.sched_getscheduler(0)


def pytest_runtest_teardown() -> None:
    """Each test leaves its process scheduled as it was."""
    assert os.sched_getscheduler(0) == BEGAN
