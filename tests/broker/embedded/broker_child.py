"""A broker in a process of its own, to be killed: what it takes in and its journal are committed
together.

Run as `python broker_child.py DATABASE PORT`; prints a line when it listens.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from gateway.broker import port
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.engine import EmbeddedBroker
from gateway.intake import Intake
from gateway.store.facts import Fact
from gateway.store.sqlite import batch
from gateway.store.sqlite.broker_state import load
from gateway.store.sqlite.database import Database
from gateway.valve import Valve

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from gateway.frames import Entry


@dataclass
class Who:
    """An identity."""

    key: str
    owner: int | None = None


class Seen(Fact, frozen=True):
    """A message came here."""

    qos: int
    number: int


class Recorder:
    """A gate that stores every message in a table of its own."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def sign_in(self, credentials: port.Credentials) -> port.Identity:
        return Who(str(credentials.username))

    def known(self, key: str) -> port.Identity | None:
        return Who(key)

    def introduced(
        self, identity: port.Identity, client_id: str, will: tuple[str, bytes] | None
    ) -> None:
        pass

    def room(self, identity: port.Identity) -> port.Room:
        return port.Room()

    def publishing(self, identity: port.Identity, topic: str) -> port.Target | None:
        return port.Target(records=True)

    def subscribing(self, identity: port.Identity, topic_filter: str) -> bool:
        return True

    def receiving(self, identity: port.Identity, topic: str) -> bool:
        return True

    def payer(self, topic: str) -> str | int:
        return topic.split("/")[0]

    def receive(
        self,
        messages: Sequence[port.Message],
        done: port.Done,
        journal: Sequence[Fact] = (),
    ) -> None:
        seen = [Seen(message.qos, int(message.payload)) for message in messages]
        self._intake.submit((), done, (*seen, *journal))

    def connected(self, connection: port.Connection) -> None:
        """Nothing: this gate only stores."""

    def subscribed(self, connection: port.Connection, topic_filter: str) -> None:
        """Nothing."""

    def disconnected(self, connection: port.Connection, reason: port.Departure) -> None:
        """Nothing."""


async def run(path: Path, number: int) -> None:
    """Run until killed."""
    database = await Database.open(path)

    async def commit(seq: int, entries: Sequence[Entry], facts: Sequence[Fact]) -> None:
        def write(db: sqlite3.Connection) -> None:
            batch.append(db, seq, [], [one for one in facts if not isinstance(one, Seen)])
            seen = [(one.qos, one.number) for one in facts if isinstance(one, Seen)]
            db.executemany("INSERT INTO seen VALUES (?, ?)", seen)

        await database.write(write)

    valve = Valve()
    intake = Intake(
        seq=0, commit=commit, publish=lambda first, entries: None, unsaved=lambda: (), valve=valve
    )
    broker = EmbeddedBroker(
        Recorder(intake),
        host="127.0.0.1",
        port=number,
        limits=Limits(queue=1_000_000, queue_bytes=1 << 30, queue_bytes_user=1 << 30),
    )
    valve.subscribe(broker.pause, broker.resume)
    broker.restore(await database.read(load))
    await broker.start()
    print("listening", flush=True)
    await intake.run()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
