# mypy: allow-untyped-calls
# (paho's Properties carry no types)
"""The external engine: an MQTT cluster that runs already, reached as one of its clients by
paho-mqtt.

The cluster signs devices in, holds their sessions and delivers to them; docs/engines.md says what
follows from that.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.broker.paho_properties import from_paho, to_paho
from gateway.broker.port import Message
from gateway.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from paho.mqtt.reasoncodes import ReasonCode

    from gateway.broker.port import Connection, Gate, Identity, Target

_log = logging.getLogger(__name__)
_BATCH = (
    1000  # messages handed over and not yet taken, above which the cluster's connection is not read
)
_TARGETS = 10_000  # topics whose target is remembered
_LONGEST_WAIT = 60  # seconds between two attempts to connect; the first comes after one
_UNSUPPORTED_VERSION = 0x84
_RETAINED_IF_NEW = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB


class _Arrival(NamedTuple):
    client: paho.Client
    connection: int  # which of the engine's connections it came by: packet ids are that one's
    message: paho.MQTTMessage


class ExternalEngine:
    """An engine of the Broker port: one client of the cluster at `url` (`mqtt://host:port`,
    `mqtts://`).

    It subscribes to `filters` at QoS 1 and acknowledges what the gate is done with; `identity`
    stands for all who publish there, as the cluster has signed them in. `client_id` names a
    persistent session, so it must be this gateway's alone. `queue` bounds what waits to be
    published while the cluster is away or slow.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        url: str,
        filters: Sequence[str],
        identity: Identity,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        client_id: str = "device-gateway",
        keep_alive: int = 60,
        queue: int = 10_000,
        session_expiry: int = 604_800,
    ) -> None:
        address = urlsplit(url)
        secure = address.scheme == "mqtts"
        self._gate = gate
        self._host = address.hostname or ""
        self._port = address.port or (8883 if secure else 1883)
        self._tls = (tls or ssl.create_default_context()) if secure else None
        self._filters = tuple(dict.fromkeys(filters))
        self._identity = identity
        self._credentials = username, password
        self._client_id = client_id
        self._keep_alive = keep_alive
        self._queue = queue
        self._session_expiry = session_expiry
        self._client: paho.Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._targets: dict[str, Target | None] = {}
        self._statistics: Counter[str] = Counter()
        self._online = False
        self._waiting: deque[Message] = deque()  # for a connection
        self._unsent: deque[paho.MQTTMessageInfo] = deque()  # QoS 0 not yet on the socket
        self._paused = False
        # Shared with paho's thread:
        self._lock = threading.Lock()
        self._arrived: list[_Arrival] = []
        self._room = threading.Event()
        self._connection = 0  # counts up with every connection; 0 before the first
        self._stopping = False

    async def start(self) -> None:
        """Begin to connect, and go on trying: the gateway starts whether or not the cluster is
        there.
        """
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._client = self._new_client(paho.MQTTv5)
        self._dial(self._client)

    def quiet(self) -> None:
        self.pause()

    async def stop(self) -> None:
        """Leave the cluster; its session there keeps what comes meanwhile."""
        if self._client is None:
            return
        self._stopping = True
        self._room.set()
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        self._client = None
        self._online = False

    @property
    def ports(self) -> dict[str, int]:
        """Nothing: it listens nowhere."""
        return {}

    def accept(self) -> asyncio.Protocol:
        raise Unavailable("devices connect to the external broker, not here")

    def publish(self, message: Message) -> None:
        """Publish to the cluster, which decides who gets it. What does not fit the queue is
        dropped, and counted.

        Without a connection QoS 1 and 2 wait, and QoS 0 is dropped.
        """
        if self._online and self._client is not None:
            self._send(self._client, message)
        elif message.qos and len(self._waiting) < self._queue:
            self._waiting.append(message)
        else:
            self._statistics["messages_dropped"] += 1

    def connections(self) -> Iterable[Connection]:
        """Nobody: the cluster's clients are not connected here."""
        return ()

    def forget(self) -> None:
        self._targets.clear()

    def purge(self, keys: Collection[str], owns: Callable[[str], bool] | None = None) -> None:
        """Nothing: the cluster's broker keeps its sessions and retained messages by its own
        rules.
        """

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._take_arrivals()

    def statistics(self) -> dict[str, int]:
        names = (
            "messages_received",
            "messages_sent",
            "messages_dropped",
            "messages_refused",
            "messages_failed",
        )
        return {name: self._statistics[name] for name in names} | {
            "messages_waiting": len(self._arrived),
            "connected": int(self._online),
            "connects": self._connection,
        }

    # On the event loop

    def _take_arrivals(self) -> None:
        """Hand everything that has arrived to the gate, as one batch."""
        if self._paused:
            return
        with self._lock:
            arrivals, self._arrived = self._arrived, []
            self._room.set()
        self._statistics["messages_received"] += len(arrivals)
        try:
            messages = [message for each in arrivals if (message := self._translate(each.message))]
            if messages:
                self._gate.receive(messages, lambda: self._acknowledge(arrivals))
            else:
                self._acknowledge(arrivals)
        except Exception:
            # Not acknowledged: the cluster sends QoS 1 again at the next connection.
            _log.exception("%d messages from the cluster were not taken", len(arrivals))
            self._statistics["messages_failed"] += len(arrivals)

    def _translate(self, arrived: paho.MQTTMessage) -> Message | None:
        try:
            topic = arrived.topic
            target = self._target(topic)
        except UnicodeDecodeError:
            target = None
        if target is None:
            self._statistics["messages_refused"] += 1
            return None
        retain = arrived.retain if target.retain is None else target.retain
        properties = from_paho(arrived.properties)
        return Message(topic, bytes(arrived.payload), arrived.qos, retain, target, properties)

    def _target(self, topic: str) -> Target | None:
        if topic not in self._targets:
            if len(self._targets) >= _TARGETS:
                self._targets.clear()
            self._targets[topic] = self._gate.publishing(self._identity, topic)
        return self._targets[topic]

    def _acknowledge(self, arrivals: list[_Arrival]) -> None:
        for arrival in arrivals:
            # A packet id of an earlier connection may be another message's by now: the cluster
            # sends that one again.
            if (
                arrival.message.qos
                and arrival.client is self._client
                and arrival.connection == self._connection
            ):
                arrival.client.ack(arrival.message.mid, arrival.message.qos)

    def _send(self, client: paho.Client, message: Message) -> None:
        while self._unsent and self._unsent[0].is_published():
            self._unsent.popleft()
        if not message.qos and len(self._unsent) >= self._queue:
            self._statistics["messages_dropped"] += 1
            return
        properties = to_paho(message.properties) if self._speaks_5(client) else None
        sent = client.publish(
            message.topic, message.payload, message.qos, message.retain, properties
        )
        # Where the connection has just been lost paho keeps QoS 1 and 2 for the next one.
        kept = sent.rc == MQTTErrorCode.MQTT_ERR_NO_CONN and message.qos > 0
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS and not kept:
            self._statistics["messages_dropped"] += 1
            return
        self._statistics["messages_sent"] += 1
        if message.qos == 0:
            self._unsent.append(sent)

    def _go_online(self, client: paho.Client) -> None:
        """Send what has waited. What an earlier connection did not send at QoS 0 is lost, as QoS 0
        may be.
        """
        self._unsent.clear()
        self._online = True
        while self._waiting:
            self._send(client, self._waiting.popleft())

    def _go_offline(self) -> None:
        self._online = False

    def _speak_3(self, refused: paho.Client) -> None:
        """Go on with MQTT 3.1.1, as the cluster knows no 5."""
        if self._stopping or self._client is not refused:
            return
        _log.info("%s:%d speaks no MQTT 5; going on with 3.1.1", self._host, self._port)
        self._client = self._new_client(paho.MQTTv311)
        self._dial(self._client)

    # Towards paho

    def _new_client(self, version: Any) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            protocol=version,
            clean_session=None if version == paho.MQTTv5 else False,
            manual_ack=True,
        )
        if self._credentials[0] is not None:
            client.username_pw_set(*self._credentials)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.max_queued_messages_set(self._queue)
        client.reconnect_delay_set(1, _LONGEST_WAIT)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _dial(self, client: paho.Client) -> None:
        if self._speaks_5(client):
            properties = PahoProperties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = self._session_expiry
            properties.ReceiveMaximum = _BATCH
            client.connect_async(
                self._host, self._port, self._keep_alive, clean_start=False, properties=properties
            )
        else:
            client.connect_async(self._host, self._port, self._keep_alive)
        client.loop_start()

    @staticmethod
    def _speaks_5(client: paho.Client) -> bool:
        return client.protocol == paho.MQTTv5

    # In paho's thread

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Any,
    ) -> None:
        if reason.value == _UNSUPPORTED_VERSION and self._speaks_5(client):
            client.disconnect()  # ends this client's thread
            self._call(self._speak_3, client)
            return
        if reason.is_failure:
            _log.warning("%s:%d refuses the gateway: %s", self._host, self._port, reason)
            return
        first = self._connection == 0
        self._connection += 1
        self._call(self._go_online, client)
        if first or not flags.session_present:
            self._subscribe(client)

    def _subscribe(self, client: paho.Client) -> None:
        if self._speaks_5(client):
            options = SubscribeOptions(
                1, noLocal=True, retainAsPublished=True, retainHandling=_RETAINED_IF_NEW
            )
            client.subscribe([(each, options) for each in self._filters])
        else:
            client.subscribe([(each, 1) for each in self._filters])

    def _on_subscribe(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reasons: list[ReasonCode],
        properties: Any,
    ) -> None:
        for topic_filter, reason in zip(self._filters, reasons, strict=False):
            if reason.is_failure:
                _log.error(
                    "%s:%d refuses the subscription %r: %s",
                    self._host,
                    self._port,
                    topic_filter,
                    reason,
                )

    def _on_disconnect(
        self, client: paho.Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        self._call(self._go_offline)
        if not self._stopping and reason.is_failure:
            _log.warning("the connection to %s:%d is lost: %s", self._host, self._port, reason)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        """Pass a message on, one wake-up of the event loop for all that are waiting; wait here
        while there are many.
        """
        with self._lock:
            self._arrived.append(_Arrival(client, self._connection, message))
            waiting = len(self._arrived)
            if waiting >= _BATCH:
                self._room.clear()
        if waiting == 1:
            self._call(self._take_arrivals)
        if waiting >= _BATCH and not self._stopping:
            self._room.wait()

    def _call(self, function: Any, *arguments: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)
