"""Devices, users, tokens, web sessions and one-time links in SQLite, and what has changed in them.

Records are frozen; a `Table` reads and writes them. Whoever writes, triggers note it in `changes`:
a gateway that keeps the records in memory reads from there what the command line did. Times are ms
since 1970 UTC. Every function takes a `sqlite3.Connection`; none of them commits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from gateway.store.registry import (
    Change,
    Device,
    Everything,
    Link,
    Record,
    Token,
    Update,
    User,
    WebSession,
    jsonable,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from gateway.store.registry import Key, Kind

_JSON = frozenset({"grants", "devices"})
_FLAGS = frozenset({"disabled"})


R = TypeVar("R", bound=Record)


class Table(Generic[R]):
    """A table whose columns are the fields of a record, `key` the primary one."""

    def __init__(self, name: str, record: type[R], key: str = "id") -> None:
        self._record = record
        self._key = key
        self._columns = record.__struct_fields__
        self._select = f"SELECT {', '.join(self._columns)} FROM {name}"
        self._delete = f"DELETE FROM {name} WHERE {key} = ?"
        self._insert = f"INSERT INTO {name} ({{}}) VALUES ({{}})"
        self._update = f"UPDATE {name} SET {{}} WHERE {key} = ?"

    def all(self, db: sqlite3.Connection) -> Iterator[R]:
        return map(self._read, db.execute(self._select + " ORDER BY 1"))

    def where(self, db: sqlite3.Connection, **values: Key) -> Iterator[R]:
        """Return the records whose columns have these values."""
        condition = " AND ".join(f"{column} = ?" for column in values)
        return map(
            self._read,
            db.execute(f"{self._select} WHERE {condition} ORDER BY 1", tuple(values.values())),
        )

    def get(self, db: sqlite3.Connection, key: Key) -> R | None:
        return next(self.where(db, **{self._key: key}), None)

    def insert(self, db: sqlite3.Connection, record: R) -> R:
        """Add a record; an `id` of 0 is replaced by the next free one."""
        values = self._write(record)
        numbered = values.get("id") == 0
        if numbered:
            del values["id"]
        marks = ", ".join("?" * len(values))
        cursor = db.execute(self._insert.format(", ".join(values), marks), tuple(values.values()))
        return msgspec.structs.replace(record, id=cursor.lastrowid) if numbered else record

    def update(self, db: sqlite3.Connection, key: Key, **changes: Any) -> None:
        """Set the given columns of one record."""
        assignments = ", ".join(f"{column} = ?" for column in changes)
        values = [_to_column(column, value) for column, value in changes.items()]
        db.execute(self._update.format(assignments), (*values, key))

    def delete(self, db: sqlite3.Connection, key: Key) -> bool:
        """Take a record away; tells whether there was one."""
        return db.execute(self._delete, (key,)).rowcount > 0

    def _read(self, row: tuple[Any, ...]) -> R:
        values = {
            column: _from_column(column, value)
            for column, value in zip(self._columns, row, strict=True)
        }
        return msgspec.convert(values, self._record, builtin_types=(bytes,))

    def _write(self, record: R) -> dict[str, Any]:
        return {column: _to_column(column, getattr(record, column)) for column in self._columns}


DEVICES = Table("devices", Device)
USERS = Table("users", User)
TOKENS = Table("tokens", Token)
WEB_SESSIONS = Table("web_sessions", WebSession)
LINKS = Table("links", Link, key="hash")
_KINDS: dict[Kind, Table[Any]] = {
    "device": DEVICES,
    "user": USERS,
    "token": TOKENS,
    "session": WEB_SESSIONS,
}


def everything(db: sqlite3.Connection) -> Everything:
    """Read all records; what is written meanwhile is in `changes` above `rev`."""
    rev = revision(db)
    return Everything(
        rev,
        {
            (kind, str(record.id)): record
            for kind, table in _KINDS.items()
            for record in table.all(db)
        },
    )


def changes(db: sqlite3.Connection, rev: int) -> Update | None:
    """Return what has changed after `rev`; None: `changes` no longer goes back that far, read
    everything.
    """
    newest = revision(db)
    rows = db.execute(
        "SELECT rev, kind, key, gone FROM changes WHERE rev > ? ORDER BY rev", (rev,)
    ).fetchall()
    if newest > rev and (not rows or rows[0][0] != rev + 1):
        return None
    events = [Change(kind, key, bool(gone)) for _, kind, key, gone in rows]
    records = {(kind, key): _KINDS[kind].get(db, key) for kind, key, _ in events}
    return Update(rows[-1][0] if rows else rev, events, records)


def trim_changes(db: sqlite3.Connection, upto: int) -> None:
    """Forget the changes up to a rev that every reader has passed."""
    db.execute("DELETE FROM changes WHERE rev <= ?", (upto,))


def touch_tokens(db: sqlite3.Connection, used: dict[int, int]) -> None:
    """Note when tokens were last used: {id: ms}."""
    db.executemany(
        "UPDATE tokens SET last_used = ? WHERE id = ?",
        [(at, number) for number, at in used.items()],
    )


def remove_stale(db: sqlite3.Connection, now: int, pending_before: int) -> None:
    """Remove web sessions and links that have expired, and devices that nobody approved in time."""
    db.execute("DELETE FROM web_sessions WHERE expires <= ?", (now,))
    db.execute("DELETE FROM links WHERE expires <= ?", (now,))
    db.execute("DELETE FROM devices WHERE state = 'pending' AND created < ?", (pending_before,))


def revision(db: sqlite3.Connection) -> int:
    """Return the number of the newest change; it never goes back."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
    return int(row[0]) if row else 0


def _from_column(column: str, value: Any) -> Any:
    if column in _FLAGS:
        return bool(value)
    if column in _JSON and value is not None:
        return msgspec.json.decode(value)
    return value


def _to_column(column: str, value: Any) -> Any:
    if column in _FLAGS:
        return int(value)
    if column in _JSON and value is not None:
        return msgspec.json.encode(jsonable(value)).decode()
    return value
