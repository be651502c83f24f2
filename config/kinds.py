"""Kinds of values that settings have: what each accepts, and the words that say so.

A setting is annotated `Annotated[kind, "help"]`. A kind is a type with msgspec constraints, whose
title says what was expected, and a `Reading` where TOML has no such type.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from math import inf
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from gateway.config.complaints import shown
from gateway.config.units import format_duration, format_size, parse_duration, parse_size


@dataclass(frozen=True, slots=True)
class Reading:
    """How a value is read from its TOML form, raising ValueError where it cannot be, and written
    back.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any], str] = str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something else that is true of a kind."""

    name: str


SECRET = Mark("secret")
READABLE = Mark("readable file")


def _text_to(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: parse(value) if isinstance(value, str) else value


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError(value)
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # "~name" of somebody unknown
        raise ValueError(value) from error


def _url(*schemes: str, credentials: bool, path: bool) -> Callable[[Any], Any]:
    def read(value: object) -> object:
        if not isinstance(value, str) or re.search(r"\s", value):
            raise ValueError(value)
        url = urlsplit(value)
        unwanted = (url.username is not None and not credentials) or (
            url.path not in ("", "/") and not path
        )
        if url.scheme not in schemes or not url.hostname or url.port == 0 or unwanted:
            raise ValueError(value)
        return value

    return read


def _networks(value: object) -> object:
    if isinstance(value, (list, tuple)):
        for each in value:
            if not isinstance(each, str):
                raise ValueError(each)
            ip_network(each, strict=False)
    return value


def _json(value: object) -> object:
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(value) from error


_DURATION = Reading(_text_to(parse_duration), lambda seconds: f'"{format_duration(seconds)}"')
_AGE = Reading(
    _text_to(lambda text: inf if text == "forever" else parse_duration(text)),
    lambda seconds: '"forever"' if seconds == inf else f'"{format_duration(seconds)}"',
)
_SIZE = Reading(_text_to(parse_size), lambda size: f'"{format_size(size)}"')
_CENTURY = 36525 * 86400

Text = Annotated[str, Meta(min_length=1, title="text, not empty")]
Name = Annotated[str, Meta(pattern=r"^\S(.*\S)?\Z", max_length=100, title="a name on one line")]
Secret = Annotated[str, Meta(min_length=1, title="text, not empty"), SECRET]
LongSecret = Annotated[str, Meta(min_length=16, title="a text of at least 16 characters"), SECRET]
Code = Annotated[str, Meta(min_length=8, title="a text of at least 8 characters"), SECRET]
Host = Annotated[str, Meta(pattern=r"^[^\s/]+\Z", title="an address or host name")]
Port = Annotated[int, Meta(ge=0, le=65535, title="a port from 0 to 65535")]
Count = Annotated[int, Meta(ge=1, le=2**31, title="a whole number from 1")]
Rate = Annotated[int, Meta(ge=0, le=2**31, title="a whole number from 0")]
Number = Annotated[float, Meta(ge=-1e300, le=1e300, title="a number")]
Switch = Annotated[bool, Meta(title="true or false")]
Duration = Annotated[
    float, Meta(gt=0, le=_CENTURY, title='a duration above 0 such as "90d" or "1h30m"'), _DURATION
]
Age = Annotated[float, Meta(gt=0, title='a duration such as "90d" or "1y", or "forever"'), _AGE]
Delay = Annotated[
    float, Meta(ge=0, le=_CENTURY, title='a duration such as "10s" or "5m"'), _DURATION
]
DiskSize = Annotated[
    int, Meta(ge=1 << 20, le=1 << 53, title='a size from "1MB", such as "4GB"'), _SIZE
]
PacketSize = Annotated[
    int,
    Meta(ge=1 << 10, le=256 << 20, title='a size from "1KB" to "256MB", such as "256KB"'),
    _SIZE,
]
FilePath = Annotated[Path, Meta(title="the path of a file"), Reading(_path)]
ReadableFile = Annotated[Path, Meta(title="a file that can be read"), Reading(_path), READABLE]
Module = Annotated[str, Meta(pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*\Z")]
ConventionName = Literal[
    "home-assistant",
    "tasmota",
    "esphome",
    "zigbee2mqtt",
    "shelly",
    "shelly-gen1",
    "homie",
    "wled",
    "openmqttgateway",
    "theengs",
    "rtl_433",
    "owntracks",
    "sparkplug",
]
ConventionNames = Annotated[
    tuple[Literal["auto"] | ConventionName, ...],
    Meta(title='"auto" or a list of conventions such as ["tasmota", "shelly"]'),
    Reading(
        lambda value: ["auto"] if value == "auto" else value,
        lambda value: '"auto"' if value == ("auto",) else f"[{', '.join(map(shown, value))}]",
    ),
]
Modules = Annotated[tuple[Module, ...], Meta(title='a list of modules such as ["thermostat"]')]
Json = Annotated[Any, Meta(title="any value"), Reading(_json)]
BrokerUrl = Annotated[
    str,
    Meta(
        title=(
            'a URL such as "mqtt://broker:1883" or "mqtts://broker", without user name and password'
        )
    ),
    Reading(_url("mqtt", "mqtts", credentials=False, path=False)),
]
WebUrl = Annotated[
    str,
    Meta(title='a URL such as "https://example.org/alert"'),
    Reading(_url("http", "https", credentials=True, path=True)),
]
PublicUrl = Annotated[
    str,
    Meta(title='a URL without path such as "https://gateway.example"'),
    Reading(_url("http", "https", credentials=False, path=False)),
]
Origin = Annotated[str, Meta(pattern=r"^https?://[^\s/?#@*]+\Z")]
Origins = Annotated[tuple[Origin, ...], Meta(title='a list of origins such as ["https://my.app"]')]

Addresses = Annotated[
    tuple[str, ...],
    Meta(title='a list of addresses or networks such as ["127.0.0.1"]'),
    Reading(_networks, str),
]


@dataclass(frozen=True, slots=True)
class Kind:
    """An annotation taken apart: the type without `| None` and all that is said about it."""

    base: Any
    notes: tuple[Any, ...]

    @property
    def help(self) -> str:
        """The sentence that explains the setting."""
        return next((note for note in self.notes if isinstance(note, str)), "")

    @property
    def reading(self) -> Reading | None:
        """How its TOML form is read, where that takes more than msgspec."""
        return next((note for note in self.notes if isinstance(note, Reading)), None)

    @property
    def expected(self) -> str:
        """What a complaint says was expected."""
        if get_origin(self.base) is Literal:
            *most, last = [f'"{choice}"' for choice in get_args(self.base)]
            return f"{', '.join(most)} or {last}"
        return next(
            (note.title for note in self.notes if isinstance(note, Meta) and note.title), "a value"
        )

    @property
    def table(self) -> type[msgspec.Struct] | None:
        """The table this is, or that an array of tables repeats."""
        inner = get_args(self.base)[0] if self.many else self.base
        return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None

    @property
    def many(self) -> bool:
        """Whether this is a list of values or an array of tables."""
        return get_origin(self.base) is tuple

    def marked(self, mark: Mark) -> bool:
        """Whether the kind carries this mark."""
        return mark in self.notes

    def read(self, value: object, *, strict: bool) -> Any:
        """Turn a TOML value into the setting, ValueError if it is none; unless strict, a text may
        be a number.
        """
        if self.reading is not None:
            value = self.reading.read(value)
        metas = [note for note in self.notes if isinstance(note, Meta)]
        return msgspec.convert(
            value, Annotated[self.base, *metas] if metas else self.base, strict=strict
        )

    def write(self, value: object) -> str:
        """Write a setting as it stands in the file."""
        if self.reading is not None and self.reading.write is not str:
            return self.reading.write(value)
        if isinstance(value, tuple):
            return f"[{', '.join(map(shown, value))}]"
        return json.dumps(str(value)) if isinstance(value, (str, Path)) else shown(value)


def kind_of(annotation: Any) -> Kind:
    """Take an annotation apart, through `Annotated` and `| None`; the outermost notes come
    first.
    """
    notes: list[Any] = []
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *inner = get_args(annotation)
            notes += inner
        elif get_origin(annotation) in (Union, UnionType):
            (annotation,) = (choice for choice in get_args(annotation) if choice is not NoneType)
        else:
            return Kind(annotation, tuple(notes))
