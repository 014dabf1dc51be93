"""What holds for all tests: no example of Hypothesis fails for the time it took.

A machine that does something else for a fifth of a second is no fault of the code's; what hangs ends by pytest's limit.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("hulta", deadline=None)
settings.load_profile("hulta")
