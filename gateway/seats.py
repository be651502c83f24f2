"""The seats of the gateway: how many connections there are, over all entrances together."""

from __future__ import annotations


class Seats:
    """Every entrance asks `full`, takes a seat for a connection, and leaves it at its end.

    `limit`: connections. `reserve`: seats beyond them, for entrances that have to let somebody in
    when the devices have taken all others.
    """

    def __init__(self, limit: int, reserve: int = 0) -> None:
        self._limit = limit
        self._reserve = reserve
        self.taken = 0

    def full(self, *, reserved: bool = False) -> bool:
        """Tell whether there is no seat left; `reserved`: nor one of the reserve."""
        return self.taken >= self._limit + (self._reserve if reserved else 0)

    def take(self) -> None:
        """Count a connection."""
        self.taken += 1

    def leave(self) -> None:
        """A connection has ended."""
        self.taken -= 1
