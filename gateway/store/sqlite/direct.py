"""The port `gateway.store.direct.Direct`, on a database file."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from gateway.errors import StoreError
from gateway.store.sqlite import audit, history, registry
from gateway.store.sqlite.database import advice, open_sync, open_to_look, transaction
from gateway.store.sqlite.registry import Tables
from gateway.store.sqlite.usage import usage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gateway.store.audit import Entry
    from gateway.store.history import Row, Span
    from gateway.store.sqlite.database import Durability
    from gateway.store.usage import Usage

BACKUP_PAGES = 1_000  # copied before a writer gets its turn
PAUSE = 0.005  # s between two such parts


class SqliteDirect:
    """A connection of one thread."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.tables = Tables(db)

    @contextmanager
    def transaction(self) -> Iterator[Tables]:
        with transaction(self._db):
            yield self.tables

    def audit(self, limit: int) -> list[Entry]:
        return audit.read(self._db, limit=limit)

    def series(self, device: str, channel: str) -> list[tuple[int, str, str, str]]:
        return history.series_of(self._db, device, channel)

    def by_time(
        self, series: Collection[int], span: Span, limit: int, *, newest_first: bool = False
    ) -> list[Row]:
        return history.by_time(
            self._db, series, span, limit, newest_first=newest_first, most=sys.maxsize
        )

    def usage(self, now: int) -> Usage:
        return usage(self._db, now)

    def revision(self) -> int:
        return registry.revision(self._db)

    def empty(self) -> bool:
        found = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM devices)"
            " OR EXISTS (SELECT 1 FROM frames)"
        )
        return not found.fetchone()[0]

    def damage(self) -> list[str]:
        try:
            found = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check(20)")]
        except sqlite3.DatabaseError as error:  # the damage stops the check itself
            return [str(error)]
        return [] if found == ["ok"] else found

    def copy(self, file: Path, progress: Callable[[int, int], None]) -> None:
        try:
            self._copy(file, progress)
        except sqlite3.Error as error:
            raise StoreError(advice(error)) from error

    def _copy(self, file: Path, progress: Callable[[int, int], None]) -> None:
        with closing(sqlite3.connect(file)) as copy:
            self._db.backup(
                copy,
                pages=BACKUP_PAGES,
                progress=lambda _, left, total: progress(left, total),
                sleep=PAUSE,
            )
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreError(f"the database is damaged, and so is the copy: {found}")
            copy.execute("UPDATE meta SET value = lower(hex(randomblob(8))) WHERE key = 'epoch'")
            copy.commit()


def opened(path: Path, durability: Durability = "full") -> AbstractContextManager[SqliteDirect]:
    """Open the file for the time of a block; raises `DatabaseError`, `StoreError`."""
    return _using(lambda: open_sync(path, durability))


def looked_at(path: Path) -> AbstractContextManager[SqliteDirect]:
    """Open the file as it is, of whatever version, and change nothing; raises as `opened` does."""
    return _using(lambda: open_to_look(path))


@contextmanager
def _using(open_file: Callable[[], sqlite3.Connection]) -> Iterator[SqliteDirect]:
    with closing(open_file()) as db:
        try:
            yield SqliteDirect(db)
        except sqlite3.Error as error:
            raise StoreError(f"the database refuses: {advice(error)}") from error
