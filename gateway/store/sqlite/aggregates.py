"""Minutes, hours and days of each series, made from the frames that enter the index by time.

Aggregates are additive: a slice of frames in order of (series, ts, seq) is added to them, and in
the same transaction noted in `aggregated`. So each frame counts once, wherever the work is cut off,
and a late reading needs nothing of its own. A frame with the device's own time that was sent again
does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.store.series import LEVELS
from gateway.store.sqlite import history

if TYPE_CHECKING:
    import sqlite3

LONGEST = 256  # characters of a first or last value that are kept; a longer one is read as a frame
ALIKE = 100  # frames of one series and ts among which a repeat is looked for

# Of a frame `{0}` with `series`, `ts`, `seq`: it has the device's own time, and was there before.
OWN_TIME = "extra GLOB ',\"received\":*'"
REPEATED = f"""EXISTS (SELECT 1 FROM (
    SELECT seq FROM frames_by_time
    WHERE series = {{0}}.series AND ts = {{0}}.ts AND seq < {{0}}.seq ORDER BY seq DESC LIMIT
    {ALIKE}
) AS alike CROSS JOIN frames AS before ON before.seq = alike.seq
WHERE before.value = (SELECT value FROM frames WHERE seq = {{0}}.seq))"""

_SORT = f"""CREATE TEMP TABLE sorted AS
    SELECT series, ts, seq, {history.NUMBER} AS number, {OWN_TIME} AS own FROM frames
    WHERE seq > ? AND seq <= ? AND (seq > ? OR (series, ts, seq) > (?, ?, ?)) ORDER BY series, ts,
    seq"""
_INDEX = (
    "INSERT OR IGNORE INTO frames_by_time SELECT series, ts, seq FROM temp.sorted WHERE "
    "rowid > ? AND rowid <= ?"
)
_LAST = "SELECT series, ts, seq FROM temp.sorted WHERE rowid <= ? ORDER BY rowid DESC LIMIT 1"
_LEAVE_OUT = (
    "DELETE FROM temp.sorted WHERE rowid > ? AND rowid <= ? AND own AND "
    + REPEATED.format("sorted")
)
_ADD = """INSERT INTO aggregates
    SELECT g.series, {level}, g.bucket, g.count, g.numbers, g.sum, g.min, g.max,
        a.ts, (SELECT value FROM frames WHERE seq = a.seq AND length(value) <= {longest}),
        b.ts, (SELECT value FROM frames WHERE seq = b.seq AND length(value) <= {longest})
    FROM (
        SELECT series, ts / {size} AS bucket, count(*) AS count, count(number) AS numbers,
        sum(number) AS sum,
            min(number) AS min, max(number) AS max, min(rowid) AS head, max(rowid) AS tail
        FROM temp.sorted WHERE rowid > ? AND rowid <= ? GROUP BY series, bucket
    ) AS g CROSS JOIN temp.sorted AS a ON a.rowid = g.head CROSS JOIN temp.sorted AS b ON b.rowid =
    g.tail
    WHERE true ON CONFLICT DO UPDATE SET
        count = count + excluded.count, numbers = numbers + excluded.numbers,
        sum = coalesce(sum + excluded.sum, sum, excluded.sum),
        min = coalesce(min(min, excluded.min), min, excluded.min),
        max = coalesce(max(max, excluded.max), max, excluded.max),
        first = CASE WHEN excluded.first_ts < first_ts THEN excluded.first ELSE first END,
        first_ts = min(first_ts, excluded.first_ts),
        last = CASE WHEN excluded.last_ts >= last_ts THEN excluded.last ELSE last END,
        last_ts = max(last_ts, excluded.last_ts)"""
_ADDITIONS = [
    _ADD.format(level=level, size=size, longest=LONGEST) for level, size in enumerate(LEVELS)
]


class Position(NamedTuple):
    """How far the aggregates are: every frame up to `upto`, and of those up to `run` the ones up to
    (series, ts, seq) in that order.
    """

    upto: int
    run: int
    series: int
    ts: int
    seq: int


class Run(NamedTuple):
    """Frames sorted into `temp.sorted`, `rows` of them up to the seq `last`; what is made of
    them.
    """

    last: int
    rows: int
    indexes: bool
    adds: bool


def position(db: sqlite3.Connection) -> Position:
    """Return how far the aggregates are."""
    return Position(*db.execute("SELECT upto, run, series, ts, seq FROM aggregated").fetchone())


def behind(db: sqlite3.Connection) -> int:
    """Return how many seqs are in the index by time and not yet in the aggregates."""
    return history.meta(db, "folded") - position(db).upto


def next_run(db: sqlite3.Connection, newest: int, most: int) -> Run | None:
    """Sort the next frames for the index, at most `most`; None where there are none.

    They go into the aggregates too, unless those have yet to catch up.
    """
    folded, done = history.meta(db, "folded"), position(db)
    last = min(newest, folded + most)
    if last <= folded:
        return None
    if done.upto < folded:
        return Run(last, _sort(db, folded, last, Position(folded, folded, 0, 0, 0)), True, False)
    if done.run > folded:  # it was cut off
        last = done.run
    return Run(last, _sort(db, folded, last, done), True, True)


def late_run(db: sqlite3.Connection, most: int) -> Run | None:
    """Sort frames of the index that the aggregates do not have yet, at most `most`."""
    folded, done = history.meta(db, "folded"), position(db)
    if done.upto >= folded:
        return None
    last = done.run
    if last <= done.upto:
        sql = "SELECT seq FROM frames WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT 1 OFFSET ?"
        found = db.execute(sql, (done.upto, folded, most - 1)).fetchone()
        last = found[0] if found else folded
    return Run(last, _sort(db, done.upto, last, done), False, True)


def _sort(db: sqlite3.Connection, first: int, last: int, done: Position) -> int:
    db.execute("DROP TABLE IF EXISTS temp.sorted")
    db.execute(_SORT, (first, last, done.run, done.series, done.ts, done.seq))
    return int(db.execute("SELECT count(*) FROM temp.sorted").fetchone()[0])


def add(db: sqlite3.Connection, run: Run, start: int, end: int) -> None:
    """Enter rows start < rowid <= end of a run where they belong."""
    if run.indexes:
        db.execute(_INDEX, (start, end))
    if run.adds:
        series, ts, seq = db.execute(_LAST, (end,)).fetchone()
        db.execute(_LEAVE_OUT, (start, end))
        for sql in _ADDITIONS:
            db.execute(sql, (start, end))
        _move(db, position(db)._replace(run=run.last, series=series, ts=ts, seq=seq))


def finish(db: sqlite3.Connection, run: Run) -> None:
    """Note that a run is done."""
    if run.indexes:
        db.execute("UPDATE meta SET value = ? WHERE key = 'folded'", (run.last,))
    if run.adds:
        _move(db, Position(run.last, run.last, 0, 0, 0))


def _move(db: sqlite3.Connection, to: Position) -> None:
    db.execute("UPDATE aggregated SET upto = ?, run = ?, series = ?, ts = ?, seq = ?", to)
