"""A dialect under test: what a device says as facts, in a form that is quick to compare."""

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.bridges.mqtt.conventions.convention import (
    Convention,
    Describe,
    Dialect,
    Fact,
    Hello,
    Outgoing,
    Reply,
    Request,
    Value,
)


class Spoken:
    """One device that has been recognised, and its dialect."""

    def __init__(self, convention: Convention, hello: Hello) -> None:
        root = convention.recognise(hello)
        assert root is not None, "the convention does not know this device"
        self.root = root
        self.dialect: Dialect = convention.dialect(hello.device, root)

    def facts(self, topic: str, payload: Any) -> list[Fact]:
        """Return the facts of a message; a payload that is no text or bytes is sent as JSON."""
        read = self.dialect.reader(topic)
        return [] if read is None else list(read(as_bytes(payload)))

    def values(self, topic: str, payload: Any) -> dict[str, Any]:
        """Return the values of a message by channel, a child's as (child, channel)."""
        return values(self.facts(topic, payload))

    def about(self, topic: str, payload: Any) -> Any:
        """Return what a message describes last."""
        return [fact for fact in self.facts(topic, payload) if isinstance(fact, Describe)][-1].about

    def replies(self, topic: str, payload: Any) -> list[Reply]:
        """Return the replies that a message carries."""
        return [fact for fact in self.facts(topic, payload) if isinstance(fact, Reply)]

    def write(self, name: str, value: Any, child: str | None = None) -> list[tuple[str, bytes]]:
        """Return topic and payload of what a command is written as."""
        text = msgspec.json.encode(value).decode()
        sent = self.dialect.write(Request(name, text, "0123456789abcdef", child))
        assert not any(message.retain for message in sent), "a command is never retained"
        return [(message.topic, message.payload) for message in sent]


def as_bytes(payload: Any) -> bytes:
    """Return a payload as it lies on the wire."""
    if isinstance(payload, bytes):
        return payload
    return payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload)


def values(facts: Iterable[Fact]) -> dict[Any, Any]:
    """Return values by channel; none comes twice."""
    found: dict[Any, Any] = {}
    for fact in facts:
        if isinstance(fact, Value):
            key = fact.channel if fact.child is None else (fact.child, fact.channel)
            assert key not in found, f"{key} comes twice"
            found[key] = msgspec.json.decode(fact.value)
    return found


def asked(messages: Iterable[Outgoing]) -> list[tuple[str, bytes]]:
    """Return topic and payload of messages to a device."""
    return [(message.topic, message.payload) for message in messages]
