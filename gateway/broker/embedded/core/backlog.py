"""What waits for a session: bounded in number and in bytes, and the oldest goes when it is full."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.broker.embedded.core.exchange import Delivery


class Backlog:
    """Deliveries in the order in which they go out; `most` of them, of `largest` bytes in all."""

    __slots__ = ("_bytes", "_deliveries", "_largest", "_most")

    def __init__(self, most: int, largest: int) -> None:
        self._most = most
        self._largest = largest
        self._bytes = 0
        self._deliveries: deque[Delivery] = deque()

    def __len__(self) -> int:
        return len(self._deliveries)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._deliveries)

    @property
    def first(self) -> Delivery | None:
        return self._deliveries[0] if self._deliveries else None

    @property
    def full(self) -> bool:
        """One more would drop the oldest."""
        return len(self._deliveries) >= self._most or self._bytes >= self._largest

    def add(self, delivery: Delivery) -> list[Delivery]:
        """Add the newest; return those that had to go for it."""
        self._deliveries.append(delivery)
        self._bytes += delivery.outgoing.size
        dropped = []
        while len(self._deliveries) > self._most or (
            self._bytes > self._largest and len(self._deliveries) > 1
        ):
            dropped.append(self.take())
        return dropped

    def put_back(self, delivery: Delivery) -> None:
        """Put one in front of all others."""
        self._deliveries.appendleft(delivery)
        self._bytes += delivery.outgoing.size

    def take(self) -> Delivery:
        """Take the first out."""
        delivery = self._deliveries.popleft()
        self._bytes -= delivery.outgoing.size
        return delivery

    def remove(self, delivery: Delivery) -> None:
        """Take one out, wherever it is."""
        self._deliveries.remove(delivery)
        self._bytes -= delivery.outgoing.size
