"""The way in from one client: its packets taken apart and gathered for the gate.

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
from gateway.broker.embedded.core.facts import Received
from gateway.broker.embedded.core.outgoing import forwarded
from gateway.broker.port import Message
from gateway.errors import ProtocolError

if TYPE_CHECKING:
    from gateway.broker.embedded.core.peer import Peer
    from gateway.broker.embedded.core.pending import Pending
    from gateway.broker.embedded.core.router import Publication, Router
    from gateway.broker.embedded.core.shared import Shared
    from gateway.broker.embedded.core.subscribing import Subscribing

_QOS: Final = {0x30: 0, 0x31: 0, 0x32: 1, 0x33: 1, 0x3A: 1, 0x3B: 1}
"""The QoS by the first byte of a PUBLISH that is taken apart in place."""
_OTHER: Final = 3


class Inlet:
    """One open connection's packets.

    `missing`: the bytes that an incomplete packet still needs, 0 if unknown.
    """

    __slots__ = (
        "_aliases", "_peer", "_publications", "_router", "_shared", "_subscribing", "missing",
    )  # fmt: skip

    def __init__(
        self, shared: Shared, router: Router, subscribing: Subscribing, peer: Peer
    ) -> None:
        self._shared = shared
        self._router = router
        self._subscribing = subscribing
        self._peer = peer
        self._publications: dict[bytes, Publication] | None = None
        self._aliases: dict[int, bytes] | None = None
        self.missing = 0

    def forget(self) -> None:
        """Drop what the gate has answered."""
        self._publications = None

    def parse(self, data: bytes, position: int, pending: Pending, most: int) -> int:
        """Handle packets in order, up to `most` messages.

        Return the position after the last that is complete, or that must be committed.

        This is the hot path. A PUBLISH is taken apart in place if all of this holds; else it is
        decoded, where each rule is checked and the error is told:
        its first byte is that of QoS 0 or 1, without the flags that need care;
        it is all here;
        its topic has been seen before, so it is well-formed and the sender may publish there;
        with MQTT 5, it has no properties, and its length is written in as few bytes as can be;
        with QoS 1, its packet id is not 0.
        """
        router, peer = self._router, self._peer
        session, origin = peer.session, peer.origin
        end, largest, mqtt5 = len(data), peer.packet_size, peer.version == 5
        publications, messages = self._publications, pending.messages
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
            if (
                publication is None
                or publication.target is None
                or after + mqtt5 > stop
                or (mqtt5 and (data[after] or (length > 127 and not data[body - 1])))
                or (qos and not (data[name] or data[name + 1]))
            ):
                position, halt = self._decoded(data, position, pending)
                if halt:
                    return position
                continue
            if publication.generation != router.generation:
                router.refresh(publication, session)
            if qos:
                pending.open += 1
                if mqtt5:
                    self._check_maximum(pending)
                pending.answers.append(b"\x40\x02" + data[name:after])
            retain = data[position] & 1 == 1 if publication.retain is None else publication.retain
            payload = data[after + mqtt5 : stop]
            message = Message(
                publication.topic, payload, qos, retain, publication.target, None, origin
            )
            messages.append(message)
            if retain or not publication.silent:
                pending.route(publication, message)
            position = stop
        return position

    def _decoded(self, data: bytes, position: int, pending: Pending) -> tuple[int, bool]:
        """Handle one packet; return the position after it and whether to stop there."""
        largest = self._peer.packet_size
        found = decode(data, position, self._peer.version, largest)
        if found is None:
            self.missing = lacking(data, position, largest)
            return position, True
        packet, position = found
        return position, self._handle(packet, pending)

    def _handle(self, packet: Packet, pending: Pending) -> bool:
        """Handle one packet; tell whether what it changed must be committed before the next is
        looked at.
        """
        shared, peer = self._shared, self._peer
        if not peer.open:  # what came before has ended it
            return True
        session = peer.session
        match packet:
            case Publish():
                self._publish(packet, pending)
            case Puback() | Pubcomp():
                acknowledging.acknowledge(session, packet)
                session.pump()
            case Pubrec():
                acknowledging.receive(shared, session, packet, pending, peer.version)
                session.pump()
            case Pubrel():
                acknowledging.release(shared, session, packet, pending, peer.version)
            case Pingreq():
                peer.outlet.put(PINGRESP)  # [MQTT-3.12.4-1]
            case Subscribe():
                self._subscribing.subscribe(peer, packet, pending)
                return True
            case Unsubscribe():
                self._subscribing.unsubscribe(peer, packet, pending)
            case Disconnect():
                pending.farewell = packet
                return True
            case _:
                # 4.12: no method was agreed on, so AUTH has no place
                raise ProtocolError("AUTH without an authentication method")
        return False

    def _publish(self, packet: Publish, pending: Pending) -> None:
        """Take in a message that was decoded as a packet."""
        session, publication = self._peer.session, self._publication(packet)
        if packet.qos == 2 and packet.packet_id in session.open_exchange().received:
            # [MQTT-4.3.3-10] not handed on again
            pending.answers.append(acknowledging.received(packet.packet_id))
            return
        if publication.target is None:
            self._refuse(packet, pending)
            return
        if publication.generation != self._router.generation:
            self._router.refresh(publication, session)
        if packet.qos:
            self._accept(packet, pending)
        retain = packet.retain if publication.retain is None else publication.retain
        sent, target, origin = forwarded(packet.properties), publication.target, self._peer.origin
        message = Message(
            publication.topic, packet.payload, packet.qos, retain, target, sent, origin
        )
        pending.messages.append(message)
        if retain or not publication.silent:
            pending.route(publication, message)

    def _publication(self, packet: Publish) -> Publication:
        """Return what becomes of a packet's topic, which a topic alias may stand for
        (3.3.2.3.4).
        """
        raw, alias = packet.topic.encode(), packet.properties.topic_alias
        if alias is not None:
            if alias > self._shared.limits.topic_aliases:  # [MQTT-3.3.2-9]
                raise TopicAliasInvalid(
                    f"topic alias {alias} is above {self._shared.limits.topic_aliases}"
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
            publication = self._router.publication(self._peer.session.identity, raw)
            if len(publications) >= self._shared.limits.publications:
                publications.clear()
            if publication.cacheable:
                publications[raw] = publication
        return publication

    def _refuse(self, packet: Publish, pending: Pending) -> None:
        """Drop a message that the client may not publish: MQTT 5 can say so, earlier versions say
        it was taken.
        """
        self._shared.counters.messages_refused += 1
        version = self._peer.version
        code = ReasonCode.NOT_AUTHORIZED if version == 5 else ReasonCode.SUCCESS
        if packet.qos == 1:
            pending.answers.append(encode(Puback(packet.packet_id, code), version))
        elif packet.qos == 2:
            pending.answers.append(encode(Pubrec(packet.packet_id, code), version))

    def _accept(self, packet: Publish, pending: Pending) -> None:
        """Note a message with QoS 1 or 2, and its answer."""
        packet_id, session = packet.packet_id, self._peer.session
        if packet.qos == 1:
            pending.open += 1
            self._check_maximum(pending)
            pending.answers.append(encode_answer(PacketType.PUBACK, packet_id))
            return
        session.open_exchange().received.add(packet_id)
        self._check_maximum(pending)
        if session.number:
            self._shared.journal.write(Received(session.number, packet_id))
        pending.answers.append(acknowledging.received(packet_id))

    def _check_maximum(self, pending: Pending) -> None:
        """Hold the client to our receive maximum [MQTT-3.3.4-7]; versions before 5 know none."""
        peer = self._peer
        if peer.version < 5:
            return
        exchange = peer.session.exchange
        released = len(exchange.received) if exchange is not None else 0
        open_ = peer.outlet.unanswered + pending.open + released
        if open_ > self._shared.limits.receive_maximum:
            raise ProtocolError(
                "more in flight than the receive maximum", ReasonCode.RECEIVE_MAXIMUM_EXCEEDED
            )


def lacking(data: bytes, position: int, largest: int) -> int:
    """Return how many bytes an incomplete packet still needs, 0 where its length is not all
    there.
    """
    bounds = wire.packet_bounds(data, position, largest)
    return bounds[1] - len(data) if bounds else 0
