"""A command, from its sender to its reply."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

State: TypeAlias = Literal["queued", "sent", "delivered", "replied", "expired", "failed"]


class AnswerTo(msgspec.Struct, frozen=True):
    """The device that sent a command, and the MQTT 5 response topic and correlation data of its
    request, if any.
    """

    device: str
    topic: str | None = None
    correlation: bytes | None = None


class Command(msgspec.Struct, kw_only=True, eq=False):
    """Something sent to a device, with a life of its own.

    `value` and `reply` are JSON texts on one line; times are ms since 1970 UTC. `sender` is a
    principal's key, `handler:TYPE` or `rule:NAME`; `error` says why it failed.
    """

    id: str
    device: str
    name: str
    value: str
    state: State
    created: int
    expires: int
    changed: int
    sender: str
    idempotency_key: str | None = None
    reply: str | None = None
    error: str | None = None
    answer_to: AnswerTo | None = None

    def json(self) -> bytes:
        """Return what the API answers: `{"id", "device", "name", "state", "value", "reply"?,
        "error"?}`.
        """
        shown: dict[str, Any] = {
            "id": self.id,
            "device": self.device,
            "name": self.name,
            "state": self.state,
            "value": msgspec.Raw(self.value.encode()),
        }
        if self.reply is not None:
            shown["reply"] = msgspec.Raw(self.reply.encode())
        if self.error is not None:
            shown["error"] = self.error
        return msgspec.json.encode(shown)
