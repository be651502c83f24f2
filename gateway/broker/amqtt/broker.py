# mypy: allow-subclassing-any
# (amqtt ships no types)
"""amqtt's broker behind the gate: who may come in, which session they get, who is sent what."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from amqtt.adapters import BufferReader
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import NoDataError
from amqtt.mqtt.packet import MQTTFixedHeader

from gateway.broker.amqtt.client import Client
from gateway.broker.amqtt.delivery import STATE, Delivery, SessionState
from gateway.broker.amqtt.handler import REFUSED, GateHandler
from gateway.broker.amqtt.outbox import Outbox
from gateway.broker.amqtt.packets import connack_packet, decode_connect, is_other_version
from gateway.broker.port import Credentials, Message
from gateway.errors import (
    Conflict,
    GatewayError,
    InvalidTopic,
    ProtocolError,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from gateway.topics import check_filter, check_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from gateway.broker.amqtt.packets import Frame
    from gateway.broker.amqtt.streams import PacketReader, PacketWriter
    from gateway.broker.port import Gate, Identity
    from gateway.rates import Rates

_log = logging.getLogger(__name__)
_LISTENER = "default"  # the name amqtt insists on; the sockets are the engine's own
_WRONG_VERSION, _UNAVAILABLE, _BAD_CREDENTIALS, _NOT_AUTHORIZED = 1, 3, 4, 5  # CONNACK return codes


class GateBroker(Broker):
    """amqtt, reached only through `serve`: it keeps the sessions, the subscriptions and the
    retained messages.

    `limits` bounds `packet` (bytes), `sessions`, `subscriptions` of a session, `retained` messages,
    and an outbox: `window` in flight, `queue` behind it. A session expires `expiry` seconds after
    its client left.
    """

    def __init__(self, gate: Gate, limits: Mapping[str, int], expiry: int, rates: Rates) -> None:
        listener = ListenerConfig(type=ListenerType.EXTERNAL)
        super().__init__(
            BrokerConfig(
                listeners={_LISTENER: listener}, plugins={}, session_expiry_interval=expiry
            )
        )
        self.delivery = Delivery(
            gate, self.subscriptions, self.retained_messages, limits["retained"]
        )
        self.statistics = self.delivery.statistics
        self.rates = rates
        self.clients: dict[str, Client] = {}
        self._gate = gate
        self._limits = limits
        self._arrivals: dict[PacketWriter, Client] = {}

    # Coming and going

    async def serve(self, reader: PacketReader, writer: PacketWriter) -> None:
        """Serve one socket until it ends."""
        try:
            await self.external_connected(reader, writer, _LISTENER)
        except (GatewayError, NoDataError, TimeoutError, OSError) as error:
            _log.info("%s is not let in: %s", writer.get_peer_info(), error)
        except Exception:
            _log.exception("%s is cut off", writer.get_peer_info())
        finally:
            writer.leave("lost")
            if client := self._arrivals.pop(writer, None):
                await self._end(client)

    async def _initialize_client_session(
        self, reader: PacketReader, writer: PacketWriter, remote_address: str, remote_port: int
    ) -> tuple[GateHandler, Any]:
        # amqtt 0.12: its own deletes or takes over the session that CONNECT names before anybody
        # has signed in (fault 2), reads CONNECT without a limit of time or size, and marks a
        # persistent session by its predecessor's flag. Here nothing changes before `_sign_in` has
        # returned.
        frame = await reader.first()
        if frame is None:
            raise NoDataError("closed before CONNECT")
        handler, incoming, client = await self._sign_in(frame, reader, writer, remote_address)
        await self._take_over(client)
        session = await self._adopt(incoming, client)
        handler.join(self, client, session.attributes[STATE])
        reader.packet_limit = self._limits["packet"]
        return handler, session

    async def _sign_in(
        self, frame: Frame, reader: PacketReader, writer: PacketWriter, address: str
    ) -> tuple[GateHandler, Any, Client]:
        if is_other_version(frame):
            writer.write(connack_packet(_WRONG_VERSION))
            raise ProtocolError("only MQTT 3.1.1 is spoken here")
        connect = await decode_connect(frame)
        packet = MQTTFixedHeader(1, 0, len(frame[1])).to_bytes() + frame[1]
        handler, incoming = await GateHandler.init_from_connect(
            BufferReader(packet), writer, self.plugins_manager
        )
        identity = await self._identify(
            Credentials(
                incoming.username,
                None if incoming.password is None else incoming.password.encode(),
                incoming.client_id,
                address,
                writer.certificate,
            ),
            writer,
        )
        client = Client(identity, incoming.client_id, reader, writer, self.delivery.granted)
        will = client.will = _will(connect, client)
        self._gate.introduced(
            identity, incoming.client_id, None if will is None else (will.topic, will.payload)
        )
        reader.keep_alive = 1.5 * connect.keep_alive  # [MQTT-3.1.2-24]
        return handler, incoming, client

    async def _identify(self, credentials: Credentials, writer: PacketWriter) -> Identity:
        try:
            return self._gate.sign_in(credentials)
        except GatewayError as error:
            self.statistics["sign_ins_refused"] += 1
            if isinstance(error, Unauthenticated):
                await asyncio.sleep(error.delay)
            writer.write(connack_packet(_return_code(error)))
            raise

    async def _take_over(self, client: Client) -> None:
        """Make this the session's client, once what is left of the one before it is gone
        [MQTT-3.1.4-2].
        """
        if client.session not in self.sessions and len(self.sessions) >= self._limits["sessions"]:
            client.writer.write(connack_packet(_UNAVAILABLE))
            raise TooMany("no room for another session")
        before = self.clients.get(client.session)
        self.clients[client.session] = self._arrivals[client.writer] = client
        if before is not None:
            before.leave("taken_over")
            await before.ended.wait()
        if client.writer.departure is not None:
            raise Conflict("taken over before it was served")

    async def _adopt(self, incoming: Any, client: Client) -> Any:
        """Return the session to use: the one that was kept, or this new one [MQTT-3.1.2-4]
        [MQTT-3.1.2-6].
        """
        kept, _ = self.sessions.get(client.session, (None, None))
        if kept is None or incoming.clean_session:
            await self._delete_session(
                client.session
            )  # amqtt 0.12: the session, its subscriptions and queues
            outbox = Outbox(self._limits["window"], self._limits["queue"], self.statistics)
            incoming.attributes[STATE] = SessionState(client.identity, outbox)
        session = incoming if kept is None or incoming.clean_session else kept
        session.parent = int(session is kept)  # what CONNACK says of "session present"
        session.client_id = client.session
        # The reader watches the keep-alive and `_end` sends the will: amqtt is told of neither.
        session.keep_alive, session.will_flag = 0, False
        client.outbox = session.attributes[STATE].outbox
        session.attributes[STATE].identity = client.identity
        return session

    async def _authenticate(self, session: Any, _: Any) -> bool:
        # amqtt 0.12: who is here has signed in. Its plugins are not asked, none can mark a session
        # anonymous (fault 6).
        return True

    def announce(self, client: Client) -> None:
        client.announced = True
        self._gate.connected(client)

    def resume_delivery(self, client: Client, state: SessionState) -> None:
        """Send what a kept session is owed, and tell the gate of the subscriptions that are active
        again.
        """
        state.outbox.attach(client.writer)
        for topic_filter in tuple(state.filters):
            self._gate.subscribed(client, topic_filter)

    async def _end(self, client: Client) -> None:
        reason = client.writer.departure or "lost"
        if client.outbox is not None:
            client.outbox.detach()
        if client.announced:
            if client.will is not None and reason != "goodbye":
                self._send_will(client, client.will)
            self._gate.disconnected(client, reason)
        session, _ = self.sessions.get(client.session, (None, None))
        if session is not None and session.clean_session:
            await self._delete_session(client.session)  # now, not when amqtt's monitor comes by
        if self.clients.get(client.session) is client:
            del self.clients[client.session]
        client.ended.set()

    def _send_will(self, client: Client, will: Message) -> None:
        will.target = client.target(self._gate, will.topic)
        if will.target is None:
            self.statistics["messages_refused"] += 1
            return
        if will.target.retain is not None:
            will.retain = will.target.retain
        self.delivery.receive([will], lambda: self.delivery.deliver(will))

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Any
    ) -> None:
        # amqtt 0.12: calls this at CONNECT for every filter that anybody holds (fault 3). The
        # handler calls `Delivery.send_retained` for new subscriptions instead.
        return

    # Subscriptions

    async def add_subscription(self, subscription: tuple[str, int], session: Any) -> int:
        """Subscribe, at QoS 1 at most, and return the SUBACK code. A filter that was held gets the
        new QoS.
        """
        topic_filter, qos = subscription
        if qos > 2:
            raise ProtocolError("a requested QoS is 0, 1 or 2")  # [MQTT-3-8.3-4]
        state: SessionState = session.attributes[STATE]
        if not self._may_subscribe(topic_filter, state):
            self.statistics["subscriptions_refused"] += 1
            return REFUSED
        self.unsubscribe(topic_filter, session)
        state.filters.add(topic_filter)
        self.delivery.forget()
        granted: int = await super().add_subscription((topic_filter, min(qos, 1)), session)
        return granted

    def _may_subscribe(self, topic_filter: str, state: SessionState) -> bool:
        try:
            check_filter(topic_filter)
        except InvalidTopic:
            return False
        if (
            topic_filter.startswith("$share/")
            or len(state.filters) >= self._limits["subscriptions"]
        ):
            return False
        return self._gate.subscribing(state.identity, topic_filter)

    def unsubscribe(self, topic_filter: str, session: Any) -> None:
        # amqtt 0.12: `_del_subscription` leaves an empty list behind for every filter ever held.
        self._del_subscription(topic_filter, session)
        if not self.subscriptions.get(topic_filter, True):
            del self.subscriptions[topic_filter]
        session.attributes[STATE].filters.discard(topic_filter)
        self.delivery.forget()

    async def _del_all_subscriptions(self, session: Any) -> None:
        # amqtt 0.12: what both ways to delete a session call.
        await super()._del_all_subscriptions(session)
        self.delivery.forget()

    def purge(self, keys: Collection[str], owns: Callable[[str], bool] | None) -> None:
        """End all sessions of identities, and retain nothing on topics that `owns`."""
        for topic in [topic for topic in self.retained_messages if owns and owns(topic)]:
            del self.retained_messages[topic]
        for name, (session, _) in list(self.sessions.items()):
            state: SessionState = session.attributes[STATE]
            if state.identity.key in keys:
                for topic_filter in tuple(state.filters):
                    self.unsubscribe(topic_filter, session)
                del self.sessions[name]

    def forget(self) -> None:
        """Drop what the gate said, and end the subscriptions that it refuses now."""
        self.delivery.forget()
        for client in self.clients.values():
            client.forget()
        for session, _ in self.sessions.values():
            state: SessionState = session.attributes[STATE]
            for topic_filter in tuple(state.filters):
                if not self._gate.subscribing(state.identity, topic_filter):
                    self.unsubscribe(topic_filter, session)


def _will(connect: Any, client: Client) -> Message | None:
    if not connect.will_flag:
        return None
    if connect.will_qos > 2:
        raise ProtocolError("a will's QoS is 0, 1 or 2")  # [MQTT-3.1.2-14]
    payload = bytes(connect.will_message)
    return Message(
        check_topic(connect.will_topic),
        payload,
        connect.will_qos,
        connect.will_retain_flag,
        origin=client,
    )


def _return_code(error: GatewayError) -> int:
    if isinstance(error, Unauthenticated):
        return _BAD_CREDENTIALS
    return _UNAVAILABLE if isinstance(error, (Unavailable, TooMany)) else _NOT_AUTHORIZED
