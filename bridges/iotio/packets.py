"""Packets of protocol version 1, in binary messages.

    type u8 | event's length u16 | event, UTF-8 | message's length u32 | message       (all
    big-endian)

Types: 0 binary, 1 boolean (one byte), 2 integer (8 bytes, signed), 3 string, 4 JSON. Booleans of
more bytes and integers of fewer, which some boards send, are read as well. Values are JSON texts on
our side; bytes are `{"base64": "..."}` there, as everywhere in the gateway.
"""

from __future__ import annotations

import base64
import struct
from typing import Any, NamedTuple

import msgspec

from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json
from gateway.payloads import one_value

BINARY, BOOLEAN, INTEGER, STRING, JSON = range(5)
_HEAD, _LENGTH = struct.Struct("!BH"), struct.Struct("!I")
_INT64 = range(-(1 << 63), 1 << 63)
_decode = msgspec.json.Decoder().decode


class Packet(NamedTuple):
    """An event and the JSON text of its message."""

    event: str
    value: str


def decode(data: bytes) -> Packet:
    """Read a packet; raises `Invalid` with what is wrong."""
    if len(data) < _HEAD.size:
        raise Invalid("a packet begins with a type and the length of its event")
    type_, length = _HEAD.unpack_from(data)
    middle = _HEAD.size + length
    if len(data) < middle + _LENGTH.size:
        raise Invalid("the packet is cut short")
    (size,) = _LENGTH.unpack_from(data, middle)
    message = data[middle + _LENGTH.size :]
    if len(message) != size:
        raise Invalid(f"the message is said to have {size} bytes, but {len(message)} follow")
    return Packet(_text(data[_HEAD.size : middle]), _value(type_, message))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"not UTF-8: {error.reason}") from None


def _value(type_: int, message: bytes) -> str:
    if type_ == BINARY:
        return one_value(message, "raw")
    if type_ == BOOLEAN and message:
        return "true" if any(message) else "false"
    if type_ == INTEGER and 1 <= len(message) <= 8:
        return str(int.from_bytes(message, "big", signed=True))
    if type_ == STRING:
        return to_json(_text(message))
    if type_ == JSON:
        return _json(message)
    raise Invalid(f"there is no message of type {type_} with {len(message)} bytes")


def _json(message: bytes) -> str:
    try:
        return one_value(message, "json")
    except Untranslatable as error:
        raise Invalid(str(error)) from None


def encode(event: str, value: str) -> bytes:
    """Return the packet of an event and a JSON text.

    What the protocol has no type for, fractions, null and integers beyond 64 bits, goes as JSON:
    their client reads any JSON there. Raises `Invalid` where the event's name is too long.
    """
    name = event.encode()
    if len(name) > 0xFFFF:
        raise Invalid("an event's name has at most 65,535 bytes")
    type_, message = _message(_decode(value), value)
    return _HEAD.pack(type_, len(name)) + name + _LENGTH.pack(len(message)) + message


def _message(value: Any, text: str) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return BOOLEAN, bytes((value,))
    if isinstance(value, int) and value in _INT64:
        return INTEGER, value.to_bytes(8, "big", signed=True)
    if isinstance(value, str):
        return STRING, value.encode()
    data = _bytes(value)
    return (JSON, text.encode()) if data is None else (BINARY, data)


def _bytes(value: Any) -> bytes | None:
    """Return the bytes of `{"base64": "..."}`; None for anything else."""
    if (
        not isinstance(value, dict)
        or value.keys() != {"base64"}
        or not isinstance(value["base64"], str)
    ):
        return None
    try:
        return base64.b64decode(value["base64"], validate=True)
    except ValueError:
        return None
