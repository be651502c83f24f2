"""Commands in SQLite.

Changes come as facts of the batch that holds their frame. Every function runs on a database thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.store.commands import AnswerTo, Command

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from gateway.store.facts import CommandChanged, CommandQueued
    from gateway.store.sqlite.statement import Statement

_COLUMNS = (
    "id, device, name, value, state, created, expires, changed, sender, idempotency_key, "
    "reply, error, "
    "answer_device, answer_topic, answer_correlation"
)


def queued(fact: CommandQueued) -> Iterator[Statement]:
    """Keep a new command."""
    answer = fact.answer_to
    yield (
        (
            "INSERT INTO commands (id, device, name, value, state, created, expires, changed, "
            "sender, "
            "idempotency_key, answer_device, answer_topic, answer_correlation) "
            "VALUES (?,?,?,?,'queued',?,?,?,?,?,?,?,?)"
        ),
        (
            fact.id,
            fact.device,
            fact.name,
            fact.value,
            fact.created,
            fact.expires,
            fact.created,
            fact.sender,
            fact.idempotency_key,
            answer.device if answer else None,
            answer.topic if answer else None,
            answer.correlation if answer else None,
        ),
    )


def changed(fact: CommandChanged) -> Iterator[Statement]:
    """Keep a command's new state."""
    yield (
        "UPDATE commands SET state = ?, changed = ?, reply = ?, error = ? WHERE id = ?",
        (fact.state, fact.changed, fact.reply, fact.error, fact.id),
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
        "WHERE created < ? AND expires < ? AND state NOT IN ('queued', 'sent') ORDER BY "
        "created LIMIT ?)",
        (before, before, limit),
    ).rowcount
