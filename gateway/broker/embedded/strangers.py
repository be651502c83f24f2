"""The connections before their sign-in, by address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

_ALWAYS: Final = 8 * 1024  # bytes that each may make us keep, whatever the others do


class Strangers(Generic[T]):
    """Who has not signed in yet, oldest first at each address, and the bytes that each has sent.

    An IPv6 address counts as its network of 64 bits, which one person may own.
    """

    __slots__ = ("_by_network", "_bytes", "_count")

    def __init__(self) -> None:
        self._by_network: dict[str, dict[T, int]] = {}
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        return (one for found in list(self._by_network.values()) for one in list(found))

    def add(self, one: T, address: str) -> None:
        """Count a newcomer."""
        self._by_network.setdefault(network(address), {})[one] = 0
        self._count += 1

    def discard(self, one: T, address: str) -> None:
        """Count one no more: it has signed in, or is gone."""
        there = self._by_network.get(network(address))
        if there is None or one not in there:
            return
        self._count -= 1
        self._bytes -= there.pop(one)
        if not there:
            del self._by_network[network(address)]

    def makes_room(self) -> T:
        """Return who goes for a newcomer: the oldest of the address that has the most."""
        crowd: dict[T, int] = max(self._by_network.values(), key=len)
        return next(iter(crowd))

    def keep(self, one: T, address: str, count: int, most: int) -> bool:
        """Count bytes that one makes us keep; tell whether they are within the bound on all."""
        there = self._by_network.get(network(address))
        if there is None or one not in there:
            return True
        there[one] += count
        self._bytes += count
        return self._bytes <= most or there[one] <= _ALWAYS


def network(address: str) -> str:
    """Return the network that an address counts as."""
    if ":" not in address:
        return address
    head, _, tail = address.partition("::")
    groups = head.split(":")
    if "::" in address:
        missing = 8 - len([group for group in (*groups, *tail.split(":")) if group])
        groups = [*filter(None, groups), *["0"] * missing]
    return ":".join(groups[:4])
