"""What a measurement yields, and how much it measures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Figure(NamedTuple):
    """One figure. `target`: what the issue asks for, at least, or with `at_most` at most; None: it
    says nothing.
    """

    measurement: str
    engine: str
    what: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


class Extent(NamedTuple):
    """How much is measured. `seconds`: of each load; `trial`: messages that tell how many a second
    there will be.
    """

    seconds: float = 5.0
    trial: int = 20_000
    most: int = 3_000_000  # messages of one load
    listeners: tuple[int, ...] = (1, 50, 500)
    paced: int = 500  # connections, and messages a second
    crowd: int = 10_000  # connected devices
    stored: tuple[int, ...] = (10_000, 10_000_000)


TINY = Extent(
    seconds=0.05, trial=200, most=2_000, listeners=(3,), paced=20, crowd=30, stored=(100, 2_000)
)
"""Enough to see that a measurement still works."""


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of them lie; NaN of none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
