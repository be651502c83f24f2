"""Packets as bytes.

The packets come from this program, so their values are trusted; what has no form in a version, or
does not fit its field, raises `ValueError` or `OverflowError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.broker.embedded.codec import properties, wire
from gateway.broker.embedded.codec.packets import (
    EMPTY,
    Auth,
    Connack,
    Connect,
    Disconnect,
    PacketType,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
)
from gateway.broker.embedded.codec.reasons import connect_return_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.embedded.codec.packets import Packet

PINGREQ: Final = b"\xc0\0"
PINGRESP: Final = b"\xd0\0"

_PROTOCOLS: Final = {3: b"\0\6MQIsdp\3", 4: b"\0\4MQTT\4", 5: b"\0\4MQTT\5"}


def encode(packet: Packet, version: int) -> bytes:
    """Return a packet as bytes in version 3, 4 or 5. Before 5, properties and most reason codes are
    left out.
    """
    return _WRITERS[type(packet)](packet, version)


def encode_answer(kind: PacketType, packet_id: int) -> bytes:
    """Return a PUBACK, PUBREC, PUBREL or PUBCOMP that says success; the same four bytes in all
    versions.
    """
    return _ANSWER_HEADS[kind] + packet_id.to_bytes(2, "big")


_ANSWER_HEADS: Final = {
    PacketType.PUBACK: b"\x40\2",
    PacketType.PUBREC: b"\x50\2",
    PacketType.PUBREL: b"\x62\2",
    PacketType.PUBCOMP: b"\x70\2",
}


def _frame(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((first,)) + wire.variable_byte_integer(len(body)) + body


def _properties(props: Properties, version: int) -> bytes:
    return properties.write(props) if version == 5 else b""


def _reason(code: int, props: Properties) -> bytes:
    """Return code and properties, leaving out what the standard lets be left out (3.4.2.1,
    3.14.2.1).
    """
    if props == EMPTY:
        return bytes((code,)) if code else b""
    return bytes((code,)) + properties.write(props)


def _write_connect(packet: Connect, version: int) -> bytes:
    will = packet.will
    flags = (
        packet.clean_start << 1
        | (packet.username is not None) << 7
        | (packet.password is not None) << 6
    )
    payload = [wire.string(packet.client_id)]
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
        payload += (
            _properties(will.properties, version),
            wire.string(will.topic),
            wire.binary(will.payload),
        )
    if packet.username is not None:
        payload.append(wire.string(packet.username))
    if packet.password is not None:
        payload.append(wire.binary(packet.password))
    variable = _PROTOCOLS[version] + bytes((flags,)) + packet.keep_alive.to_bytes(2, "big")
    return _frame(0x10, variable, _properties(packet.properties, version), *payload)


def _write_connack(packet: Connack, version: int) -> bytes:
    code: int | None = packet.reason_code
    if version < 5 and packet.reason_code >= 0x80:
        code = connect_return_code(packet.reason_code)
    if code is None:
        raise ValueError(f"no return code says 0x{packet.reason_code:02x}: close without a CONNACK")
    return _frame(
        0x20, bytes((packet.session_present, code)), _properties(packet.properties, version)
    )


def _write_publish(packet: Publish, version: int) -> bytes:
    first = 0x30 | packet.dup << 3 | packet.qos << 1 | packet.retain
    packet_id = packet.packet_id.to_bytes(2, "big") if packet.qos else b""
    topic = wire.binary(packet.topic.encode())
    return _frame(first, topic, packet_id, _properties(packet.properties, version), packet.payload)


def _write_answer(packet: Puback | Pubrec | Pubrel | Pubcomp, version: int) -> bytes:
    if version < 5 or (not packet.reason_code and packet.properties is EMPTY):
        return encode_answer(packet.packet_type, packet.packet_id)
    packet_id = packet.packet_id.to_bytes(2, "big")
    first = _ANSWER_HEADS[packet.packet_type][0]
    return _frame(first, packet_id, _reason(packet.reason_code, packet.properties))


def _options(subscription: Subscription, version: int) -> int:
    if version < 5:
        return subscription.qos
    flags = subscription.no_local << 2 | subscription.retain_as_published << 3
    return subscription.qos | flags | subscription.retain_handling << 4


def _write_subscribe(packet: Subscribe, version: int) -> bytes:
    head = packet.packet_id.to_bytes(2, "big") + _properties(packet.properties, version)
    filters = [
        wire.string(one.topic_filter) + bytes((_options(one, version),))
        for one in packet.subscriptions
    ]
    return _frame(0x82, head, *filters)


def _write_suback(packet: Suback, version: int) -> bytes:
    codes = packet.reason_codes
    # Before MQTT 5 there is one failure [MQTT-3.9.3-2].
    codes = codes if version == 5 else tuple(min(code, 0x80) for code in codes)
    head = packet.packet_id.to_bytes(2, "big") + _properties(packet.properties, version)
    return _frame(0x90, head, bytes(codes))


def _write_unsubscribe(packet: Unsubscribe, version: int) -> bytes:
    head = packet.packet_id.to_bytes(2, "big") + _properties(packet.properties, version)
    return _frame(0xA2, head, *map(wire.string, packet.topic_filters))


def _write_unsuback(packet: Unsuback, version: int) -> bytes:
    codes = bytes(packet.reason_codes) if version == 5 else b""
    return _frame(
        0xB0, packet.packet_id.to_bytes(2, "big"), _properties(packet.properties, version), codes
    )


def _write_pingreq(packet: Pingreq, version: int) -> bytes:
    return PINGREQ


def _write_pingresp(packet: Pingresp, version: int) -> bytes:
    return PINGRESP


def _write_disconnect(packet: Disconnect, version: int) -> bytes:
    return (
        b"\xe0\0" if version < 5 else _frame(0xE0, _reason(packet.reason_code, packet.properties))
    )


def _write_auth(packet: Auth, version: int) -> bytes:
    if version < 5:
        raise ValueError("AUTH exists in MQTT 5 only")
    return _frame(0xF0, _reason(packet.reason_code, packet.properties))


_WRITERS: Final[dict[type[Packet], Callable[[Any, int], bytes]]] = {
    Connect: _write_connect,
    Connack: _write_connack,
    Publish: _write_publish,
    Puback: _write_answer,
    Pubrec: _write_answer,
    Pubrel: _write_answer,
    Pubcomp: _write_answer,
    Subscribe: _write_subscribe,
    Suback: _write_suback,
    Unsubscribe: _write_unsubscribe,
    Unsuback: _write_unsuback,
    Pingreq: _write_pingreq,
    Pingresp: _write_pingresp,
    Disconnect: _write_disconnect,
    Auth: _write_auth,
}
