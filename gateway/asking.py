"""Asking a device for something: whether the principal may, the command, and the note of it.

Every entrance sends commands here. What was refused is not noted as sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.access.policy import Action

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from gateway.access.journal import Journal
    from gateway.access.policy import Policy
    from gateway.access.principal import Principal
    from gateway.commands import AnswerTo, Command, Commands


class SendCommand(Protocol):
    """Send a command as a principal, `value` being JSON text and `ttl` seconds; return it once it
    is stored. Raises `GatewayError`.
    """

    def __call__(
        self, principal: Principal, device: str, name: str, value: str, ttl: float | None = None
    ) -> Awaitable[Command]: ...


class Asking:
    """Sends commands as principals."""

    def __init__(self, policy: Policy, commands: Commands, journal: Journal) -> None:
        self._policy = policy
        self._commands = commands
        self._journal = journal

    async def send(
        self,
        principal: Principal,
        device: str,
        name: str,
        value: str,
        ttl: float | None = None,
        *,
        idempotency_key: str | None = None,
        address: str = "",
    ) -> Command:
        """Send a command and return it once it is stored; raises what `Policy.demand` and
        `Commands.send` do.
        """
        self._policy.demand(principal, Action.COMMAND, device)
        command = await self._commands.send(
            device, name, value, sender=principal.key, ttl=ttl, idempotency_key=idempotency_key
        )
        self._note(principal, command, address)
        return command

    async def cancel(self, principal: Principal, command: Command, address: str = "") -> Command:
        """Take a command back and return it once that is stored; raises what `Policy.demand` and
        `Commands.cancel` do.
        """
        self._policy.demand(principal, Action.COMMAND, command.device)
        cancelled = await self._commands.cancel(command.id)
        self._note(principal, cancelled, address, action="cancel")
        return cancelled

    def submit(
        self,
        principal: Principal,
        device: str,
        name: str,
        value: str,
        *,
        ttl: float | None,
        answer_to: AnswerTo | None,
    ) -> None:
        """Take in a command that came on its topic, where the principal may publish; it is stored
        with what came beside it. Raises what `Commands.submit` does.
        """
        command = self._commands.submit(
            device, name, value, sender=principal.key, ttl=ttl, answer_to=answer_to
        )
        self._note(principal, command, "")

    def _note(
        self, principal: Principal, command: Command, address: str, action: str = "command"
    ) -> None:
        about = {"name": command.name, "id": command.id}
        self._journal.note(principal.key, action, f"device:{command.device}", address, **about)
