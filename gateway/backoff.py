"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def delays(first: float, most: float) -> Iterator[float]:
    """Seconds to wait: doubling from `first` up to `most`, each shortened by up to half at random.

    The chance part keeps a fleet that lost its gateway at the same moment from coming back at one.
    """
    step = first
    while True:
        yield random.uniform(step / 2, step)  # noqa: S311 - spreads load, guards nothing
        step = min(step * 2, most)
