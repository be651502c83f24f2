"""How many bytes are in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

# Tables that are no history, and the bytes of a row: a long one has pages of its own.
OTHERS = (
    ("broker_deliveries", "150"),
    ("broker_messages", "length(payload) + length(topic) + 70 + 4096 * (length(payload) > 800)"),
    ("broker_retained", "length(payload) + length(topic) + 50 + 4096 * (length(payload) > 800)"),
    ("commands", "length(value) + coalesce(length(reply), 0) + 250"),
    ("rejected", "length(payload) + length(topic) + length(reason) + 50"),
    ("audit", "length(detail) + 150"),
)


def used(db: sqlite3.Connection) -> int:
    """Return the bytes of pages in use."""
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def history_size(db: sqlite3.Connection) -> int:
    """Return the bytes in use, but for what is no history: queues, retained messages, commands, the
    audit. These have bounds of their own, and may not push frames out.
    """
    others = "+".join(f"(SELECT coalesce(sum({size}), 0) FROM {table})" for table, size in OTHERS)
    return used(db) - int(db.execute(f"SELECT {others}").fetchone()[0])


def log(database: Path) -> int:
    """Return the bytes of the write-ahead log."""
    try:
        return Path(f"{database}-wal").stat().st_size
    except FileNotFoundError:
        return 0
