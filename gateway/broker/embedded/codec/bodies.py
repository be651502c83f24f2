"""What follows the fixed header of every packet but CONNECT, read from bytes.

Each reader takes the buffer, where the body starts and ends, the first byte of the packet and the
version (3, 4 or 5), and returns the packet. The table in `decode` has checked the first byte
already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.codec import properties, reasons, wire
from gateway.broker.embedded.codec.packets import (
    EMPTY,
    Auth,
    Connack,
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
from gateway.broker.embedded.codec.reasons import MalformedPacket
from gateway.broker.embedded.codec.topic_rules import (
    check_shared,
    check_topic_filter,
    check_topic_name,
)
from gateway.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    _Answer = Puback | Pubrec | Pubrel | Pubcomp


def publish_header(buffer: bytes, start: int, end: int, qos: int) -> tuple[bytes, int, int]:
    """Read the topic (not yet checked), the packet id (0 with QoS 0) and the position after them.

    What depends only on the topic can be cached by these bytes; `read_topic_name` checks them.
    """
    if start + 2 > end:
        raise MalformedPacket("a PUBLISH has no topic")
    after = start + 2 + (buffer[start] << 8 | buffer[start + 1])
    topic = buffer[start + 2 : after]
    if not qos:
        if after > end:
            raise MalformedPacket("a PUBLISH ends inside its topic")
        return topic, 0, after
    packet_id, position = read_packet_id(buffer, after, end)
    return topic, packet_id, position


def read_topic_name(raw: bytes, version: int) -> str:
    """Return the topic name of a PUBLISH as text; only in MQTT 5 may it be empty."""
    topic = wire.text(raw)  # [MQTT-3.3.2-1]
    # 3.3.2.1: in MQTT 5 a topic alias may stand for it.
    if topic or version < 5:
        check_topic_name(topic)
    return topic


def read_packet_id(buffer: bytes, start: int, end: int) -> tuple[int, int]:
    """Read a packet identifier, which is never 0."""
    packet_id, start = wire.read_two_bytes(buffer, start, end)
    # [MQTT-2.2.1-3] [MQTT-2.2.1-4], in 3.1.1 [MQTT-2.3.1-1]
    if not packet_id:
        raise ProtocolError("a packet identifier is 0")
    return packet_id, start


def read_publish(buffer: bytes, start: int, end: int, first: int, version: int) -> Publish:
    """Read a PUBLISH from a server (3.3)."""
    qos = first >> 1 & 3
    raw, packet_id, start = publish_header(buffer, start, end, qos)
    topic = read_topic_name(raw, version)
    props = EMPTY
    if version == 5:
        props, start = properties.read(buffer, start, end, PacketType.PUBLISH)
        # 3.3.2.1: the alias stands for the topic.
        if not topic and props.topic_alias is None:
            raise ProtocolError("a PUBLISH has neither a topic nor a topic alias")
    return Publish(topic, buffer[start:end], qos, first & 1 == 1, first & 8 == 8, packet_id, props)


def read_client_publish(buffer: bytes, start: int, end: int, first: int, version: int) -> Publish:
    """Read a PUBLISH from a client, which may not name subscriptions."""
    packet = read_publish(buffer, start, end, first, version)
    # [MQTT-3.3.4-6]
    if packet.properties.subscription_identifier:
        raise ProtocolError("a client sends a subscription identifier in a PUBLISH")
    return packet


def _answer_reader(
    make: type[_Answer], codes: frozenset[int]
) -> Callable[[bytes, int, int, int, int], _Answer]:
    def read_answer(buffer: bytes, start: int, end: int, first: int, version: int) -> _Answer:
        packet_id, start = read_packet_id(buffer, start, end)
        # 3.4.2.1: success without properties needs no more, and before MQTT 5 there is no more.
        if start == end:
            return make(packet_id)
        if version < 5:
            raise _too_long()
        return make(packet_id, *_read_reason(buffer, start, end, codes, make.packet_type))

    return read_answer


read_puback = _answer_reader(Puback, reasons.PUBACK_CODES)
read_pubrec = _answer_reader(Pubrec, reasons.PUBREC_CODES)
read_pubrel = _answer_reader(Pubrel, reasons.PUBREL_CODES)
read_pubcomp = _answer_reader(Pubcomp, reasons.PUBCOMP_CODES)


def read_subscribe(buffer: bytes, start: int, end: int, first: int, version: int) -> Subscribe:
    """Read a SUBSCRIBE (3.8)."""
    packet_id, start = read_packet_id(buffer, start, end)
    props = EMPTY
    if version == 5:
        props, start = properties.read(buffer, start, end, PacketType.SUBSCRIBE)
    # [MQTT-3.8.3-2], in 3.1.1 [MQTT-3.8.3-3]
    if start == end:
        raise ProtocolError("a SUBSCRIBE has no topic filter")
    subscriptions: list[Subscription] = []
    while start < end:
        topic_filter, start = _read_topic_filter(buffer, start, end)
        options, start = wire.read_byte(buffer, start, end)
        subscriptions.append(_subscription(topic_filter, options, version))
    return Subscribe(packet_id, tuple(subscriptions), props)


def _read_topic_filter(buffer: bytes, start: int, end: int) -> tuple[str, int]:
    topic_filter, start = wire.read_string(buffer, start, end)  # [MQTT-3.8.3-1] [MQTT-3.10.3-1]
    check_topic_filter(topic_filter)
    return topic_filter, start


def _subscription(topic_filter: str, options: int, version: int) -> Subscription:
    # [MQTT-3.8.3-5], in 3.1.1 [MQTT-3-8.3-4]
    if options & (0xC0 if version == 5 else 0xFC):
        raise MalformedPacket("reserved bits of the subscription options are set")
    qos, retain_handling = options & 3, options >> 4
    # 3.8.3.1, in 3.1.1 [MQTT-3-8.3-4]
    if qos == 3 or retain_handling == 3:
        raise ProtocolError("a subscription asks for QoS 3 or retain handling 3")
    no_local = options & 4 == 4
    if version == 5:
        check_shared(topic_filter, no_local=no_local)
    return Subscription(topic_filter, qos, no_local, options & 8 == 8, retain_handling)


def read_unsubscribe(buffer: bytes, start: int, end: int, first: int, version: int) -> Unsubscribe:
    """Read an UNSUBSCRIBE (3.10)."""
    packet_id, start = read_packet_id(buffer, start, end)
    props = EMPTY
    if version == 5:
        props, start = properties.read(buffer, start, end, PacketType.UNSUBSCRIBE)
    # [MQTT-3.10.3-2]
    if start == end:
        raise ProtocolError("an UNSUBSCRIBE has no topic filter")
    topic_filters: list[str] = []
    while start < end:
        topic_filter, start = _read_topic_filter(buffer, start, end)
        topic_filters.append(topic_filter)
    return Unsubscribe(packet_id, tuple(topic_filters), props)


def read_connack(buffer: bytes, start: int, end: int, first: int, version: int) -> Connack:
    """Read a CONNACK (3.2)."""
    flags, start = wire.read_byte(buffer, start, end)
    code, start = wire.read_byte(buffer, start, end)
    # [MQTT-3.2.2-1]
    if flags > 1:
        raise MalformedPacket("a reserved flag of a CONNACK is set")
    _check_code(code, reasons.CONNACK_CODES if version == 5 else reasons.CONNECT_RETURN_CODES)
    # [MQTT-3.2.2-6], in 3.1.1 [MQTT-3.2.2-4]
    if flags and code:
        raise ProtocolError("a CONNACK that refuses says that a session is present")
    props = EMPTY
    if version == 5:
        props, start = properties.read(buffer, start, end, PacketType.CONNACK)
    _finish(start, end)
    return Connack(flags == 1, code, props)


def read_suback(buffer: bytes, start: int, end: int, first: int, version: int) -> Suback:
    """Read a SUBACK (3.9)."""
    packet_id, start = read_packet_id(buffer, start, end)
    if version < 5:
        return Suback(packet_id, _read_codes(buffer, start, end, reasons.SUBACK_RETURN_CODES))
    props, start = properties.read(buffer, start, end, PacketType.SUBACK)
    return Suback(packet_id, _read_codes(buffer, start, end, reasons.SUBACK_CODES), props)


def read_unsuback(buffer: bytes, start: int, end: int, first: int, version: int) -> Unsuback:
    """Read an UNSUBACK (3.11)."""
    packet_id, start = read_packet_id(buffer, start, end)
    if version < 5:
        _finish(start, end)
        return Unsuback(packet_id)
    props, start = properties.read(buffer, start, end, PacketType.UNSUBACK)
    return Unsuback(packet_id, _read_codes(buffer, start, end, reasons.UNSUBACK_CODES), props)


def _read_codes(buffer: bytes, start: int, end: int, codes: frozenset[int]) -> tuple[int, ...]:
    # [MQTT-3.8.4-5] [MQTT-3.8.4-6]: one for each topic filter, and there is at least one of those.
    if start == end:
        raise ProtocolError("the packet has no reason code")
    return tuple(_check_code(code, codes) for code in buffer[start:end])


def read_pingreq(buffer: bytes, start: int, end: int, first: int, version: int) -> Pingreq:
    """Read a PINGREQ (3.12)."""
    _finish(start, end)
    return Pingreq()


def read_pingresp(buffer: bytes, start: int, end: int, first: int, version: int) -> Pingresp:
    """Read a PINGRESP (3.13)."""
    _finish(start, end)
    return Pingresp()


def read_client_disconnect(
    buffer: bytes, start: int, end: int, first: int, version: int
) -> Disconnect:
    """Read a DISCONNECT from a client (3.14)."""
    if version < 5:
        _finish(start, end)
        return Disconnect()
    codes = reasons.CLIENT_DISCONNECT_CODES
    return Disconnect(*_read_reason(buffer, start, end, codes, PacketType.DISCONNECT))


def read_server_disconnect(
    buffer: bytes, start: int, end: int, first: int, version: int
) -> Disconnect:
    """Read a DISCONNECT from a server (3.14), which exists in MQTT 5 only."""
    codes = reasons.SERVER_DISCONNECT_CODES
    packet = Disconnect(*_read_reason(buffer, start, end, codes, PacketType.DISCONNECT))
    # [MQTT-3.14.2-2]
    if packet.properties.session_expiry_interval is not None:
        raise ProtocolError("a server sends a session expiry interval in a DISCONNECT")
    return packet


def _auth_reader(codes: frozenset[int]) -> Callable[[bytes, int, int, int, int], Auth]:
    def read_auth(buffer: bytes, start: int, end: int, first: int, version: int) -> Auth:
        code, props = _read_reason(buffer, start, end, codes, PacketType.AUTH)
        # 3.15.2.2.2, but 3.15.2.1 lets a success without properties be empty.
        if code and props.authentication_method is None:
            raise ProtocolError("an AUTH names no authentication method")
        return Auth(code, props)

    return read_auth


read_client_auth = _auth_reader(reasons.CLIENT_AUTH_CODES)
read_server_auth = _auth_reader(reasons.SERVER_AUTH_CODES)


def _read_reason(
    buffer: bytes, start: int, end: int, codes: frozenset[int], owner: PacketType
) -> tuple[int, Properties]:
    """Read a reason code and the properties; both may be left out from the end (3.4.2.2.1,
    3.14.2.2.1).
    """
    code = _check_code(buffer[start] if start < end else 0, codes)
    if start + 1 >= end:
        return code, EMPTY
    props, start = properties.read(buffer, start + 1, end, owner)
    _finish(start, end)
    return code, props


def _check_code(code: int, codes: frozenset[int]) -> int:
    # [MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2]
    # [MQTT-3.11.3-2] [MQTT-3.14.2-1] [MQTT-3.15.2-1], in 3.1.1 [MQTT-3.2.2-6] [MQTT-3.9.3-2]
    if code not in codes:
        raise ProtocolError(f"reason code 0x{code:02x} has no place in this packet")
    return code


def _finish(start: int, end: int) -> None:
    if start != end:
        raise _too_long()


def _too_long() -> MalformedPacket:
    return MalformedPacket("the packet goes on after its last field")
