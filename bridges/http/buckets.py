"""Buckets of a range: aggregates read a few at a time, so that a wide one holds no reader for long."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from gateway.store.history import Span
from gateway.store.sqlite import history

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Collection, Sequence

    from gateway.store.history import Function
    from gateway.store.sqlite.database import Database

AT_ONCE = 64

Bucket = dict[str, Any]
"""`ts`, and a value for each function; `first` and `last` are `Raw` JSON."""


async def pages(
    database: Database,
    series: Collection[int],
    span: Span,
    every: int,
    functions: Sequence[Function],
) -> AsyncIterator[list[Bucket]]:
    """Read a range's buckets in order; empty ones are left out."""
    start = span.start
    while start < span.end:
        rest = Span(start, span.end)
        work = partial(_some, series=series, span=rest, every=every, functions=functions)
        rows = await database.read(work)
        if not rows:
            return
        yield [_bucket(row, functions) for row in rows]
        start = int(rows[-1][0]) + every


def _some(
    db: sqlite3.Connection,
    series: Collection[int],
    span: Span,
    every: int,
    functions: Sequence[Function],
) -> list[tuple[Any, ...]]:
    """Read the buckets of a stretch that begins with the next frame there is; none if there is
    none.
    """
    first = history.by_time(db, series, span, 1)
    if not first:
        return []
    begin = first[0][2] // every * every
    stretch = Span(max(begin, span.start), min(begin + AT_ONCE * every, span.end))
    return history.buckets(db, series, stretch, every, functions, AT_ONCE)


def _bucket(row: tuple[Any, ...], functions: Sequence[Function]) -> Bucket:
    values = dict(zip(functions, row[1:], strict=True))
    for name in {"first", "last"} & values.keys():
        values[name] = Raw(values[name].encode())
    return {"ts": row[0], **values}
