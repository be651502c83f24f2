"""Facts: what the gateway asks to have kept with a batch. A store turns them into its own terms.

The broker's own facts are beside it, in `gateway.broker.embedded.core.facts`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

PAYLOAD_BYTES = 256  # of a rejected message


State: TypeAlias = Literal["queued", "sent", "delivered", "replied", "expired", "failed"]


class AnswerTo(msgspec.Struct, frozen=True):
    """The device that sent a command, and the MQTT 5 response topic and correlation data of its
    request, if any.
    """

    device: str
    topic: str | None = None
    correlation: bytes | None = None


class Fact(msgspec.Struct, frozen=True, gc=False):
    """Something to keep."""


class SeriesAdded(Fact, frozen=True, gc=False):
    """There is a new series."""

    id: int
    type: str
    device: str
    channel: str


class SeriesHidden(Fact, frozen=True, gc=False):
    """A removed device's series, up to this id: a new device of its name does not inherit them."""

    device: str
    upto: int


class Rejected(Fact, frozen=True, gc=False):
    """A message could not be translated. `payload` is its beginning; the oldest such facts go."""

    at: int
    topic: str
    device: str | None
    reason: str
    payload: bytes


class CommandQueued(Fact, frozen=True, gc=False, kw_only=True):
    """A command was taken in."""

    id: str
    device: str
    name: str
    value: str
    created: int
    expires: int
    sender: str
    idempotency_key: str | None
    answer_to: AnswerTo | None


class CommandChanged(Fact, frozen=True, gc=False):
    """A command is in another state."""

    id: str
    state: State
    changed: int
    reply: str | None
    error: str | None


def rejection(at: int, topic: str, device: str | None, reason: str, payload: bytes) -> Rejected:
    """Return the fact that a message could not be translated."""
    return Rejected(at, topic, device, reason, payload[:PAYLOAD_BYTES])
