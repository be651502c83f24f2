"""The book of commands: what is kept of them. Each change is a row and a `command` frame, committed
together; the sender's idempotency keys are kept with them.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gateway.errors import Invalid, NotFound, TooLarge, Unavailable
from gateway.frames import command_extra
from gateway.store.commands import Command
from gateway.topics import check_channel

if TYPE_CHECKING:
    from gateway.broker.port import Done
    from gateway.catalog import Catalog
    from gateway.frames import Entry
    from gateway.intake import Intake
    from gateway.shapes import Clock
    from gateway.store.commands import AnswerTo, CommandStore, State

TTL = 86_400.0  # s, where the sender gives none
MAX_TTL = 30 * 86_400.0
MAX_VALUE = 256 << 10  # characters of JSON
MAX_KEYS = 100_000  # idempotency keys, the newest
PRUNE_ROWS = 1_000


class CommandBook:
    """Commands as they are kept. `clock`: ms since 1970 UTC. `keep`: ms that they are kept; None:
    for ever.
    """

    def __init__(
        self,
        *,
        intake: Intake,
        store: CommandStore,
        catalog: Catalog,
        clock: Clock,
        keep: int | None = None,
    ) -> None:
        self.live: dict[str, Command] = {}  # until the last change that can happen is stored
        self._intake = intake
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._keep = keep
        self._keys: dict[tuple[str, str], str] = {}

    async def restore(self) -> list[Command]:
        """Read what was unfinished when the gateway ended, and the keys; return the commands."""
        for sender, key, command_id in await self._store.keys(MAX_KEYS):
            self._keys[sender, key] = command_id
        self.live = {command.id: command for command in await self._store.unfinished(self._clock())}
        return list(self.live.values())

    def admit(self, name: str, value: str) -> None:
        """Raise `Invalid`, `TooLarge` or `Unavailable` where a command cannot be kept."""
        check_channel(name)
        if len(value) > MAX_VALUE:
            raise TooLarge(
                f"a command's value has at most {MAX_VALUE} characters, this one {len(value)}"
            )
        if self._intake.refusal is not None or self._intake.full:
            raise Unavailable(self._intake.refusal or "more arrives than can be stored")

    def open(
        self,
        device: str,
        name: str,
        value: str,
        *,
        sender: str,
        lifetime: int,
        idempotency_key: str | None,
        answer_to: AnswerTo | None,
    ) -> Command:
        """Return a new command that is queued, remembered with its key and not yet stored."""
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
        self.live[command.id] = command
        if idempotency_key is not None:
            self._keys[sender, idempotency_key] = command.id
            if len(self._keys) > MAX_KEYS:
                del self._keys[next(iter(self._keys))]
        return command

    def store(self, command: Command, done: Done) -> None:
        """Store a new command and its frame; `done` runs then."""
        self._intake.submit([self.entry(command)], done, (command.queued(),), len(command.value))

    def change(self, command: Command, state: State, done: Done | None = None) -> None:
        """Store a change and its frame."""
        command.state, command.changed = state, self._clock()
        self._intake.submit([self.entry(command)], done, (command.change(),))

    def store_silently(self, command: Command, done: Done) -> None:
        """Store a change of which no frame tells, or whose frame the caller is about to submit, in
        the same batch.
        """
        self._intake.submit((), done, (command.change(),))

    def fail_silently(self, command: Command, why: str, done: Done) -> None:
        """Store that a command has failed, unless it is delivered already; no frame tells of it."""
        if command.state != "delivered":
            command.state, command.error, command.changed = "failed", why, self._clock()
        self.store_silently(command, done)

    def entry(self, command: Command) -> Entry:
        """Return the frame of a command as it is now."""
        extra = command_extra(command.id, command.state, command.error)
        series = self._catalog.series("command", command.device, command.name)
        return series, command.changed, command.value, extra

    async def known(self, sender: str, idempotency_key: str) -> Command | None:
        """Return the command that a sender has given this key, as it is stored."""
        known = self._keys.get((sender, idempotency_key))
        if known is None:
            return None
        if known in self.live:
            await self._intake.store(())  # the first asking may not be stored yet
        return await self._store.find(known)

    async def get(self, command_id: str) -> Command:
        """Return a command as it is stored; raises `NotFound`."""
        found = await self._store.find(command_id)
        if found is None:
            raise NotFound(f"there is no command {command_id[:40]}")
        return found

    async def prune(self) -> None:
        """Remove commands older than is kept."""
        if self._keep is None:
            return
        before = self._clock() - self._keep
        while await self._store.prune(before, PRUNE_ROWS) == PRUNE_ROWS:
            pass


def lifetime(ttl: float | None) -> int:
    """Return a `ttl` in ms; raises `Invalid`."""
    if ttl is None:
        return round(TTL * 1000)
    if not 0 < ttl <= MAX_TTL:
        raise Invalid(
            f"ttl: {ttl:g} is not between 0 and {MAX_TTL:.0f} seconds",
            fields={"ttl": "out of range"},
        )
    return max(round(ttl * 1000), 1)
