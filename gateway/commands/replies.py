"""Replies: those who wait for what a device answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import NoReply
from gateway.waiters import Waiters

if TYPE_CHECKING:
    from gateway.commands.book import CommandBook
    from gateway.links import Reach
    from gateway.store.commands import Command


class Replies:
    """Gives replies to whoever waits for them here, and to devices that have sent the command.

    `links(device)`: a device's links, the newest first.
    """

    def __init__(self, book: CommandBook, links: Reach) -> None:
        self._book = book
        self._links = links
        self._waiting = Waiters()

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, command_id: str, seconds: float) -> str:
        """Return the JSON text of a command's reply once it is stored; raises `NoReply` when the
        time is over.

        At once, where no reply can come any more. Raises `NotFound`.
        """
        if command_id in self._book.live:
            await self._waiting.wait(command_id, seconds)
        command = await self._book.get(command_id)
        if command.reply is not None:
            return command.reply
        raise NoReply(
            f"no reply to command {command_id}, which is {command.state}: ask for it again by "
            f"its id",
            fields={"command": command_id, "state": command.state},
        )

    def settle(self, command_id: str) -> None:
        """Let those go on who wait for a command: nothing more comes of it."""
        self._waiting.settle(command_id)

    def pass_on(self, command: Command) -> None:
        """Tell the device that sent a command its reply, over the first link that takes it."""
        answer_to = command.answer_to
        if command.state == "replied" and answer_to is not None:
            any(link.answer(command, answer_to) for link in self._links(answer_to.device))
