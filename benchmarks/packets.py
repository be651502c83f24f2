"""The bytes that the load generator sends: MQTT 3.1.1 packets and a WebSocket's opening, made
before the clock runs.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

CONNACK = b"\x20\x02\x00\x00"
PINGREQ = b"\xc0\x00"
FIRST_VALUE = 1_000_000
MOST_VALUES = 9_000_000
"""Values count up from `FIRST_VALUE` and have seven digits, so that every message of a device has
the same length.
"""
MOST_IDS = 60_000  # packet ids in turn


class Account(NamedTuple):
    """Who signs in over MQTT: a device and its key, or `token` and an API token."""

    name: str
    secret: str


class Kind(NamedTuple):
    """What a device publishes: where, and the payload around the value."""

    topic: str = "devices/{}/telemetry/t"
    before: str = ""
    after: str = ""


VALUE = Kind()
OBJECT = Kind(topic="devices/{}/telemetry", before='{"t":', after="}")
CARRIED = Kind(topic="devices/{}/raw/t")  # no route maps it: it makes no frame


def connect(account: Account, client_id: str, keep_alive: int = 60) -> bytes:
    """Return a CONNECT with a clean session."""
    body = _text("MQTT") + b"\x04\xc2" + keep_alive.to_bytes(2, "big")
    return _packet(0x10, body + _text(client_id) + _text(account.name) + _text(account.secret))


def subscribe(topic_filter: str) -> bytes:
    """Return a SUBSCRIBE with QoS 0 and packet id 1; its SUBACK is five bytes."""
    return _packet(0x82, b"\0\1" + _text(topic_filter) + b"\0")


def publish(device: str, kind: Kind, value: int, packet_id: int = 0) -> bytes:
    """Return a PUBLISH, with QoS 1 where it has a packet id."""
    number = packet_id.to_bytes(2, "big") if packet_id else b""
    payload = f"{kind.before}{value}{kind.after}".encode()
    return _packet(0x32 if packet_id else 0x30, _text(kind.topic.format(device)) + number + payload)


def stream(device: str, kind: Kind, first: int, count: int, *, acknowledged: bool) -> bytes:
    """Return `count` PUBLISH packets of the same length, with values from `first`."""
    if not acknowledged:
        head, tail = _around(publish(device, kind, FIRST_VALUE), kind)
        return b"".join([b"%b%d%b" % (head, value, tail) for value in range(first, first + count)])
    head, tail = _around(publish(device, kind, FIRST_VALUE, 1), kind)
    start = head[: len(head) - len(kind.before) - 2]
    before = kind.before.encode()
    return b"".join(
        [b"%b%b%b%d%b" % (start, packet_id(n), before, first + n, tail) for n in range(count)]
    )


def pubacks(count: int) -> bytes:
    """Return the PUBACKs of a `stream`, in order."""
    return b"".join([b"\x40\x02" + packet_id(n) for n in range(count)])


def packet_id(number: int) -> bytes:
    """Return the packet id of the nth message of a `stream`."""
    return (number % MOST_IDS + 1).to_bytes(2, "big")


def upgrade(port: int, token: str) -> bytes:
    """Return the request that opens the gateway's WebSocket."""
    return (
        f"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


def ask(topic_filter: str) -> bytes:
    """Return a subscription to live frames as a masked WebSocket message."""
    data = json.dumps(
        {"type": "subscribe", "id": 1, "filter": topic_filter, "snapshot": False}
    ).encode()
    mask = os.urandom(4)
    return (
        bytes((0x81, 0x80 | len(data)))
        + mask
        + bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
    )


def framed_length(device: str, seq: int, count: int) -> int:
    """Return the bytes of `count` frames of a device with seq from `seq`, as a WebSocket listener
    gets them.
    """
    fixed = (
        len(f'..{{"type":"telemetry","seq":,"device":"{device}","channel":"t","ts":,"value":}}')
        + 13
        + 7
    )
    digits, last = 0, seq + count
    while seq < last:
        width = len(str(seq))
        upto = min(last, 10**width)
        digits += width * (upto - seq)
        seq = upto
    return fixed * count + digits


def _around(packet: bytes, kind: Kind) -> tuple[bytes, bytes]:
    tail = kind.after.encode()
    return packet[: len(packet) - len(tail) - len(str(FIRST_VALUE))], tail


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _packet(first: int, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    length.append(size)
    return bytes((first, *length)) + body
