"""Memory by who it is spent for, so that nobody takes what all share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from gateway.broker.port import Identity


Payer: TypeAlias = str | int
"""For whom memory is spent: the number of a user, or the key of somebody who belongs to none."""


class Account:
    """Bytes that are spent: at most `each` for one payer, and `most` for all together."""

    __slots__ = ("_each", "_most", "_spent", "total")

    def __init__(self, each: int, most: int) -> None:
        self._each = each
        self._most = most
        self._spent: dict[Payer, int] = {}
        self.total = 0

    def fits(self, payer: Payer, more: int = 0) -> bool:
        """Tell whether a payer may spend so much more."""
        spent = self._spent.get(payer, 0) + more
        return spent <= self._each and self.total + more <= self._most

    def spend(self, payer: Payer, count: int) -> None:
        """Count bytes; less than none are given back."""
        self.total += count
        spent = self._spent.get(payer, 0) + count
        if spent:
            self._spent[payer] = spent
        else:
            self._spent.pop(payer, None)


def payer_of(identity: Identity) -> Payer:
    """Return for whom memory is spent that an identity makes us keep."""
    return identity.key if identity.owner is None else identity.owner
