"""Deadlines: many things that become due, one sweep that finds them, no timer for each."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

K = TypeVar("K", bound="Hashable")
SLACK = 64


class Deadlines(Generic[K]):
    """Keys with the time at which each is due; times are in whatever unit the caller counts."""

    def __init__(self) -> None:
        self._due: dict[K, int] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._count = 0  # so that equal times come out in order, and keys are never compared

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: K, at: int) -> None:
        """Let a key be due at a time, and not at the one before."""
        self._due[key] = at
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, key))
        if len(self._heap) > 2 * len(self._due) + SLACK:  # mostly cancelled ones: let them go
            self._heap = [item for item in self._heap if self._due.get(item[2]) == item[0]]
            heapq.heapify(self._heap)

    def discard(self, key: K) -> None:
        """Let a key not be due at all."""
        self._due.pop(key, None)

    def take(self, now: int) -> Iterator[K]:
        """Take out every key that is due, the earliest first."""
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                yield key
