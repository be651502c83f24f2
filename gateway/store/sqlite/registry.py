"""Devices, users, tokens, web sessions and one-time links in SQLite, and what has changed in them.

Records are frozen; a `Table` reads and writes them. Whoever writes, triggers note it in `changes`:
a gateway that keeps the records in memory reads from there what the command line did. Times are ms
since 1970 UTC. Every function takes a `sqlite3.Connection`; none of them commits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from gateway.store.registry import (
    About,
    Change,
    Device,
    Everything,
    Link,
    Record,
    Tidying,
    Token,
    Update,
    User,
    WebSession,
    jsonable,
)
from gateway.store.sqlite import audit

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from gateway.store.audit import By
    from gateway.store.registry import Key, Kind

_JSON = frozenset({"grants", "devices", "known", "said", "edits"})
_FLAGS = frozenset({"disabled"})


R = TypeVar("R", bound=Record)


class Table(Generic[R]):
    """A table whose columns are the fields of a record, `key` the primary one."""

    def __init__(self, db: sqlite3.Connection, name: str, record: type[R], key: str = "id") -> None:
        self._db = db
        self._name = name
        self._record = record
        self._key = key
        self._columns = record.__struct_fields__
        self._select = f"SELECT {', '.join(self._columns)} FROM {name}"

    def all(self) -> Iterator[R]:
        return map(self._read, self._db.execute(self._select + " ORDER BY 1"))

    def where(self, **values: Key) -> Iterator[R]:
        condition = " AND ".join(f"{column} = ?" for column in values)
        sql = f"{self._select} WHERE {condition} ORDER BY 1"
        return map(self._read, self._db.execute(sql, tuple(values.values())))

    def get(self, key: Key) -> R | None:
        return next(self.where(**{self._key: key}), None)

    def insert(self, record: R) -> R:
        values = self._write(record)
        numbered = values.get("id") == 0
        if numbered:
            del values["id"]
        marks = ", ".join("?" * len(values))
        sql = f"INSERT INTO {self._name} ({', '.join(values)}) VALUES ({marks})"
        cursor = self._db.execute(sql, tuple(values.values()))
        return msgspec.structs.replace(record, id=cursor.lastrowid) if numbered else record

    def update(self, key: Key, **changes: Any) -> None:
        assignments = ", ".join(f"{column} = ?" for column in changes)
        values = [_to_column(column, value) for column, value in changes.items()]
        self._db.execute(
            f"UPDATE {self._name} SET {assignments} WHERE {self._key} = ?", (*values, key)
        )

    def delete(self, key: Key) -> bool:
        sql = f"DELETE FROM {self._name} WHERE {self._key} = ?"
        return self._db.execute(sql, (key,)).rowcount > 0

    def _read(self, row: tuple[Any, ...]) -> R:
        values = {
            column: _from_column(column, value)
            for column, value in zip(self._columns, row, strict=True)
        }
        return msgspec.convert(values, self._record, builtin_types=(bytes,))

    def _write(self, record: R) -> dict[str, Any]:
        return {column: _to_column(column, getattr(record, column)) for column in self._columns}


class Tables:
    """All tables of the registry, on one connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.devices = Table(db, "devices", Device)
        self.abouts = Table(db, "abouts", About)
        self.users = Table(db, "users", User)
        self.tokens = Table(db, "tokens", Token)
        self.sessions = Table(db, "web_sessions", WebSession)
        self.links = Table(db, "links", Link, key="hash")
        self.kinds: dict[Kind, Table[Any]] = {
            "device": self.devices,
            "about": self.abouts,
            "user": self.users,
            "token": self.tokens,
            "session": self.sessions,
        }

    def note(self, by: By, action: str, object_: str, **detail: Any) -> None:
        audit.record(self._db, by, action, object_, **detail)


def everything(db: sqlite3.Connection) -> Everything:
    """Read all records; what is written meanwhile is in `changes` above `rev`."""
    rev = revision(db)
    return Everything(
        rev,
        {
            (kind, str(record.id)): record
            for kind, table in Tables(db).kinds.items()
            for record in table.all()
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
    tables = Tables(db).kinds
    records = {(kind, key): tables[kind].get(key) for kind, key, _ in events}
    return Update(rows[-1][0] if rows else rev, events, records)


def tidy(db: sqlite3.Connection, what: Tidying) -> None:
    """Note when tokens were used; remove what has expired, what nobody approved in time, and the
    changes that every reader has passed.
    """
    db.executemany(
        "UPDATE tokens SET last_used = ? WHERE id = ?",
        [(at, number) for number, at in what.used.items()],
    )
    db.execute("DELETE FROM web_sessions WHERE expires <= ?", (what.expired,))
    db.execute("DELETE FROM links WHERE expires <= ?", (what.expired,))
    db.execute(
        "DELETE FROM devices WHERE state = 'pending' AND created < ?", (what.pending_before,)
    )
    db.execute("DELETE FROM changes WHERE rev <= ?", (what.changes_upto,))


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
