"""How many messages a second one device may send, other than over MQTT; both count together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.errors import TooMany

if TYPE_CHECKING:
    from gateway.rates import Rates


class Pace:
    """Lets a device post at its rate, and a second's worth at once."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates

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
        if over := self._count(device):
            raise TooMany(f"{device} posts more often than it may", retry_after=over)

    def _count(self, device: str) -> float:
        """Count a message and return 0; where it is one too many, return the seconds until it is
        not.
        """
        if self._rates.unlimited:
            return 0.0
        key = f"device:{device}"  # the identity of the device at any entrance
        over = self._rates.over(key)
        if not over:
            self._rates.spend(key, 1)
        return over
