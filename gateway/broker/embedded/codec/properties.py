"""The properties of MQTT 5 as bytes (2.2.2): one table says which packet may hold what, and in
which form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from gateway.broker.embedded.codec import wire
from gateway.broker.embedded.codec.packets import EMPTY, PacketType, Properties
from gateway.broker.embedded.codec.reasons import (
    MalformedPacket,
    TooManyProperties,
    TopicAliasInvalid,
)
from gateway.broker.embedded.codec.topic_rules import check_topic_name
from gateway.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

WILL: Final = 0
"""The owner of the properties in the payload of a CONNECT; every other owner is a `PacketType`."""


class Form(NamedTuple):
    """How one kind of property value is read and written."""

    read: Callable[[bytes, int, int], tuple[Any, int]]
    write: Callable[[Any], bytes]


class Field(NamedTuple):
    """One property: its name in `Properties`, its form, and whether it may stand more than once."""

    name: str
    form: Form
    repeats: bool


def _read_flag(buffer: bytes, start: int, end: int) -> tuple[int, int]:
    value, start = wire.read_byte(buffer, start, end)
    # 3.1.2.11.6 and wherever else a byte may only be 0 or 1.
    if value > 1:
        raise ProtocolError(f"a property that is 0 or 1 has the value {value}")
    return value, start


def _read_topic(buffer: bytes, start: int, end: int) -> tuple[str, int]:
    topic, start = wire.read_string(buffer, start, end)
    check_topic_name(topic)  # [MQTT-3.3.2-14]
    return topic, start


def _read_alias(buffer: bytes, start: int, end: int) -> tuple[int, int]:
    alias, start = wire.read_two_bytes(buffer, start, end)
    # [MQTT-3.3.2-8]
    if not alias:
        raise TopicAliasInvalid("a topic alias is 0")
    return alias, start


def _above_zero(
    read: Callable[[bytes, int, int], tuple[int, int]],
) -> Callable[[bytes, int, int], tuple[int, int]]:
    def read_above_zero(buffer: bytes, start: int, end: int) -> tuple[int, int]:
        value, start = read(buffer, start, end)
        # 3.1.2.11.3 receive maximum, 3.1.2.11.4 maximum packet size, 3.3.2.3.8 subscription
        # identifier
        if not value:
            raise ProtocolError("a property that must be above 0 is 0")
        return value, start

    return read_above_zero


def _write_one(value: int) -> bytes:
    return value.to_bytes(1, "big")


def _write_two(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _write_four(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _write_pair(pair: tuple[str, str]) -> bytes:
    return wire.string(pair[0]) + wire.string(pair[1])


_FLAG: Final = Form(_read_flag, _write_one)
_TWO: Final = Form(wire.read_two_bytes, _write_two)
_FOUR: Final = Form(wire.read_four_bytes, _write_four)
_STRING: Final = Form(wire.read_string, wire.string)
_BINARY: Final = Form(wire.read_binary, wire.binary)
_PAIR: Final = Form(wire.read_string_pair, _write_pair)
_TOPIC: Final = Form(_read_topic, wire.string)
_ALIAS: Final = Form(_read_alias, _write_two)
_COUNT: Final = Form(_above_zero(wire.read_two_bytes), _write_two)
_SIZE: Final = Form(_above_zero(wire.read_four_bytes), _write_four)
_IDENTIFIER: Final = Form(_above_zero(wire.read_variable_byte_integer), wire.variable_byte_integer)

_CONNECT, _CONNACK, _PUBLISH = PacketType.CONNECT, PacketType.CONNACK, PacketType.PUBLISH
_SUBSCRIBE, _DISCONNECT, _AUTH = PacketType.SUBSCRIBE, PacketType.DISCONNECT, PacketType.AUTH
_ANSWERS = (
    PacketType.PUBACK,
    PacketType.PUBREC,
    PacketType.PUBREL,
    PacketType.PUBCOMP,
    PacketType.SUBACK,
    PacketType.UNSUBACK,
)

# Table 2-4 of the standard, in the order of the fields of `Properties`.
_TABLE: Final[tuple[tuple[int, str, Form, tuple[int, ...]], ...]] = (
    (0x01, "payload_format_indicator", _FLAG, (_PUBLISH, WILL)),
    (0x02, "message_expiry_interval", _FOUR, (_PUBLISH, WILL)),
    (0x03, "content_type", _STRING, (_PUBLISH, WILL)),
    (0x08, "response_topic", _TOPIC, (_PUBLISH, WILL)),
    (0x09, "correlation_data", _BINARY, (_PUBLISH, WILL)),
    (0x0B, "subscription_identifier", _IDENTIFIER, (_PUBLISH, _SUBSCRIBE)),
    (0x11, "session_expiry_interval", _FOUR, (_CONNECT, _CONNACK, _DISCONNECT)),
    (0x12, "assigned_client_identifier", _STRING, (_CONNACK,)),
    (0x13, "server_keep_alive", _TWO, (_CONNACK,)),
    (0x15, "authentication_method", _STRING, (_CONNECT, _CONNACK, _AUTH)),
    (0x16, "authentication_data", _BINARY, (_CONNECT, _CONNACK, _AUTH)),
    (0x17, "request_problem_information", _FLAG, (_CONNECT,)),
    (0x18, "will_delay_interval", _FOUR, (WILL,)),
    (0x19, "request_response_information", _FLAG, (_CONNECT,)),
    (0x1A, "response_information", _STRING, (_CONNACK,)),
    (0x1C, "server_reference", _STRING, (_CONNACK, _DISCONNECT)),
    (0x1F, "reason_string", _STRING, (_CONNACK, *_ANSWERS, _DISCONNECT, _AUTH)),
    (0x21, "receive_maximum", _COUNT, (_CONNECT, _CONNACK)),
    (0x22, "topic_alias_maximum", _TWO, (_CONNECT, _CONNACK)),
    (0x23, "topic_alias", _ALIAS, (_PUBLISH,)),
    (0x24, "maximum_qos", _FLAG, (_CONNACK,)),
    (0x25, "retain_available", _FLAG, (_CONNACK,)),
    (0x26, "user_property", _PAIR, (WILL, *PacketType)),
    (0x27, "maximum_packet_size", _SIZE, (_CONNECT, _CONNACK)),
    (0x28, "wildcard_subscription_available", _FLAG, (_CONNACK,)),
    (0x29, "subscription_identifier_available", _FLAG, (_CONNACK,)),
    (0x2A, "shared_subscription_available", _FLAG, (_CONNACK,)),
)


def _repeats(name: str, owner: int) -> bool:
    # 3.3.2.3.8: a PUBLISH carries one identifier for each subscription that it matches.
    return name == "user_property" or (name == "subscription_identifier" and owner == _PUBLISH)


_FIELDS: Final[dict[int, dict[int, Field]]] = {
    owner: {
        identifier: Field(name, form, _repeats(name, owner))
        for identifier, name, form, owners in _TABLE
        if owner in owners
    }
    for owner in (WILL, *PacketType)
}
_LISTS: Final = frozenset(("subscription_identifier", "user_property"))
_WRITERS: Final = tuple(
    (bytes((identifier,)), form.write, name in _LISTS) for identifier, name, form, _ in _TABLE
)


MOST_PAIRS: Final = 100
"""User properties of one packet: each is objects of its own in memory, for every subscriber."""
MOST_TEXT: Final = 8_192
"""Characters of these together."""


def read(buffer: bytes, start: int, end: int, owner: int) -> tuple[Properties, int]:
    """Read the properties of a packet of type `owner` (or `WILL`) and return the position after
    them.
    """
    length, start = wire.read_variable_byte_integer(buffer, start, end)
    if not length:
        return EMPTY, start
    stop = start + length
    if stop > end:
        raise MalformedPacket("the packet ends inside its properties")
    fields = _FIELDS[owner]
    values: dict[str, Any] = {}
    while start < stop:
        start = _read_one(buffer, start, stop, fields, values)
    if sum(len(name) + len(text) for name, text in values.get("user_property", ())) > MOST_TEXT:
        raise TooManyProperties(f"user properties of more than {MOST_TEXT} characters")
    for name in _LISTS & values.keys():
        values[name] = tuple(values[name])
    return Properties(**values), stop


def _read_one(
    buffer: bytes, start: int, stop: int, fields: dict[int, Field], values: dict[str, Any]
) -> int:
    # 2.2.2.2: all identifiers are below 128, so one byte of the variable byte integer says it all.
    field = fields.get(buffer[start])
    if field is None:
        raise MalformedPacket(f"property 0x{buffer[start]:02x} has no place in this packet")
    # Each property's own section: "It is a Protocol Error to include the ... more than once."
    if field.name in values and not field.repeats:
        raise ProtocolError(f"the property {field.name} stands twice")
    value, start = field.form.read(buffer, start + 1, stop)
    if field.name in _LISTS:
        found = values.setdefault(field.name, [])
        found.append(value)
        if len(found) > MOST_PAIRS and field.name == "user_property":
            raise TooManyProperties(f"more than {MOST_PAIRS} user properties")
    else:
        values[field.name] = value
    return start


def write(properties: Properties) -> bytes:
    """Return the properties as bytes, after their length [MQTT-2.2.2-1]."""
    if properties is EMPTY:
        return b"\0"
    fields = write_fields(properties)
    return wire.variable_byte_integer(len(fields)) + fields


def write_fields(properties: Properties) -> bytes:
    """Return the properties as bytes without their length, to be joined with others."""
    if properties is EMPTY:
        return b""
    parts: list[bytes] = []
    for (identifier, write_value, repeats), value in zip(
        _WRITERS, msgspec.structs.astuple(properties), strict=True
    ):
        if value is None:
            continue
        for one in value if repeats else (value,):
            parts += (identifier, write_value(one))
    return b"".join(parts)
