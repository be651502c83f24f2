"""The CONNECT packet read from bytes (3.1): the one packet that says which version the others are
in.
"""

from __future__ import annotations

from typing import Final

from gateway.broker.embedded.codec import properties, wire
from gateway.broker.embedded.codec.packets import EMPTY, Connect, PacketType, Properties, Will
from gateway.broker.embedded.codec.reasons import MalformedPacket, UnsupportedProtocolVersion
from gateway.broker.embedded.codec.topic_rules import check_topic_name
from gateway.errors import ProtocolError

_PROTOCOLS: Final = {(b"MQIsdp", 3): 3, (b"MQTT", 4): 4, (b"MQTT", 5): 5}

_RESERVED, _CLEAN_START, _WILL, _WILL_RETAIN, _PASSWORD, _USERNAME = (
    0x01,
    0x02,
    0x04,
    0x20,
    0x40,
    0x80,
)


def read_protocol(buffer: bytes, start: int, end: int) -> tuple[int, int]:
    """Read the protocol name and level: 3, 4 or 5. Raises `UnsupportedProtocolVersion` for any
    other.
    """
    name, start = wire.read_binary(buffer, start, end)
    level, start = wire.read_byte(buffer, start, end)
    # [MQTT-3.1.2-1] [MQTT-3.1.2-2]
    if (name, level) not in _PROTOCOLS:
        raise UnsupportedProtocolVersion(f"protocol {name[:16]!r} level {level} is not spoken here")
    return level, start


def read_connect(buffer: bytes, start: int, end: int, first: int, version: int) -> Connect:
    """Read what follows the fixed header of a CONNECT whose protocol has been read and is
    `version`.
    """
    level, start = read_protocol(buffer, start, end)
    flags, start = wire.read_byte(buffer, start, end)
    _check_flags(flags, level)
    keep_alive, start = wire.read_two_bytes(buffer, start, end)
    props = EMPTY
    if level == 5:
        props, start = properties.read(buffer, start, end, PacketType.CONNECT)
        _check_authentication(props)
    client_id, start = wire.read_string(buffer, start, end)  # [MQTT-3.1.3-3] [MQTT-3.1.3-4]
    will = None
    if flags & _WILL:
        will, start = _read_will(buffer, start, end, flags, level)
    username, password, start = _read_credentials(buffer, start, end, flags, level)
    # [MQTT-3.1.2-16] [MQTT-3.1.2-18]: what no flag announces is not there.
    if start != end:
        raise MalformedPacket("a CONNECT goes on after its last field")
    clean_start = bool(flags & _CLEAN_START)
    return Connect(client_id, level, clean_start, keep_alive, username, password, will, props)


def _check_flags(flags: int, level: int) -> None:
    # [MQTT-3.1.2-3]
    if flags & _RESERVED:
        raise MalformedPacket("the reserved flag of a CONNECT is set")
    will_qos = flags >> 3 & 3
    # [MQTT-3.1.2-12], in 3.1.1 [MQTT-3.1.2-14]
    if will_qos == 3:
        raise MalformedPacket("a will has QoS 3")
    # [MQTT-3.1.2-11] [MQTT-3.1.2-13], in 3.1.1 [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-15]
    if not flags & _WILL and (will_qos or flags & _WILL_RETAIN):
        raise MalformedPacket("a CONNECT without a will has the QoS or retain of one")
    # 3.1.1 [MQTT-3.1.2-22]; MQTT 5 allows a password alone.
    if level < 5 and flags & _PASSWORD and not flags & _USERNAME:
        raise MalformedPacket("a CONNECT has a password and no user name")


def _check_authentication(props: Properties) -> None:
    # 3.1.2.11.10
    if props.authentication_data is not None and props.authentication_method is None:
        raise ProtocolError("authentication data without a method")


def _read_will(buffer: bytes, start: int, end: int, flags: int, level: int) -> tuple[Will, int]:
    # [MQTT-3.1.3-1] the order of the payload, [MQTT-3.1.2-9] the will is all there.
    props = EMPTY
    if level == 5:
        props, start = properties.read(buffer, start, end, properties.WILL)
    topic, start = wire.read_string(buffer, start, end)  # [MQTT-3.1.3-11], in 3.1.1 [MQTT-3.1.3-10]
    check_topic_name(topic)
    payload, start = wire.read_binary(buffer, start, end)
    return Will(topic, payload, flags >> 3 & 3, bool(flags & _WILL_RETAIN), props), start


def _read_credentials(
    buffer: bytes, start: int, end: int, flags: int, level: int
) -> tuple[str | None, bytes | None, int]:
    username: str | None = None
    password: bytes | None = None
    # MQTT 3.1, CONNECT: a user name or password that is flagged may be missing, the remaining
    # length decides.
    if flags & _USERNAME and not (level == 3 and start == end):
        username, start = wire.read_string(
            buffer, start, end
        )  # [MQTT-3.1.3-12], in 3.1.1 [MQTT-3.1.3-11]
    if flags & _PASSWORD and not (level == 3 and start == end):
        password, start = wire.read_binary(buffer, start, end)
    return username, password, start
