"""One batch: its entries and its facts, in the transaction that is open."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

from gateway.frames import MAX_TS
from gateway.store import facts as stated
from gateway.store.history import REJECTED_KEPT
from gateway.store.sqlite import broker_state, commands
from gateway.store.sqlite.storable import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gateway.frames import Entry
    from gateway.store.facts import Fact
    from gateway.store.sqlite.statement import Statement, Translate

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 256
_INSERT = "INSERT INTO frames VALUES (?,?,?,?,?)"
# One step of SQLite for many rows: the interpreter lock is given up once, not once a row.
_INSERT_MANY = _INSERT + ",(?,?,?,?,?)" * (ROWS_AT_ONCE - 1)
# What fails whenever it is tried, unlike a disk that is full.
_LEFT_OUT = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    UnicodeError,
)


def append(db: sqlite3.Connection, seq: int, entries: list[Entry], facts: Iterable[Fact]) -> None:
    """Write entries, the first as `seq`, and the facts that belong to the same batch.

    A fact that breaks a constraint, or holds what cannot be stored, is left out and logged: tried
    again it would fail again, and hold back everyone else's batch for ever. What it is about was
    removed meanwhile, by the command line for instance. An entry whose text cannot be stored is
    changed in place, so that what is shown is what is stored.
    """
    for fact in facts:
        _keep(db, fact)
    try:
        _insert(db, seq, entries)
    except (UnicodeEncodeError, OverflowError):
        db.execute("DELETE FROM frames WHERE seq >= ?", (seq,))
        entries[:] = map(_storable, entries)
        _insert(db, seq, entries)


def _keep(db: sqlite3.Connection, fact: Fact) -> None:
    try:
        for sql, parameters in STATEMENTS[type(fact)](fact):
            db.execute(sql, parameters)
    except _LEFT_OUT as error:
        log.error("left out of a batch: %s: %s", error, type(fact).__name__)


def _insert(db: sqlite3.Connection, seq: int, entries: Sequence[Entry]) -> None:
    whole = len(entries) - len(entries) % ROWS_AT_ONCE
    for start in range(0, whole, ROWS_AT_ONCE):
        part: list[object] = []
        for series, ts, value, extra in entries[start : start + ROWS_AT_ONCE]:
            part += (seq, series.id, ts, value, extra)
            seq += 1
        sqlite3.Connection.execute(db, _INSERT_MANY, part)
    rest = [(seq + n, entry[0].id, *entry[1:]) for n, entry in enumerate(entries[whole:])]
    sqlite3.Connection.executemany(db, _INSERT, rest)


def _storable(entry: Entry) -> Entry:
    series, ts, value, extra = entry
    return series, min(max(ts, 0), MAX_TS), storable(value), storable(extra)


def _added(fact: stated.SeriesAdded) -> Iterator[Statement]:
    yield (
        "INSERT INTO series (id, type, device, channel) VALUES (?,?,?,?)",
        (fact.id, fact.type, fact.device, fact.channel),
    )


def _hidden(fact: stated.SeriesHidden) -> Iterator[Statement]:
    yield (
        "UPDATE series SET hidden = 1 WHERE device = ? AND id <= ? AND NOT hidden",
        (fact.device, fact.upto),
    )


def _rejected(fact: stated.Rejected) -> Iterator[Statement]:
    yield (
        "INSERT INTO rejected (at, topic, device, reason, payload) VALUES (?,?,?,?,?)",
        (fact.at, fact.topic, fact.device, fact.reason, fact.payload),
    )
    yield "DELETE FROM rejected WHERE id <= (SELECT max(id) FROM rejected) - ?", (REJECTED_KEPT,)


STATEMENTS: dict[type[Fact], Translate] = {
    stated.SeriesAdded: _added,
    stated.SeriesHidden: _hidden,
    stated.Rejected: _rejected,
    stated.CommandQueued: commands.queued,
    stated.CommandChanged: commands.changed,
    **broker_state.STATEMENTS,
}
