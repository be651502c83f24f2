"""PUBACK, PUBREC, PUBREL and PUBCOMP from a client (4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.codec.encode import encode, encode_answer
from gateway.broker.embedded.codec.packets import PacketType, Puback, Pubcomp, Pubrec, Pubrel
from gateway.broker.embedded.codec.reasons import ReasonCode
from gateway.broker.embedded.core.outlet import settle

if TYPE_CHECKING:
    from gateway.broker.embedded.core.pending import Batch
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Core

_FAILED = 0x80


def acknowledge(core: Core, session: Session, packet: Puback | Pubcomp) -> None:
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
    settle(core, session, delivery)
    if packet.reason_code >= _FAILED:
        if delivery.refused is not None:
            delivery.refused(f"the device answers {packet.reason_code:#04x}")
    elif delivery.delivered is not None:
        delivery.delivered()


def receive(core: Core, session: Session, packet: Pubrec, batch: Batch, version: int) -> None:
    """Answer PUBREC with PUBREL when it is stored, so that a crash in between repeats the PUBREL,
    not the PUBLISH.
    """
    exchange = session.exchange
    if packet.reason_code >= _FAILED:
        refused = exchange.refused(packet.packet_id) if exchange is not None else None
        if refused is not None:
            settle(core, session, refused)
        return
    delivery = exchange.released(packet.packet_id) if exchange is not None else None
    code = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND if delivery is None else ReasonCode.SUCCESS
    if delivery is not None and delivery.stored:
        core.journal.write(core.store.released(session.number, delivery.position))
    batch.answers.append(encode(Pubrel(packet.packet_id, code), version))


def release(core: Core, session: Session, packet: Pubrel, batch: Batch, version: int) -> None:
    """Answer PUBREL with PUBCOMP when it is stored that the id is free: the client uses it again
    from then on.
    """
    exchange = session.exchange
    code = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
    if exchange is not None and packet.packet_id in exchange.received:
        code = ReasonCode.SUCCESS
        exchange.received.discard(packet.packet_id)
        if session.number:
            core.journal.write(core.store.completed(session.number, packet.packet_id))
    batch.answers.append(encode(Pubcomp(packet.packet_id, code), version))


def received(packet_id: int) -> bytes:
    """Return the PUBREC that says a message was taken in."""
    return encode_answer(PacketType.PUBREC, packet_id)
