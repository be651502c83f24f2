"""Buckets of a range: aggregates read a few at a time, so that a wide one holds no reader for
long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Raw

from gateway.store.history import Span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from gateway.store.history import Function, HistoryStore

Bucket = dict[str, Any]
"""`ts`, and a value for each function; `first` and `last` are `Raw` JSON."""


async def pages(
    store: HistoryStore,
    series: Collection[int],
    span: Span,
    every: int,
    functions: Sequence[Function],
) -> AsyncIterator[list[Bucket]]:
    """Read a range's buckets in order; empty ones are left out."""
    start = span.start
    while start < span.end:
        rows = await store.buckets(series, Span(start, span.end), every, functions)
        if not rows:
            return
        yield [_bucket(row, functions) for row in rows]
        start = rows[-1][0] + every


def _bucket(row: tuple[Any, ...], functions: Sequence[Function]) -> Bucket:
    values = dict(zip(functions, row[1:], strict=True))
    for name in {"first", "last"} & values.keys():
        values[name] = Raw(values[name].encode())
    return {"ts": row[0], **values}
