"""`gateway history` and `gateway backup`: what the database holds; they work whether the gateway
runs or not.
"""

import csv
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from gateway.cli.administration import reading, show_table
from gateway.cli.app import WRONG, AsJson, ConfigFile, err, fail, out, show_json
from gateway.frames import MAX_TS, Series
from gateway.store.history import Row, Span
from gateway.store.sqlite import history as stored

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 1_000
SHOWN = 20
BACKUP_PAGES = 1_000  # copied before a writer gets its turn


def history(
    device: Annotated[str, typer.Argument(help="The device's id.")],
    channel: Annotated[str, typer.Argument(help="The channel.")],
    limit: Annotated[
        int | None,
        typer.Option(help="How many frames, the newest; else all with --csv or --json.", min=1),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV: time, ts, seq, value.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Show what a channel has sent, oldest first."""
    if as_csv and as_json:
        fail("--csv or --json, not both", WRONG)
    with reading(config) as db:
        series = _find(db, device, channel)
        if not series:
            fail(f"there is no history of {device}/{channel}")
        every = as_csv or as_json
        rows = (
            _all(db, list(series))
            if every and limit is None
            else _newest(db, list(series), limit or SHOWN)
        )
        if as_csv:
            _print_csv(rows)
        elif as_json:
            for seq, number, ts, value, extra in rows:
                sys.stdout.write(series[number].json(seq, ts, value, extra).decode() + "\n")
        else:
            table = [(_time(ts), seq, value) for seq, _, ts, value, _ in rows]
            show_table(("time (UTC)", "seq", "value"), table, nothing="no frames")


def _find(db: sqlite3.Connection, device: str, channel: str) -> dict[int, Series]:
    sql = "SELECT id, type, device, channel FROM series WHERE device = ? AND channel = ? AND NOT hidden"
    return {row[0]: Series(*row) for row in db.execute(sql, (device, channel))}


def _newest(db: sqlite3.Connection, series: list[int], count: int) -> "Iterator[Row]":
    return reversed(stored.by_time(db, series, Span(0, MAX_TS + 1), count, newest_first=True))


def _all(db: sqlite3.Connection, series: list[int]) -> "Iterator[Row]":
    after: tuple[int, int] | None = None
    while rows := stored.by_time(db, series, Span(0, MAX_TS + 1, after), PAGE):
        yield from rows
        after = rows[-1][2], rows[-1][0]


def _print_csv(rows: "Iterator[Row]") -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(("time", "ts", "seq", "value"))
    writer.writerows((_time(ts), ts, seq, value) for seq, _, ts, value, _ in rows)


def _time(ts: int) -> str:
    return (
        datetime.fromtimestamp(ts / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; it must not exist yet.")],
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Copy the database while the gateway goes on, and check the copy."""
    with reading(config) as source:
        if not _holds_anything(source):
            fail("the database holds nothing yet: there is nothing to back up")
        _make_private(file)
        try:
            with closing(sqlite3.connect(file)) as copy:
                _copy(source, copy)
        except sqlite3.Error as error:
            file.unlink(missing_ok=True)
            fail(f"{file}: {error}")
    size = file.stat().st_size
    if as_json:
        show_json({"file": str(file), "bytes": size})
    else:
        out.print(f"{file}: {size:,} bytes", markup=False)


def _holds_anything(db: sqlite3.Connection) -> bool:
    found = db.execute(
        "SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM devices)"
        " OR EXISTS (SELECT 1 FROM frames)"
    )
    return bool(found.fetchone()[0])


def _make_private(file: Path) -> None:
    """Make the file for the copy: hashes of passwords and keys will be in it."""
    try:
        file.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        fail(f"{file} exists already: choose another name")
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")


def _copy(source: sqlite3.Connection, copy: sqlite3.Connection) -> None:
    columns = (TextColumn("copying"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("copying", total=None)
        source.backup(
            copy,
            pages=BACKUP_PAGES,
            progress=lambda _, left, total: progress.update(
                task, total=total, completed=total - left
            ),
            sleep=0.005,
        )
    found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"the database is damaged, and so is the copy: {found}")
    # Another database from here on: a cursor of what came later here must mean nothing there.
    copy.execute("UPDATE meta SET value = lower(hex(randomblob(8))) WHERE key = 'epoch'")
    copy.commit()
