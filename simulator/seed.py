"""Chance that can be repeated: every random number comes from the seed and the name of what it is for."""

from __future__ import annotations

from random import Random


def chance(seed: int, *what: str | int) -> Random:
    """Random numbers of one thing, the same in every process: `chance(seed, camera, "session", 3)`.

    Python seeds with the SHA-512 of a text, so streams of different things are independent, and adding a camera to a
    fleet changes nothing for the others.
    """
    # Not for secrets: whoever knows the seed knows the numbers, that is what it is for.
    return Random("/".join(str(part) for part in (seed, *what)))  # noqa: S311
