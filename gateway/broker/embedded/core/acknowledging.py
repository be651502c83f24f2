"""PUBACK, PUBREC, PUBREL and PUBCOMP from a client (4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.codec.encode import encode, encode_answer
from gateway.broker.embedded.codec.packets import PacketType, Puback, Pubcomp, Pubrec, Pubrel
from gateway.broker.embedded.codec.reasons import ReasonCode
from gateway.broker.embedded.core.facts import Completed, Released

if TYPE_CHECKING:
    from gateway.broker.embedded.core.pending import Pending
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Shared

_FAILED = 0x80


def acknowledge(session: Session, packet: Puback | Pubcomp) -> None:
    """End a delivery; an id that is not in flight is passed over, as it may be from before a lost
    connection.
    """
    exchange = session.exchange
    if exchange is None:
        return
    ended = exchange.acknowledged if isinstance(packet, Puback) else exchange.completed
    delivery = ended(packet.packet_id)
    if delivery is None:
        return
    session.settle(delivery)
    if packet.reason_code >= _FAILED:
        if delivery.refused is not None:
            delivery.refused(f"the device answers {packet.reason_code:#04x}")
    elif delivery.delivered is not None:
        delivery.delivered()


def receive(
    shared: Shared, session: Session, packet: Pubrec, pending: Pending, version: int
) -> None:
    """Answer PUBREC with PUBREL when it is stored, so that a crash in between repeats the PUBREL,
    not the PUBLISH.
    """
    exchange = session.exchange
    if packet.reason_code >= _FAILED:
        refused = exchange.refused(packet.packet_id) if exchange is not None else None
        if refused is not None:
            session.settle(refused)
        return
    delivery = exchange.released(packet.packet_id) if exchange is not None else None
    code = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND if delivery is None else ReasonCode.SUCCESS
    if delivery is not None and delivery.stored:
        shared.journal.write(Released(session.number, delivery.position))
    pending.answers.append(encode(Pubrel(packet.packet_id, code), version))


def release(
    shared: Shared, session: Session, packet: Pubrel, pending: Pending, version: int
) -> None:
    """Answer PUBREL with PUBCOMP when it is stored that the id is free: the client uses it again
    from then on.
    """
    exchange = session.exchange
    code = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
    if exchange is not None and packet.packet_id in exchange.received:
        code = ReasonCode.SUCCESS
        exchange.received.discard(packet.packet_id)
        if session.number:
            shared.journal.write(Completed(session.number, packet.packet_id))
    pending.answers.append(encode(Pubcomp(packet.packet_id, code), version))


def received(packet_id: int) -> bytes:
    """Return the PUBREC that says a message was taken in."""
    return encode_answer(PacketType.PUBREC, packet_id)
