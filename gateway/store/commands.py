"""A command, from its sender to its reply."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from gateway.store.facts import AnswerTo, CommandChanged, CommandQueued, State

__all__ = ["AnswerTo", "Command", "CommandStore", "State"]


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

    def queued(self) -> CommandQueued:
        """Return the fact that it was taken in."""
        return CommandQueued(
            id=self.id,
            device=self.device,
            name=self.name,
            value=self.value,
            created=self.created,
            expires=self.expires,
            sender=self.sender,
            idempotency_key=self.idempotency_key,
            answer_to=self.answer_to,
        )

    def change(self) -> CommandChanged:
        """Return the fact that it is in the state in which it is."""
        return CommandChanged(self.id, self.state, self.changed, self.reply, self.error)

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


class CommandStore(Protocol):
    """Keeps commands; their changes come with the batch that holds the frame of each.

    Raises `StoreError` where it cannot.
    """

    async def unfinished(self, now: int) -> list[Command]:
        """Read, in order, what is still to be delivered, and what was delivered and may yet be
        answered.
        """

    async def find(self, command: str) -> Command | None:
        """Read one command by its id."""

    async def keys(self, limit: int) -> list[tuple[str, str, str]]:
        """Read the newest idempotency keys, oldest first: (sender, key, command's id)."""

    async def prune(self, before: int, limit: int) -> int:
        """Remove commands that were made before a time and are past their own; return how many, at
        most `limit`.
        """
