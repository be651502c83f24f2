"""Whether the wall clock can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.shapes import Clock, Seconds

JUMP = 60_000  # ms by which a clock that is set differs from a steady one


class BelievedTime:
    """Tells whether the wall clock can be believed: it has gone as fast as the steady one for a
    while.

    A clock that was set, or a machine that has just started, may be wrong by years for some
    seconds. `trust`: seconds to wait then.
    """

    def __init__(self, wall: Clock, steady: Seconds, trust: float) -> None:
        self._wall = wall
        self._steady = steady
        self._trust = trust
        self._last = wall()
        self._looked = self._since = steady()

    def believed(self) -> bool:
        """Look at both clocks. To be called often."""
        wall, steady = self._wall(), self._steady()
        if abs(wall - self._last - (steady - self._looked) * 1000) > JUMP:
            self._since = steady
        self._last, self._looked = wall, steady
        return steady - self._since >= self._trust
