"""Payloads to values: what a device sent, as the JSON text that goes into a frame.

One codec a file, all of them in `CODECS` by the name that `decode` of a route gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from gateway.errors import Untranslatable
from gateway.payloads.auto import auto_readings, one_auto
from gateway.payloads.cayenne import cayenne_readings
from gateway.payloads.cbor import cbor_readings, one_cbor
from gateway.payloads.json_text import json_readings, one_json, plain_members
from gateway.payloads.line import line_readings
from gateway.payloads.messagepack import messagepack_readings, one_messagepack
from gateway.payloads.plain import as_base64, as_number, as_text
from gateway.payloads.reading import Reading
from gateway.payloads.senml import senml_cbor_readings, senml_json_readings

__all__ = [
    "CODECS",
    "CONTENT_TYPES",
    "Codec",
    "Decode",
    "Reading",
    "by_content_type",
    "one_value",
    "plain_members",
    "readings",
]

Decode: TypeAlias = Literal[
    "auto",
    "json",
    "text",
    "number",
    "raw",
    "cbor",
    "msgpack",
    "senml",
    "senml-cbor",
    "line",
    "cayenne",
]
One: TypeAlias = Callable[[bytes], str]
Many: TypeAlias = Callable[[bytes, int], list[Reading]]


class Codec(NamedTuple):
    """How a payload is read. Both raise `Untranslatable`.

    `one(payload)`: a single value, as JSON text on one line. `many(payload, now)`: the values of
    a payload that names its channels; `now` is when it arrived, ms since 1970 UTC.
    """

    one: One
    many: Many


def _single(one: One) -> Codec:
    return Codec(one, lambda payload, _now: [Reading("value", one(payload))])


def _only_many(many: Many) -> Codec:
    def one(payload: bytes) -> str:
        found = many(payload, 0)
        if len(found) != 1:
            raise Untranslatable(f"one value is expected here, these are {len(found)}")
        return found[0].value

    return Codec(one, many)


CODECS: dict[Decode, Codec] = {
    "auto": Codec(one_auto, auto_readings),
    "json": Codec(one_json, json_readings),
    "text": _single(as_text),
    "number": _single(as_number),
    "raw": _single(as_base64),
    "cbor": Codec(one_cbor, cbor_readings),
    "msgpack": Codec(one_messagepack, messagepack_readings),
    "senml": _only_many(senml_json_readings),
    "senml-cbor": _only_many(senml_cbor_readings),
    "line": _only_many(line_readings),
    "cayenne": _only_many(cayenne_readings),
}

CONTENT_TYPES: dict[str, Decode] = {
    "application/json": "json",
    "application/cbor": "cbor",
    "application/msgpack": "msgpack",
    "application/vnd.msgpack": "msgpack",
    "application/x-msgpack": "msgpack",
    "application/senml+json": "senml",
    "application/senml+cbor": "senml-cbor",
    "application/vnd.influx.line-protocol": "line",
    "application/vnd.cayenne-lpp": "cayenne",
    "application/octet-stream": "raw",
}


def by_content_type(content_type: str) -> Decode | None:
    """Return the codec of a content type (RFC 9110 section 8.3); None where it says nothing."""
    kind = content_type.partition(";")[0].strip().lower()
    return CONTENT_TYPES.get(kind) or ("json" if kind.endswith("+json") else None)


def one_value(payload: bytes, how: Decode = "auto") -> str:
    """Return a payload as JSON text on one line. Raises `Untranslatable` where `how` does not
    fit.
    """
    return CODECS[how].one(payload)


def readings(payload: bytes, now: int, how: Decode = "auto") -> list[Reading]:
    """Return the values of a payload whose channels are in it. Raises `Untranslatable`."""
    return CODECS[how].many(payload, now)
