"""How many messages a second one device may send, other than over MQTT."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gateway.errors import TooMany

if TYPE_CHECKING:
    from collections.abc import Callable

REMEMBERED = 10_000  # devices; who has not posted for a second needs no remembering


class Pace:
    """Lets a device post up to `rate` messages a second, and a second's worth at once; 0 is no
    limit.

    `clock`: seconds, monotonic.
    """

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._step = 1 / rate if rate else 0.0
        self._clock = clock
        self._full: dict[str, float] = {}  # when a device's allowance is full again

    async def turn(self, device: str) -> None:
        """Count a message, and return when it may be taken; the sender's socket is not read
        meanwhile.
        """
        over = self._count(device)
        while over > 0:
            await asyncio.sleep(over)
            over = self._count(device)

    def admit(self, device: str) -> None:
        """Count a message; raises `TooMany`, and counts nothing, where it is one too many."""
        over = self._count(device)
        if over > 0:
            raise TooMany(f"{device} posts more often than it may", retry_after=over)

    def _count(self, device: str) -> float:
        """Count a message and return 0; where it is one too many, return the seconds until it is
        not.
        """
        if not self._step:
            return 0.0
        now = self._clock()
        full = max(self._full.get(device, 0.0), now) + self._step
        over = full - now - max(1.0, self._step)
        if over > 1e-9:
            return over
        if len(self._full) >= REMEMBERED:
            self._full = {other: until for other, until in self._full.items() if until > now}
        self._full[device] = full
        return 0.0
