# mypy: allow-subclassing-any
# (amqtt ships no types)
"""One connection's packets: amqtt's protocol handler with a reader loop that is strict, in order,
and ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from amqtt.mqtt.packet import DISCONNECT, PINGREQ, PUBACK, PUBLISH, PUBREL, SUBSCRIBE, UNSUBSCRIBE
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.pubcomp import PubcompPacket
from amqtt.mqtt.pubrec import PubrecPacket

from gateway.broker.amqtt.packets import decode
from gateway.broker.port import Message
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.broker.amqtt.client import Client
    from gateway.broker.amqtt.delivery import Delivery, SessionState
    from gateway.broker.amqtt.packets import Frame
    from gateway.rates import Rates

_log = logging.getLogger(__name__)
REFUSED = 0x80  # a SUBACK return code


class Home(Protocol):
    """What a handler asks of its broker; `session` is amqtt's."""

    @property
    def delivery(self) -> Delivery: ...
    @property
    def rates(self) -> Rates: ...
    def announce(self, client: Client) -> None: ...
    def resume_delivery(self, client: Client, state: SessionState) -> None: ...
    async def add_subscription(self, subscription: tuple[str, int], session: Any) -> int: ...
    def unsubscribe(self, topic_filter: str, session: Any) -> None: ...


class _Batch:
    """The answers to the publications of one read."""

    __slots__ = ("answers", "is_done")

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.is_done = False


class GateHandler(BrokerProtocolHandler):
    """What a client sends goes to the gate, one read at a time, and is acknowledged when the gate
    says so.
    """

    def join(self, broker: Home, client: Client, state: SessionState) -> None:
        """Say whose packets these are; called once, before `start`."""
        self._broker = broker
        self._delivery = broker.delivery
        self._client = client
        self._state = state
        self._started = asyncio.Event()
        self._messages: list[Message] = []
        self._answers: list[bytes] = []
        self._unanswered: deque[_Batch] = deque()
        self._receipts: list[int] = []  # packet ids of QoS 2 messages in `_messages`

    async def start(self) -> None:
        await super().start()
        self._started.set()

    async def mqtt_connack_authorize(self, authorize: bool) -> None:
        """Announce the client, send CONNACK, then what its session is owed."""
        self._broker.announce(self._client)
        await super().mqtt_connack_authorize(authorize)
        self._broker.resume_delivery(self._client, self._state)

    async def _reader_loop(self) -> None:
        # amqtt 0.12: its own loop makes a task of every packet, overlooks protocol errors, does
        # nothing when the keep-alive has passed (fault 1), and at the end of the stream drops
        # packets that it has read. `start` waits for `_reader_ready` and `stop` for
        # `_reader_stopped`; a loop that ends before `start` does is never noticed.
        self._reader_ready.set()
        try:
            await self._started.wait()
            await self._read_packets()
        except TimeoutError:
            self._client.leave("keep_alive")
        except GatewayError as error:
            _log.info("%s broke the protocol: %s", self._client.session, error)
            self._client.leave("cut_off")
        except OSError:
            self._client.leave("lost")
        except Exception:
            _log.exception("%s is cut off", self._client.session)
            self._client.leave("cut_off")
        finally:
            self._flush()
            await self.handle_connection_closed()
            self._reader_stopped.set()

    async def _read_packets(self) -> None:
        while frames := await self._client.reader.packets():
            for frame in frames:
                if not await self._take(frame):
                    return
            self._flush()

    async def _take(self, frame: Frame) -> bool:
        """Act on one packet; False after DISCONNECT."""
        packet = await decode(frame)
        kind = packet.fixed_header.packet_type
        if kind == PUBLISH:
            self._accept(packet)
            return True
        self._flush()
        if kind == DISCONNECT:
            self._client.leave("goodbye")
            return False
        await {
            PUBACK: self.handle_puback,
            PUBREL: self.handle_pubrel,
            SUBSCRIBE: self.handle_subscribe,
            UNSUBSCRIBE: self.handle_unsubscribe,
            PINGREQ: self.handle_pingreq,
        }[kind](packet)
        return True

    def _accept(self, packet: Any) -> None:
        """Gather a publication and its answer; an unpermitted one is answered and goes nowhere
        (section 3.3.5).
        """
        self._delivery.statistics["messages_received"] += 1
        topic, packet_id = packet.topic_name, packet.packet_id
        if (
            packet.qos == 2 and packet_id in self._state.received
        ):  # sent again: its answer is on its way or was lost
            if self._state.received[packet_id]:
                self._answers.append(PubrecPacket.build(packet_id).to_bytes())
            return
        target = self._client.target(self._delivery.gate, topic)
        if target is None:
            self._delivery.statistics["messages_refused"] += 1
        else:
            retain = packet.retain_flag if target.retain is None else target.retain
            message = Message(topic, packet.data, packet.qos, retain, target, None, self._client)
            self._messages.append(message)
        if packet.qos == 1:
            self._answers.append(PubackPacket.build(packet_id).to_bytes())
        elif packet.qos == 2:
            self._state.received[packet_id] = False
            self._receipts.append(packet_id)
            self._answers.append(PubrecPacket.build(packet_id).to_bytes())

    def _flush(self) -> None:
        """Hand what was gathered to the gate; deliver and answer when the gate is done with it."""
        messages, answers, receipts = self._messages, self._answers, self._receipts
        if not messages and not answers:
            return
        self._messages, self._answers, self._receipts = [], [], []

        batch = _Batch(answers)
        self._unanswered.append(batch)

        def done() -> None:
            for message in messages:
                self._delivery.deliver(message)
            self._state.received.update(dict.fromkeys(receipts, True))
            batch.is_done = True
            self._answer()

        self._client.reader.hold(self._broker.rates.spend(self._client.identity.key, len(messages)))
        if not messages:
            done()
        elif not self._delivery.receive(messages, done):
            # Not acknowledged: the client sends QoS 1 and 2 again when it connects again (fault 9).
            for packet_id in receipts:
                del self._state.received[packet_id]
            self._client.leave("cut_off")

    def _answer(self) -> None:
        """Send the answers that are due, in the order of the publications [MQTT-4.6.0-2]."""
        while self._unanswered and self._unanswered[0].is_done:
            if answers := self._unanswered.popleft().answers:
                self._client.writer.write(b"".join(answers))

    async def handle_puback(self, puback: Any) -> None:
        self._state.outbox.acknowledge(puback.packet_id)

    async def handle_pubrel(self, pubrel: Any) -> None:
        self._state.received.pop(pubrel.packet_id, None)
        self._client.writer.write(PubcompPacket.build(pubrel.packet_id).to_bytes())

    async def handle_subscribe(self, subscribe: Any) -> None:
        """Subscribe and answer in the packet's turn; amqtt's queue would let later packets overtake
        it.
        """
        filters = subscribe.payload.topics
        codes = [await self._broker.add_subscription(each, self.session) for each in filters]
        await self.mqtt_acknowledge_subscription(subscribe.variable_header.packet_id, codes)
        for (topic_filter, _), code in zip(filters, codes, strict=True):
            if code != REFUSED:
                self._delivery.send_retained(topic_filter, code, self._state)
                self._delivery.gate.subscribed(self._client, topic_filter)

    async def handle_unsubscribe(self, unsubscribe: Any) -> None:
        for topic_filter in unsubscribe.payload.topics:
            self._broker.unsubscribe(topic_filter, self.session)
        await self.mqtt_acknowledge_unsubscription(unsubscribe.variable_header.packet_id)
