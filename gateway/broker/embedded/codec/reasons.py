"""Reason codes of MQTT 5, the return codes of MQTT 3.1.1 for them, and the errors that carry
them.
"""

from __future__ import annotations

import enum

from gateway.errors import ProtocolError


class ReasonCode(enum.IntEnum):
    """One byte that says how an operation ended (MQTT 5, 2.4); 0x80 and above are failures."""

    SUCCESS = 0x00
    NORMAL_DISCONNECTION = 0x00
    GRANTED_QOS_0 = 0x00
    GRANTED_QOS_1 = 0x01
    GRANTED_QOS_2 = 0x02
    DISCONNECT_WITH_WILL = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    CONTINUE_AUTHENTICATION = 0x18
    REAUTHENTICATE = 0x19
    UNSPECIFIED_ERROR = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83
    UNSUPPORTED_PROTOCOL_VERSION = 0x84
    CLIENT_IDENTIFIER_NOT_VALID = 0x85
    BAD_USER_NAME_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    BANNED = 0x8A
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_IDENTIFIER_IN_USE = 0x91
    PACKET_IDENTIFIER_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    MESSAGE_RATE_TOO_HIGH = 0x96
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    PAYLOAD_FORMAT_INVALID = 0x99
    RETAIN_NOT_SUPPORTED = 0x9A
    QOS_NOT_SUPPORTED = 0x9B
    USE_ANOTHER_SERVER = 0x9C
    SERVER_MOVED = 0x9D
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E
    CONNECTION_RATE_EXCEEDED = 0x9F
    MAXIMUM_CONNECT_TIME = 0xA0
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2


class ConnectReturnCode(enum.IntEnum):
    """The second byte of a CONNACK in MQTT 3.1 and 3.1.1 (3.1.1, 3.2.2.3)."""

    ACCEPTED = 0
    UNACCEPTABLE_PROTOCOL_VERSION = 1
    IDENTIFIER_REJECTED = 2
    SERVER_UNAVAILABLE = 3
    BAD_USER_NAME_OR_PASSWORD = 4
    NOT_AUTHORIZED = 5


_RETURN_CODES: dict[int, ConnectReturnCode] = {
    ReasonCode.SUCCESS: ConnectReturnCode.ACCEPTED,
    ReasonCode.UNSUPPORTED_PROTOCOL_VERSION: ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION,
    ReasonCode.CLIENT_IDENTIFIER_NOT_VALID: ConnectReturnCode.IDENTIFIER_REJECTED,
    ReasonCode.BAD_USER_NAME_OR_PASSWORD: ConnectReturnCode.BAD_USER_NAME_OR_PASSWORD,
    ReasonCode.NOT_AUTHORIZED: ConnectReturnCode.NOT_AUTHORIZED,
    ReasonCode.BANNED: ConnectReturnCode.NOT_AUTHORIZED,
    ReasonCode.BAD_AUTHENTICATION_METHOD: ConnectReturnCode.NOT_AUTHORIZED,
    ReasonCode.SERVER_UNAVAILABLE: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.SERVER_BUSY: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.SERVER_SHUTTING_DOWN: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.USE_ANOTHER_SERVER: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.SERVER_MOVED: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.QUOTA_EXCEEDED: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.CONNECTION_RATE_EXCEEDED: ConnectReturnCode.SERVER_UNAVAILABLE,
}


def connect_return_code(reason_code: int) -> ConnectReturnCode | None:
    """Return what a CONNACK of 3.1.1 says for a reason code, or None: close without one
    [MQTT-3.2.2-6].
    """
    return _RETURN_CODES.get(reason_code)


def _codes(*values: int) -> frozenset[int]:
    return frozenset(values)


# Table 2-6 of the standard and the section of each packet; where only one side may send a code, its
# set says so.
PUBACK_CODES = PUBREC_CODES = _codes(0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99)
PUBREL_CODES = PUBCOMP_CODES = _codes(0x00, 0x92)
_DISCONNECT = _codes(0x00, *range(0x80, 0x84), 0x90, *range(0x93, 0x9A))
CONNACK_CODES = _codes(0x00, *range(0x80, 0x8B), 0x8C, 0x90, 0x95, 0x97, *range(0x99, 0x9E), 0x9F)
SUBACK_CODES = _codes(0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2)
UNSUBACK_CODES = _codes(0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91)
CONNECT_RETURN_CODES = _codes(*ConnectReturnCode)
SUBACK_RETURN_CODES = _codes(0x00, 0x01, 0x02, 0x80)
CLIENT_DISCONNECT_CODES = _DISCONNECT | _codes(0x04)
SERVER_DISCONNECT_CODES = _DISCONNECT | _codes(
    0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, *range(0x9A, 0xA3)
)
CLIENT_AUTH_CODES = _codes(0x18, 0x19)
SERVER_AUTH_CODES = _codes(0x00, 0x18)


class MalformedPacket(ProtocolError):
    """The bytes cannot be parsed by the rules of the standard (1.2)."""

    def __init__(self, message: str, reason_code: int = ReasonCode.MALFORMED_PACKET) -> None:
        super().__init__(message, reason_code)


class UnsupportedProtocolVersion(ProtocolError):
    """A CONNECT names a protocol or level other than 3.1, 3.1.1 and 5."""

    def __init__(
        self, message: str, reason_code: int = ReasonCode.UNSUPPORTED_PROTOCOL_VERSION
    ) -> None:
        super().__init__(message, reason_code)


class TopicFilterInvalid(ProtocolError):
    """A topic filter breaks the rules of 4.7."""

    def __init__(self, message: str, reason_code: int = ReasonCode.TOPIC_FILTER_INVALID) -> None:
        super().__init__(message, reason_code)


class TopicNameInvalid(ProtocolError):
    """A topic name breaks the rules of 4.7."""

    def __init__(self, message: str, reason_code: int = ReasonCode.TOPIC_NAME_INVALID) -> None:
        super().__init__(message, reason_code)


class TopicAliasInvalid(ProtocolError):
    """A topic alias is 0, above the agreed maximum, or not yet known (3.3.2.3.4)."""

    def __init__(self, message: str, reason_code: int = ReasonCode.TOPIC_ALIAS_INVALID) -> None:
        super().__init__(message, reason_code)


class PacketTooLarge(ProtocolError):
    """A packet is longer than this side accepts [MQTT-3.2.2-15]."""

    def __init__(self, message: str, reason_code: int = ReasonCode.PACKET_TOO_LARGE) -> None:
        super().__init__(message, reason_code)


class TooManyProperties(ProtocolError):
    """More user properties than we read."""

    def __init__(self, message: str, reason_code: int = ReasonCode.QUOTA_EXCEEDED) -> None:
        super().__init__(message, reason_code)
