"""How fast each sender may send, over all entrances together: a second's worth at once, and beyond
that at its rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.shapes import Seconds

REMEMBERED = 10_000  # senders; one that has waited long enough is forgotten


class Rates:
    """When each sender will have made up for what it has sent. `per_second` 0: no limit. `clock`
    gives seconds that only go forward.
    """

    __slots__ = ("_clock", "_even", "_rate", "unlimited")

    def __init__(self, per_second: float, clock: Seconds) -> None:
        self.unlimited = not per_second
        self._rate = per_second or 1.0
        self._clock = clock
        self._even: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._even)

    def allowance(self, key: str) -> int:
        """Return how many messages a sender may send now: one at least, or it would wait for
        ever.
        """
        ahead = max(0.0, self._even.get(key, 0.0) - self._clock())
        return max(1, int((1.0 - ahead) * self._rate))

    def over(self, key: str) -> float:
        """Return the seconds until a sender may send one more message: 0 for now."""
        now = self._clock()
        step = 1 / self._rate
        wait = max(self._even.get(key, 0.0), now) + step - now - max(1.0, step)
        return wait if wait > 1e-9 else 0.0

    def spend(self, key: str, count: int) -> float:
        """Count messages of a sender, and return the seconds that it should wait."""
        if self.unlimited:
            return 0.0
        if len(self._even) >= REMEMBERED and key not in self._even:
            self.sweep()
        now = self._clock()
        even = max(self._even.get(key, 0.0), now) + count / self._rate
        self._even[key] = even
        return max(0.0, even - now - 1.0)

    def sweep(self) -> None:
        """Forget senders that have nothing to make up for."""
        now = self._clock()
        self._even = {key: even for key, even in self._even.items() if even > now}
