"""Several samples of one figure. What is compared, printed and drawn is the median, with the extremes beside it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """The samples of one figure in the order they were taken; never empty, never anything but finite numbers."""

    samples: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.samples or not all(math.isfinite(sample) for sample in self.samples):
            raise ValueError(f"not the samples of a figure: {self.samples}")

    @classmethod
    def of(cls, samples: Iterable[float]) -> Spread:
        """These samples."""
        return cls(tuple(samples))

    @property
    def lowest(self) -> float:
        """The smallest sample."""
        return min(self.samples)

    @property
    def median(self) -> float:
        """The middle one, or the mean of the two in the middle."""
        return statistics.median(self.samples)

    @property
    def highest(self) -> float:
        """The largest sample."""
        return max(self.samples)

    def times(self, factor: float) -> Spread:
        """The same in another unit."""
        return Spread(tuple(sample * factor for sample in self.samples))

    def ratio_to(self, other: Spread) -> Spread:
        """Sample by sample where both were taken in the same rounds: the ratio of each round.

        Otherwise the medians and, as bounds of what the samples allow, the extremes divided crosswise.
        """
        if len(self.samples) == len(other.samples):
            return Spread.of(mine / theirs for mine, theirs in zip(self.samples, other.samples, strict=True))
        return Spread((self.lowest / other.highest, self.median / other.median, self.highest / other.lowest))

    def text(self, digits: int) -> str:
        """`min / median / max`, or the one sample."""
        if len(self.samples) == 1:
            return number(self.samples[0], digits)
        return " / ".join(number(value, digits) for value in (self.lowest, self.median, self.highest))

    def to_json(self) -> dict[str, Any]:
        """Every sample, rounded to six significant digits, and the three that are shown."""
        return {
            "min": significant(self.lowest),
            "median": significant(self.median),
            "max": significant(self.highest),
            "samples": [significant(sample) for sample in self.samples],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Spread:
        """What `to_json` wrote."""
        return cls(tuple(value["samples"]))


def significant(value: float) -> float:
    """Rounded to six significant digits: more of them would be noise in a file that people compare."""
    return value if isinstance(value, int) else float(f"{value:.6g}")


def number(value: float, digits: int) -> str:
    """A number with so many decimals, a space between thousands."""
    return f"{value:,.{digits}f}".replace(",", "\N{NO-BREAK SPACE}")


def percentile(ordered: list[float], percent: float) -> float:
    """The smallest sample with at least so many percent of all samples at or below it. `ordered` is sorted."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
