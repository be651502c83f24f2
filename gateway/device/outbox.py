"""The readings that the gateway has not acknowledged yet, in memory or in a file."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS readings (id INTEGER PRIMARY KEY AUTOINCREMENT, payload "
    "BLOB NOT NULL)"
)


class Outbox:
    """A bounded queue of payloads with a reading position, safe to use from several threads.

    `take` moves the position and removes nothing; `remove` is for what was acknowledged; `rewind`
    makes all that is left due again. With a path the queue is a SQLite file and outlives the
    program.
    """

    def __init__(self, keep: int, path: Path | str | None = None) -> None:
        if keep < 1:
            raise ValueError(f"keep must be at least 1, not {keep}")
        self.dropped = 0
        self._keep = keep
        self._taken = 0
        self._closed = False
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False
        )
        # A write-ahead log without a sync per reading spares an SD card and is safe when the
        # program dies; a power cut may cost the last moments.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(_SCHEMA)
        self._count: int = self._db.execute("SELECT count(*) FROM readings").fetchone()[0]

    def put(self, payload: bytes) -> bool:
        """Add one payload, or answer False once closed.

        When the queue is full the oldest that is not under way is dropped.
        """
        with self._lock:
            if self._closed:
                return False
            self._db.execute("INSERT INTO readings (payload) VALUES (?)", (payload,))
            self._count += 1
            while self._count > self._keep:
                self._drop_oldest()
            return True

    def _drop_oldest(self) -> None:
        self._db.execute(
            "DELETE FROM readings WHERE id = (SELECT min(id) FROM readings WHERE id > ?)",
            (self._taken,),
        )
        self._count -= 1
        self.dropped += 1

    def take(self) -> tuple[int, bytes] | None:
        """Return the next payload that is due, with its id; None when there is none."""
        with self._lock:
            row = self._db.execute(
                "SELECT id, payload FROM readings WHERE id > ? ORDER BY id LIMIT 1", (self._taken,)
            ).fetchone()
            if row is None:
                return None
            self._taken = row[0]
            return row[0], row[1]

    def remove(self, reading: int) -> None:
        """Forget one payload: the gateway has it."""
        with self._lock:
            self._count -= self._db.execute(
                "DELETE FROM readings WHERE id = ?", (reading,)
            ).rowcount

    def reject(self, reading: int) -> None:
        """Give one payload up: the gateway will never take it."""
        self.remove(reading)
        self.dropped += 1

    def rewind(self) -> None:
        """Make everything that was taken and not removed due again."""
        with self._lock:
            self._taken = 0

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        """Close the file; what is in it stays for the next start."""
        with self._lock:
            self._closed = True
            self._db.close()
