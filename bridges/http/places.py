"""How many connections each principal, each user and all together may have on the HTTP port."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from gateway.errors import TooMany, Unavailable

if TYPE_CHECKING:
    from gateway.access.principal import Principal
    from gateway.seats import Seats

T = TypeVar("T", str, int)

OF_DEVICE = 100  # connections of one device
OF_PERSON = 200  # of one token, or of one user's browsers


class Places:
    """Counts connections that have signed in, each on a seat of `seats`.

    One user has half of `most` of them, with all their tokens and devices. When all seats are taken
    admins sit in the reserve.
    """

    def __init__(self, seats: Seats, most: int) -> None:
        self._seats = seats
        self._of_user = max(1, most // 2)
        self._principals: Counter[str] = Counter()
        self._owners: Counter[int] = Counter()

    def __len__(self) -> int:
        return self._principals.total()

    def take(self, principal: Principal) -> None:
        """Count one connection. Raises `TooMany`, `Unavailable`, and then does not count it."""
        most = OF_PERSON if principal.device is None else OF_DEVICE
        if self._principals[principal.key] >= most:
            raise TooMany(f"{principal.name} has {most} connections already", retry_after=5)
        owner = principal.owner
        if owner is not None and self._owners[owner] >= self._of_user:
            raise TooMany("this user has half of all connections already", retry_after=5)
        if self._seats.full(reserved=principal.admin):
            raise Unavailable("all connections are taken", retry_after=5)
        self._seats.take()
        self._principals[principal.key] += 1
        if owner is not None:
            self._owners[owner] += 1

    def leave(self, principal: Principal) -> None:
        """Count one connection less."""
        self._seats.leave()
        _drop(self._principals, principal.key)
        if principal.owner is not None:
            _drop(self._owners, principal.owner)


def _drop(counts: Counter[T], key: T) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
