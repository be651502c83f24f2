"""Series over time: buckets of any length, from frames and from their aggregates.

Which aggregates make up a span is decided here; how they are kept is the store's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from gateway.store.history import Span
    from gateway.store.usage import Usage

LEVELS = (60_000, 3_600_000, 86_400_000)
"""ms of a bucket of each level: minutes, hours, days. Its number is its place here."""

FRAMES = -1
"""The level of frames themselves."""

WHOLE = LEVELS[-1] << 35
"""A step that holds all of time in one bucket."""


class Begins(NamedTuple):
    """From when on nothing of a series was removed, in ms: of its frames, minutes, hours, days."""

    frames: int = 0
    minutes: int = 0
    hours: int = 0
    days: int = 0


class Extent(NamedTuple):
    """The times of a series' first and last value, and since when it is complete."""

    first: int
    last: int
    begins: Begins


class Part(NamedTuple):
    """A stretch of a span, start <= ts < end, that one level answers."""

    level: int
    start: int
    end: int


class Bucket(NamedTuple):
    """What the values of a time have in common. `total`: of all values; `numbers`: of numbers and
    booleans, of which `sum`, `min` and `max` are. `first` and `last` are JSON, None where they are
    not known.
    """

    start: int
    total: int
    numbers: int
    sum: float | None
    min: float | None
    max: float | None
    first_ts: int
    first: str | None
    last_ts: int
    last: str | None

    def and_(self, later: Bucket) -> Bucket:
        """Add a bucket of the same time, whose values came later where they have the same ts."""
        first = self if self.first_ts <= later.first_ts else later
        last = later if later.last_ts >= self.last_ts else self
        numbers = [part for part in (self, later) if part.numbers]
        return Bucket(
            self.start,
            self.total + later.total,
            self.numbers + later.numbers,
            sum(part.sum or 0.0 for part in numbers) if numbers else None,
            min((part.min for part in numbers if part.min is not None), default=None),
            max((part.max for part in numbers if part.max is not None), default=None),
            first.first_ts,
            first.first,
            last.last_ts,
            last.last,
        )


class SeriesStore(Protocol):
    """Reads series over time. A frame that was sent again counts once. Raises `StoreError`."""

    async def extent(self, series: Collection[int]) -> Extent | None:
        """Return when there are values; None where there is none."""

    async def buckets(
        self, series: Collection[int], span: Span, step: int, *, ends: bool = False
    ) -> list[Bucket]:
        """Return the buckets of `step` ms that have values, in order; they begin at its multiples.

        `ends`: with the first and last values.
        """

    async def values(
        self, series: Collection[int], span: Span, limit: int
    ) -> list[tuple[int, str]]:
        """Return (ts, JSON) of the frames there are in order of time, at most `limit`."""

    async def usage(self, now: int) -> Usage:
        """Count what history takes of the disk."""


def cover(span: Span, step: int, begins: Begins) -> list[Part]:
    """Return what to read for buckets of `step` ms of a span: the coarsest levels in the middle,
    finer ones and frames at both ends.

    Where frames are gone a minute counts whole, in the span that it begins in; likewise minutes of
    an hour and hours of a day.
    """
    levels = [level for level in (2, 1, 0) if step % LEVELS[level] == 0]
    return list(_cover(span.start, span.end, levels, begins))


def _cover(start: int, end: int, levels: Sequence[int], begins: Begins) -> Iterator[Part]:
    if start >= end:
        return
    if not levels:
        yield Part(FRAMES, start, end)
        return
    (level, *finer), size = levels, LEVELS[levels[0]]
    low, high = -(-start // size) * size, end // size * size
    if low > high:
        yield from _cover(start, end, finer, begins)
        return
    yield from _cover(start, low, finer, begins)
    if high < end and begins[level] > high:  # what is finer is gone there
        high += size
    if low < high:
        yield Part(level, low, high)
    yield from _cover(high, end, finer, begins)
