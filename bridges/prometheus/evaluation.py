"""What a query gives at each of a row of times, from the values of its selectors.

Pure: what was read is given, and what comes out is numbers.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.bridges.prometheus.language import Aggregate, Arithmetic, Number, OverTime, Selector
from gateway.bridges.prometheus.refusals import TooMuch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gateway.bridges.prometheus.language import Expression

LOOKBACK = 300_000  # ms that a selector looks back for the newest value
MAX_LOOKS = 20_000_000  # values that all windows of a query hold together

Labels: TypeAlias = tuple[tuple[str, str], ...]
Points: TypeAlias = "list[float | None]"
Vector: TypeAlias = "dict[Labels, Points]"


class Stream(NamedTuple):
    """A series' values in order of time (ms)."""

    labels: Labels
    times: list[int]
    values: list[float]


class Reach(NamedTuple):
    """What a part of a query reads: `back` ms before each time, of `of`; `newest`: only the
    newest value counts.
    """

    of: Selector
    back: int
    newest: bool


def reaches(expression: Expression) -> Iterator[Reach]:
    """Yield what has to be read for an expression."""
    if isinstance(expression, Selector):
        yield Reach(expression, LOOKBACK, newest=True)
    elif isinstance(expression, OverTime):
        yield Reach(expression.of, expression.reach, newest=expression.function == "last_over_time")
    elif isinstance(expression, Aggregate):
        yield from reaches(expression.of)
    elif isinstance(expression, Arithmetic):
        yield from reaches(expression.left)
        yield from reaches(expression.right)


def evaluate(
    expression: Expression, times: Sequence[int], read: Mapping[Reach, list[Stream]]
) -> float | Vector:
    """Return a number, or the points of each series at these times; raises `TooMuch`."""
    return _Evaluation(times, read).of(expression)


class _Evaluation:
    def __init__(self, times: Sequence[int], read: Mapping[Reach, list[Stream]]) -> None:
        self._times = times
        self._read = read
        self._looks = 0

    def of(self, expression: Expression) -> float | Vector:
        if isinstance(expression, Number):
            return expression.value
        if isinstance(expression, Aggregate):
            return self._aggregate(expression)
        if isinstance(expression, Arithmetic):
            return self._arithmetic(expression)
        (reach,) = reaches(expression)
        function = expression.function if isinstance(expression, OverTime) else "last_over_time"
        found = {}
        for stream in self._read[reach]:
            points = self._over_time(function, stream, reach.back)
            if any(point is not None for point in points):
                named = isinstance(expression, Selector) or function == "last_over_time"
                found[stream.labels if named else _nameless(stream.labels)] = points
        return found

    def _over_time(self, function: str, stream: Stream, back: int) -> Points:
        """Apply a function to the window that ends at each time, both ends included."""
        apply, times = _OVER_TIME[function], stream.times
        points: Points = []
        first = last = 0
        for time in self._times:
            first = bisect_left(times, time - back, first)
            last = bisect_right(times, time, last)
            if function in {"avg_over_time", "min_over_time", "max_over_time"}:
                self._looks += last - first
                if self._looks > MAX_LOOKS:
                    raise TooMuch(
                        "this looks at too many values: ask for less time or a shorter range"
                    )
            points.append(apply(stream.values, first, last) if last > first else None)
        return points

    def _aggregate(self, expression: Aggregate) -> Vector:
        inner = self.of(expression.of)
        assert not isinstance(inner, float)  # the parser refuses it
        groups: dict[Labels, list[Points]] = {}
        for labels, points in inner.items():
            kept = tuple(pair for pair in labels if pair[0] in expression.by)
            groups.setdefault(kept, []).append(points)
        apply = _AGGREGATES[expression.function]
        return {labels: _merged(apply, rows) for labels, rows in groups.items()}

    def _arithmetic(self, expression: Arithmetic) -> float | Vector:
        apply = _ARITHMETIC[expression.operator]
        left, right = self.of(expression.left), self.of(expression.right)
        if isinstance(left, float) and isinstance(right, float):
            return apply(left, right)
        if isinstance(left, float):
            assert not isinstance(right, float)
            return _each(right, lambda value: apply(left, value))
        assert isinstance(right, float)  # the parser refuses two series
        return _each(left, lambda value: apply(value, right))


def _each(vector: Vector, apply: Callable[[float], float]) -> Vector:
    return {
        _nameless(labels): [None if point is None else apply(point) for point in points]
        for labels, points in vector.items()
    }


def _merged(apply: Callable[[list[float]], float], rows: list[Points]) -> Points:
    columns = (
        [point for point in column if point is not None] for column in zip(*rows, strict=True)
    )
    return [apply(column) if column else None for column in columns]


def _nameless(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != "__name__")


def total(values: list[float]) -> float:
    """Return the exact sum, rounded once; infinities add up as floats do."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)


def _mean(values: list[float]) -> float:
    return total(values) / len(values)


def _divided(left: float, right: float) -> float:
    """Return a quotient as IEEE 754 has it."""
    if right:
        return left / right
    if not left or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


_OVER_TIME: dict[str, Callable[[list[float], int, int], float]] = {
    "avg_over_time": lambda values, first, last: _mean(values[first:last]),
    "min_over_time": lambda values, first, last: min(values[first:last]),
    "max_over_time": lambda values, first, last: max(values[first:last]),
    "last_over_time": lambda values, _, last: values[last - 1],
    "count_over_time": lambda _, first, last: float(last - first),
}
_AGGREGATES: dict[str, Callable[[list[float]], float]] = {
    "sum": total,
    "avg": _mean,
    "min": min,
    "max": max,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divided,
}
