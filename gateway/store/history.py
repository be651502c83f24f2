"""Frames as history has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gateway.frames import Entry
    from gateway.store.facts import Fact

Row: TypeAlias = tuple[int, int, int, str, str]
"""seq, series id, ts, value, extra."""

PAGE_BYTES = 1 << 20  # of values in one page, and a frame more

Function: TypeAlias = Literal["avg", "min", "max", "count", "first", "last"]


class Opened(NamedTuple):
    """What a database held when it was opened."""

    epoch: str
    seq: int
    series: list[tuple[int, str, str, str]]  # id, type, device, channel
    last_series: int  # the greatest id ever given out
    latest: list[Row]


class Span(NamedTuple):
    """A time range, in ms: start <= ts < end. `after` is the (ts, seq) that the page before ended
    with.
    """

    start: int
    end: int
    after: tuple[int, int] | None = None


class Page(NamedTuple):
    """Frames in order of seq; every wanted one up to `reached` is among them or came before.

    `floor`: frames up to this seq are gone; never above the requested one.
    """

    rows: list[Row]
    reached: int
    floor: int


class Rejection(NamedTuple):
    """A message that could not be translated; `payload` is its beginning."""

    id: int
    at: int
    topic: str
    device: str | None
    reason: str
    payload: bytes


REJECTED_KEPT = 1_000


class HistoryStore(Protocol):
    """Keeps frames. Raises `StoreError` where it cannot."""

    async def opened(self, now: int) -> Opened:
        """Read what the core keeps in memory.

        A frame with a ts above `now` is the latest of its series only while no newer one is there.
        """

    async def append(self, seq: int, entries: list[Entry], facts: Sequence[Fact]) -> None:
        """Keep a batch in one transaction, its first entry as `seq`.

        An entry whose text cannot be stored is changed in place: what is shown is what is stored.
        """

    async def after(
        self, cursor: int, upto: int, series: Collection[int] | None, limit: int
    ) -> Page:
        """Read frames with cursor < seq <= upto, at most `limit`; of all series, or of those
        given.
        """

    async def by_time(
        self, series: Collection[int], span: Span, limit: int, *, newest_first: bool = False
    ) -> list[Row]:
        """Read frames of some series in order of (ts, seq), at most `limit`, and no further one
        when their values have `PAGE_BYTES`.
        """

    async def buckets(
        self, series: Collection[int], span: Span, every: int, functions: Sequence[Function]
    ) -> list[tuple[Any, ...]]:
        """Aggregate the next few buckets of a span: (bucket's start, value, ...); none: there are
        none left.

        Buckets begin at multiples of `every` ms, and empty ones are left out. `first` and `last`
        are JSON texts, the others numbers or None.
        """

    async def rejected(self, before: int | None, limit: int) -> list[Rejection]:
        """Read the messages that could not be translated, newest first."""
