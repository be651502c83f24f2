"""The broker's end of MQTT 3.1.1 and 5 over a raw socket, for tests that need it to misbehave on
purpose.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Any, Self

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

WAIT = 60.0  # seconds until a test that waits for the device fails


@dataclass(frozen=True)
class Connect:
    """What a CONNECT said."""

    version: int
    client_id: str
    username: str
    password: str
    will: tuple[str, bytes]
    receive_maximum: int | None


@dataclass(frozen=True)
class Publication:
    """What a PUBLISH said."""

    topic: str
    payload: bytes
    retain: bool
    correlation: bytes | None


@dataclass
class MqttPeer:
    """Listens on a free port; `refusals` answers CONNECT of a version with a reason code.

    `acknowledge` is the reason code of each PUBACK; None withholds it. While `absent` is set,
    connections are closed as soon as they come.
    """

    refusals: dict[int, int] = field(default_factory=dict)
    acknowledge: int | None = 0
    tls: Any = None

    def __post_init__(self) -> None:
        self.connects: queue.Queue[Connect] = queue.Queue()
        self.subscriptions: queue.Queue[str] = queue.Queue()
        self.publications: queue.Queue[Publication] = queue.Queue()
        self.acknowledged: queue.Queue[int] = queue.Queue()
        self.goodbyes: queue.Queue[bool] = queue.Queue()
        self.absent = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._current: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._version = 5
        self._mid = 0

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(WAIT)

    def cut(self) -> None:
        """Close the device's connection without a word."""
        if self._current is not None:
            # Not SSLSocket's own shutdown: after it, the thread that reads would take TLS records
            # for plain bytes.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._current, socket.SHUT_RDWR)

    def expect(self, topic: str) -> bytes:
        """Return the payload of the next publication to `topic`, passing over others."""
        while True:
            publication = self.publications.get(timeout=WAIT)
            if publication.topic == topic:
                return publication.payload

    def publish(self, topic: str, payload: bytes, **properties: Any) -> int:
        """Send a QoS 1 publication and return its packet identifier."""
        self._mid += 1
        self._send(
            0x32,
            _text(topic) + struct.pack("!H", self._mid) + self._properties(**properties) + payload,
        )
        return self._mid

    def _properties(self, **values: Any) -> bytes:
        if self._version < 5:
            return b""
        properties = Properties(PacketTypes.PUBLISH)
        for name, value in values.items():
            setattr(properties, name, value)
        return properties.pack()

    def _begin(self, what: Any, *args: Any) -> None:
        thread = threading.Thread(target=what, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                if self.absent.is_set():
                    connection.close()
                else:
                    self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), connection:
            stream = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            self._current = stream
            with stream, stream.makefile("rb") as file:
                while True:
                    self._handle(*_read_packet(file))

    def _handle(self, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == 1:
            self._connect(body)
        elif kind == 3:
            self._publication(first, body)
        elif kind == 4:
            self.acknowledged.put(struct.unpack_from("!H", body)[0])
        elif kind == 8:
            start = 3 if self._version == 5 else 2
            self.subscriptions.put(_string(body, start)[0].decode())
            self._send(0x90, body[:2] + (b"\0" if self._version == 5 else b"") + b"\1")
        elif kind == 12:
            self._send(0xD0, b"")
        elif kind == 14:
            self.goodbyes.put(True)

    def _connect(self, body: bytes) -> None:
        protocol, at = _string(body, 0)
        assert protocol == b"MQTT"
        self._version = body[at]
        at += 4
        receive_maximum = None
        if self._version == 5:
            properties, length = Properties(PacketTypes.CONNECT).unpack(body[at:])
            receive_maximum = getattr(properties, "ReceiveMaximum", None)
            at += length
        client_id, at = _string(body, at)
        if self._version == 5:
            at += Properties(PacketTypes.WILLMESSAGE).unpack(body[at:])[1]
        will_topic, at = _string(body, at)
        will_payload, at = _string(body, at)
        username, at = _string(body, at)
        password, at = _string(body, at)
        self._answer_connect()
        self.connects.put(
            Connect(
                self._version,
                client_id.decode(),
                username.decode(),
                password.decode(),
                (will_topic.decode(), will_payload),
                receive_maximum,
            )
        )

    def _answer_connect(self) -> None:
        code = self.refusals.get(self._version, 0)
        # A broker that knows only 3.1.1 answers in 3.1.1, without properties.
        properties = b"\0" if self._version == 5 and code != 1 else b""
        self._send(0x20, bytes((0, code)) + properties)

    def _publication(self, first: int, body: bytes) -> None:
        topic, at = _string(body, 0)
        mid, at = (body[at : at + 2], at + 2) if first & 0x06 else (b"", at)
        correlation = None
        if self._version == 5:
            properties, length = Properties(PacketTypes.PUBLISH).unpack(body[at:])
            correlation = getattr(properties, "CorrelationData", None)
            at += length
        if mid and self.acknowledge is not None:
            self._send(0x40, mid + (bytes((self.acknowledge,)) if self.acknowledge else b""))
        self.publications.put(Publication(topic.decode(), body[at:], bool(first & 1), correlation))

    def _send(self, first: int, body: bytes) -> None:
        assert self._current is not None
        self._current.sendall(bytes((first,)) + _length(len(body)) + body)


def _read_packet(file: Any) -> tuple[int, bytes]:
    first, size, shift = _exactly(file, 1)[0], 0, 0
    while True:
        byte = _exactly(file, 1)[0]
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            return first, _exactly(file, size)
        shift += 7


def _exactly(file: Any, size: int) -> bytes:
    data: bytes = file.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _length(size: int) -> bytes:
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*out, size))


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def _string(body: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + struct.unpack_from("!H", body, at)[0]
    return body[at + 2 : end], end
