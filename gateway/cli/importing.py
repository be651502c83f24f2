"""`gateway import`: values of a file into a running gateway, which stores them as its own.

How far it came stands in `FILE.progress` beside the file, written once what is before it is stored:
the same command goes on there.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import aiohttp
import msgspec
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gateway.cli.administration import reading
from gateway.cli.app import (
    REFUSED,
    WRONG,
    AsJson,
    ConfigFile,
    configured,
    err,
    fail,
    note,
    out,
    show_json,
)
from gateway.cli.imported import Form, Item, Place, Record, form_of, items
from gateway.cli.operator import Trust, operator
from gateway.clock import now_ms
from gateway.errors import GatewayError, Unavailable
from gateway.printable import printable

BATCH = 64 << 10  # bytes of values that are sent at once
SAID = 10  # wrong lines that are shown
TRIES = 60  # of one batch, while the gateway is busy
LONGEST_PAUSE = 30.0  # s

Session = aiohttp.ClientSession


class Done(msgspec.Struct):
    """What came of it."""

    values: int = 0
    wrong: int = 0


class Progressed(msgspec.Struct):
    """How far a file was imported, and which file that was."""

    size: int
    modified: int
    offset: int
    line: int


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, NDJSON or line protocol.")],
    form: Annotated[
        Literal["csv", "ndjson", "line"] | None,
        typer.Option("--format", help="What it is, where its name does not say so."),
    ] = None,
    precision: Annotated[
        Literal["ns", "us", "ms"], typer.Option(help="Of the times of line protocol.")
    ] = "ns",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look; store nothing.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Begin at the start again.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Store the values of a file, with their own times; the devices have to be there."""
    kind: Form | None = form or form_of(file)
    if kind is None:
        fail("say what the file is: --format csv, ndjson or line", WRONG)
    with reading(config) as store:
        known = {device.id for device in store.tables.devices.all()}
    work = _Import(file, kind, precision, known)
    try:
        if dry_run:
            work.look()
        else:
            batch = min(BATCH, configured(config).limits.packet_size // 2)
            asyncio.run(work.run(config, batch, restart=restart))
    except (KeyboardInterrupt, asyncio.CancelledError):
        fail("stopped; the same command goes on where it stopped")
    except (GatewayError, OSError, aiohttp.ClientError) as error:
        fail(f"{file}: {error}")
    _tell(work.done, as_json=as_json, dry_run=dry_run)


def _tell(done: Done, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        show_json(done)
    else:
        what = "would be stored" if dry_run else "stored"
        out.print(f"{done.values:,} values {what}; {done.wrong:,} lines are wrong", markup=False)
    if done.wrong:
        raise typer.Exit(REFUSED)


class _Import:
    """One file on its way in. `known`: the devices that there are."""

    def __init__(self, file: Path, form: Form, precision: str, known: set[str]) -> None:
        self.done = Done()
        self._file = file
        self._form = form
        self._precision = precision
        self._known = known
        self._kept = file.with_name(f"{file.name}.progress")

    def look(self) -> None:
        """Read everything, and count."""
        for _ in self._batches(Place(), BATCH):
            pass

    async def run(self, config: Path | None, batch: int, *, restart: bool) -> None:
        """Send batch after batch; each is stored before the next one is begun."""
        start = Place() if restart else self._start()
        async with (
            operator(config) as (url, token, trust),
            Session(headers={"Authorization": f"Bearer {token}"}) as session,
        ):
            for place, records in self._batches(start, batch):
                for device, those in _by_device(records).items():
                    await _post(session, f"{url}/api/v1/devices/{device}/telemetry", those, trust)
                self._keep(place)
        self._kept.unlink(missing_ok=True)

    def _batches(self, start: Place, most: int) -> Iterator[tuple[Place, list[Record]]]:
        """Yield values, and where the file goes on behind them."""
        records: list[Record] = []
        size, place = 0, start
        with self._file.open("rb") as file, _bar(self._file.stat().st_size) as bar:
            for item in items(file, self._form, now_ms(), start=start, precision=self._precision):
                found = self._checked(item)
                if records and size + _size(found) > most:
                    yield place, records
                    bar.update(bar.task_ids[0], completed=place.offset)
                    records, size = [], 0
                records, size, place = (
                    records + found,
                    size + _size(found),
                    Place(item.end, item.line),
                )
                self.done.values += len(found)
            yield place, records

    def _checked(self, item: Item) -> list[Record]:
        """Return an item's values, or say what is wrong with it."""
        wrong = item.wrong
        unknown = next(
            (each.device for each in item.records if each.device not in self._known), None
        )
        if wrong is None and unknown is not None:
            wrong = f"there is no device {unknown!r}: gateway device add {unknown}"
        if wrong is None:
            return item.records
        self.done.wrong += 1
        if self.done.wrong <= SAID:
            note(f"line {item.line}: {printable(wrong)}")
        return []

    def _start(self) -> Place:
        """Return where the file goes on; raises `Unavailable` where it is another by now."""
        try:
            kept = msgspec.json.decode(self._kept.read_bytes(), type=Progressed)
        except FileNotFoundError:
            return Place()
        except msgspec.DecodeError:
            raise Unavailable(f"{self._kept} is damaged: --restart begins anew") from None
        if (kept.size, kept.modified) != self._identity():
            raise Unavailable("the file has changed since it was begun: --restart begins anew")
        note(f"goes on behind line {kept.line}; --restart begins anew")
        return Place(kept.offset, kept.line)

    def _keep(self, place: Place) -> None:
        size, modified = self._identity()
        text = msgspec.json.encode(Progressed(size, modified, place.offset, place.line))
        beside = self._kept.with_name(f"{self._kept.name}.new")
        beside.write_bytes(text)
        beside.replace(self._kept)

    def _identity(self) -> tuple[int, int]:
        stat = self._file.stat()
        return stat.st_size, stat.st_mtime_ns


def _size(records: list[Record]) -> int:
    return sum(len(each.value.encode()) + len(each.channel.encode()) + 64 for each in records)


def _bar(total: int) -> Progress:
    columns = (TextColumn("importing"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=err, transient=True)
    bar.add_task("importing", total=total)
    return bar


def _by_device(records: list[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record.device].append(record)
    return found


async def _post(session: Session, url: str, records: list[Record], trust: Trust) -> None:
    """Have values stored; waits while the gateway is busy. Raises `Unavailable`."""
    body = msgspec.json.encode(
        [
            {"ts": each.ts, "values": {each.channel: msgspec.Raw(each.value.encode())}}
            for each in records
        ]
    )
    headers = {"Content-Type": "application/json"}
    for _ in range(TRIES):
        async with session.post(url, data=body, headers=headers, ssl=trust) as response:
            said = await response.json(content_type=None)
            if response.status == 200 and said["count"] == len(records):
                return
            if response.status not in {429, 503}:
                raise Unavailable(
                    f"the gateway answers {response.status}: {said.get('detail', said)}"
                )
            pause = float(response.headers.get("Retry-After", "1"))
        await asyncio.sleep(min(pause, LONGEST_PAUSE))
    raise Unavailable("the gateway is busy; the same command goes on later")
