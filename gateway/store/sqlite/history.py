"""Frames in SQLite: read after a cursor, query by series and time.

Every function takes a `sqlite3.Connection` and runs on a database thread. Rows are `Row` tuples. A
frame is found by seq in `frames`, and by series and time in `frames_by_time` up to `folded`; what
is above is scanned, and `upkeep` keeps it short.
"""

from __future__ import annotations

import heapq
import logging
import sqlite3
from itertools import islice
from typing import TYPE_CHECKING

from gateway.frames import MAX_TS, to_json
from gateway.store.history import PAGE_BYTES, Opened, Page, Rejection, Span

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from gateway.store.history import Row

log = logging.getLogger(__name__)

WINDOW = 200_000  # frames that one call of `after` looks at


def meta(db: sqlite3.Connection, key: str) -> int:
    """Return a whole number of the `meta` table."""
    return int(db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()[0])


def opened(db: sqlite3.Connection, now: int = MAX_TS) -> Opened:
    """Read what the core keeps in memory: the epoch, the newest seq, the series and their latest
    frames.
    """
    epoch = str(db.execute("SELECT value FROM meta WHERE key='epoch'").fetchone()[0])
    series = db.execute("SELECT id, type, device, channel FROM series WHERE NOT hidden").fetchall()
    last = db.execute("SELECT max(id) FROM series").fetchone()[0] or 0
    return Opened(
        epoch, newest(db), series, last, list(_latest(db, [row[0] for row in series], now))
    )


def series_of(db: sqlite3.Connection, device: str, channel: str) -> list[tuple[int, str, str, str]]:
    """Return a channel's series: (id, type, device, channel)."""
    sql = (
        "SELECT id, type, device, channel FROM series WHERE device = ? AND channel = ? AND "
        "NOT hidden"
    )
    return db.execute(sql, (device, channel)).fetchall()


def newest(db: sqlite3.Connection) -> int:
    """Return the newest seq ever given out, also where its frame is gone."""
    top = db.execute("SELECT max(seq) FROM frames").fetchone()[0] or 0
    return max(top, meta(db, "seq"))


def floor(db: sqlite3.Connection) -> int:
    """Return the seq after which history is complete."""
    return meta(db, "floor")


def after(
    db: sqlite3.Connection, cursor: int, upto: int, series: Collection[int] | None, limit: int
) -> Page:
    """Read frames with cursor < seq <= upto, at most `limit`; of all series, or of those given.

    One call looks at `WINDOW` frames at the most, so that a narrow filter over a long history stays
    short. Frames that a damaged file no longer gives count as gone.
    """
    gone = min(floor(db), upto)
    cursor = max(cursor, gone)
    end = min(upto, cursor + WINDOW)
    rows: list[Row] = []
    try:
        whole = _up_to_bytes(_after(db, cursor, end, series, limit), rows, PAGE_BYTES)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        if not rows:
            return _past_damage(db, cursor, end, series, gone, error)
        whole = False
    reached = end if whole and len(rows) < limit else rows[-1][0]
    return Page(rows, reached, max(gone, min(_thinned(db, cursor, series), reached - 1)))


def _thinned(db: sqlite3.Connection, cursor: int, series: Collection[int] | None) -> int:
    """Return up to which seq some frames after a cursor are gone, of channels that keep theirs for
    less time than others; 0: none.
    """
    sql = "SELECT coalesce(max(thinned), 0) FROM begins WHERE thinned > 0 AND thinned > ?"
    if series is None:
        return int(db.execute(sql, (cursor,)).fetchone()[0])
    sql += " AND series IN (SELECT value FROM json_each(?))"
    return int(db.execute(sql, (cursor, to_json(list(series)))).fetchone()[0])


def _after(
    db: sqlite3.Connection, cursor: int, end: int, series: Collection[int] | None, limit: int
) -> Iterable[Row]:
    if series is None:
        sql = "SELECT * FROM frames WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?"
        return db.execute(sql, (cursor + 1, end, limit))
    sql = (
        "SELECT * FROM frames WHERE seq >= ? AND seq <= ? AND series IN (SELECT value FROM "
        "json_each(?)) "
        "ORDER BY seq LIMIT ?"
    )
    return db.execute(sql, (cursor + 1, end, to_json(list(series)), limit))


def _past_damage(
    db: sqlite3.Connection,
    cursor: int,
    end: int,
    series: Collection[int] | None,
    gone: int,
    error: Exception,
) -> Page:
    """Read the frame after a cursor alone; where it cannot be read, what follows as well counts as
    gone up to the next one that can.
    """
    row = _one(db, cursor + 1)
    if row is not None:
        return Page([row] if series is None or row[1] in series else [], cursor + 1, gone)
    readable = (seq for seq in range(cursor + 2, end + 1) if _one(db, seq) is not None)
    lost = next(readable, end + 1) - 1
    log.error("frames %d to %d cannot be read: %s", cursor + 1, lost, error)
    return Page([], lost, lost)


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether a page of the file is not what it should be."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT


def _one(db: sqlite3.Connection, seq: int) -> Row | None:
    """Return a frame, None where it is gone or cannot be read."""
    try:
        rows: list[Row] = db.execute("SELECT * FROM frames WHERE seq = ?", (seq,)).fetchall()
    except sqlite3.DatabaseError:
        return None
    return rows[0] if rows else None


def _up_to_bytes(found: Iterable[Row], rows: list[Row], most: int) -> bool:
    """Take rows until their values fill `most` bytes; tell whether these are all."""
    for row in found:
        rows.append(row)
        most -= len(row[3])
        if most < 0:
            return False
    return True


def by_time(
    db: sqlite3.Connection,
    series: Collection[int],
    span: Span,
    limit: int,
    *,
    newest_first: bool = False,
    most: int = PAGE_BYTES,
) -> list[Row]:
    """Read frames of some series in order of (ts, seq), at most `limit`, and no further one when
    their values have `most` bytes. Frames that a damaged file no longer gives are left out.
    """
    indexed = [_indexed(db, number, span, newest_first) for number in series]
    recent = _recent(db, series, span, limit, newest_first)
    try:
        return _merged([*indexed, recent], limit, most, newest_first)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        log.error("frames that cannot be read are left out of history by time: %s", error)
    indexed = [_indexed_singly(db, number, span, newest_first) for number in series]
    recent = _recent_singly(db, series, span, newest_first)
    return _merged([*indexed, recent], limit, most, newest_first)


def _merged(found: list[Iterator[Row]], limit: int, most: int, newest_first: bool) -> list[Row]:
    merged = heapq.merge(*found, key=_time_order, reverse=newest_first)
    rows: list[Row] = []
    _up_to_bytes(islice(merged, limit), rows, most)
    return rows


def _time_order(row: Row) -> tuple[int, int]:
    return row[2], row[0]


def _indexed(db: sqlite3.Connection, series: int, span: Span, newest_first: bool) -> Iterator[Row]:
    """Find a series' frames by the index, up to the limit."""
    where, parameters, tail = _within(span, newest_first)
    found: Iterator[Row] = db.execute(
        "SELECT f.* FROM frames_by_time AS i CROSS JOIN frames AS f ON f.seq = i.seq "
        f"WHERE i.series = ? AND {where} AND i.seq <= ? {tail}",
        (series, *parameters, meta(db, "folded")),
    )
    for row in found:  # noqa: UP028 - `yield from` would close the cursor of a closed database
        yield row


def _indexed_singly(
    db: sqlite3.Connection, series: int, span: Span, newest_first: bool
) -> Iterator[Row]:
    """Find the same frames one by one, those that can be read."""
    where, parameters, tail = _within(span, newest_first)
    for (seq,) in db.execute(
        "SELECT i.seq FROM frames_by_time AS i "
        f"WHERE i.series = ? AND {where} AND i.seq <= ? {tail}",
        (series, *parameters, meta(db, "folded")),
    ):
        if (row := _one(db, seq)) is not None:
            yield row


def _recent_singly(
    db: sqlite3.Connection, series: Collection[int], span: Span, newest_first: bool
) -> Iterator[Row]:
    """Look at what is not yet in the index one by one."""
    rows = (_one(db, seq) for seq in range(meta(db, "folded") + 1, newest(db) + 1))
    there = [row for row in rows if row is not None and row[1] in series]
    there = [row for row in there if _is_within(row, span, newest_first)]
    return iter(sorted(there, key=_time_order, reverse=newest_first))


def _is_within(row: Row, span: Span, newest_first: bool) -> bool:
    if not span.start <= row[2] < span.end:
        return False
    if span.after is None:
        return True
    at = _time_order(row)
    return at < span.after if newest_first else at > span.after


def _recent(
    db: sqlite3.Connection, series: Collection[int], span: Span, limit: int, newest_first: bool
) -> Iterator[Row]:
    """Scan what is not yet in the index."""
    where, parameters, tail = _within(span, newest_first)
    found: Iterator[Row] = db.execute(
        "SELECT i.* FROM frames AS i WHERE i.seq > ? AND i.series IN (SELECT value FROM "
        "json_each(?)) "
        f"AND {where} {tail} LIMIT ?",
        (meta(db, "folded"), to_json(list(series)), *parameters, limit),
    )
    for row in found:  # noqa: UP028
        yield row


def _within(span: Span, newest_first: bool) -> tuple[str, list[int], str]:
    """Return a span as a condition with its parameters, and the order of time."""
    order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
    start, end = span.start, span.end
    if span.after is not None:  # so that the index is entered where the page before ended
        ts = span.after[0]
        start, end = (start, min(end, ts + 1)) if newest_first else (max(start, ts), end)
    where, parameters = "i.ts >= ? AND i.ts < ?", [start, end]
    if span.after is not None:
        where += f" AND (i.ts, i.seq) {beyond} (?, ?)"
        parameters += span.after
    return where, parameters, f"ORDER BY i.ts {order}, i.seq {order}"


# What a value counts as in a sum: a number is itself, a boolean 0 or 1, anything else does not
# count.
NUMBER = """CASE WHEN value GLOB '[-0-9]*' THEN CAST(value AS REAL)
    WHEN value = 'true' THEN 1.0 WHEN value = 'false' THEN 0.0 END"""


def _latest(db: sqlite3.Connection, series: Iterable[int], now: int) -> Iterator[Row]:
    """Read the latest frame of each series: by index, or among those not yet in it.

    One whose time is yet to come counts until a newer frame comes: a clock was wrong.
    """
    past: dict[int, Row] = {}
    ahead: dict[int, Row] = {}
    for row in db.execute("SELECT * FROM frames WHERE seq > ?", (meta(db, "folded"),)):
        recent = past if row[2] <= now else ahead
        if row[1] not in recent or _time_order(row) >= _time_order(recent[row[1]]):
            recent[row[1]] = row
    for number in series:
        found = [
            _greatest(db, number, 0, now, past.get(number)),
            _greatest(db, number, now + 1, MAX_TS, ahead.get(number)),
        ]
        if rows := [row for row in found if row is not None]:
            yield max(rows)  # by seq: the greatest of the past, unless the other one is newer


def _greatest(
    db: sqlite3.Connection, series: int, start: int, end: int, recent: Row | None
) -> Row | None:
    """Return a series' frame with the greatest ts of a range; `recent`: of those that the index
    does not have.
    """
    indexed: Row | None = db.execute(
        "SELECT f.* FROM frames_by_time AS i CROSS JOIN frames AS f ON f.seq = i.seq "
        "WHERE i.series = ? AND i.ts BETWEEN ? AND ? AND i.seq <= ? "
        "ORDER BY i.ts DESC, i.seq DESC LIMIT 1",
        (series, start, end, meta(db, "folded")),
    ).fetchone()
    rows = [row for row in (recent, indexed) if row is not None]
    return max(rows, key=_time_order, default=None)


def rejected(db: sqlite3.Connection, before: int | None, limit: int) -> list[Rejection]:
    """Read the rejected list, newest first."""
    sql = (
        "SELECT id, at, topic, device, reason, payload FROM rejected WHERE id < ? ORDER BY "
        "id DESC LIMIT ?"
    )
    bound = before if before is not None else 2**62
    return [Rejection(*row) for row in db.execute(sql, (bound, limit))]
