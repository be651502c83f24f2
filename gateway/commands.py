"""Commands: what is sent to devices, from the asking to the reply.

    queued -> sent -> delivered -> replied, or expired, or failed

Each change is a row and a `command` frame, committed together. A device gets its commands in order,
a few at a time over one link, again over the next one until it acknowledges or their time is over.
`delivered` is the device's acknowledgement. What the database holds is the truth: after a restart
all goes on from there.
"""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import TYPE_CHECKING

from gateway.deadlines import Deadlines
from gateway.delivery import CommandQueue, Events
from gateway.errors import Conflict, Invalid, NoReply, NotFound, TooLarge, TooMany, Unavailable
from gateway.frames import command_extra, reply_extra
from gateway.store.commands import AnswerTo, Command
from gateway.store.patience import repeat
from gateway.topics import check_channel
from gateway.waiters import Waiters, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.broker.port import Done
    from gateway.catalog import Catalog
    from gateway.frames import Entry
    from gateway.intake import Intake
    from gateway.links import Link
    from gateway.store.commands import CommandStore, State

__all__ = ["AnswerTo", "Command", "Commands"]

TTL = 86_400.0  # s, where the sender gives none
MAX_TTL = 30 * 86_400.0
MAX_OPEN = 1_000  # commands that wait for one device
MAX_OPEN_BYTES = 4 << 20
MAX_VALUE = 256 << 10  # characters of JSON
MAX_KEYS = 100_000  # idempotency keys, the newest
SWEEP = 1.0  # s
PRUNE_EVERY = 60.0  # s
PRUNE_ROWS = 1_000


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
        links: Callable[[str], Sequence[Link]],
        exists: Callable[[str], bool],
        clock: Callable[[], int],
        keep: int | None = None,
    ) -> None:
        self._intake = intake
        self._store = store
        self._catalog = catalog
        self._links = links
        self._exists = exists
        self._clock = clock
        self._keep = keep
        self._events = Events(self._sent, self._delivered, self._await_reply, self._failed)
        self._queues: dict[str, CommandQueue] = {}
        self._live: dict[str, Command] = {}  # until the last change that can happen is stored
        self._keys: dict[tuple[str, str], str] = {}
        self._waiting = Waiters()
        self._deadlines: Deadlines[str] = Deadlines()

    async def start(self) -> None:
        """Take up what was unfinished when the gateway ended."""
        now = self._clock()
        for command in await self._store.unfinished(now):
            self._live[command.id] = command
            self._deadlines.set(command.id, command.expires)
            if command.state == "delivered":
                self._await_reply(command)
            else:
                self._queue(command.device).add(command, stored=True)
        for device in [device for device in self._queues if not self._exists(device)]:
            self.forget(device)  # removed while the gateway did not run
        for sender, key, command_id in await self._store.keys(MAX_KEYS):
            self._keys[sender, key] = command_id

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
        known = await self._known(sender, idempotency_key) if idempotency_key is not None else None
        if known is not None:
            if (known.device, known.name, known.value) != (device, name, value):
                raise Conflict(
                    f"{idempotency_key!r} was the key of another command, {known.id}: use a new one"
                )
            return known
        stored = asyncio.get_running_loop().create_future()
        done = partial(resolve, stored)
        command = self.submit(
            device,
            name,
            value,
            sender=sender,
            ttl=ttl,
            idempotency_key=idempotency_key,
            answer_to=answer_to,
            done=done,
        )
        await stored
        return command

    async def _known(self, sender: str, idempotency_key: str) -> Command | None:
        known = self._keys.get((sender, idempotency_key))
        if known is None:
            return None
        if known in self._live:
            await self._intake.store(())  # the first asking may not be stored yet
        return await self._store.find(known)

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
        lifetime = _lifetime(ttl)
        self._admit(device, name, value)
        now = self._clock()
        command = Command(
            id=secrets.token_hex(10),
            device=device,
            name=name,
            value=value,
            state="queued",
            created=now,
            expires=now + lifetime,
            changed=now,
            sender=sender,
            idempotency_key=idempotency_key,
            answer_to=answer_to,
        )
        self._take_up(command)
        self._intake.submit(
            [self._entry(command)],
            partial(self._stored, command, done),
            (command.queued(),),
            len(value),
        )
        return command

    def _admit(self, device: str, name: str, value: str) -> None:
        if not self._exists(device):
            raise NotFound(f"there is no device {device}")
        check_channel(name)
        if len(value) > MAX_VALUE:
            raise TooLarge(
                f"a command's value has at most {MAX_VALUE} characters, this one {len(value)}"
            )
        if self._intake.refusal is not None or self._intake.full:
            raise Unavailable(self._intake.refusal or "more arrives than can be stored")
        queue = self._queues.get(device)
        if queue is not None and (
            len(queue.open) >= MAX_OPEN or queue.size + len(value) > MAX_OPEN_BYTES
        ):
            raise TooMany(
                f"{len(queue.open)} commands wait for {device} already: its queue is full"
            )
        self._catalog.series(
            "command", device, name
        )  # raises `TooMany` where the device has its fill of them

    def _take_up(self, command: Command) -> None:
        self._queue(command.device).add(command, stored=False)
        self._live[command.id] = command
        self._deadlines.set(command.id, command.expires)
        if command.idempotency_key is not None:
            self._keys[command.sender, command.idempotency_key] = command.id
            if len(self._keys) > MAX_KEYS:
                del self._keys[next(iter(self._keys))]

    def _stored(self, command: Command, done: Done | None) -> None:
        queue = self._queues.get(command.device)
        if queue is not None:
            queue.stored(command)
        if done is not None:
            done()
        self._pump(command.device)

    async def get(self, command_id: str) -> Command:
        """Return a command as it is stored; raises `NotFound`."""
        found = await self._store.find(command_id)
        if found is None:
            raise NotFound(f"there is no command {command_id[:40]}")
        return found

    async def wait(self, command_id: str, seconds: float) -> str:
        """Return the JSON text of a command's reply once it is stored; raises `NoReply` when the
        time is over.

        At once, where no reply can come any more. Raises `NotFound`.
        """
        if command_id in self._live:
            await self._waiting.wait(command_id, seconds)
        command = await self.get(command_id)
        if command.reply is not None:
            return command.reply
        raise NoReply(
            f"no reply to command {command_id}, which is {command.state}: ask for it again by "
            f"its id",
            fields={"command": command_id, "state": command.state},
        )

    def waiting(self, device: str) -> int:
        """Return how many commands wait for a device."""
        queue = self._queues.get(device)
        return len(queue.open) if queue is not None else 0

    # What bridges tell

    def ready(self, device: str) -> None:
        """A device has a new link or a new subscription: send what waits for it, in order."""
        queue = self._queues.get(device)
        if queue is not None:
            queue.renew(self._links(device))
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
        command = self._answered(device, name, correlation)
        if command is None:
            return [(series, now, value, "")]
        self._queues[device].take_out(command)
        command.state, command.reply, command.changed = "replied", value, now
        # In the batch that the caller's entries are about to join.
        self._intake.submit((), partial(self._finished, command), (command.change(),))
        return [(series, now, value, reply_extra(command.id)), self._entry(command)]

    def awaits(self, device: str, name: str, correlation: bytes | None) -> bool:
        """Tell whether a reply would answer a command."""
        return self._answered(device, name, correlation) is not None

    def declined(self, device: str, name: str, correlation: bytes | None, why: str) -> None:
        """A device has said that it will not do a command."""
        command = self._answered(device, name, correlation)
        if command is not None:
            self._failed(command, why)

    def _answered(self, device: str, name: str, correlation: bytes | None) -> Command | None:
        queue = self._queues.get(device)
        if queue is None:
            return None
        if correlation is None:
            return queue.answered_by(name)
        command_id = correlation.decode("ascii", "replace")
        return queue.unanswered.get(command_id) or queue.open.get(command_id)

    def forget(self, device: str, why: str = "the device was removed") -> None:
        """Fail what waits for a device that is gone, or somebody else's now; no frame tells of it.
        What it answers later answers nobody.
        """
        queue = self._queues.pop(device, None)
        if queue is None:
            return
        for command in (*queue.open.values(), *queue.unanswered.values()):
            if command.state != "delivered":
                command.state, command.error, command.changed = (
                    "failed",
                    why,
                    self._clock(),
                )
            self._intake.submit((), partial(self._finished, command), (command.change(),))

    def supersede(self, device: str, name: str, sender: str) -> None:
        """Give up what a sender gave earlier under a name and has not left: a newer one comes."""
        queue = self._queues.get(device)
        for command in list(queue.open.values()) if queue is not None else ():
            if (command.name, command.sender, command.state) == (name, sender, "queued"):
                self._failed(command, "a newer one replaces it")

    # The life of a command

    def _sent(self, command: Command) -> None:
        if command.state == "queued":
            self._change(command, "sent")

    def _delivered(self, command: Command) -> None:
        if command.state not in {"queued", "sent"}:
            return
        self._sent(command)  # some links acknowledge before they have returned
        self._change(command, "delivered")
        self._await_reply(command)
        self._pump(command.device)

    def _failed(self, command: Command, why: str) -> None:
        command.error = why
        self._end(command, "failed")

    def _end(self, command: Command, state: State) -> None:
        self._queue(command.device).take_out(command)
        self._change(command, state, partial(self._finished, command))

    def _change(self, command: Command, state: State, done: Done | None = None) -> None:
        command.state, command.changed = state, self._clock()
        self._intake.submit([self._entry(command)], done, (command.change(),))

    def _entry(self, command: Command) -> Entry:
        extra = command_extra(command.id, command.state, command.error)
        series = self._catalog.series("command", command.device, command.name)
        return series, command.changed, command.value, extra

    def _await_reply(self, command: Command) -> None:
        given_up = self._queue(command.device).await_reply(command)
        if given_up is not None:
            self._let_go(given_up)

    def _finished(self, command: Command) -> None:
        """The last change is stored."""
        self._let_go(command)
        if command.state == "replied" and command.answer_to is not None:
            self._answer(command, command.answer_to)
        self._pump(command.device)

    def _answer(self, command: Command, answer_to: AnswerTo) -> None:
        """Tell the device that sent a command its reply, over the first link that takes it."""
        any(link.answer(command, answer_to) for link in self._links(answer_to.device))

    def _let_go(self, command: Command) -> None:
        self._live.pop(command.id, None)
        self._deadlines.discard(command.id)
        self._waiting.settle(command.id)
        queue = self._queues.get(command.device)
        if queue is not None:
            queue.take_out(command)
            if queue.idle:
                del self._queues[command.device]

    # Time

    async def run(self) -> None:
        """Sweep, and remove what is older than is kept, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(repeat(self.prune, PRUNE_EVERY, "removing old commands"))
            while True:
                await asyncio.sleep(SWEEP)
                self.sweep()

    def sweep(self) -> None:
        """Let expire what is past its time, and send what could not be sent before."""
        self._expire()
        for device in [device for device, queue in self._queues.items() if queue.open]:
            self._pump(device)

    def _expire(self) -> None:
        for command_id in list(self._deadlines.take(self._clock())):
            command = self._live[command_id]
            if command.state in {"queued", "sent"}:
                self._end(command, "expired")
            elif command.state == "delivered":
                self._let_go(command)

    async def prune(self) -> None:
        """Remove commands older than is kept."""
        if self._keep is None:
            return
        before = self._clock() - self._keep
        while await self._store.prune(before, PRUNE_ROWS) == PRUNE_ROWS:
            pass

    def _pump(self, device: str) -> None:
        self._expire()  # what is past its time leaves no more, however long ago the last sweep was
        queue = self._queues.get(device)
        if queue is not None:
            links = self._links(device)
            if links:
                queue.pump(links)

    def _queue(self, device: str) -> CommandQueue:
        queue = self._queues.get(device)
        if queue is None:
            queue = self._queues[device] = CommandQueue(self._events)
        return queue


def _lifetime(ttl: float | None) -> int:
    """Return a `ttl` in ms."""
    if ttl is None:
        return round(TTL * 1000)
    if not 0 < ttl <= MAX_TTL:
        raise Invalid(
            f"ttl: {ttl:g} is not between 0 and {MAX_TTL:.0f} seconds",
            fields={"ttl": "out of range"},
        )
    return max(round(ttl * 1000), 1)
