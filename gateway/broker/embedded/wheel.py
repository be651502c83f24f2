"""Deadlines without timers: one sweep a second looks at what is due and nothing else.

An idle connection costs one entry in a set. It is not moved when the client is heard; when its turn comes it says
when to look again, so traffic costs the wheel nothing.
"""

from __future__ import annotations

from typing import Protocol


class Watched(Protocol):
    """Something with a deadline. `due` is the wheel's: the second it is looked at, -1 where it is not watched."""

    due: int

    def look(self, now: int) -> int | None:
        """Act if the deadline has passed; return the second to look again, or None for never."""


class Wheel:
    """What is to be looked at, by second; time is passed in and only goes forward."""

    __slots__ = ("_seconds", "now")

    def __init__(self, now: int) -> None:
        self.now = now
        self._seconds: dict[int, set[Watched]] = {}

    def watch(self, watched: Watched, when: int) -> None:
        """Look at it in the second `when`, or in the next one if that has passed, and no more when it was due."""
        self.unwatch(watched)
        watched.due = max(when, self.now + 1)
        self._seconds.setdefault(watched.due, set()).add(watched)

    def unwatch(self, watched: Watched) -> None:
        """Look at it no more."""
        second = self._seconds.get(watched.due)
        if second is not None:
            second.discard(watched)
            if not second:
                del self._seconds[watched.due]
        watched.due = -1

    def turn(self, now: int) -> None:
        """Look at everything due up to and including the second `now`."""
        past = sorted(second for second in self._seconds if second <= now)
        self.now = max(now, self.now)
        for second in past:
            # What is looked at may end its neighbours, which then leave the set.
            while watching := self._seconds.get(second):
                watched = next(iter(watching))
                self.unwatch(watched)
                when = watched.look(self.now)
                if when is not None:
                    self.watch(watched, when)

    def __len__(self) -> int:
        return sum(map(len, self._seconds.values()))
