"""The queues of all devices that have something to do, and when each command expires."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.commands.queue import CommandQueue
from gateway.deadlines import Deadlines
from gateway.errors import TooMany

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.commands.queue import Events
    from gateway.links import Reach
    from gateway.store.commands import Command

MAX_OPEN = 1_000  # commands that wait for one device
MAX_OPEN_BYTES = 4 << 20


class CommandQueues:
    """A queue for each device with unfinished commands. `links(device)`: its links, the newest
    first.
    """

    def __init__(self, events: Events, links: Reach) -> None:
        self._events = events
        self._links = links
        self._queues: dict[str, CommandQueue] = {}
        self._deadlines: Deadlines[str] = Deadlines()  # ids of commands

    def __iter__(self) -> Iterator[str]:
        """The devices."""
        return iter(list(self._queues))

    def demand_room(self, device: str, size: int) -> None:
        """Raise `TooMany` where no more can wait for a device; `size`: of the value."""
        queue = self._queues.get(device)
        if queue is not None and (
            len(queue.open) >= MAX_OPEN or queue.size + size > MAX_OPEN_BYTES
        ):
            raise TooMany(
                f"{len(queue.open)} commands wait for {device} already: its queue is full"
            )

    def add(self, command: Command, *, stored: bool) -> None:
        """Put a command at the end of its device's queue; it leaves once it is `stored`."""
        self._queue(command.device).add(command, stored=stored)
        self._deadlines.set(command.id, command.expires)

    def stored(self, command: Command) -> None:
        """Let a command leave when its turn has come."""
        queue = self._queues.get(command.device)
        if queue is not None:
            queue.stored(command)

    def await_reply(self, command: Command) -> Command | None:
        """Move a command to those that may be answered; return the one that is given up for it, if
        any.
        """
        return self._queue(command.device).await_reply(command)

    def open(self, device: str) -> list[Command]:
        """Return what a device has not acknowledged, the oldest first."""
        queue = self._queues.get(device)
        return list(queue.open.values()) if queue is not None else []

    def answered(self, device: str, name: str, correlation: bytes | None) -> Command | None:
        """Return the command that a reply answers: the one of its `correlation`, or without one the
        oldest unanswered one of its name.
        """
        queue = self._queues.get(device)
        if queue is None:
            return None
        if correlation is None:
            return queue.answered_by(name)
        command_id = correlation.decode("ascii", "replace")
        return queue.unanswered.get(command_id) or queue.open.get(command_id)

    def renew(self, device: str) -> None:
        """Resend over the newest link whatever an older one did not deliver."""
        queue = self._queues.get(device)
        if queue is not None:
            queue.renew(self._links(device))

    def pump(self, device: str) -> None:
        """Send what can be sent to a device."""
        queue = self._queues.get(device)
        if queue is not None and (links := self._links(device)):
            queue.pump(links)

    def take_out(self, command: Command) -> None:
        """Drop a command, wherever it is, before its last change is stored."""
        queue = self._queues.get(command.device)
        if queue is not None:
            queue.take_out(command)

    def let_go(self, command: Command) -> None:
        """Forget a command; nothing more comes of it."""
        self._deadlines.discard(command.id)
        self.take_out(command)
        queue = self._queues.get(command.device)
        if queue is not None and queue.idle:
            del self._queues[command.device]

    def drop(self, device: str) -> list[Command]:
        """Forget a device's queue; return what was in it, the unacknowledged first."""
        queue = self._queues.pop(device, None)
        if queue is None:
            return []
        return [*queue.open.values(), *queue.unanswered.values()]

    def expired(self, now: int) -> list[str]:
        """Return the ids of the commands whose time is over, each once, the earliest first."""
        return list(self._deadlines.take(now))

    def _queue(self, device: str) -> CommandQueue:
        queue = self._queues.get(device)
        if queue is None:
            queue = self._queues[device] = CommandQueue(self._events)
        return queue
