"""One MQTT connection of a device, from CONNECT to its end."""

from __future__ import annotations

import logging
import select
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.device.values import decoded
from gateway.errors import GatewayError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from paho.mqtt.enums import MQTTProtocolVersion
    from paho.mqtt.reasoncodes import ReasonCode

    from gateway.device.outbox import Outbox

log = logging.getLogger("gateway.device")

_WINDOW = 16  # readings, and commands, under way at a time
_PATIENCE = 10.0  # seconds from the TCP connection to the CONNACK
_UNSUPPORTED_VERSION = 0x84
# Client id not valid, bad user name or password, not authorized, banned, bad authentication method.
_REFUSALS = frozenset({0x85, 0x86, 0x87, 0x8A, 0x8C})
# Unspecified error, quota exceeded: the gateway cannot take this reading now, but may later.
_NOT_NOW = frozenset({0x80, 0x97})
_HOLD = 5.0  # seconds until it is asked again


class DeviceRefused(GatewayError):
    """The gateway does not accept this device's id and key; trying again would not help.

    `reason_code` is the broker's own (MQTT 5 section 2.4).
    """

    code = "unauthenticated"
    status = 401

    def __init__(self, message: str, *, reason_code: int = 0x87) -> None:
        super().__init__(message)
        self.reason_code = reason_code


class VersionRefused(GatewayError):
    """The broker does not speak this version of MQTT."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who connects, and where to."""

    device: str
    key: str
    host: str
    port: int
    tls: ssl.SSLContext | None
    keepalive: int


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A command as it came, with what is needed to answer it."""

    link: Link
    name: str
    value: Any
    mid: int
    qos: int
    reply_topic: str
    correlation: bytes | None


class Link:
    """A connection that sends the outbox and hands over commands; all calls belong to one
    thread.
    """

    def __init__(
        self,
        account: Account,
        version: MQTTProtocolVersion,
        outbox: Outbox,
        on_command: Callable[[Command], None],
    ) -> None:
        self.ready = False
        self.lost = False
        self._unanswered = 0
        self._account = account
        self._version = version
        self._outbox = outbox
        self._on_command = on_command
        # What waits for its PUBACK, by packet identifier: the id of a reading, or None for anything
        # else.
        self._under_way: dict[int, int | None] = {}
        self._window = _WINDOW
        self._packet_limit: int | None = None
        self._verdict: ReasonCode | None = None
        self._deadline = 0.0
        self._hold_until: float | None = None
        self._client = self._new_client()

    def _topic(self, *levels: str) -> str:
        return "/".join(("devices", self._account.device, *levels))

    def _new_client(self) -> mqtt.Client:
        account = self._account
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=account.device,
            protocol=self._version,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.username_pw_set(account.device, account.key)
        client.will_set(self._topic("status"), "offline", qos=1, retain=True)
        if account.tls is not None:
            client.tls_set_context(account.tls)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.on_publish = self._acknowledged
        client.on_subscribe = self._subscribed
        return client

    @property
    def idle(self) -> bool:
        """Whether nothing waits for an answer, on either side."""
        return not self._under_way and self._unanswered == 0

    def open(self) -> None:
        """Open the TCP connection and send CONNECT; OSError when the gateway cannot be reached."""
        self._outbox.rewind()
        self._deadline = time.monotonic() + _PATIENCE
        properties = None
        if self._version == mqtt.MQTTv5:
            # Bounds the commands that wait for a slow handler.
            properties = _properties(PacketTypes.CONNECT, ReceiveMaximum=_WINDOW)
        self._client.connect(
            self._account.host, self._account.port, self._account.keepalive, properties=properties
        )

    def step(self, bell: socket.socket) -> None:
        """Wait for the network or the bell, and do what is due.

        DeviceRefused and VersionRefused say why the gateway said no; OSError that the connection is
        lost.
        """
        self._send_readings()
        sock = self._client.socket()
        if sock is not None:
            self._exchange(sock, bell)
        self._client.loop_misc()
        self._judge()

    def _exchange(self, sock: Any, bell: socket.socket) -> None:
        # Bytes that TLS has decrypted already are invisible to select.
        waiting = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        writers = [sock] if self._client.want_write() else []
        readable, writable, _ = select.select([sock, bell], writers, [], 0 if waiting else 1.0)
        if waiting or sock in readable:
            self._client.loop_read()
        if writable:
            self._client.loop_write()

    def _judge(self) -> None:
        verdict = self._verdict
        if (
            self._version == mqtt.MQTTv5
            and verdict is not None
            and verdict.value == _UNSUPPORTED_VERSION
        ):
            raise VersionRefused(str(verdict))
        if verdict is not None and verdict.value in _REFUSALS:
            name = self._account.device
            raise DeviceRefused(
                f"{self._account.host}:{self._account.port} refused device {name!r}: {verdict}. "
                f"Check its id and key; `gateway device new-key {name}` makes a new key.",
                reason_code=verdict.value,
            )
        if self._client.socket() is None:
            raise ConnectionError(str(verdict or "connection lost"))
        if not self.ready and time.monotonic() > self._deadline:
            raise TimeoutError("no answer to CONNECT")

    def _publish(
        self,
        topic: str,
        payload: bytes,
        *,
        reading: int | None = None,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> None:
        sent = self._client.publish(topic, payload, 1, retain, properties)
        self._under_way[sent.mid] = reading

    def _send_readings(self) -> None:
        if self._hold_until is not None:
            if self._under_way or time.monotonic() < self._hold_until:
                return
            self._hold_until = None
            self._outbox.rewind()
        while self.ready and len(self._under_way) < self._window:
            due = self._outbox.take()
            if due is None:
                return
            reading, payload = due
            if self._packet_limit is not None and len(payload) + 256 > self._packet_limit:
                log.error(
                    "a reading of %d bytes is more than the gateway takes; dropped", len(payload)
                )
                self._outbox.reject(reading)
                continue
            self._publish(self._topic("telemetry"), payload, reading=reading)

    def answer(self, command: Command, reply: bytes | None) -> None:
        """Publish the reply, if there is one, then acknowledge the command.

        In this order a command whose reply may have been lost is still unacknowledged and comes
        again.
        """
        if reply is not None:
            properties = None
            if command.correlation is not None:
                properties = _properties(PacketTypes.PUBLISH, CorrelationData=command.correlation)
            self._publish(command.reply_topic, reply, properties=properties)
        self._client.ack(command.mid, command.qos)
        self._unanswered -= 1

    def close(self) -> None:
        """Say goodbye if there is still somebody to say it to.

        Best when idle: an answer that is still to be read when the socket closes resets the
        connection, and the gateway may lose the goodbye.
        """
        if self.ready and self._client.socket() is not None:
            # QoS 0: nobody will be there to read an acknowledgement.
            self._client.publish(self._topic("status"), "offline", qos=0, retain=True)
        self._client.disconnect()
        sock = self._client.socket()
        if sock is not None:
            sock.close()
        self.ready = False
        self.lost = True

    # What paho calls, always from within step().

    def _connected(
        self,
        client: mqtt.Client,
        _data: Any,
        _flags: Any,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._verdict = reason
            return
        self._window = min(_WINDOW, getattr(properties, "ReceiveMaximum", _WINDOW))
        self._packet_limit = getattr(properties, "MaximumPacketSize", None)
        client.subscribe(self._topic("commands", "#"), qos=1)
        self._publish(self._topic("status"), b"online", retain=True)
        self.ready = True

    def _disconnected(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self.ready = False
        self.lost = True
        self._verdict = self._verdict or reason

    def _subscribed(
        self,
        _client: mqtt.Client,
        _data: Any,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Any,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("the gateway lets %s have no commands: %s", self._account.device, reasons[0])

    def _acknowledged(
        self, _client: mqtt.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        reading = self._under_way.pop(mid, None)
        if reading is None:
            return
        if reason.value in _NOT_NOW:
            log.warning(
                "the gateway cannot take readings of %s now: %s", self._account.device, reason
            )
            self._hold_until = time.monotonic() + _HOLD
        elif reason.is_failure:
            log.error("the gateway refused a reading of %s: %s", self._account.device, reason)
            self._outbox.reject(reading)
        else:
            self._outbox.remove(reading)

    def _received(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        name = message.topic.removeprefix(self._topic("commands", ""))
        self._unanswered += 1
        self._on_command(
            Command(
                link=self,
                name=name,
                value=decoded(bytes(message.payload)),
                mid=message.mid,
                qos=message.qos,
                reply_topic=getattr(
                    message.properties, "ResponseTopic", self._topic("replies", name)
                ),
                correlation=getattr(message.properties, "CorrelationData", None),
            )
        )


def _properties(packet: int, **values: Any) -> Properties:
    properties: Properties = cast("Any", Properties)(packet)
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
