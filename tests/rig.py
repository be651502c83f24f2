"""The core on a real database, with a clock that tests set, for the tests of what is built on
it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.catalog import Catalog
from gateway.commands import Commands
from gateway.frames import MAX_TS
from gateway.hub import Hub
from gateway.intake import Intake
from gateway.presence import Presence
from gateway.stores import open_store
from gateway.valve import Valve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from gateway.broker.port import Done, Sent
    from gateway.commands import AnswerTo, Command
    from gateway.errors import GatewayError
    from gateway.store.history import Opened
    from gateway.stores import Store

START = 1_763_673_303_000


class Clock:
    """A clock in ms since 1970 UTC that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


class FakeLink:
    """A device's connection: keeps what is delivered, acknowledges when told to."""

    def __init__(
        self, device: str = "kitchen", *, room: int = 1_000, acknowledges: bool = True
    ) -> None:
        self.device = device
        self.protocol = "fake"
        self.address = "192.0.2.1"
        self.how: Sent = "acknowledged" if acknowledges else "unacknowledged"
        self.answered: list[Command] = []
        self.room = room
        self.deaf: set[str] = set()  # names it does not listen to
        self.got: list[Command] = []
        self.acks: list[Done] = []
        self.closed: GatewayError | None = None
        self.refuses: Exception | None = None
        self.at_once = False

    def deliver(self, command: Command, delivered: Done) -> Sent | None:
        if self.refuses is not None:
            raise self.refuses
        if self.room <= 0 or command.name in self.deaf:
            return None
        self.room -= 1
        self.got.append(command)
        if self.at_once:
            delivered()
        else:
            self.acks.append(delivered)
        return self.how

    def answer(self, command: Command, answer_to: AnswerTo) -> bool:
        self.answered.append(command)
        return True

    def close(self, error: GatewayError) -> None:
        self.closed = error

    def acknowledge(self) -> None:
        """Acknowledge the oldest delivery."""
        self.acks.pop(0)()

    @property
    def values(self) -> list[Any]:
        return [msgspec.json.decode(command.value) for command in self.got]


class Rig:
    """The core, running."""

    def __init__(
        self, store: Store, opened: Opened, clock: Clock, devices: tuple[str, ...]
    ) -> None:
        self.store = store
        self.clock = clock
        self.devices = set(devices)
        self.catalog = Catalog(opened)
        self.hub = Hub(
            epoch=opened.epoch, seq=opened.seq, catalog=self.catalog, read=store.history.after
        )
        self.intake = Intake(
            seq=opened.seq,
            commit=store.history.append,
            publish=self.hub.publish,
            unsaved=self.catalog.take_unsaved,
            valve=Valve(),
        )
        self.presence = Presence(
            intake=self.intake, catalog=self.catalog, clock=clock, http_timeout=60
        )
        self.commands = Commands(
            intake=self.intake,
            store=store.commands,
            catalog=self.catalog,
            links=self.presence.links,
            exists=self.devices.__contains__,
            clock=clock,
            keep=3_600_000,
        )

    async def telemetry(self, device: str, channel: str, value: str, ts: int | None = None) -> int:
        """Store one reading."""
        series = self.catalog.series("telemetry", device, channel)
        return await self.intake.store([(series, self.clock() if ts is None else ts, value, "")])

    async def stored(self) -> None:
        """Return when all that was submitted is stored, and all that followed from it."""
        before = -1
        while before != self.hub.seq:
            before = self.hub.seq
            await self.intake.store(())
            await asyncio.sleep(0)

    async def frames(self, type_: str, device: str = "kitchen") -> list[dict[str, Any]]:
        """Return a device's stored frames of a type, in order."""
        await self.stored()
        page = await self.store.history.after(0, self.hub.seq, None, 100_000)
        series = {row[1]: self.catalog.get(row[1]) for row in page.rows}
        return [
            msgspec.json.decode(found.json(seq, ts, value, extra))
            for seq, number, ts, value, extra in page.rows
            if (found := series[number]) is not None
            and found.type == type_
            and found.device == device
        ]


@asynccontextmanager
async def running(
    path: Path, clock: Clock | None = None, devices: tuple[str, ...] = ("kitchen", "hall", "board")
) -> AsyncIterator[Rig]:
    """Open the database, run the intake, and end both; what was submitted is stored."""
    store = await open_store(path, durability="normal")
    rig = Rig(store, await store.history.opened(MAX_TS), clock or Clock(), devices)
    task = asyncio.create_task(rig.intake.run())
    try:
        rig.presence.start()
        await rig.commands.start()
        yield rig
    finally:
        rig.intake.close()
        await task
        await store.close()


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop turn until something is so."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)
