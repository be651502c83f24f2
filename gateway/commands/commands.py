"""The life of commands: the book keeps them, queues send them, replies are passed on."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from gateway.commands.book import CommandBook, lifetime
from gateway.commands.queue import Events
from gateway.commands.queues import CommandQueues
from gateway.commands.replies import Replies
from gateway.errors import Conflict, NotFound
from gateway.frames import reply_extra
from gateway.store.patience import repeat
from gateway.waiters import resolve

if TYPE_CHECKING:
    from gateway.broker.port import Done
    from gateway.catalog import Catalog
    from gateway.frames import Entry
    from gateway.intake import Intake
    from gateway.links import Reach
    from gateway.shapes import Clock, Exists
    from gateway.store.commands import AnswerTo, Command, CommandStore, State

SWEEP = 1.0  # s
PRUNE_EVERY = 60.0  # s


class Commands:
    """Keeps and sends commands. Call `start` before anything else, and let `run` be a task.

    `links(device)`: a device's links, the newest first. `exists(device)`: whether there is such a
    device. `clock`: ms since 1970 UTC. `keep`: ms that commands are kept; None: for ever.
    """

    def __init__(
        self,
        *,
        intake: Intake,
        store: CommandStore,
        catalog: Catalog,
        links: Reach,
        exists: Exists,
        clock: Clock,
        keep: int | None = None,
    ) -> None:
        self._book = CommandBook(
            intake=intake, store=store, catalog=catalog, clock=clock, keep=keep
        )
        events = Events(self._sent, self._delivered, self._await_reply, self._failed)
        self._queues = CommandQueues(events, links)
        self._replies = Replies(self._book, links)
        self._catalog = catalog
        self._exists = exists
        self._clock = clock

    async def start(self) -> None:
        """Take up what was unfinished when the gateway ended."""
        for command in await self._book.restore():
            self._queues.add(command, stored=True)
            if command.state == "delivered":
                self._await_reply(command)
        for device in [device for device in self._queues if not self._exists(device)]:
            self.forget(device)  # removed while the gateway did not run

    # Asking

    async def send(
        self,
        device: str,
        name: str,
        value: str,
        *,
        sender: str,
        ttl: float | None = None,
        idempotency_key: str | None = None,
        answer_to: AnswerTo | None = None,
    ) -> Command:
        """Send a command, `value` being JSON text; return it once it is stored.

        A key that the sender has used before gives the command of that time. Raises what `submit`
        does.
        """
        if idempotency_key is not None:
            known = await self._book.known(sender, idempotency_key)
            if known is not None:
                return _same(known, device, name, value)
        stored = asyncio.get_running_loop().create_future()
        command = self.submit(
            device,
            name,
            value,
            sender=sender,
            ttl=ttl,
            idempotency_key=idempotency_key,
            answer_to=answer_to,
            done=partial(resolve, stored),
        )
        await stored
        return command

    def submit(
        self,
        device: str,
        name: str,
        value: str,
        *,
        sender: str,
        ttl: float | None = None,
        idempotency_key: str | None = None,
        answer_to: AnswerTo | None = None,
        done: Done | None = None,
    ) -> Command:
        """Take a command in, without waiting; `done` runs once it is stored, and then it is sent.

        Raises `NotFound`, `Invalid`, `TooLarge`, `TooMany` (the device's queue is full),
        `Unavailable`.
        """
        lasting = lifetime(ttl)
        self._admit(device, name, value)
        command = self._book.open(
            device,
            name,
            value,
            sender=sender,
            lifetime=lasting,
            idempotency_key=idempotency_key,
            answer_to=answer_to,
        )
        self._queues.add(command, stored=False)
        self._book.store(command, partial(self._stored, command, done))
        return command

    def _admit(self, device: str, name: str, value: str) -> None:
        if not self._exists(device):
            raise NotFound(f"there is no device {device}")
        self._book.admit(name, value)
        self._queues.demand_room(device, len(value))
        # raises `TooMany` where the device has its fill of them
        self._catalog.series("command", device, name)

    def _stored(self, command: Command, done: Done | None) -> None:
        self._queues.stored(command)
        if done is not None:
            done()
        self._pump(command.device)

    async def get(self, command_id: str) -> Command:
        """Return a command as it is stored; raises `NotFound`."""
        return await self._book.get(command_id)

    async def wait(self, command_id: str, seconds: float) -> str:
        """Return the JSON text of a command's reply once it is stored; raises `NoReply` when the
        time is over, `NotFound`.
        """
        return await self._replies.wait(command_id, seconds)

    def waiting(self, device: str) -> int:
        """Return how many commands wait for a device."""
        return len(self._queues.open(device))

    def unfinished(self, device: str) -> list[Command]:
        """Return what waits for a device, in order."""
        return self._queues.open(device)

    async def cancel(self, command_id: str) -> Command:
        """Take back what its device has not acknowledged; return it once that is stored.

        Raises `NotFound`, and `Conflict` where it is too late.
        """
        self._expire()
        command = self._book.live.get(command_id) or await self.get(command_id)
        if command.state not in {"queued", "sent"}:
            raise Conflict(f"command {command_id} is {command.state}: it is too late to cancel it")
        sent = command.state == "sent"
        command.error = "cancelled, and may have arrived" if sent else "cancelled"
        stored = asyncio.get_running_loop().create_future()
        self._end(command, "failed", partial(resolve, stored))
        await stored
        return command

    # What bridges tell

    def ready(self, device: str) -> None:
        """A device has a new link or a new subscription: send what waits for it, in order."""
        self._queues.renew(device)
        self._pump(device)

    def refused(self, command: Command, why: str) -> None:
        """A device will not have a command."""
        if command.state in {"queued", "sent"}:
            self._failed(command, why)

    def replied(
        self, device: str, name: str, value: str, correlation: bytes | None, now: int
    ) -> list[Entry]:
        """Return the frames to store, with the message that made them, for a device's reply (JSON
        text).

        With the `correlation` of a command it answers that one, without the oldest unanswered one
        of its name. What answers nothing is still a `reply` frame. Raises `TooMany` where the
        device has its fill of channels.
        """
        series = self._catalog.series("reply", device, name)
        command = self._queues.answered(device, name, correlation)
        if command is None:
            return [(series, now, value, "")]
        self._queues.take_out(command)
        command.state, command.reply, command.changed = "replied", value, now
        self._book.store_silently(command, partial(self._finished, command))
        return [(series, now, value, reply_extra(command.id)), self._book.entry(command)]

    def awaits(self, device: str, name: str, correlation: bytes | None) -> bool:
        """Tell whether a reply would answer a command."""
        return self._queues.answered(device, name, correlation) is not None

    def declined(self, device: str, name: str, correlation: bytes | None, why: str) -> None:
        """A device has said that it will not do a command."""
        command = self._queues.answered(device, name, correlation)
        if command is not None:
            self._failed(command, why)

    def forget(self, device: str, why: str = "the device was removed") -> None:
        """Fail what waits for a device that is gone, or somebody else's now; no frame tells of it.
        What it answers later answers nobody.
        """
        for command in self._queues.drop(device):
            self._book.fail_silently(command, why, partial(self._finished, command))

    def supersede(self, device: str, name: str, sender: str) -> None:
        """Give up what a sender gave earlier under a name and has not left: a newer one comes."""
        for command in self._queues.open(device):
            if (command.name, command.sender, command.state) == (name, sender, "queued"):
                self._failed(command, "a newer one replaces it")

    # The life of a command

    def _sent(self, command: Command) -> None:
        if command.state == "queued":
            self._book.change(command, "sent")

    def _delivered(self, command: Command) -> None:
        if command.state not in {"queued", "sent"}:
            return
        self._sent(command)  # some links acknowledge before they have returned
        self._book.change(command, "delivered")
        self._await_reply(command)
        self._pump(command.device)

    def _failed(self, command: Command, why: str) -> None:
        command.error = why
        self._end(command, "failed")

    def _end(self, command: Command, state: State, done: Done | None = None) -> None:
        self._queues.take_out(command)
        self._book.change(command, state, partial(self._finished, command, done))

    def _await_reply(self, command: Command) -> None:
        given_up = self._queues.await_reply(command)
        if given_up is not None:
            self._let_go(given_up)

    def _finished(self, command: Command, done: Done | None = None) -> None:
        """The last change is stored."""
        self._let_go(command)
        self._replies.pass_on(command)
        self._pump(command.device)
        if done is not None:
            done()

    def _let_go(self, command: Command) -> None:
        self._book.live.pop(command.id, None)
        self._queues.let_go(command)
        self._replies.settle(command.id)

    # Time

    async def run(self) -> None:
        """Sweep, and remove what is older than is kept, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(repeat(self.prune, PRUNE_EVERY, "removing old commands"))
            while True:
                await asyncio.sleep(SWEEP)
                self.sweep()

    async def prune(self) -> None:
        """Remove commands older than is kept."""
        await self._book.prune()

    def sweep(self) -> None:
        """Let expire what is past its time, and send what could not be sent before."""
        self._expire()
        for device in self._queues:
            self._queues.pump(device)

    def _expire(self) -> None:
        for command_id in self._queues.expired(self._clock()):
            command = self._book.live[command_id]
            if command.state in {"queued", "sent"}:
                self._end(command, "expired")
            elif command.state == "delivered":
                self._let_go(command)

    def _pump(self, device: str) -> None:
        self._expire()  # what is past its time leaves no more, however long ago the last sweep was
        self._queues.pump(device)


def _same(known: Command, device: str, name: str, value: str) -> Command:
    """Return the command that had this key before; raises `Conflict` where it was another one."""
    if (known.device, known.name, known.value) != (device, name, value):
        key = known.idempotency_key
        raise Conflict(f"{key!r} was the key of another command, {known.id}: use a new one")
    return known
