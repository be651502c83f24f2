"""Values in files: CSV, lines of JSON, and line protocol, item by item, with where each one ends.

Nothing here knows a database or a network. A file that was cut anywhere gives the items that are
whole, and says what is wrong with the last one.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import msgspec

from gateway.errors import GatewayError, Untranslatable
from gateway.payloads import one_value
from gateway.payloads.line import NAMES_THE_DEVICE, channel, lines
from gateway.payloads.reading import timestamp
from gateway.times import Moment
from gateway.topics import check_channel, check_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

Form: TypeAlias = Literal["csv", "ndjson", "line"]
FORMS: dict[str, Form] = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".line": "line",
    ".lp": "line",
}
PRECISIONS = {"ns": 1_000_000, "us": 1_000, "ms": 1}
"""How many units of line protocol's times a ms has."""

_QUOTES: dict[Form, re.Pattern[bytes] | None] = {
    "csv": re.compile(rb""),
    "ndjson": None,
    "line": re.compile(rb"(?:[^\\ \n]|\\.)*+"),  # measurement and tags; a quote says nothing there
}
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
MAX_ITEM = 1 << 20  # bytes of one item
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Record(NamedTuple):
    """One value: `ts` in ms, `value` as JSON text."""

    device: str
    channel: str
    ts: int
    value: str


class Item(NamedTuple):
    """What one line gives: its number, where the next one begins, its values, and what is wrong
    with it.
    """

    line: int
    end: int
    records: list[Record]
    wrong: str | None = None


class Place(NamedTuple):
    """Where a file goes on: bytes before it, lines before it."""

    offset: int = 0
    line: int = 0


BEGIN = Place()


def form_of(file: Path) -> Form | None:
    """Return the form that a file's name stands for."""
    return FORMS.get(file.suffix.lower())


def items(
    file: BinaryIO, form: Form, now: int, *, start: Place = BEGIN, precision: str = "ns"
) -> Iterator[Item]:
    """Yield the items of a file from a place on; raises `Untranslatable` for a wrong head."""
    read, first = _reader(file, form, now, PRECISIONS[precision])
    start = max(start, first)
    file.seek(start.offset)
    for number, end, data in _pieces(file, start, quotes=_QUOTES[form]):
        if not data.strip():
            continue
        try:
            if len(data) > MAX_ITEM:
                raise Untranslatable(f"longer than {MAX_ITEM:,} bytes")
            text = data.decode()
            if form != "ndjson" and not text.endswith("\n"):
                raise Untranslatable(
                    "the file ends within this line; if it is whole, add a line break"
                )
            yield Item(number, end, read(text))
        except (GatewayError, ValueError) as error:
            yield Item(number, end, [], str(error))


Read: TypeAlias = "Callable[[str], list[Record]]"


def _reader(file: BinaryIO, form: Form, now: int, units: int) -> tuple[Read, Place]:
    """Return what reads an item, and where the first one begins."""
    if form == "ndjson":
        return lambda text: _of_json(text, now), BEGIN
    if form == "line":
        return lambda text: _of_line(text, now, units), BEGIN
    file.seek(0)
    number, end, data = next(_pieces(file, BEGIN, quotes=_QUOTES["csv"]), (0, 0, b""))
    columns = _columns(data)
    return lambda text: _of_csv(text, columns, now), Place(end, number)


def _pieces(
    file: BinaryIO, start: Place, *, quotes: re.Pattern[bytes] | None
) -> Iterator[tuple[int, int, bytes]]:
    """Yield lines with their numbers and ends; `quotes`: a line break
    within quotes, which begin behind what this matches, ends none.

    One that is too long is cut, and the rest of it passed over.
    """
    number, end = start.line, start.offset
    while data := file.readline(MAX_ITEM + 1):
        first = number + 1
        number += data.endswith(b"\n")
        end += len(data)
        while quotes and _is_open(data, quotes) and len(data) <= MAX_ITEM:
            more = file.readline(MAX_ITEM + 1)
            if not more:
                break
            data += more
            number += more.endswith(b"\n")
            end += len(more)
        rest = data
        while len(data) > MAX_ITEM and rest and not rest.endswith(b"\n"):
            rest = file.readline(MAX_ITEM)
            number += rest.endswith(b"\n")
            end += len(rest)
        yield first, end, data


def _is_open(data: bytes, quotes: re.Pattern[bytes]) -> bool:
    """Tell whether a text in quotes goes on behind this. Only line protocol escapes a quote."""
    head = quotes.match(data)
    if head is not None and head.end():
        data = _ESCAPED.sub(b"", data[head.end() :])
    return data.count(b'"') % 2 == 1


# CSV


def _columns(data: bytes) -> dict[str, int]:
    """Return where the columns stand."""
    try:
        names = next(csv.reader([data.decode("utf-8-sig")]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise Untranslatable(f"the first line is not CSV: {error}") from None
    columns = {name.strip().lower(): at for at, name in enumerate(names)}
    missing = [name for name in ("device", "channel", "value") if name not in columns]
    if not {"ts", "time"} & columns.keys():
        missing.append("ts or time")
    if missing:
        raise Untranslatable(
            f"the first line names no column {', '.join(missing)}:"
            " device,channel,ts,value is expected"
        )
    return columns


def _of_csv(text: str, columns: dict[str, int], now: int) -> list[Record]:
    try:
        (cells,) = csv.reader([text.replace("\r\n", "\n")], strict=True)
    except (csv.Error, ValueError) as error:
        raise Untranslatable(f"not one line of CSV: {error}") from None
    if len(cells) != len(columns):
        raise Untranslatable(f"{len(cells)} cells, the first line has {len(columns)}")

    def cell(name: str) -> str:
        return cells[columns[name]] if name in columns else ""

    if cell("type") not in {"", "telemetry"}:
        return []
    time = cell("ts") or cell("time")
    value = _plain(cell("value"))
    return [_record(cell("device"), _plain(cell("channel")), Moment.parse(time).ms, value, now)]


def _plain(cell: str) -> str:
    """Take away the ' that keeps a spreadsheet from taking a text for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell


def _record(device: str, name: str, ts: int, value: str, now: int) -> Record:
    found = '""' if not value else one_value(value.encode())
    return Record(check_device(device), check_channel(name), timestamp(ts, now), found)


# Lines of JSON


class _Frame(msgspec.Struct):
    device: str
    channel: str
    ts: int
    value: msgspec.Raw
    type: str = "telemetry"


_frame = msgspec.json.Decoder(_Frame).decode


def _of_json(text: str, now: int) -> list[Record]:
    try:
        frame = _frame(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Untranslatable(f"not a frame: {error}") from None
    if frame.type != "telemetry":
        return []
    value = one_value(bytes(frame.value), "json")
    return [
        Record(
            check_device(frame.device),
            check_channel(frame.channel),
            timestamp(frame.ts, now),
            value,
        )
    ]


# Line protocol


def _of_line(text: str, now: int, units: int) -> list[Record]:
    records = []
    for _, point in lines(text):
        if isinstance(point, Untranslatable):
            raise point
        device = next((point.tags[tag] for tag in NAMES_THE_DEVICE if tag in point.tags), None)
        if device is None:
            raise Untranslatable("no device: a tag device=ID is expected")
        if point.time is None:
            raise Untranslatable("no time")
        ts = timestamp(point.time // units, now)
        records += [
            Record(check_device(device), channel(point, field), ts, value)
            for field, value in point.fields
        ]
    return records
