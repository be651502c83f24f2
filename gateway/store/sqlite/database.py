"""The database file: its connections, their threads, and its migrations.

One thread writes, two read history, one the registry, one keeps the file in shape; none of them is
the event loop's. A write is one transaction. `turn` lets upkeep write in between, a slice at a
time.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING, Literal, TypeVar

import aiosqlite

from gateway.errors import Conflict, GatewayError, StoreError
from gateway.inodes import inode
from gateway.store.sqlite.storable import Connection

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Durability = Literal["full", "normal"]

READERS = 2
# 4 MB: who reads all of history reads no page twice
_READING = "PRAGMA query_only=ON; PRAGMA cache_size=-4096"
STEPS = 100_000  # of SQLite, some milliseconds, between two looks at the clock
BUSY_MS = 5_000
LOG_BYTES = 4 << 20  # what the write-ahead log keeps of the disk when it begins again
AUTOCHECKPOINT_PAGES = 32_768  # 128 MB: only when upkeep does not get to it


class DatabaseError(GatewayError):
    """The database file cannot be used as it is; the message says why and what to do."""

    code = "database"


class _Connection(aiosqlite.Connection):
    """An aiosqlite connection that runs a whole function on its thread, not a statement at a
    time.
    """

    async def run(self, work: Work[T]) -> T:
        return await self._on_thread(lambda: work(self._conn))

    async def transact(self, work: Work[T]) -> T:
        return await self._on_thread(lambda: _in_transaction(self._conn, work))

    async def _on_thread(self, call: Callable[[], T]) -> T:
        execute: Callable[..., Awaitable[T]] = self._execute  # aiosqlite leaves it untyped
        try:
            return await execute(call)
        except sqlite3.IntegrityError as error:
            raise Conflict(
                f"what this is about has changed meanwhile, look at it again: {error}"
            ) from error
        except sqlite3.Error as error:
            raise StoreError(advice(error)) from error

    @classmethod
    async def open(cls, path: Path, durability: Durability) -> _Connection:
        connection = cls(lambda: _connect(path, durability), 64)
        await connection
        return connection


class Database:
    """The open database. `write`, `read` and `maintain` take a function of a
    `sqlite3.Connection`.
    """

    def __init__(
        self,
        path: Path,
        writer: _Connection,
        upkeep: _Connection,
        follower: _Connection,
        readers: list[_Connection],
    ) -> None:
        self.path = path
        self.trouble: str | None = None  # why nothing can be written, though SQLite would
        self._inode = inode(path)
        self.turn = asyncio.Lock()
        self._writer = writer
        self._upkeep = upkeep
        self._follower = follower
        self._readers = readers
        self._waiting = dict.fromkeys(
            readers, 0
        )  # a long query keeps its own reader busy, not the others' turn

    @classmethod
    async def open(cls, path: Path, *, durability: Durability = "full") -> Database:
        """Open or create the file and bring its schema up to date; raises `DatabaseError`."""
        await asyncio.to_thread(lambda: open_sync(path, durability).close())
        connections: list[_Connection] = []
        try:
            while len(connections) < 3 + READERS:
                connections.append(await _Connection.open(path, durability))
        except BaseException:
            for connection in connections:
                await connection.close()
            raise
        writer, upkeep, follower, *readers = connections
        # What upkeep writes can be written again; the next commit of the writer makes it durable.
        await upkeep.run(lambda db: db.execute("PRAGMA synchronous=NORMAL"))
        for reader in (follower, *readers):
            await reader.run(lambda db: db.executescript(_READING))
        return cls(path, writer, upkeep, follower, readers)

    def look(self) -> None:
        """Look whether the file is still in its place. What is written into one that is not would
        be lost with it.
        """
        moved = inode(self.path) != self._inode
        if moved and self.trouble is None:
            self.trouble = (
                f"{self.path} was moved, deleted or replaced: put it back,"
                " or stop the gateway, put the right file there, and start it"
            )
            log.critical("%s", self.trouble)
        elif not moved:
            self.trouble = None

    async def close(self) -> None:
        """Finish what was begun and close every connection."""
        for connection in (*self._readers, self._follower, self._upkeep, self._writer):
            await connection.close()

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction; committed when this returns, undone when it raises."""
        async with self.turn:
            if self.trouble is not None:
                raise StoreError(self.trouble)
            return await self._writer.transact(work)

    async def read(self, work: Work[T], *, seconds: float = math.inf) -> T:
        """Run `work` on a reading connection; it sees what was committed before, and nothing that
        comes meanwhile. Raises `StoreError` where it takes longer.
        """
        reader = min(self._readers, key=self._waiting.__getitem__)
        self._waiting[reader] += 1
        try:
            return await reader.run(lambda db: _in_time(db, work, seconds))
        finally:
            self._waiting[reader] -= 1

    async def follow(self, work: Work[T]) -> T:
        """Run a short `work` as `read` does, on a connection where no query of history waits."""
        return await self._follower.run(lambda db: _in_snapshot(db, work))

    async def maintain(self, work: Work[T], *, writing: bool) -> T:
        """Run `work` on upkeep's own connection, in its turn and in a transaction if it writes."""
        if not writing:
            return await self._upkeep.run(work)
        async with self.turn:
            return await self._upkeep.transact(work)

    async def quietly(self, work: Work[T]) -> T:
        """Run `work` on upkeep's connection outside a transaction while no writer writes."""
        async with self.turn:
            return await self._upkeep.run(work)


def advice(error: sqlite3.Error) -> str:
    """Say what SQLite says, and of a damaged file the ways on."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
        return str(error)
    return (
        f"{error}: the file is damaged: `gateway check --database` says where; ask for a time"
        " without that part, or go back to a backup"
    )


def open_sync(path: Path, durability: Durability = "full") -> sqlite3.Connection:
    """Open or create the file on this thread, schema up to date; raises `DatabaseError`."""
    _check_writable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_private(path)
        db = _connect(path, durability)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(
            f"{path}: cannot open the database: {error}: use another file"
        ) from error
    try:
        _use_log(db)
        _migrate(db, path)
    except BaseException as error:
        db.close()
        if isinstance(error, sqlite3.Error):
            raise DatabaseError(f"{path}: {advice(error)}") from error
        raise
    return db


def open_to_look(path: Path) -> sqlite3.Connection:
    """Open a file that is there, as it is: nothing is made, migrated or written. Raises
    `DatabaseError`.
    """
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            timeout=BUSY_MS / 1000,
            factory=Connection,
        )
    except sqlite3.Error as error:
        raise DatabaseError(f"{path}: cannot open the database: {error}") from error


def _make_private(path: Path) -> None:
    """Make the file, if need be, for the gateway's own user alone: hashes of keys are in it."""
    if str(path) != ":memory:":
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _use_log(db: sqlite3.Connection) -> None:
    """Switch to a write-ahead log; SQLite itself does not wait for others here, whatever the busy
    timeout.
    """
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _check_writable(path: Path) -> None:
    """Say at the start what SQLite would say at the first frame."""
    for place in (path, path.parent):
        if place.exists() and not os.access(
            place, os.W_OK, effective_ids=os.access in os.supports_effective_ids
        ):
            raise DatabaseError(
                f"{path}: cannot write to {place}: look at its owner and permissions, and "
                f"whether its disk is read-only"
            )


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Everything inside, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _in_transaction(db: sqlite3.Connection, work: Work[T]) -> T:
    with transaction(db):
        return work(db)


def _in_snapshot(db: sqlite3.Connection, work: Work[T]) -> T:
    db.execute("BEGIN")
    try:
        return work(db)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _in_time(db: sqlite3.Connection, work: Work[T], seconds: float) -> T:
    """Run `work` as `_in_snapshot` does, and end what takes longer."""
    end = time.monotonic() + seconds
    db.set_progress_handler(lambda: time.monotonic() > end, STEPS)
    try:
        return _in_snapshot(db, work)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        raise StoreError(
            f"this takes longer than {seconds:g} s to read: ask for a shorter time, for fewer"
            " channels, or with a smaller limit"
        ) from error
    finally:
        db.set_progress_handler(None, 0)


def _connect(path: Path, durability: Durability) -> sqlite3.Connection:
    db = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_MS / 1000,
        factory=Connection,
    )
    try:
        db.execute("PRAGMA foreign_keys=ON")
        db.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")
        db.execute(f"PRAGMA wal_autocheckpoint={AUTOCHECKPOINT_PAGES}")
        db.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
        db.execute("PRAGMA temp_store=MEMORY")
        db.execute("PRAGMA cache_size=-16384")  # 16 MB
    except BaseException:
        db.close()
        raise
    return db


def migrations() -> list[tuple[int, str]]:
    """Every migration as (user_version it leads to, SQL), in order."""
    folder = resources.files("gateway.store.sqlite") / "migrations"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return [(int(name[:4]), (folder / name).read_text("utf-8")) for name in files]


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    steps = migrations()
    newest = steps[-1][0]
    if _version(db) == newest:
        return
    with transaction(db):
        version = _version(db)  # another process may have been faster
        if version > newest:
            raise DatabaseError(
                f"{path}: written by a newer gateway (schema {version}, this one knows {newest}): "
                "install that version, or use another file"
            )
        if version == 0 and db.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,):
            raise DatabaseError(f"{path}: another program's database: use another file")
        for number, sql in steps:
            if number > version:
                _run_script(db, sql)
                db.execute(f"PRAGMA user_version={number}")


def _run_script(db: sqlite3.Connection, sql: str) -> None:
    """Run a script inside the open transaction, which `executescript` would commit."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
