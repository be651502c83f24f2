"""How long aggregates are kept: removed by age, by size, and with their device."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_HIDDEN = """SELECT a.series, a.level, a.bucket FROM series AS s CROSS JOIN aggregates AS a ON
    a.series = s.id
    WHERE s.hidden LIMIT ?"""
_DELETE = "DELETE FROM aggregates WHERE (series, level, bucket) IN ({})"


def remove_hidden(db: sqlite3.Connection, most: int) -> int:
    """Remove aggregates of removed devices, at most `most`; return how many."""
    return db.execute(_DELETE.format(_HIDDEN), (most,)).rowcount
