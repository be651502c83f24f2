"""CONNECT and CONNACK: whether a client may come in, and on what terms. Nothing changes until it
may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from gateway.broker.embedded.codec import wire
from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import (
    EMPTY,
    Connack,
    Connect,
    PacketType,
    Properties,
    Will,
)
from gateway.broker.embedded.codec.reasons import (
    CONNACK_CODES,
    ReasonCode,
    UnsupportedProtocolVersion,
)
from gateway.broker.embedded.core.session import NEVER
from gateway.broker.port import Credentials, Identity
from gateway.errors import GatewayError, InvalidTopic, ProtocolError, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.embedded.core.router import Router
    from gateway.broker.embedded.core.shared import Shared

_LONGEST_CLIENT_ID: Final = 1_024
_LARGEST_PACKET: Final = 268_435_460


class Refused(Exception):
    """The CONNECT is refused; the answer must wait for `delay` seconds."""

    def __init__(self, reason_code: int, delay: float = 0.0) -> None:
        super().__init__(f"CONNECT refused: 0x{reason_code:02x}")
        self.reason_code = reason_code
        self.delay = delay


class Admission(msgspec.Struct):
    """The terms of a connection. `expiry`: seconds its session outlives it; `window`: the client's
    receive maximum.
    """

    identity: Identity
    client_id: str
    clean_start: bool
    keep_alive: int
    expiry: int
    window: int
    largest: int
    aliases: int
    will: Will | None
    answer: Properties  # of the CONNACK
    packet_size: int  # bytes; the longest packet that is taken from the client


class Address(NamedTuple):
    """Where a client connects from: its IP address, and the name in its client certificate."""

    ip: str = ""
    certificate: str | None = None


def admit(
    shared: Shared,
    router: Router,
    packet: Connect,
    peer: Address,
    busy: Callable[[Identity, str], bool],
) -> Admission:
    """Sign the client in, or raise `Refused`. `busy` tells whether there is no room for a
    client.
    """
    if packet.properties.authentication_method is not None:  # 4.12: no method is offered here
        raise Refused(ReasonCode.BAD_AUTHENTICATION_METHOD)
    _check_client_id(packet)
    identity = _sign_in(shared, packet, peer)
    if busy(identity, packet.client_id):
        raise Refused(ReasonCode.SERVER_BUSY)
    will = packet.will
    told = None if will is None else (will.topic, will.payload)
    shared.gate.introduced(identity, packet.client_id, told)
    _check_will(router, identity, will)
    room = max(shared.limits.packet_size, shared.gate.room(identity).packet_size)
    terms = _terms(shared, packet, identity, room)
    if len(welcome(terms, packet.protocol_level, present=False)) > terms.largest:  # [MQTT-3.1.2-24]
        raise Refused(ReasonCode.PACKET_TOO_LARGE)
    return terms


def _check_client_id(packet: Connect) -> None:
    # [MQTT-3.1.3-8] of 3.1.1: without a client id there is no session to keep; 3.1 always wants
    # one.
    empty = not packet.client_id and (
        packet.protocol_level == 3 or (packet.protocol_level == 4 and not packet.clean_start)
    )
    if empty or len(packet.client_id) > _LONGEST_CLIENT_ID:
        raise Refused(ReasonCode.CLIENT_IDENTIFIER_NOT_VALID)


def _sign_in(shared: Shared, packet: Connect, peer: Address) -> Identity:
    credentials = Credentials(
        packet.username, packet.password, packet.client_id, peer.ip, peer.certificate
    )
    try:
        return shared.gate.sign_in(credentials)
    except Unauthenticated as error:
        anonymous = (
            packet.username is None and peer.certificate is None and packet.protocol_level < 5
        )
        raise Refused(
            ReasonCode.NOT_AUTHORIZED if anonymous else error.reason_code, error.delay
        ) from None
    except GatewayError as error:
        known = error.reason_code in CONNACK_CODES and error.reason_code >= 0x80
        raise Refused(error.reason_code if known else ReasonCode.UNSPECIFIED_ERROR) from None


def _check_will(router: Router, identity: Identity, will: Will | None) -> None:
    if will is None:
        return
    try:
        target = router.publication(identity, will.topic.encode()).target
    except InvalidTopic:
        raise Refused(ReasonCode.TOPIC_NAME_INVALID) from None
    if target is None:
        raise Refused(ReasonCode.NOT_AUTHORIZED)


def _terms(shared: Shared, packet: Connect, identity: Identity, room: int) -> Admission:
    limits = shared.limits
    mqtt5 = packet.protocol_level == 5
    props = packet.properties
    asked = (props.session_expiry_interval or 0) if mqtt5 else (0 if packet.clean_start else NEVER)
    expiry = min(asked, limits.session_expiry)
    keep_alive = packet.keep_alive
    if mqtt5 and limits.keep_alive and not 0 < keep_alive <= limits.keep_alive:
        keep_alive = limits.keep_alive  # [MQTT-3.1.2-21]
    client_id = packet.client_id or shared.new_id()  # [MQTT-3.1.3-6] [MQTT-3.1.3-7]
    answer = EMPTY
    if mqtt5:
        answer = Properties(
            session_expiry_interval=expiry if expiry != asked else None,
            receive_maximum=limits.receive_maximum,
            maximum_packet_size=room,
            assigned_client_identifier=None if packet.client_id else client_id,  # [MQTT-3.2.2-16]
            topic_alias_maximum=limits.topic_aliases or None,
            server_keep_alive=keep_alive if keep_alive != packet.keep_alive else None,
        )
    return Admission(
        identity,
        client_id,
        packet.clean_start,
        keep_alive,
        expiry,
        min(props.receive_maximum or limits.in_flight, limits.in_flight),
        props.maximum_packet_size or _LARGEST_PACKET,
        min(props.topic_alias_maximum or 0, limits.topic_aliases),
        packet.will,
        answer,
        room,
    )


def welcome(admission: Admission, version: int, *, present: bool) -> bytes:
    """Return the CONNACK that lets the client in; 3.1 knows no session present."""
    return encode(Connack(present and version > 3, 0, admission.answer), version)


def refusal(reason_code: int, version: int, largest: int | None = None) -> bytes:
    """Return the CONNACK that keeps the client out.

    It is nothing where the client's version has no word for the reason, or takes packets of
    `largest` bytes at most and it is longer [MQTT-3.1.2-24].
    """
    try:
        answer = encode(Connack(False, reason_code), version)
    except ValueError:
        return b""
    return b"" if largest is not None and len(answer) > largest else answer


def complaint(error: ProtocolError, data: bytes, start: int) -> bytes:
    """Return the CONNACK for a CONNECT that breaks the protocol, or nothing if it gets no
    answer.
    """
    level = _level(data, start)
    if isinstance(error, UnsupportedProtocolVersion):  # [MQTT-3.1.2-2]
        return refusal(error.reason_code, 5 if level >= 5 else 4)
    return refusal(error.reason_code, 5) if level == 5 else b""


def _level(data: bytes, start: int) -> int:
    """Return the protocol level that a CONNECT names, 0 where it names none."""
    try:
        bounds = wire.packet_bounds(data, start, _LARGEST_PACKET)
        if bounds is None or data[start] != PacketType.CONNECT << 4:
            return 0
        _, position = wire.read_binary(data, bounds[0], len(data))
        return wire.read_byte(data, position, len(data))[0]
    except ProtocolError:
        return 0
