"""Packets read from bytes, from either side, one at a time.

A table for each side and version says, for the first byte of a packet, which function reads the
rest; a first byte that has no entry is refused before the rest has come.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from gateway.broker.embedded.codec import bodies, wire
from gateway.broker.embedded.codec.connect import read_connect, read_protocol
from gateway.broker.embedded.codec.packets import PacketType
from gateway.broker.embedded.codec.reasons import MalformedPacket
from gateway.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.embedded.codec.packets import Packet

    BodyReader = Callable[[bytes, int, int, int, int], Packet]


class Sender(enum.IntEnum):
    """Who sent the bytes: each side may send only its own packets."""

    CLIENT = 0
    SERVER = 1


UNKNOWN_VERSION: Final = 0
"""The version of a connection before its CONNECT: the only packet that it may carry then."""


_ANSWERS: Final[dict[PacketType, BodyReader]] = {
    PacketType.PUBACK: bodies.read_puback,
    PacketType.PUBREC: bodies.read_pubrec,
    PacketType.PUBREL: bodies.read_pubrel,
    PacketType.PUBCOMP: bodies.read_pubcomp,
}
_FROM_CLIENT: Final[dict[PacketType, BodyReader]] = _ANSWERS | {
    PacketType.PUBLISH: bodies.read_client_publish,
    PacketType.SUBSCRIBE: bodies.read_subscribe,
    PacketType.UNSUBSCRIBE: bodies.read_unsubscribe,
    PacketType.PINGREQ: bodies.read_pingreq,
    PacketType.DISCONNECT: bodies.read_client_disconnect,
}
_FROM_SERVER: Final[dict[PacketType, BodyReader]] = _ANSWERS | {
    PacketType.CONNACK: bodies.read_connack,
    PacketType.PUBLISH: bodies.read_publish,
    PacketType.SUBACK: bodies.read_suback,
    PacketType.UNSUBACK: bodies.read_unsuback,
    PacketType.PINGRESP: bodies.read_pingresp,
}
_CLIENT_5: Final[dict[PacketType, BodyReader]] = {PacketType.AUTH: bodies.read_client_auth}
_SERVER_5: Final[dict[PacketType, BodyReader]] = {
    PacketType.DISCONNECT: bodies.read_server_disconnect,
    PacketType.AUTH: bodies.read_server_auth,
}
_FLAGS_2: Final = {PacketType.PUBREL, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE}
_CONNECT_BYTE: Final = PacketType.CONNECT << 4


def _flags_hold(first: int, version: int) -> bool:
    kind, flags = first >> 4, first & 15
    if kind == PacketType.PUBLISH:
        # [MQTT-3.3.1-4] no QoS 3, [MQTT-3.3.1-2] no DUP with QoS 0
        return flags & 6 != 6 and flags & 14 != 8
    if kind in _FLAGS_2:
        # [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1]; MQTT 3.1 marks these as repeated, like a
        # PUBLISH.
        return flags == 2 or (version == 3 and flags == 10)
    # [MQTT-2.1.3-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1], in 3.1.1 [MQTT-2.2.2-1] [MQTT-2.2.2-2]
    return flags == 0


def _table(readers: dict[PacketType, BodyReader], version: int) -> tuple[BodyReader | None, ...]:
    """Return the reader of a packet for each of the 256 values of its first byte."""
    kinds = [None if first < 16 else PacketType(first >> 4) for first in range(256)]
    return tuple(
        readers.get(kind) if kind and _flags_hold(first, version) else None
        for first, kind in enumerate(kinds)
    )


_TABLES: Final = {
    (Sender.CLIENT, UNKNOWN_VERSION): _table({PacketType.CONNECT: read_connect}, UNKNOWN_VERSION),
    (Sender.CLIENT, 3): _table(_FROM_CLIENT, 3),
    (Sender.CLIENT, 4): _table(_FROM_CLIENT, 4),
    (Sender.CLIENT, 5): _table(_FROM_CLIENT | _CLIENT_5, 5),
    (Sender.SERVER, 3): _table(_FROM_SERVER, 3),
    (Sender.SERVER, 4): _table(_FROM_SERVER, 4),
    (Sender.SERVER, 5): _table(_FROM_SERVER | _SERVER_5, 5),
}


def decode(
    buffer: bytes, start: int, version: int, max_size: int, sender: Sender = Sender.CLIENT
) -> tuple[Packet, int] | None:
    """Return the packet at `start`, which is inside `buffer`, and the position after it.

    None while the packet is incomplete. `version` is 3, 4 or 5, or `UNKNOWN_VERSION` before a
    CONNECT. Raises `ProtocolError` as soon as the bytes that are there break the protocol.
    """
    table = _TABLES[sender, version]
    version = version or _connect_version(buffer, start, max_size)
    first = buffer[start]
    reader = table[first]
    if reader is None:
        raise _refusal(first, version)
    bounds = wire.packet_bounds(buffer, start, max_size)
    if bounds is None:
        return None
    body, end = bounds
    # Only MQTT 5 asks for the shortest form of the remaining length.
    if version == 5:
        wire.check_shortest(buffer, start + 1, body)
    if end > len(buffer):
        return None
    return reader(buffer, body, end, first, version), end


def _connect_version(buffer: bytes, start: int, max_size: int) -> int:
    """Return the version that a complete CONNECT names, `UNKNOWN_VERSION` while there is none."""
    bounds = wire.packet_bounds(buffer, start, max_size) if buffer[start] == _CONNECT_BYTE else None
    if bounds is None or bounds[1] > len(buffer):
        return UNKNOWN_VERSION
    return read_protocol(buffer, *bounds)[0]


def _refusal(first: int, version: int) -> ProtocolError:
    """Return why no packet of this side may begin with this byte."""
    kind = first >> 4
    # 2.1.2: 0 is reserved, before MQTT 5 also 15.
    if kind == 0 or (kind == PacketType.AUTH and version < 5):
        return MalformedPacket(f"packet type {kind} is reserved")
    name = PacketType(kind).name
    if not _flags_hold(first, version):
        return MalformedPacket(f"the flags of {name} are 0x{first & 15:x}")
    # [MQTT-3.1.0-1]
    if version == UNKNOWN_VERSION:
        return ProtocolError(f"the first packet is {name}, not CONNECT")
    # [MQTT-3.1.0-2]
    if kind == PacketType.CONNECT:
        return ProtocolError("a CONNECT after the first packet")
    return ProtocolError(f"this side may not send {name}")
