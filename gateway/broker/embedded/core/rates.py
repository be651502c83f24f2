"""How fast each identity may send: a second's worth at once, and beyond that at its rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Rates:
    """When each identity will have made up for what it has sent. `clock` gives seconds that only go
    forward.
    """

    __slots__ = ("_clock", "_even", "_rate")

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._rate = per_second
        self._clock = clock
        self._even: dict[str, float] = {}

    def allowance(self, key: str) -> int:
        """Return how many messages an identity may send now: one at least, or it would wait for
        ever.
        """
        ahead = max(0.0, self._even.get(key, 0.0) - self._clock())
        return max(1, int((1.0 - ahead) * self._rate))

    def spend(self, key: str, count: int) -> float:
        """Count messages of an identity, and return the seconds that it should wait."""
        now = self._clock()
        even = max(self._even.get(key, 0.0), now) + count / self._rate
        self._even[key] = even
        return max(0.0, even - now - 1.0)

    def sweep(self) -> None:
        """Forget identities that have nothing to make up for."""
        now = self._clock()
        self._even = {key: even for key, even in self._even.items() if even > now}
