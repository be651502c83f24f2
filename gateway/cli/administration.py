"""What the commands that change the registry share: the database of the configuration, and tables
for people.

They write into the same file as a running gateway, and end when it has seen what they wrote; they
need none to run.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from gateway.access.registry import POLL
from gateway.cli.app import configured, fail, out
from gateway.clock import now_ms
from gateway.errors import GatewayError
from gateway.running import whereabouts
from gateway.store.audit import By
from gateway.store.sqlite.database import open_sync, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SEEN = POLL + 0.1  # s; by then a running gateway has taken up what was written
UNBOUNDED = 10_000  # columns, where a program and not a person reads


@contextmanager
def reading(file: Path | None) -> Iterator[sqlite3.Connection]:
    """Open the database that the configuration names. What goes wrong ends the command with one
    line on stderr.
    """
    store = configured(file).store
    try:
        db = open_sync(store.path, store.durability)
        try:
            yield db
        finally:
            db.close()
    except GatewayError as error:
        fail(str(error))
    except sqlite3.Error as error:
        fail(f"the database refuses: {error}")


@contextmanager
def changing(file: Path | None) -> Iterator[tuple[sqlite3.Connection, By]]:
    """Open the database for one transaction, and say who writes: the command line, now.

    Whoever uses a new key as soon as the command has ended is let in: it ends when a running
    gateway knows.
    """
    with reading(file) as db, transaction(db):
        yield db, By("command line", "", now_ms())
    if whereabouts(configured(file).store.path) is not None:
        time.sleep(SEEN)


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, nothing: str) -> None:
    """Print a table for people, or the line that says there is nothing."""
    table = Table(box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(
            column, overflow="fold", no_wrap=not number
        )  # what one copies from it is never cut short
    for row in rows:
        table.add_row(*map(_cell, row))
    _print(table if rows else nothing)


def show_record(record: Mapping[str, Any]) -> None:
    """Print one record for people, a field a line."""
    table = Table(box=None, show_header=False)
    for field, value in record.items():
        table.add_row(field, _cell(value))
    _print(table)


def show_line(text: str) -> None:
    """Print a line for people."""
    _print(text)


def show_secret(what: str, secret: str) -> None:
    """Print a secret, this once, on a line of its own."""
    _print(f"{what}, shown this once:\n{secret}")


def when(ms: int | None) -> str:
    """Return a time as people read it, in UTC."""
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _print(what: Table | str) -> None:
    width = None if out.is_terminal else UNBOUNDED
    Console(highlight=False, markup=False, soft_wrap=True, width=width).print(what)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
