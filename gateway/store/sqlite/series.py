"""Buckets of series in SQLite: aggregates where they give the exact answer, frames at both ends and
for what no aggregate has yet.

Every function takes a `sqlite3.Connection` and runs on a database thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.store.history import Span
from gateway.store.series import FRAMES, LEVELS, WHOLE, Begins, Bucket, Extent, Part, cover
from gateway.store.sqlite import history
from gateway.store.sqlite.aggregates import OWN_TIME, REPEATED, position

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator, Sequence

    from gateway.store.history import Function

LEAST_AT_ONCE, MOST_AT_ONCE = 64, 1_000  # buckets that one call of `next_buckets` makes
ROWS_AT_ONCE = 30_000  # minutes, hours or days that it reads, if that many buckets may be made

# Frames of :series to be read one by one: all with :start <= ts < :low or :high <= ts < :end, and
# between those that the aggregates do not have.
_NOT_ADDED = "(seq > :run OR (series, ts, seq) > (:at_series, :at_ts, :at_seq))"
_FOLDED = "SELECT series, ts, seq FROM frames_by_time WHERE series = :series AND seq <= :folded"
_POINTS = f"""
    WITH folded AS (
        {_FOLDED} AND ts >= :start AND ts < :low
        UNION ALL {_FOLDED} AND ts >= :high AND ts < :end
        UNION ALL {_FOLDED} AND ts >= :low AND ts < :high AND :upto < :folded AND seq > :upto AND
        {_NOT_ADDED}
    ), recent AS (
        SELECT *, row_number() OVER (PARTITION BY ts, value ORDER BY seq) AS nth FROM frames
        WHERE seq > :folded AND series = :series AND ts >= :start AND ts < :end
            AND (ts < :low OR ts >= :high OR {_NOT_ADDED})
    ), points AS (
        SELECT i.ts, i.seq, value, {history.NUMBER} AS number
        FROM folded AS i CROSS JOIN frames AS f ON f.seq = i.seq
        WHERE NOT ({OWN_TIME} AND {REPEATED.format("i")})
        UNION ALL
        SELECT ts, seq, value, {history.NUMBER} FROM recent
        WHERE NOT ({OWN_TIME} AND (nth > 1 OR {REPEATED.format("recent")}))
    )"""
_VALUES = _POINTS + " SELECT ts, value FROM points ORDER BY ts, seq LIMIT :limit"
_OF_FRAMES = f"""{_POINTS}, ranked AS (SELECT *{{ranks}} FROM points)
    SELECT ts / :step * :step AS start, count(*), count(number), sum(number), min(number),
    max(number),
        min(ts), {{first}}, max(ts), {{last}}
    FROM ranked GROUP BY start"""
_WITHOUT_ENDS = _OF_FRAMES.format(ranks="", first="NULL", last="NULL")
_WITH_ENDS = _OF_FRAMES.format(
    ranks=""",
        row_number() OVER (PARTITION BY ts / :step ORDER BY ts, seq) AS up,
        row_number() OVER (PARTITION BY ts / :step ORDER BY ts DESC, seq DESC) AS down""",
    first="max(value) FILTER (WHERE up = 1)",
    last="max(value) FILTER (WHERE down = 1)",
)
_OF_LEVEL = """
    SELECT bucket * :size / :step * :step AS start, sum(count), sum(numbers), sum(sum), min(min),
    max(max),
        min(first_ts), NULL, max(last_ts), NULL, min(bucket) AS head, max(bucket) AS tail
    FROM aggregates WHERE series = :series AND level = :level AND bucket >= :low AND bucket < :high
    GROUP BY start"""
_ENDS = f"""SELECT g.*, h.first, t.last FROM ({_OF_LEVEL}) AS g
    CROSS JOIN aggregates AS h ON h.series = :series AND h.level = :level AND h.bucket = g.head
    CROSS JOIN aggregates AS t ON t.series = :series AND t.level = :level AND t.bucket = g.tail"""


def begins(db: sqlite3.Connection, series: int) -> Begins:
    """Return since when a series is complete."""
    sql = "SELECT frames, minutes, hours, days FROM begins WHERE series = ?"
    found = db.execute(sql, (series,)).fetchone()
    return Begins(*found) if found else Begins()


def extent(db: sqlite3.Connection, series: Collection[int]) -> Extent | None:
    """Return when series have values, and since when all of them are complete."""
    found = [times for number in series for times in _times(db, number)]
    if not found:
        return None
    each = [begins(db, number) for number in series]
    return Extent(min(found), max(found), Begins(*map(max, zip(*each, strict=True))))


def _times(db: sqlite3.Connection, series: int) -> list[int]:
    """Return the times of the first and last value of each level, of frames in the index, and of
    others.
    """
    found: list[int | None] = []
    for order, end in (("", "first_ts"), ("DESC", "last_ts")):
        for level in range(len(LEVELS)):
            sql = (
                f"SELECT {end} FROM aggregates WHERE series = ? AND level = ? ORDER BY "
                f"bucket {order} LIMIT 1"
            )
            found += db.execute(sql, (series, level)).fetchone() or ()
        sql = f"SELECT ts FROM frames_by_time WHERE series = ? ORDER BY ts {order} LIMIT 1"
        found += db.execute(sql, (series,)).fetchone() or ()
    sql = "SELECT min(ts), max(ts) FROM frames WHERE seq > ? AND series = ?"
    found += db.execute(sql, (history.meta(db, "folded"), series)).fetchone()
    return [ts for ts in found if ts is not None]


def values(
    db: sqlite3.Connection, series: Collection[int], span: Span, limit: int
) -> list[tuple[int, str]]:
    """Return (ts, JSON) of frames in order of time."""
    found: list[tuple[int, str]] = []
    for number in series:
        parameters = _parameters(db, number, [Part(FRAMES, span.start, span.end)])
        found += db.execute(_VALUES, {**parameters, "limit": limit})
    return sorted(found, key=lambda point: point[0])[:limit]


def buckets(
    db: sqlite3.Connection, series: Collection[int], span: Span, step: int, *, ends: bool = False
) -> list[Bucket]:
    """Return the buckets of a span that have values, in order."""
    found: dict[int, Bucket] = {}
    for number in series:
        for bucket in _of_series(db, number, cover(span, step, begins(db, number)), step, ends):
            before = found.get(bucket.start)
            found[bucket.start] = bucket if before is None else before.and_(bucket)
    wanted = [found[start] for start in sorted(found)]
    return [_with_long_ends(db, series, bucket) for bucket in wanted] if ends else wanted


def _of_series(
    db: sqlite3.Connection, series: int, parts: Sequence[Part], step: int, ends: bool
) -> list[Bucket]:
    """Read each part; of frames last, since they came later where aggregates have the same ts."""
    found: list[Bucket] = []
    for level, start, end in parts:
        if level != FRAMES:
            size = LEVELS[level]
            what = {"series": series, "level": level, "size": size, "step": step}
            what |= {"low": start // size, "high": end // size}
            rows = db.execute(_ENDS if ends else _OF_LEVEL, what)
            found += map(_with_ends if ends else _without_ends, rows)
    if parts:
        of_frames = _WITH_ENDS if ends else _WITHOUT_ENDS
        parameters = {**_parameters(db, series, parts), "step": step}
        found += map(Bucket._make, db.execute(of_frames, parameters))
    return found


def _without_ends(row: tuple[Any, ...]) -> Bucket:
    return Bucket._make(row[:10])


def _with_ends(row: tuple[Any, ...]) -> Bucket:
    return Bucket._make((*row[:7], row[12], row[8], row[13]))


def _parameters(db: sqlite3.Connection, series: int, parts: Sequence[Part]) -> dict[str, int]:
    done, end = position(db), parts[-1].end
    added = [part for part in parts if part.level != FRAMES]
    return {
        "series": series,
        "start": parts[0].start,
        "low": added[0].start if added else end,
        "high": added[-1].end if added else end,
        "end": end,
        "folded": history.meta(db, "folded"),
        "upto": done.upto,
        "run": done.run,
        "at_series": done.series,
        "at_ts": done.ts,
        "at_seq": done.seq,
    }


def _with_long_ends(db: sqlite3.Connection, series: Collection[int], bucket: Bucket) -> Bucket:
    """Read the first and last value where they are too long to be kept in aggregates."""
    if bucket.first is None:
        bucket = bucket._replace(first=_value_at(db, series, bucket.first_ts, "ASC"))
    if bucket.last is None:
        bucket = bucket._replace(last=_value_at(db, series, bucket.last_ts, "DESC"))
    return bucket


def _value_at(db: sqlite3.Connection, series: Collection[int], ts: int, order: str) -> str | None:
    sql = (
        "SELECT f.value FROM frames_by_time AS i CROSS JOIN frames AS f ON f.seq = i.seq "
        f"WHERE i.series = ? AND i.ts = ? ORDER BY i.seq {order} LIMIT 1"
    )
    found = [db.execute(sql, (number, ts)).fetchone() for number in series]
    return next((row[0] for row in found if row is not None), None)


def stretches(span: Span, step: int) -> Iterator[Span]:
    """Return a span in parts: one, or `LEAST_AT_ONCE` buckets each where only frames give them."""
    length = WHOLE if step % LEVELS[0] == 0 else LEAST_AT_ONCE * step
    start = span.start
    while start < span.end:
        end = min((start // length + 1) * length, span.end)
        yield Span(start, end)
        start = end


_FUNCTIONS: dict[Function, Any] = {
    "avg": lambda bucket: bucket.sum / bucket.numbers if bucket.numbers else None,
    "min": lambda bucket: bucket.min,
    "max": lambda bucket: bucket.max,
    "count": lambda bucket: bucket.total,
    "first": lambda bucket: bucket.first or "null",
    "last": lambda bucket: bucket.last or "null",
}


def next_buckets(
    db: sqlite3.Connection,
    series: Collection[int],
    span: Span,
    every: int,
    functions: Sequence[Function],
) -> list[tuple[Any, ...]]:
    """Aggregate the buckets of a stretch that begins with the next value there is: (bucket's start,
    value, ...); none if there is none.
    """
    ends, wanted = not {"first", "last"}.isdisjoint(functions), span
    while (begin := _next_value(db, series, wanted.start, every)) is not None:
        if begin >= span.end:
            break
        begin -= begin % every
        end = min(begin + _at_once(every) * every, span.end)
        found = buckets(db, series, Span(max(begin, span.start), end), every, ends=ends)
        if found:
            return [(b.start, *(_FUNCTIONS[name](b) for name in functions)) for b in found]
        wanted = Span(end, span.end)
    return []


def _at_once(every: int) -> int:
    sizes = [size for size in LEVELS if every % size == 0]
    if not sizes:
        return LEAST_AT_ONCE
    return min(MOST_AT_ONCE, max(LEAST_AT_ONCE, ROWS_AT_ONCE * sizes[-1] // every))


def _next_value(
    db: sqlite3.Connection, series: Collection[int], start: int, every: int
) -> int | None:
    """Return a time at or after `start` before which there is no value, None after the last one."""
    found = [row[2] for row in history.by_time(db, series, Span(start, 1 << 62), 1)]
    for number in series:
        for level, size in enumerate(LEVELS):
            if every % size == 0:
                sql = (
                    "SELECT bucket * ? FROM aggregates WHERE series = ? AND level = ? AND "
                    "bucket >= ? LIMIT 1"
                )
                row = db.execute(sql, (size, number, level, start // size)).fetchone()
                found += [max(start, *row)] if row else []
    return min(found, default=None)
