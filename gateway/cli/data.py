"""`gateway history` and `gateway backup`: what the database holds; they work whether the gateway
runs or not.
"""

import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from gateway.bridges.http.export import FRAMES
from gateway.cli.administration import reading, show_table
from gateway.cli.app import WRONG, AsJson, ConfigFile, err, fail, out, show_json
from gateway.cli.usage import usage
from gateway.clock import now_ms
from gateway.errors import GatewayError
from gateway.frames import MAX_TS, Frame, Series
from gateway.store.history import Row, Span
from gateway.times import Duration, Moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.store.direct import Direct

PAGE = 1_000
SHOWN = 20


def history(
    device: Annotated[str, typer.Argument(help="The device's id; or only `usage`.")],
    channel: Annotated[str | None, typer.Argument(help="The channel.")] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            help="How many frames, the newest; else 20, or all with --csv, --json or --since.",
            min=1,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="From then on: 2025-11-20T21:00:00Z, or 2h for ago."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, as the API has it.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Show what a channel has sent, oldest first; `usage`: what history takes of the disk."""
    if channel is None and device == "usage":
        return usage(config, as_json=as_json)
    if channel is None:
        fail("name the channel too: gateway history DEVICE CHANNEL", WRONG)
    if as_csv and as_json:
        fail("--csv or --json, not both", WRONG)
    start = 0 if since is None else _start(since)
    with reading(config) as store:
        series = _find(store, device, channel)
        if not series:
            fail(f"there is no history of {device}/{channel}")
        every = as_csv or as_json or since is not None
        rows = (
            _all(store, list(series), start)
            if every and limit is None
            else _newest(store, list(series), start, limit or SHOWN)
        )
        if as_csv:
            _print_csv(series, rows)
        elif as_json:
            for seq, number, ts, value, extra in rows:
                sys.stdout.write(series[number].json(seq, ts, value, extra).decode() + "\n")
        else:
            table = [(_time(ts), seq, value) for seq, _, ts, value, _ in rows]
            show_table(("time (UTC)", "seq", "value"), table, nothing="no frames")
    return None


def _find(store: "Direct", device: str, channel: str) -> dict[int, Series]:
    return {row[0]: Series(*row) for row in store.series(device, channel)}


def _start(text: str) -> int:
    """Return the ms of a time, or of a duration before now."""
    with suppress(ValueError):
        return Moment.parse(text).ms
    with suppress(ValueError):
        return max(0, now_ms() - Duration.parse(text).ms)
    return fail(
        f"--since: {text[:40]!r} is neither a time such as 2025-11-20T21:00:00Z nor 2h", WRONG
    )


def _newest(store: "Direct", series: list[int], start: int, count: int) -> "Iterator[Row]":
    return reversed(store.by_time(series, Span(start, MAX_TS + 1), count, newest_first=True))


def _all(store: "Direct", series: list[int], start: int) -> "Iterator[Row]":
    after: tuple[int, int] | None = None
    while rows := store.by_time(series, Span(start, MAX_TS + 1, after), PAGE):
        yield from rows
        after = rows[-1][2], rows[-1][0]


def _print_csv(series: dict[int, Series], rows: "Iterator[Row]") -> None:
    """Print the rows as the API's `format=csv` has them."""
    form = FRAMES["csv"]
    sys.stdout.write(form.head.decode())
    for row in rows:
        frame = Frame(row[0], series[row[1]], row[2], row[3], row[4])
        sys.stdout.write(form.lines([frame]).decode())


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
    with reading(config) as store:
        if store.empty():
            fail("the database holds nothing yet: there is nothing to back up")
        _make_private(file)
        try:
            _copy(store, file)
        except GatewayError as error:
            file.unlink(missing_ok=True)
            fail(f"{file}: {error}")
    size = file.stat().st_size
    if as_json:
        show_json({"file": str(file), "bytes": size})
    else:
        out.print(f"{file}: {size:,} bytes", markup=False)


def _make_private(file: Path) -> None:
    """Make the file for the copy: hashes of passwords and keys will be in it."""
    try:
        file.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        fail(f"{file} exists already: choose another name")
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")


def _copy(store: "Direct", file: Path) -> None:
    columns = (TextColumn("copying"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("copying", total=None)
        store.copy(
            file,
            lambda left, total: progress.update(task, total=total, completed=total - left),
        )
