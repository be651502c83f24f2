"""What goes beside the oldest frames: frames with a time of their own, and aggregates by age, by
size and with their device.

Every function takes a `sqlite3.Connection`. Tables of `temp` are upkeep's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.store.series import LEVELS
from gateway.store.sqlite import history

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from gateway.store.keeping import Exemption

PARTS = 50  # in which minutes go when there is too much
COLUMNS = ("minutes", "hours", "days")

_HIDDEN = """SELECT a.series, a.level, a.bucket FROM series AS s CROSS JOIN aggregates AS a ON
    a.series = s.id
    WHERE s.hidden LIMIT ?"""
_OLD = """CREATE TEMP TABLE old AS SELECT a.series, a.level, a.bucket FROM series AS s
    CROSS JOIN aggregates AS a ON a.series = s.id AND a.level = ? AND a.bucket < ? LIMIT ?"""
_DELETE = "DELETE FROM aggregates WHERE (series, level, bucket) IN ({})"
_OF_MINUTES = "(SELECT {}(bucket) FROM aggregates WHERE series = s.id AND level = 0)"
_RANGE = f"""SELECT min(first), max(last) FROM (
    SELECT {_OF_MINUTES.format("min")} AS first, {_OF_MINUTES.format("max")} AS last
    FROM series AS s)"""


def remove_hidden(db: sqlite3.Connection, most: int) -> int:
    """Remove aggregates of removed devices, at most `most`; return how many."""
    return db.execute(_DELETE.format(_HIDDEN), (most,)).rowcount


def remove_old(db: sqlite3.Connection, level: int, before: int, most: int) -> int:
    """Remove buckets of a level that end before a time, at most `most`; return how many."""
    db.execute("DROP TABLE IF EXISTS temp.old")
    db.execute(_OLD, (level, before // LEVELS[level], most))
    column = COLUMNS[level]
    db.execute(
        f"INSERT INTO begins (series, {column}) SELECT series, (max(bucket) + 1) * ? FROM temp.old "
        f"GROUP BY series ON CONFLICT DO UPDATE SET {column} = max({column}, excluded.{column})",
        (LEVELS[level],),
    )
    return db.execute(_DELETE.format("SELECT series, level, bucket FROM temp.old")).rowcount


def oldest_minutes(db: sqlite3.Connection) -> int | None:
    """Return a time before which a part of all minutes are; None where there is no minute."""
    first, last = db.execute(_RANGE).fetchone()
    if first is None:
        return None
    return int(first + max(1, (last - first) // PARTS)) * LEVELS[0]


def mark_exempt(db: sqlite3.Connection, exemptions: Sequence[Exemption]) -> list[int]:
    """Put the series with a time of their own into `temp.exempt`; return these times."""
    db.execute("DROP TABLE IF EXISTS temp.exempt")
    db.execute("CREATE TEMP TABLE exempt (series INTEGER PRIMARY KEY, keep INTEGER)")
    if not exemptions:
        return []
    found = db.execute("SELECT id, device, channel FROM series WHERE NOT hidden").fetchall()
    for number, device, channel in found:
        path = f"{device}/{channel}"
        first = next((one for one in exemptions if one.filter.matches(path)), None)
        if first is not None:
            db.execute("INSERT INTO temp.exempt VALUES (?, ?)", (number, first.keep))
    return sorted({one.keep for one in exemptions if one.keep is not None})


def sort_exempt(db: sqlite3.Connection, keep: int, before: int, upto: int) -> int:
    """Sort what is too old of the series with a time of their own into `temp.sorted`, but for the
    last frame of each; return how many.
    """
    db.execute("DROP TABLE IF EXISTS temp.sorted")
    db.execute(
        "CREATE TEMP TABLE sorted AS SELECT i.series, i.ts, i.seq FROM temp.exempt AS e "
        "CROSS JOIN frames_by_time AS i ON i.series = e.series AND i.ts < ? "
        "WHERE e.keep = ? AND i.seq <= ? AND i.seq <> (SELECT seq FROM frames_by_time "
        "WHERE series = e.series ORDER BY ts DESC, seq DESC LIMIT 1) "
        "ORDER BY i.series, i.ts, i.seq",
        (before, keep, upto),
    )
    db.execute("DROP TABLE IF EXISTS temp.removable")
    db.execute("CREATE TEMP TABLE removable AS SELECT seq FROM temp.sorted ORDER BY seq")
    return int(db.execute("SELECT count(*) FROM temp.sorted").fetchone()[0])


def note_thinned(db: sqlite3.Connection) -> None:
    """Note up to which seq each series of `temp.sorted` has lost frames, before they go."""
    db.execute(
        "INSERT INTO begins (series, thinned) SELECT series, max(seq) FROM temp.sorted "
        "GROUP BY series ON CONFLICT DO UPDATE SET thinned = max(thinned, excluded.thinned)"
    )
    db.execute("UPDATE meta SET value = ? WHERE key = 'seq'", (history.newest(db),))
