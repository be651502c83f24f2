"""A message on its way to subscribers: encoded once for all who get the same bytes."""

from __future__ import annotations

from itertools import chain
from typing import Final

from gateway.broker import port
from gateway.broker.embedded.codec import packets, properties, wire

_NO_PROPERTIES: Final = b"\0"
_NOTHING: Final = port.Properties()
_LONGEST_EXPIRY: Final = 0xFFFFFFFF
_PAIR: Final = 160  # bytes of a user property beside its texts
_MESSAGE: Final = 500  # bytes of a message that waits beside its topic, payload and properties


class Outgoing:
    """A message with the bytes of its forms. `expires`: when, in seconds since 1970, or None for
    never.
    """

    __slots__ = ("_forms", "expires", "payload", "properties", "topic")

    def __init__(
        self,
        topic: bytes,
        payload: bytes,
        sent: port.Properties | None = None,
        expires: float | None = None,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.properties = sent
        self.expires = expires
        self._forms: dict[tuple[bool, bool, tuple[int, ...]], bytes] = {}

    @classmethod
    def of(cls, message: port.Message, now: float) -> Outgoing:
        """Return a message as it goes to subscribers from now on."""
        sent = message.properties
        expires = None if sent is None or sent.message_expiry is None else now + sent.message_expiry
        return cls(message.topic.encode(), message.payload, sent, expires)

    @property
    def size(self) -> int:
        """The bytes that it takes in memory, about."""
        return _MESSAGE + len(self.topic) + len(self.payload) + weight(self.properties)

    def unacknowledged(
        self, mqtt5: bool, retain: bool, identifiers: tuple[int, ...], now: float
    ) -> bytes:
        """Return the PUBLISH with QoS 0, the same bytes for all who ask alike."""
        key = (mqtt5, retain, identifiers)
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = self.packet(mqtt5, 0x30 | retain, b"", identifiers, now)
        return form

    def packet(
        self, mqtt5: bool, first: int, packet_id: bytes, identifiers: tuple[int, ...], now: float,
        alias: int = 0,
        *, named: bool = True,
    ) -> bytes:  # fmt: skip
        """Return a PUBLISH; with `alias` it sets that topic alias, and without `named` the alias is
        all it has.
        """
        name = len(self.topic).to_bytes(2, "big") + self.topic if named else b"\0\0"
        fields = self._properties(identifiers, now, alias) if mqtt5 else b""
        length = len(name) + len(packet_id) + len(fields) + len(self.payload)
        header = (
            bytes((first, length))
            if length < 0x80
            else bytes((first,)) + wire.variable_byte_integer(length)
        )
        return b"".join((header, name, packet_id, fields, self.payload))

    def _left(self, now: float) -> int | None:
        """Return the seconds until it expires, within what the field holds: a clock may be set
        back.
        """
        if self.expires is None:
            return None
        return min(max(0, round(self.expires - now)), _LONGEST_EXPIRY)

    def _properties(self, identifiers: tuple[int, ...], now: float, alias: int) -> bytes:
        if self.properties is None and not identifiers and not alias and self.expires is None:
            return _NO_PROPERTIES
        sent = self.properties or _NOTHING
        return properties.write(
            packets.Properties(
                payload_format_indicator=sent.payload_format,
                # [MQTT-3.3.2-6] what is left of it after the time it has waited here
                message_expiry_interval=self._left(now),
                content_type=sent.content_type,
                response_topic=sent.response_topic,
                correlation_data=sent.correlation_data,
                user_property=sent.user,
                subscription_identifier=identifiers,
                topic_alias=alias or None,
            )
        )


def weight(sent: port.Properties | None) -> int:
    """Return the bytes that properties take in memory, about; each pair is three objects."""
    if sent is None:
        return 0
    texts = (
        sent.content_type,
        sent.response_topic,
        sent.correlation_data,
        *chain.from_iterable(sent.user),
    )
    return _PAIR * len(sent.user) + sum(len(text) for text in texts if text is not None)


def forwarded(sent: packets.Properties) -> port.Properties | None:
    """Return the properties that go with a message from publisher to subscriber, None where it has
    none of them.
    """
    if sent is packets.EMPTY:
        return None
    found = port.Properties(
        sent.payload_format_indicator,
        sent.message_expiry_interval,
        sent.content_type,
        sent.response_topic,
        sent.correlation_data,
        sent.user_property,
    )
    return None if found == _NOTHING else found
