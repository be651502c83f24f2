"""Reads what a query needs from history, as numbers, and no more of it than one query may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bridges.prometheus.evaluation import Labels, Reach, Stream
from gateway.bridges.prometheus.patterns import Pattern
from gateway.bridges.prometheus.refusals import TooMuch
from gateway.frames import number_of
from gateway.store.history import PAGE_BYTES, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gateway.bridges.prometheus.language import Matcher, Selector
    from gateway.frames import Series
    from gateway.store.history import HistoryStore, Row

NAME = "value"  # of the one metric
MAX_SERIES = 1_000  # of one selector
MAX_VALUES = 1_000_000  # that one query reads
MAX_READS = 10_000  # of history, by one query
PAGE = 5_000  # frames that are read at once
TEXT = 64  # characters of values that count as one value more


def labels_of(series: Series) -> Labels:
    """Return the labels of a channel, in order."""
    return (("__name__", NAME), ("channel", series.channel), ("device", series.device))


def chosen(series: Iterable[Series], selector: Selector) -> list[Series]:
    """Return the series that a selector matches; raises `Invalid`, `TooMuch`."""
    tests = [_test(matcher) for matcher in selector.matchers]
    found = [each for each in series if all(test(each) for test in tests)]
    if len(found) > MAX_SERIES:
        raise TooMuch(f"this selects {len(found):,} channels; one selector may have {MAX_SERIES:,}")
    return found


def _test(matcher: Matcher) -> Callable[[Series], bool]:
    """Return a matcher's test; each value of a label is looked at once."""
    wanted = matcher.operator in {"=", "=~"}
    if matcher.operator in {"=", "!="}:
        fits: Callable[[str], bool] = matcher.value.__eq__
    else:
        fits = Pattern(matcher.value).matches
    known: dict[str, bool] = {}

    def test(series: Series) -> bool:
        text = dict(labels_of(series)).get(matcher.label, "")
        if text not in known:
            known[text] = fits(text) is wanted
        return known[text]

    return test


class Samples:
    """What one query reads of history, counted."""

    def __init__(self, store: HistoryStore, times: Sequence[int]) -> None:
        self._store = store
        self._times = times
        self._step = times[1] - times[0] if len(times) > 1 else 0
        self._values = 0
        self._reads = 0

    async def read(self, series: Iterable[Series], reach: Reach) -> list[Stream]:
        """Return the values of the series that a reach needs; raises `TooMuch`."""
        return [await self._stream(each, reach) for each in chosen(series, reach.of)]

    async def _stream(self, series: Series, reach: Reach) -> Stream:
        numbers = _Numbers(series)
        if self._step <= reach.back:
            await self._span(numbers, self._times[0] - reach.back, self._times[-1])
            return numbers.stream
        for time in self._times:
            read = self._newest if reach.newest else self._span
            await read(numbers, time - reach.back, time)
        return numbers.stream

    async def _span(self, numbers: _Numbers, start: int, end: int) -> None:
        """Read everything from `start` to `end`, both included."""
        span, whole = Span(max(start, 0), end + 1), False
        while not whole:
            page, whole = await self._page(numbers.series, span, PAGE)
            numbers.take(page)
            if page:
                span = span._replace(after=(page[-1][2], page[-1][0]))

    async def _newest(self, numbers: _Numbers, start: int, end: int) -> None:
        """Read the newest number of a span; what is not one is passed over."""
        span, limit, whole = Span(max(start, 0), end + 1), 1, False
        while not whole:
            page, whole = await self._page(numbers.series, span, limit, newest_first=True)
            if numbers.take(page[::-1]):
                return
            span = span._replace(after=(page[-1][2], page[-1][0])) if page else span
            limit = min(limit * 10, PAGE)

    async def _page(
        self, series: Series, span: Span, limit: int, *, newest_first: bool = False
    ) -> tuple[list[Row], bool]:
        """Read a page, and tell whether it is the last."""
        page = await self._store.by_time([series.id], span, limit, newest_first=newest_first)
        size = sum(len(row[3]) for row in page)
        self._reads += 1
        self._values += len(page) + size // TEXT
        if self._values > MAX_VALUES or self._reads > MAX_READS:
            raise TooMuch(
                f"this reads more than {MAX_VALUES:,} values or {MAX_READS:,} places of history:"
                " ask for less time, fewer channels or a longer step"
            )
        return page, len(page) < limit and size < PAGE_BYTES


class _Numbers:
    """The numbers of a series so far; one that a device has sent again with the same time counts
    once.
    """

    def __init__(self, series: Series) -> None:
        self.series = series
        self.stream = Stream(labels_of(series), [], [])
        self._ts = -1
        self._told = set[str]()  # values of that time

    def take(self, rows: list[Row]) -> int:
        """Take rows that follow in time; return how many numbers there are among them."""
        before = len(self.stream.times)
        for _, _, ts, value, _ in rows:
            if ts != self._ts:
                self._ts, self._told = ts, set()
            number = number_of(value)
            if number is not None and value not in self._told:
                self._told.add(value)
                self.stream.times.append(ts)
                self.stream.values.append(number)
        return len(self.stream.times) - before
