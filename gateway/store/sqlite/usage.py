"""What history takes of the disk, counted in SQLite."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.store.sqlite import history, sizes
from gateway.store.usage import DAY, ChannelUsage, Usage

if TYPE_CHECKING:
    import sqlite3

LOOK_BACK = 7 * DAY  # over which the rate is taken
BUCKET_BYTES = 80  # of a minute, hour or day, about

_CHANNELS = """
    SELECT s.device, s.channel, (SELECT count(*) FROM frames_by_time WHERE series = s.id) AS frames,
        (SELECT count(*) FROM aggregates WHERE series = s.id AND level = 0),
        (SELECT count(*) FROM aggregates WHERE series = s.id AND level = 1),
        (SELECT count(*) FROM aggregates WHERE series = s.id AND level = 2)
    FROM series AS s WHERE NOT s.hidden AND s.type IN ('telemetry', 'presence')"""


def usage(db: sqlite3.Connection, now: int) -> Usage:
    """Count what there is."""
    rows = db.execute(_CHANNELS).fetchall()
    size = sizes.history_size(db)
    each = _bytes_of_frame(db, size)
    channels = [
        ChannelUsage._make((*row, round(row[2] * each) + sum(row[3:]) * BUCKET_BYTES))
        for row in rows
    ]
    frames_a_day = _rate(db, now)
    return Usage(
        size,
        _free(db),
        _since(db),
        frames_a_day,
        None if frames_a_day is None else round(frames_a_day * each),
        sorted(channels, key=lambda channel: -channel.bytes),
    )


def _bytes_of_frame(db: sqlite3.Connection, size: int) -> float:
    """Return about what a frame takes: all that is no bucket, by the number of frames."""
    frames = db.execute("SELECT count(*) FROM frames_by_time").fetchone()[0]
    frames += history.newest(db) - history.meta(db, "folded")
    buckets = db.execute("SELECT count(*) FROM aggregates").fetchone()[0]
    return max(0, size - buckets * BUCKET_BYTES) / frames if frames else 0.0


def _rate(db: sqlite3.Connection, now: int) -> int | None:
    """Return how many frames came a day, by the marks of the last days."""
    sql = "SELECT seq, at FROM marks WHERE at >= ? AND at < ? ORDER BY seq LIMIT 1"
    found = db.execute(sql, (now - LOOK_BACK, now)).fetchone()
    if found is None:
        return None
    return int((history.newest(db) - found[0]) * DAY // (now - found[1]))


def _since(db: sqlite3.Connection) -> int | None:
    found = db.execute("SELECT at FROM marks ORDER BY seq LIMIT 1").fetchone()
    return int(found[0]) if found else None


def _free(db: sqlite3.Connection) -> int:
    file = db.execute("PRAGMA database_list").fetchone()[2]
    return shutil.disk_usage(Path(file).parent).free
