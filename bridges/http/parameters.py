"""What a request carries, as typed values: a `msgspec.Struct` says which fields there are and what
they may be.

The same struct makes the OpenAPI document, so that the two cannot differ. Everything that is wrong
is named, each field once; an unknown field is wrong: a misspelt `limit` must not be
passed over.
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from gateway.bridges.http.cursors import Point
from gateway.errors import GatewayError, Invalid, UnsupportedMedia
from gateway.times import Duration, Moment
from gateway.topics import TopicFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from multidict import MultiMapping

T = TypeVar("T", bound=msgspec.Struct)

_any = msgspec.json.Decoder().decode
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})
_MOST_PAIRS = 100  # of a form
_MOST_SAID = 10  # wrong names that an answer lists
_LONGEST_NAME = 40  # characters of a wrong name that is compared with the known ones, and shown
_LONGEST_SAID = 300  # characters of what is wrong with a value


class _Form(NamedTuple):
    """How a type of ours is read from text, and what the documentation says of that text."""

    read: Callable[[str], Any]
    schema: dict[str, Any]


_FORMS: dict[type, _Form] = {
    Moment: _Form(
        Moment.parse, {"type": "string", "description": "RFC 3339, or milliseconds since 1970"}
    ),
    Duration: _Form(
        Duration.parse, {"type": "string", "pattern": r"^\d+(ms|s|m|h|d|w)$", "examples": ["1m"]}
    ),
    Point: _Form(Point.parse, {"type": "string", "description": "`next` of the page before"}),
    TopicFilter: _Form(
        TopicFilter,
        {"type": "string", "description": "`device/channel`, with the wildcards + and #"},
    ),
}


class _Field(NamedTuple):
    type: Any
    repeats: bool
    required: bool


@lru_cache
def _fields(into: type[msgspec.Struct]) -> dict[str, _Field]:
    known = inspect.type_info(into)
    assert isinstance(known, inspect.StructType)
    lists = {
        field.encode_name
        for field in known.fields
        if isinstance(_bare(field.type), inspect.ListType)
    }
    return {
        field.encode_name: _Field(field.type, field.encode_name in lists, field.required)
        for field in msgspec.structs.fields(into)
    }


def _bare(type_: inspect.Type) -> inspect.Type:
    return _bare(type_.type) if isinstance(type_, inspect.Metadata) else type_


def query(given: MultiMapping[str], into: type[T]) -> T:
    """Return a query's parameters; raises `Invalid` that names each wrong one."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    fields = _fields(into)
    for name in dict.fromkeys(given):
        all_ = given.getall(name)
        if name in fields and not fields[name].repeats and len(all_) > 1:
            wrong[name] = "given more than once"
        values[name] = all_ if name in fields and fields[name].repeats else all_[-1]
    return _convert(values, into, wrong, strict=False)


def body(data: bytes, into: type[T]) -> T:
    """Return a JSON body, an empty one as `{}`; raises `Invalid` that names each wrong field."""
    return fields_of(json(data or b"{}"), into)


def fields_of(value: Any, into: type[T]) -> T:
    """Return an object that was read from JSON or a form; raises `Invalid` that names each wrong
    field.
    """
    if not isinstance(value, dict):
        raise Invalid("the body must be a JSON object")
    return _convert(value, into, {}, strict=True)


def json(data: bytes) -> Any:
    """Return the value of a JSON text; raises `Invalid`."""
    try:
        return _any(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Invalid("the body is not JSON that can be read: nested too deeply") from None


def form(data: bytes, charset: str | None) -> dict[str, str]:
    """Return the pairs of a form (WHATWG URL section 5.1: always UTF-8); raises `Invalid`,
    `UnsupportedMedia`.

    No other charset is decoded: Python knows some that take quadratic time, and some that make
    text that cannot be stored.
    """
    if charset is not None and charset.lower() not in _UTF8:
        raise UnsupportedMedia(f"a form is UTF-8, not {charset[:40]!r}")
    try:
        return dict(
            parse_qsl(
                data.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PAIRS
            )
        )
    except ValueError:
        raise Invalid(f"the body is not a form in UTF-8 of at most {_MOST_PAIRS} fields") from None


def _convert(values: Mapping[str, Any], into: type[T], wrong: dict[str, str], *, strict: bool) -> T:
    fields = _fields(into)
    wrong.update(_unknown([name for name in values if name not in fields], list(fields)))
    for name in (name for name in fields if name in values):
        try:
            msgspec.convert(values[name], fields[name].type, strict=strict, dec_hook=_read)
        except msgspec.ValidationError as error:
            wrong.setdefault(name, _say(error))
    for name, field in fields.items():
        if field.required and name not in values:
            wrong[name] = "is missing"
    if wrong:
        raise Invalid("; ".join(f"{name}: {what}" for name, what in wrong.items()), fields=wrong)
    return msgspec.convert(values, into, strict=strict, dec_hook=_read)


def _unknown(names: list[str], known: list[str]) -> dict[str, str]:
    """Say of the first unknown names what is probably meant, and how many more there are."""
    said = {name[:_LONGEST_NAME]: _meant(name, known) for name in names[:_MOST_SAID]}
    if (more := len(names) - _MOST_SAID) > 0:
        said["..."] = f"and {more:,} more that do not exist"
    return said


def _meant(name: str, known: list[str]) -> str:
    near = [] if len(name) > _LONGEST_NAME else difflib.get_close_matches(name, known, 1)
    return f"no such parameter; {near[0]!r} is probably meant" if near else "no such parameter"


def _say(error: msgspec.ValidationError) -> str:
    what = str(error).partition(" - at `$")[0].replace("`", "")
    return what[:1].lower() + what[1:_LONGEST_SAID]


def _read(into: type, value: Any) -> Any:
    if into is Moment and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {type(value).__name__}")
    try:
        return _FORMS[into].read(value)
    except GatewayError as error:
        raise ValueError(str(error)) from None


def written(type_: type) -> dict[str, Any]:
    """Return the JSON schema of a type of ours that stands in a query as text; raises `KeyError`
    for others.
    """
    return _FORMS[type_].schema
