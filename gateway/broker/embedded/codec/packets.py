"""The control packets of MQTT 3.1, 3.1.1 and 5 as values, in the standard's own terms.

One type serves all versions: what a version does not know stays at its default. Reason codes are
plain whole numbers, to be compared with the members of `reasons.ReasonCode`; in versions before 5 a
CONNACK carries its return code (0 to 5) there. The codec alone turns these into bytes and back.
"""

from __future__ import annotations

import enum
from typing import ClassVar, Final

import msgspec


class PacketType(enum.IntEnum):
    """The upper four bits of the first byte of a packet (MQTT 5, 2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class Properties(msgspec.Struct, gc=False, frozen=True, kw_only=True, repr_omit_defaults=True):
    """All properties of MQTT 5 (2.2.2.2); `None`, or `()` for the two that may repeat, means
    absent.

    Values are shared between packets and never changed: `msgspec.structs.replace` makes a changed
    copy.
    """

    payload_format_indicator: int | None = None
    message_expiry_interval: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    subscription_identifier: tuple[int, ...] = ()
    session_expiry_interval: int | None = None
    assigned_client_identifier: str | None = None
    server_keep_alive: int | None = None
    authentication_method: str | None = None
    authentication_data: bytes | None = None
    request_problem_information: int | None = None
    will_delay_interval: int | None = None
    request_response_information: int | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason_string: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None
    user_property: tuple[tuple[str, str], ...] = ()
    maximum_packet_size: int | None = None
    wildcard_subscription_available: int | None = None
    subscription_identifier_available: int | None = None
    shared_subscription_available: int | None = None


EMPTY: Final = Properties()
"""No properties: the one value that every packet without any shares."""


class Will(msgspec.Struct, gc=False, frozen=True):
    """The message that the server publishes when the connection ends badly (3.1.2.5)."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = EMPTY


class Connect(msgspec.Struct, gc=False):
    """Client requests a connection (3.1); `clean_start` is called clean session before MQTT 5."""

    packet_type: ClassVar[PacketType] = PacketType.CONNECT
    client_id: str = ""
    protocol_level: int = 4
    clean_start: bool = True
    keep_alive: int = 0
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = EMPTY


class Connack(msgspec.Struct, gc=False):
    """Server answers a CONNECT (3.2); before MQTT 5 the reason code is a return code of 0 to 5."""

    packet_type: ClassVar[PacketType] = PacketType.CONNACK
    session_present: bool = False
    reason_code: int = 0
    properties: Properties = EMPTY


class Publish(msgspec.Struct, gc=False):
    """A message, either way (3.3); `packet_id` is 0 exactly when `qos` is 0."""

    packet_type: ClassVar[PacketType] = PacketType.PUBLISH
    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    properties: Properties = EMPTY


class Puback(msgspec.Struct, gc=False):
    """Answer to a PUBLISH with QoS 1 (3.4)."""

    packet_type: ClassVar[PacketType] = PacketType.PUBACK
    packet_id: int
    reason_code: int = 0
    properties: Properties = EMPTY


class Pubrec(msgspec.Struct, gc=False):
    """First answer to a PUBLISH with QoS 2 (3.5)."""

    packet_type: ClassVar[PacketType] = PacketType.PUBREC
    packet_id: int
    reason_code: int = 0
    properties: Properties = EMPTY


class Pubrel(msgspec.Struct, gc=False):
    """Answer to a PUBREC (3.6)."""

    packet_type: ClassVar[PacketType] = PacketType.PUBREL
    packet_id: int
    reason_code: int = 0
    properties: Properties = EMPTY


class Pubcomp(msgspec.Struct, gc=False):
    """Answer to a PUBREL, which ends a QoS 2 exchange (3.7)."""

    packet_type: ClassVar[PacketType] = PacketType.PUBCOMP
    packet_id: int
    reason_code: int = 0
    properties: Properties = EMPTY


class Subscription(msgspec.Struct, gc=False, frozen=True):
    """One topic filter of a SUBSCRIBE with its subscription options (3.8.3.1)."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


class Subscribe(msgspec.Struct, gc=False):
    """Client asks for one or more subscriptions (3.8)."""

    packet_type: ClassVar[PacketType] = PacketType.SUBSCRIBE
    packet_id: int
    subscriptions: tuple[Subscription, ...]
    properties: Properties = EMPTY


class Suback(msgspec.Struct, gc=False):
    """Server answers a SUBSCRIBE with one reason code a filter, in the same order (3.9)."""

    packet_type: ClassVar[PacketType] = PacketType.SUBACK
    packet_id: int
    reason_codes: tuple[int, ...]
    properties: Properties = EMPTY


class Unsubscribe(msgspec.Struct, gc=False):
    """Client ends one or more subscriptions (3.10)."""

    packet_type: ClassVar[PacketType] = PacketType.UNSUBSCRIBE
    packet_id: int
    topic_filters: tuple[str, ...]
    properties: Properties = EMPTY


class Unsuback(msgspec.Struct, gc=False):
    """Server answers an UNSUBSCRIBE (3.11); before MQTT 5 it has no reason codes."""

    packet_type: ClassVar[PacketType] = PacketType.UNSUBACK
    packet_id: int
    reason_codes: tuple[int, ...] = ()
    properties: Properties = EMPTY


class Pingreq(msgspec.Struct, gc=False):
    """Client shows that it is alive (3.12)."""

    packet_type: ClassVar[PacketType] = PacketType.PINGREQ


class Pingresp(msgspec.Struct, gc=False):
    """Server answers a PINGREQ (3.13)."""

    packet_type: ClassVar[PacketType] = PacketType.PINGRESP


class Disconnect(msgspec.Struct, gc=False):
    """The last packet of a connection (3.14); before MQTT 5 only a client sends it, without a
    code.
    """

    packet_type: ClassVar[PacketType] = PacketType.DISCONNECT
    reason_code: int = 0
    properties: Properties = EMPTY


class Auth(msgspec.Struct, gc=False):
    """A step of enhanced authentication (3.15), in MQTT 5 only."""

    packet_type: ClassVar[PacketType] = PacketType.AUTH
    reason_code: int = 0
    properties: Properties = EMPTY


Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)
