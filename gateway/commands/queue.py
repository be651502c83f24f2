"""The queue of one device: its commands on their way over its links."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.links import Link
    from gateway.store.commands import Command

log = logging.getLogger(__name__)

WINDOW = 16  # sent to a device and not yet acknowledged
MAX_UNANSWERED = 1_000  # the oldest are given up


class Events(NamedTuple):
    """Callbacks for the progress of a command."""

    sent: Callable[[Command], None]
    delivered: Callable[[Command], None]
    handed_over: Callable[[Command], None]  # sent, and nobody will acknowledge
    failed: Callable[[Command, str], None]


class CommandQueue:
    """What waits for one device, in order, and what it has not answered yet.

    A few commands are under way at a time, all over one link: MQTT keeps their order there, and
    when the link is gone they go again over the next, from the oldest on. A name that the device
    does not listen to holds up no other name.
    """

    __slots__ = (
        "_events",
        "_flight",
        "_link",
        "_pumping",
        "_unstored",
        "open",
        "size",
        "unanswered",
    )

    def __init__(self, events: Events) -> None:
        self.open: dict[str, Command] = {}  # not yet acknowledged
        self.size = 0  # of their values
        self.unanswered: dict[str, Command] = {}  # a reply may yet come
        self._events = events
        self._unstored: set[str] = set()
        self._flight: dict[str, Link] = {}  # under way, and over which link
        self._link: Link | None = None  # which was used last
        self._pumping = False

    @property
    def idle(self) -> bool:
        """There is nothing in it."""
        return not (self.open or self.unanswered)

    def add(self, command: Command, *, stored: bool) -> None:
        """Put a command at the end; it leaves once it is `stored`."""
        self.open[command.id] = command
        self.size += len(command.value)
        if not stored:
            self._unstored.add(command.id)

    def stored(self, command: Command) -> None:
        """Let a command leave when its turn has come."""
        self._unstored.discard(command.id)

    def take_out(self, command: Command) -> None:
        """Drop a command, wherever it is."""
        if self.open.pop(command.id, None) is not None:
            self.size -= len(command.value)
        self.unanswered.pop(command.id, None)
        self._flight.pop(command.id, None)
        self._unstored.discard(command.id)

    def await_reply(self, command: Command) -> Command | None:
        """Move a command to those that may be answered; return the one that is given up for it, if
        any.
        """
        self.take_out(command)
        self.unanswered[command.id] = command
        if len(self.unanswered) <= MAX_UNANSWERED:
            return None
        return self.unanswered.pop(next(iter(self.unanswered)))

    def answered_by(self, name: str) -> Command | None:
        """Return the oldest command of a name that was sent and not answered."""
        for command in (*self.unanswered.values(), *self.open.values()):
            if command.name == name and command.state in {"sent", "delivered"}:
                return command
        return None

    def renew(self, links: Sequence[Link]) -> None:
        """Resend over the newest link whatever an older one did not deliver."""
        if links and self._link is not None and links[0] is not self._link:
            self._flight.clear()

    def pump(self, links: Sequence[Link]) -> None:
        """Send what can be sent, in order, over one of the links, the newest first."""
        if self._pumping:
            return
        self._pumping = True
        try:
            self._flight = {number: link for number, link in self._flight.items() if link in links}
            refused: set[str] = set()
            for command in self._ready():
                if len(self._flight) >= WINDOW:
                    break
                if (
                    command.name not in refused
                    and command.id in self.open
                    and not self._offer(command, links)
                ):
                    refused.add(command.name)
        finally:
            self._pumping = False

    def _ready(self) -> Iterator[Command]:
        for command in list(self.open.values()):
            if command.id in self._unstored:
                return  # what comes after it is not stored either
            if command.id not in self._flight:
                yield command

    def _offer(self, command: Command, links: Sequence[Link]) -> bool:
        """Send one command, or find that it cannot be; tell whether that settles it for now."""
        if self._flight:
            links = [
                link for link in links if link is self._link
            ] or links  # order holds within one link only
        for link in links:
            self._flight[command.id] = link
            try:
                sent = link.deliver(command, partial(self._events.delivered, command))
            except Exception as error:
                if not isinstance(error, GatewayError):
                    log.exception(
                        "command %s to %s over %s", command.id, command.device, link.protocol
                    )
                self._events.failed(command, str(error))
                return True
            if sent is not None:
                self._link = link
                self._events.sent(command)
                if sent == "unacknowledged":
                    self._events.handed_over(command)
                return True
            self._flight.pop(command.id, None)
        return False
