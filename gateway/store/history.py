"""Frames as history has them."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Row: TypeAlias = tuple[int, int, int, str, str]
"""seq, series id, ts, value, extra."""

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

    `floor`: frames up to this seq are gone; never above what was asked for.
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
