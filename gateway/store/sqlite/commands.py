"""Commands in SQLite.

Changes are statements that travel with the batch that holds their frame; the other functions take a
`sqlite3.Connection` and run on a database thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.store.commands import AnswerTo, Command

if TYPE_CHECKING:
    import sqlite3

    from gateway.broker.port import Statement

_COLUMNS = (
    "id, device, name, value, state, created, expires, changed, sender, idempotency_key, reply, error, "
    "answer_device, answer_topic, answer_correlation"
)


def insertion(command: Command) -> Statement:
    """Return the statement that keeps a new command."""
    answer = command.answer_to
    return (
        f"INSERT INTO commands ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            command.id,
            command.device,
            command.name,
            command.value,
            command.state,
            command.created,
            command.expires,
            command.changed,
            command.sender,
            command.idempotency_key,
            command.reply,
            command.error,
            answer.device if answer else None,
            answer.topic if answer else None,
            answer.correlation if answer else None,
        ),
    )


def change(command: Command) -> Statement:
    """Return the statement that keeps a command's new state."""
    return (
        "UPDATE commands SET state = ?, changed = ?, reply = ?, error = ? WHERE id = ?",
        (command.state, command.changed, command.reply, command.error, command.id),
    )


def _command(row: tuple[Any, ...]) -> Command:
    *plain, device, topic, correlation = row
    names = ("id", "device", "name", "value", "state", "created", "expires", "changed", "sender")
    values = dict(zip((*names, "idempotency_key", "reply", "error"), plain, strict=True))
    answer_to = None if device is None else AnswerTo(device, topic, correlation)
    return Command(**values, answer_to=answer_to)


def unfinished(db: sqlite3.Connection, now: int) -> list[Command]:
    """Read, in order, what is still to be delivered, and what was delivered and may yet be
    answered.
    """
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM commands WHERE state IN ('queued', 'sent', 'delivered') "
        "AND (state <> 'delivered' OR expires > ?) ORDER BY number",
        (now,),
    )
    return [_command(row) for row in rows]


def find(db: sqlite3.Connection, command: str) -> Command | None:
    """Read one command by its id."""
    row = db.execute(f"SELECT {_COLUMNS} FROM commands WHERE id = ?", (command,)).fetchone()
    return None if row is None else _command(row)


def keys(db: sqlite3.Connection, limit: int) -> list[tuple[str, str, str]]:
    """Read the newest idempotency keys, oldest first: (sender, key, command's id)."""
    rows: list[tuple[str, str, str]] = db.execute(
        "SELECT sender, idempotency_key, id FROM commands WHERE idempotency_key IS NOT NULL "
        "ORDER BY number DESC LIMIT ?",
        (limit,),
    ).fetchall()
    return rows[::-1]


def prune(db: sqlite3.Connection, before: int, limit: int) -> int:
    """Remove commands that were made before a time and are past their own; return how many, at most
    `limit`.
    """
    return db.execute(
        "DELETE FROM commands WHERE number IN (SELECT number FROM commands "
        "WHERE created < ? AND expires < ? AND state NOT IN ('queued', 'sent') ORDER BY created LIMIT ?)",
        (before, before, limit),
    ).rowcount
