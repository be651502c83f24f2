"""Deadlines without timers: one sweep a tick looks at what is due and nothing else.

An idle connection costs one entry in a set. It is not moved when the client is heard; when its turn
comes it says when to look again, so traffic costs the wheel nothing.
"""

from __future__ import annotations

from math import ceil
from typing import Final, Protocol

TICKS: Final = 10
"""Ticks a second: how finely a deadline is kept."""


def ticks(seconds: float) -> int:
    """Return how long to wait from the wheel's `now` for no less than these seconds.

    `now` is that of the last turn, rounded down: it may be two ticks behind the clock.
    """
    return ceil(seconds * TICKS) + 2


class Watched(Protocol):
    """Something with a deadline. `tick` is the wheel's: when it is looked at, -1 where it is not
    watched.
    """

    tick: int

    def due(self, now: int) -> int | None:
        """Act if the deadline has passed; return the tick to look again, or None for never."""


class Wheel:
    """What to look at, by tick; time is passed in and only goes forward."""

    __slots__ = ("_ticks", "now")

    def __init__(self, now: int) -> None:
        self.now = now
        self._ticks: dict[int, set[Watched]] = {}

    def watch(self, watched: Watched, when: int) -> None:
        """Look at it in the tick `when`, or in the next one if that has passed, and no more when it
        was due.
        """
        self.unwatch(watched)
        watched.tick = max(when, self.now + 1)
        self._ticks.setdefault(watched.tick, set()).add(watched)

    def unwatch(self, watched: Watched) -> None:
        """Look at it no more."""
        watching = self._ticks.get(watched.tick)
        if watching is not None:
            watching.discard(watched)
            if not watching:
                del self._ticks[watched.tick]
        watched.tick = -1

    def turn(self, now: int) -> None:
        """Look at everything due up to and including the tick `now`."""
        past = sorted(tick for tick in self._ticks if tick <= now)
        self.now = max(now, self.now)
        for tick in past:
            # What is looked at may end its neighbours, which then leave the set.
            while watching := self._ticks.get(tick):
                watched = next(iter(watching))
                self.unwatch(watched)
                when = watched.due(self.now)
                if when is not None:
                    self.watch(watched, when)

    def __len__(self) -> int:
        return sum(map(len, self._ticks.values()))
