"""InfluxDB's line protocol: `measurement,tag=a field=1.5,other=3i 1465839830100400200`.

Source: docs.influxdata.com, line protocol reference. Escapes are `\\,` `\\=` `\\ ` in names and
tags,
`\\"` and `\\\\` in the texts of fields. Times are nanoseconds unless something else is said.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import InvalidTopic, Untranslatable
from gateway.frames import to_json
from gateway.payloads.plain import text_of
from gateway.payloads.reading import Reading, timestamp
from gateway.topics import check_channel

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FIELDS = 1000  # of one line
NAMES_THE_DEVICE = ("device", "host")  # tags that are no part of a channel

_NAME = r"(?:[^\\,= \n]|\\.)+"
_HEAD = re.compile(r"(?:[^\\, \n]|\\.)++")
_TAG = re.compile(rf",({_NAME})=((?:[^\\,= \n]|\\.)++)")
_FIELD = re.compile(rf'({_NAME})=(?:"((?:[^"\\]|\\.)*+)"|([^", \n]++))(,|(?=[ \n]|$))', re.DOTALL)
_TIME = re.compile(r" +(-?[0-9]{1,19})")
_NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}[iu]")
_ESCAPED = re.compile(r"\\([,= \"\\])")
_TRUTH = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), "true"),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), "false"),
}


class Point(NamedTuple):
    """One line. `fields`: name and the value's JSON text; `time` as it stands there, or None."""

    measurement: str
    tags: dict[str, str]
    fields: list[tuple[str, str]]
    time: int | None


def line_readings(payload: bytes, now: int) -> list[Reading]:
    """Return the values of all lines of a payload. Raises `Untranslatable`."""
    found = []
    for point in points(text_of(payload)):
        ts = None if point.time is None else timestamp(max(point.time, 0) // 1_000_000, now)
        found += [Reading(channel(point, name), value, ts) for name, value in point.fields]
    return found


def channel(point: Point, field: str) -> str:
    """Return where a field's values go: measurement, the tags' values in order, field.

    A field called `value` adds nothing. Raises `Untranslatable`.
    """
    tags = (value for name, value in sorted(point.tags.items()) if name not in NAMES_THE_DEVICE)
    parts = (point.measurement, *tags, *(() if field == "value" else (field,)))
    try:
        return check_channel("/".join(parts))
    except InvalidTopic as error:
        raise Untranslatable(str(error)) from None


def points(text: str) -> Iterator[Point]:
    """Yield each line's point; empty lines and comments are passed over.

    Raises `Untranslatable` with the number of the line.
    """
    for number, line in lines(text):
        if isinstance(line, Untranslatable):
            raise Untranslatable(f"line {number}: {line}")
        yield line


def lines(text: str) -> Iterator[tuple[int, Point | Untranslatable]]:
    """Yield each line's number, and its point or what is wrong with it; the next line goes on."""
    at, number = 0, 0
    while at < len(text):
        number += 1
        if text[at] in "\r\n#":
            at = _end_of_line(text, at)
            continue
        try:
            point, at = _point(text, at)
        except Untranslatable as error:
            yield number, error
            at = _end_of_line(text, at)
        else:
            yield number, point


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _point(text: str, at: int) -> tuple[Point, int]:
    head = _HEAD.match(text, at)
    if head is None:
        raise Untranslatable("a measurement is missing")
    at = head.end()
    tags = {}
    while tag := _TAG.match(text, at):
        tags[_unescaped(tag[1])] = _unescaped(tag[2])
        at = tag.end()
    if not text.startswith(" ", at):
        raise Untranslatable("fields are missing, or a comma or equals sign is not escaped")
    fields, at = _fields(text, at + 1)
    time = _TIME.match(text, at)
    at = time.end() if time else at
    end = _end_of_line(text, at)
    if text[at:end].strip():
        raise Untranslatable(f"{text[at:end].strip()[:40]!r} is neither a field nor a time")
    return Point(_unescaped(head[0]), tags, fields, int(time[1]) if time else None), end


def _fields(text: str, at: int) -> tuple[list[tuple[str, str]], int]:
    fields: list[tuple[str, str]] = []
    while len(fields) < MAX_FIELDS:
        field = _FIELD.match(text, at)
        if field is None:
            rest = text[at : at + 40].partition("\n")[0]
            raise Untranslatable(f"{rest!r} is not a field: name=value is expected")
        name, string, bare, more = field.groups()
        value = to_json(_unescaped(string)) if bare is None else _bare(bare.rstrip("\r"))
        fields.append((_unescaped(name), value))
        at = field.end()
        if not more:
            return fields, at
    raise Untranslatable(f"more than {MAX_FIELDS} fields")


def _bare(text: str) -> str:
    """Return a number or a truth as JSON."""
    if text in _TRUTH:
        return _TRUTH[text]
    if _WHOLE.fullmatch(text):
        number = int(text[:-1])
        if number >= 1 << 64 or number < -(1 << 63):
            raise Untranslatable(f"{text} has more than 64 bits")
        return str(number)
    if len(text) > 64 or not _NUMBER.fullmatch(text) or not math.isfinite(value := float(text)):
        raise Untranslatable(
            f"{text[:40]!r} is neither a number, a text in quotes nor true or false"
        )
    return to_json(int(value) if value.is_integer() and "e" not in text.lower() else value)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
