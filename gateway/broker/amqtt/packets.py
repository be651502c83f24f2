"""Packets as bytes: cut out of a stream, and decoded strictly by amqtt's codec."""

from __future__ import annotations

from typing import Any, TypeAlias

from amqtt.adapters import BufferReader
from amqtt.errors import AMQTTError, MQTTError, NoDataError
from amqtt.mqtt import packet_class
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.connect import ConnectPacket
from amqtt.mqtt.packet import (
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBLISH,
    PUBREL,
    SUBSCRIBE,
    UNSUBSCRIBE,
    MQTTFixedHeader,
)
from amqtt.mqtt.publish import PublishPacket

from gateway.errors import ProtocolError

Frame: TypeAlias = tuple[int, bytes]
"""One packet: the first byte of its fixed header, and all that follows the remaining length."""

CONNECT_BYTE = 0x10
_LEVEL_311 = 4
# What a client may send once it is connected, and the flags that must come with it (3.1.1 table
# 2.2). PUBREC and
# PUBCOMP are not among them: nobody is sent QoS 2.
_FLAGS = {PUBACK: 0, PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2, PINGREQ: 0, DISCONNECT: 0}


def split(buffer: bytearray, limit: int, most: int | None = None) -> list[Frame]:
    """Take the complete packets off the front of the buffer, `most` of them at most.

    Raises `ProtocolError` as soon as the first one's header announces more than `limit` bytes, or
    is malformed.
    """
    frames: list[Frame] = []
    start = 0
    try:
        while len(frames) != most and (bounds := _bounds(buffer, start, limit)) is not None:
            body, end = bounds
            if end > len(buffer):
                break
            frames.append((buffer[start], bytes(buffer[body:end])))
            start = end
    except ProtocolError:
        if not frames:
            raise  # else when it is the first: what came before it counts
    del buffer[:start]
    return frames


def _bounds(buffer: bytearray, start: int, limit: int) -> tuple[int, int] | None:
    """Return where the packet's body begins and ends, or None while its length is incomplete
    (section 2.2.3).
    """
    length = shift = 0
    for position in range(start + 1, min(start + 5, len(buffer))):
        length |= (buffer[position] & 0x7F) << shift
        if buffer[position] < 0x80:
            if length > limit:
                raise ProtocolError(f"a packet of {length} bytes; the limit is {limit}", 0x95)
            return position + 1, position + 1 + length
        shift += 7
    if shift == 28:
        raise ProtocolError("a remaining length has at most four bytes")
    return None


async def decode(frame: Frame) -> Any:
    """Return amqtt's packet, or raise `ProtocolError`; it never waits.

    amqtt's codec is lenient: it replaces invalid UTF-8 and overlooks what is cut short or left
    over. So what it read is written again, and must be what came.
    """
    first, body = frame
    header = MQTTFixedHeader(first >> 4, first & 0x0F, len(body))
    if header.packet_type != PUBLISH and header.flags != _FLAGS.get(header.packet_type):
        raise ProtocolError(
            f"packet type {header.packet_type} with flags {header.flags} from a client"
        )
    packet = await _decoded(header, body)
    if packet.variable_header and getattr(packet.variable_header, "packet_id", None) == 0:
        raise ProtocolError("a packet identifier is above 0")  # [MQTT-2.3.1-1]
    if header.packet_type == PUBLISH and header.flags & 0x06 == 0x06:
        raise ProtocolError("QoS is 0, 1 or 2")  # [MQTT-3.3.1-4]
    return packet


async def decode_connect(frame: Frame) -> Any:
    """Return amqtt's `ConnectPacket`, or raise `ProtocolError`; it never waits."""
    first, body = frame
    if first != CONNECT_BYTE:
        raise ProtocolError("the first packet is not CONNECT")  # [MQTT-3.1.0-1]
    return await _decoded(MQTTFixedHeader(1, 0, len(body)), body)


def is_other_version(frame: Frame) -> bool:
    """Tell whether this is a CONNECT of another MQTT version than 3.1.1."""
    first, body = frame
    return (
        first == CONNECT_BYTE
        and (body[:6] == b"\x00\x06MQIsdp" or body[:6] == b"\x00\x04MQTT")
        and (body[6:7] != bytes((_LEVEL_311,)))
    )


async def _decoded(header: Any, body: bytes) -> Any:
    try:
        packet = await packet_class(header).from_stream(BufferReader(body), fixed_header=header)
        same = _written(packet) == body
    except (AMQTTError, MQTTError, NoDataError, ValueError) as error:
        raise ProtocolError(f"malformed packet: {error}") from error
    if not same:
        raise ProtocolError("malformed packet")
    return packet


def _written(packet: Any) -> bytes:
    variable, payload = packet.variable_header, packet.payload
    if isinstance(packet, ConnectPacket) and payload.client_id_is_random:
        generated, payload.client_id = payload.client_id, ""
        try:
            return bytes(variable.to_bytes() + payload.to_bytes(packet.fixed_header, variable))
        finally:
            payload.client_id = generated
    written = bytes(variable.to_bytes()) if variable is not None else b""
    return written + (
        bytes(payload.to_bytes(packet.fixed_header, variable)) if payload is not None else b""
    )


def publish_packet(
    topic: str, payload: bytes, packet_id: int | None, *, qos: int, retain: bool, dup: bool
) -> bytes:
    """Return a PUBLISH packet's bytes."""
    return bytes(PublishPacket.build(topic, payload, packet_id, dup, qos, retain).to_bytes())


def connack_packet(return_code: int) -> bytes:
    """Return the bytes of a CONNACK that refuses the connection (section 3.2.2.3)."""
    return bytes(ConnackPacket.build(0, return_code).to_bytes())
