"""The way in from one client: its packets taken apart and gathered in batches for the gate.

A PUBLISH without properties is taken apart in place; what depends on its topic alone is looked up
by the topic's bytes. Everything else is decoded as a packet, where each rule of the standard is
checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.broker.embedded.codec import wire
from gateway.broker.embedded.codec.decode import decode
from gateway.broker.embedded.codec.encode import PINGRESP, encode, encode_answer
from gateway.broker.embedded.codec.packets import (
    Disconnect,
    Packet,
    PacketType,
    Pingreq,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Unsubscribe,
)
from gateway.broker.embedded.codec.reasons import ReasonCode, TopicAliasInvalid
from gateway.broker.embedded.core import acknowledging
from gateway.broker.embedded.core.outgoing import travelling
from gateway.broker.embedded.core.outlet import exchange_of
from gateway.broker.embedded.core.subscribing import subscribe, unsubscribe
from gateway.broker.port import Message
from gateway.errors import ProtocolError

if TYPE_CHECKING:
    from gateway.broker.embedded.connection import Connection
    from gateway.broker.embedded.core.outlet import Outlet
    from gateway.broker.embedded.core.pending import Batch
    from gateway.broker.embedded.core.router import Publication
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Core

_QOS: Final = {0x30: 0, 0x31: 0, 0x32: 1, 0x33: 1, 0x3A: 1, 0x3B: 1}
"""The QoS by the first byte of a PUBLISH that is taken apart in place."""
_OTHER: Final = 3


class Inlet:
    """One open connection's packets. `missing`: the bytes that an incomplete packet still needs, 0
    if unknown.
    """

    __slots__ = (
        "_aliases",
        "_connection",
        "_core",
        "_outlet",
        "_publications",
        "_session",
        "_version",
        "missing",
    )

    def __init__(
        self, core: Core, connection: Connection, session: Session, outlet: Outlet
    ) -> None:
        self._core = core
        self._connection = connection
        self._session = session
        self._outlet = outlet
        self._version = connection.version
        self._publications: dict[bytes, Publication] | None = None
        self._aliases: dict[int, bytes] | None = None
        self.missing = 0

    def forget(self) -> None:
        """Drop what the gate has answered."""
        self._publications = None

    def parse(self, data: bytes, position: int, batch: Batch, most: int) -> int:
        """Handle packets in order, up to `most` messages.

        Return the position after the last that is complete, or that must be committed.
        """
        core, router, session, connection = (
            self._core,
            self._core.router,
            self._session,
            self._connection,
        )
        end, largest, five = len(data), core.limits.packet_size, self._version == 5
        publications, messages = self._publications, batch.messages
        if publications is None:
            publications = self._publications = {}
        self.missing = 0
        while end - position > 1 and len(messages) < most:
            qos, length, body = _QOS.get(data[position], _OTHER), data[position + 1], position + 2
            stop = body + length
            if length > 127 and qos != _OTHER:
                bounds = wire.packet_bounds(data, position, largest)
                if bounds is None:
                    return position
                body, stop = bounds
            publication = None
            if qos != _OTHER and length > 1 and stop <= end:
                name = body + 2 + (data[body] << 8 | data[body + 1])
                publication = publications.get(data[body + 2 : name])
                after = name + 2 if qos else name
            # Anything out of the ordinary goes the long way, where each rule is checked.
            if (
                publication is None
                or publication.target is None
                or after + five > stop
                or (five and (data[after] or (length > 127 and not data[body - 1])))
                or (qos and not (data[name] or data[name + 1]))
            ):
                position, halt = self._long_way(data, position, batch)
                if halt:
                    return position
                continue
            if publication.generation != router.generation:
                router.refresh(publication, session)
            if qos:
                self._count(batch)
                batch.answers.append(b"\x40\x02" + data[name:after])
            retain = data[position] & 1 == 1 if publication.retain is None else publication.retain
            payload = data[after + five : stop]
            message = Message(
                publication.topic, payload, qos, retain, publication.target, None, connection
            )
            messages.append(message)
            if retain or not publication.silent:
                batch.route(publication, message)
            position = stop
        return position

    def _long_way(self, data: bytes, position: int, batch: Batch) -> tuple[int, bool]:
        """Handle one packet; return the position after it and whether to stop there."""
        largest = self._core.limits.packet_size
        found = decode(data, position, self._version, largest)
        if found is None:
            self.missing = lacking(data, position, largest)
            return position, True
        packet, position = found
        return position, self._handle(packet, batch)

    def _handle(self, packet: Packet, batch: Batch) -> bool:
        """Handle one packet; tell whether what it changed is to be committed before the next is
        looked at.
        """
        core, session = self._core, self._session
        if not self._connection.open:  # what came before has ended it
            return True
        match packet:
            case Publish():
                self._publish(packet, batch)
            case Puback() | Pubcomp():
                acknowledging.acknowledge(core, session, packet)
                self._outlet.pump()
            case Pubrec():
                acknowledging.receive(core, session, packet, batch, self._version)
                self._outlet.pump()
            case Pubrel():
                acknowledging.release(core, session, packet, batch, self._version)
            case Pingreq():
                self._outlet.put(PINGRESP)  # [MQTT-3.12.4-1]
            case Subscribe():
                subscribe(core, self._connection, packet, batch)
                return True
            case Unsubscribe():
                unsubscribe(core, self._connection, packet, batch)
            case Disconnect():
                batch.farewell = packet
                return True
            case _:
                # 4.12: no method was agreed on, so AUTH has no place
                raise ProtocolError("AUTH without an authentication method")
        return False

    def _publish(self, packet: Publish, batch: Batch) -> None:
        """Take in a message that was decoded as a packet."""
        publication = self._publication(packet)
        if packet.qos == 2 and packet.packet_id in exchange_of(self._core, self._session).received:
            batch.answers.append(
                acknowledging.received(packet.packet_id)
            )  # [MQTT-4.3.3-10] not handed on again
            return
        if publication.target is None:
            self._refuse(packet, batch)
            return
        if publication.generation != self._core.router.generation:
            self._core.router.refresh(publication, self._session)
        if packet.qos:
            self._accept(packet, batch)
        retain = packet.retain if publication.retain is None else publication.retain
        sent = travelling(packet.properties)
        message = Message(
            publication.topic,
            packet.payload,
            packet.qos,
            retain,
            publication.target,
            sent,
            self._connection,
        )
        batch.messages.append(message)
        if retain or not publication.silent:
            batch.route(publication, message)

    def _publication(self, packet: Publish) -> Publication:
        """Return what becomes of a packet's topic, which a topic alias may stand for (3.3.2.3.4)."""
        raw, alias = packet.topic.encode(), packet.properties.topic_alias
        if alias is not None:
            if alias > self._core.limits.topic_aliases:  # [MQTT-3.3.2-9]
                raise TopicAliasInvalid(
                    f"topic alias {alias} is above {self._core.limits.topic_aliases}"
                )
            if self._aliases is None:
                self._aliases = {}
            if raw:
                self._aliases[alias] = raw
            elif alias in self._aliases:
                raw = self._aliases[alias]
            else:
                raise ProtocolError(f"topic alias {alias} stands for no topic yet")
        return self._look_up(raw)

    def _look_up(self, raw: bytes) -> Publication:
        if self._publications is None:
            self._publications = {}
        publications = self._publications
        publication = publications.get(raw)
        if publication is None:
            publication = self._core.router.publication(self._session.identity, raw)
            if len(publications) >= self._core.limits.publications:
                publications.clear()
            if publication.cacheable:
                publications[raw] = publication
        return publication

    def _refuse(self, packet: Publish, batch: Batch) -> None:
        """Drop a message that the client may not publish: MQTT 5 can say so, earlier versions say
        it was taken.
        """
        self._core.counters.messages_refused += 1
        code = ReasonCode.NOT_AUTHORIZED if self._version == 5 else ReasonCode.SUCCESS
        if packet.qos == 1:
            batch.answers.append(encode(Puback(packet.packet_id, code), self._version))
        elif packet.qos == 2:
            batch.answers.append(encode(Pubrec(packet.packet_id, code), self._version))

    def _accept(self, packet: Publish, batch: Batch) -> None:
        """Note a message with QoS 1 or 2, and its answer."""
        if packet.qos == 1:
            self._count(batch)
            batch.answers.append(encode_answer(PacketType.PUBACK, packet.packet_id))
            return
        exchange_of(self._core, self._session).received.add(packet.packet_id)
        self._check_maximum(batch)
        if self._session.number:
            self._core.journal.write(
                self._core.store.received(self._session.number, packet.packet_id)
            )
        batch.answers.append(acknowledging.received(packet.packet_id))

    def _count(self, batch: Batch) -> None:
        batch.open += 1
        if self._version == 5:
            self._check_maximum(batch)

    def _check_maximum(self, batch: Batch) -> None:
        """Hold the client to our receive maximum [MQTT-3.3.4-7]; versions before 5 know none."""
        if self._version < 5:
            return
        exchange = self._session.exchange
        released = len(exchange.received) if exchange is not None else 0
        if self._outlet.unanswered + batch.open + released > self._core.limits.receive_maximum:
            raise ProtocolError(
                "more in flight than the receive maximum", ReasonCode.RECEIVE_MAXIMUM_EXCEEDED
            )


def lacking(data: bytes, position: int, largest: int) -> int:
    """Return how many bytes an incomplete packet still needs, 0 where its length is not all there."""
    bounds = wire.packet_bounds(data, position, largest)
    return bounds[1] - len(data) if bounds else 0
