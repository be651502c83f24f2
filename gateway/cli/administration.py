"""What the commands that change the registry share: the database of the configuration, and tables
for people.

They write into the same file as a running gateway, and end when it has seen what they wrote; they
need none to run.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from gateway.cli.app import config_file, configured, fail, note, out
from gateway.clock import now_ms
from gateway.config.load import DEFAULT
from gateway.errors import Conflict, GatewayError
from gateway.inodes import inode
from gateway.printable import printable
from gateway.running import Whereabouts, whereabouts
from gateway.store.audit import By
from gateway.stores import look_direct, open_direct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.config.model import Store
    from gateway.store.direct import Direct
    from gateway.store.registry import Tables

PATIENCE = 10.0  # s that a running gateway may take to read what was written
LOOK = 0.02  # s between two looks
UNBOUNDED = 10_000  # columns, where a program and not a person reads


@contextmanager
def reading(file: Path | None) -> Iterator[Direct]:
    """Open the database that the configuration names, where there is one. What goes wrong ends the
    command with one line on stderr.
    """
    store = _there(file)
    with _opened(store) as direct:
        yield direct


@contextmanager
def looking(file: Path | None) -> Iterator[Direct]:
    """Open the database as `reading` does, but change nothing in it, not even an older schema."""
    store = _there(file)
    try:
        with look_direct(store.path) as direct:
            yield direct
    except GatewayError as error:
        fail(str(error))


def _there(file: Path | None) -> Store:
    store = configured(file).store
    if not _is_there(store.path):
        fail(f"there is no database at {store.path}: {_where_to_look(file)}")
    return store


@contextmanager
def changing(file: Path | None) -> Iterator[tuple[Tables, By]]:
    """Open the database, or make it, for one transaction; say who writes: the command line, now.

    Whoever uses a new key as soon as the command has ended is let in: it ends when a running
    gateway has read what was written.
    """
    store = configured(file).store
    if not _is_there(store.path) and not config_file(file).exists():
        note(f"no {DEFAULT} in {Path.cwd()}: a new database is made, {store.path}")
    with _opened(store) as direct:
        with direct.transaction() as tables:
            yield tables, By("command line", "", now_ms())
        revision = direct.revision()
    _wait_until_read(store.path, revision)


@contextmanager
def making(file: Path | None) -> Iterator[Direct]:
    """Open the database, or make it."""
    with _opened(configured(file).store) as direct:
        yield direct


def running(file: Path | None) -> Whereabouts | None:
    """Return where the gateway on the configuration's database listens, None where none runs."""
    try:
        return whereabouts(configured(file).store.path)
    except GatewayError as error:
        fail(str(error))


@contextmanager
def _opened(store: Store) -> Iterator[Direct]:
    try:
        _demand_the_same_file(store.path)
        with open_direct(store.path, durability=store.durability) as direct:
            yield direct
    except GatewayError as error:
        fail(str(error))


def _is_there(database: Path) -> bool:
    """Tell whether there is a database; SQLite makes one of an empty file as of none."""
    try:
        return database.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        fail(f"{database}: {error.strerror}: run this as the user that the gateway runs as")


def _where_to_look(file: Path | None) -> str:
    if config_file(file).exists():
        return "`gateway run` makes it, or `gateway init`"
    return f"run this where {DEFAULT} is, or name that file with --config"


def _demand_the_same_file(database: Path) -> None:
    """A gateway that runs goes on with the file that it opened, whatever is in its place now."""
    where = whereabouts(database)
    if where is not None and where.database not in (None, inode(database)):
        raise Conflict(
            f"{database} is not the file that the running gateway has open: it was moved, deleted"
            " or replaced; stop the gateway, put the right file there, and start it"
        )


def _wait_until_read(database: Path, revision: int) -> None:
    """Wait until the gateway that runs, if one does, has read the registry up to a revision."""
    deadline = time.monotonic() + PATIENCE
    while (where := whereabouts(database)) is not None and where.revision < revision:
        if time.monotonic() > deadline:
            note("the running gateway has not read this yet: look at what it logs")
            return
        time.sleep(LOOK)


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
    _print(printable(text))


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
        return printable(", ".join(map(str, value)))
    return "" if value is None else printable(str(value))
