"""Failed sign-ins, slowed per address and per name, in bounded memory.

A failure's answer is held back, longer each time; what was counted halves every two minutes. A
right key is never held back, whoever else fails: keys are too long to guess, so slowing the
failures is for the gateway's own sake. People's passwords can be guessed, so after some failures
the next try for the same name from the same address is not even looked at before its time has come
(`wait`); from any other address the person signs in as ever.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway.shapes import Seconds

FREE = 3  # failures that cost nothing: people mistype
FIRST = 0.5  # s, doubled each time
LONGEST = 10.0  # s
FREE_NAME = 20  # failures of a name over all addresses, before who failed has to wait for others
STRICT = 4  # how many failures one counts for where keys are short
HALF_LIFE = 120.0  # s
MOST = 10_000  # names and addresses; the least recent goes, of those that failed little first


class _Count(NamedTuple):
    failures: float
    at: float


class Throttle:
    """Counts failures. `clock`: seconds, monotonic."""

    def __init__(self, *, clock: Seconds, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._few: OrderedDict[Hashable, _Count] = OrderedDict()  # failures that cost nothing yet
        self._many: OrderedDict[Hashable, _Count] = OrderedDict()  # the others, kept for longer

    def failed(self, address: str, name: str | None = None, *, strict: bool = False) -> float:
        """Count a failure; return the seconds to hold its answer back. `strict`: the key was a
        short one.
        """
        place = network(address)
        weight = STRICT if strict else 1
        keys: list[Hashable] = [("address", place)]
        if name is not None:
            keys += [("name", name), (place, name)]
        return max(_delay(self._add(key, weight)) for key in keys)

    def wait(self, address: str, name: str) -> float:
        """Return the seconds until a password for this name from this address is looked at again.

        Who has failed from this address waits, and longer where the name is tried from everywhere.
        """
        own = self._get((network(address), name))
        if own is None:
            return 0.0
        everywhere = self._get(("name", name))
        wait = self._left(own, 0)
        return wait if everywhere is None else max(wait, self._left(everywhere, FREE_NAME - FREE))

    def forgive(self, address: str, name: str) -> None:
        """Take back one failure, which was none, and forget the others of this name from this
        address.
        """
        place = network(address)
        for counts in (self._few, self._many):
            counts.pop((place, name), None)
        for key in (("address", place), ("name", name)):
            if self._get(key) is not None:
                self._add(key, -1)

    def take_back(self, address: str, name: str) -> None:
        """Take back one failure that was not looked at."""
        place = network(address)
        for key in (("address", place), ("name", name), (place, name)):
            self._add(key, -1)

    def __len__(self) -> int:
        return len(self._few) + len(self._many)

    def _get(self, key: Hashable) -> _Count | None:
        return self._many.get(key) or self._few.get(key)

    def _left(self, count: _Count, free: int) -> float:
        return max(0.0, count.at + _delay(count.failures - free) - self._clock())

    def _add(self, key: Hashable, weight: int) -> float:
        now = self._clock()
        before = self._few.pop(key, None) or self._many.pop(key, None)
        left = before.failures * 0.5 ** ((now - before.at) / HALF_LIFE) if before else 0.0
        failures = max(0.0, left + weight)
        counts = self._many if failures > FREE else self._few
        counts[key] = _Count(failures, now)
        while len(self) > self._most:
            (self._few or self._many).popitem(last=False)
        return failures


def _delay(failures: float) -> float:
    over = failures - FREE
    return 0.0 if over <= 0 else min(LONGEST, FIRST * 2.0 ** min(over - 1, 32))


def network(address: str) -> str:
    """Return what counts as one address: an IPv6 host has a whole /64 to come from."""
    if ":" not in address:
        return address
    try:
        packed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(packed.ipv4_mapped or ipaddress.IPv6Network((packed, 64), strict=False))
