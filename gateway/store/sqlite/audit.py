"""The audit in SQLite: who did what to what, from where, when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.store.audit import ALL, Deed, Entry
from gateway.store.sqlite.storable import storable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from gateway.store.audit import By, Wanted


def record(db: sqlite3.Connection, by: By, action: str, object_: str, **detail: Any) -> None:
    """Note one deed, in the transaction of the deed itself."""
    append(
        db,
        [
            Deed(
                at=by.at,
                actor=by.actor,
                action=action,
                object=object_,
                address=by.address,
                detail=detail,
            )
        ],
    )


def append(db: sqlite3.Connection, deeds: Iterable[Deed], *, routine: bool = False) -> None:
    """Note deeds. `routine`: such as anybody causes at any rate; they never push out the others."""
    db.executemany(
        "INSERT INTO audit (at, actor, action, object, address, detail, routine) VALUES (?, "
        "?, ?, ?, ?, ?, ?)",
        [
            (
                d.at,
                d.actor,
                d.action,
                d.object,
                d.address,
                msgspec.json.encode(storable(d.detail)).decode(),
                int(routine),
            )
            for d in deeds
        ],
    )


def read(
    db: sqlite3.Connection, before: int | None = None, limit: int = 100, wanted: Wanted = ALL
) -> list[Entry]:
    """Return the newest entries first, those with an id below `before` if given."""
    where, values = _where(wanted)
    rows = db.execute(
        "SELECT id, at, actor, action, object, address, detail FROM audit"
        f" WHERE id < ?{where} ORDER BY id DESC LIMIT ?",  # nosec B608
        (1 << 62 if before is None else before, *values, limit),
    )
    return [
        Entry(
            id=id_,
            at=at,
            actor=actor,
            action=action,
            object=object_,
            address=address,
            detail=msgspec.json.decode(d),
        )
        for id_, at, actor, action, object_, address, d in rows
    ]


def _where(wanted: Wanted) -> tuple[str, list[str]]:
    where, values = "", list[str]()
    if wanted.actors is not None:
        where += f" AND actor IN ({', '.join('?' * len(wanted.actors))})"
        values += wanted.actors
    if wanted.device is not None:
        where += " AND ? IN (actor, object)"
        values.append(f"device:{wanted.device}")
    if wanted.action is not None:
        where += " AND instr(action, ?)"
        values.append(wanted.action)
    return where, values


def trim(db: sqlite3.Connection, keep: int) -> None:
    """Keep the newest routine entries and the newest others, `keep` of each."""
    # Each as its partial index has it.
    db.execute(
        "DELETE FROM audit WHERE routine = 1 AND id <= "
        "(SELECT id FROM audit WHERE routine = 1 ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (keep,),
    )
    db.execute(
        "DELETE FROM audit WHERE routine = 0 AND id <= "
        "(SELECT id FROM audit WHERE routine = 0 ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (keep,),
    )
