"""A gate that records what an engine asks and tells it, and answers as a test sets it up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.broker.port import (
    Connection,
    Credentials,
    Departure,
    Done,
    Message,
    Room,
    Target,
)
from gateway.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.store.facts import Fact

PATIENCE = 10.0  # seconds; a bound for what must come, never a wait for what must not


@dataclass(frozen=True)
class FakeIdentity:
    """A principal by its key."""

    key: str
    owner: int | None = None


class FakeGate:
    """Signs in every username whose password is `key-USERNAME`, and permits everything that no test
    refuses.

    `hold` keeps the acknowledgements in `held` until the test runs them. `failing` makes `receive`
    raise.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.events: list[tuple[str, ...]] = []
        self.connections: list[Connection] = []
        self.credentials: list[Credentials] = []
        self.asked: list[tuple[str, str]] = []
        self.hold = False
        self.held: list[Done] = []
        self.failing = False
        self.rooms: dict[str, Room] = {}
        self.retain: bool | None = None
        self.may_publish: Callable[[str, str], bool] = lambda key, topic: True
        self.may_subscribe: Callable[[str, str], bool] = lambda key, topic_filter: True
        self.may_receive: Callable[[str, str], bool] = lambda key, topic: True
        self._changed = asyncio.Event()

    def sign_in(self, credentials: Credentials) -> FakeIdentity:
        self.credentials.append(credentials)
        self._note()
        if (
            credentials.username is None
            or credentials.password != f"key-{credentials.username}".encode()
        ):
            raise Unauthenticated
        return FakeIdentity(f"device:{credentials.username}")

    def known(self, key: str) -> FakeIdentity | None:
        return None

    def introduced(self, identity, client_id, will) -> None:
        pass

    def room(self, identity) -> Room:
        return self.rooms.get(identity.key, Room())

    def publishing(self, identity: FakeIdentity, topic: str) -> Target | None:
        self.asked.append((identity.key, topic))
        return Target(True, self.retain) if self.may_publish(identity.key, topic) else None

    def subscribing(self, identity: FakeIdentity, topic_filter: str) -> bool:
        return self.may_subscribe(identity.key, topic_filter)

    def receiving(self, identity: FakeIdentity, topic: str) -> bool:
        return self.may_receive(identity.key, topic)

    def payer(self, topic: str) -> str | int:
        return topic.split("/")[0]

    def receive(
        self, messages: Sequence[Message], done: Done, journal: Sequence[Fact] = ()
    ) -> None:
        if self.failing:
            raise RuntimeError("the tap fails")
        self.messages.extend(messages)
        if self.hold:
            self.held.append(done)
        else:
            done()
        self._note()

    def connected(self, connection: Connection) -> None:
        self.connections.append(connection)
        self._event("connected", connection.client_id)

    def subscribed(self, connection: Connection, topic_filter: str) -> None:
        self._event("subscribed", connection.client_id, topic_filter)

    def disconnected(self, connection: Connection, reason: Departure) -> None:
        self._event("disconnected", connection.client_id, reason)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds, looking whenever the engine has called."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def event(self, *event: str) -> None:
        await self.until(lambda: event in self.events)

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    def _event(self, *event: str) -> None:
        self.events.append(event)
        self._note()

    def _note(self) -> None:
        self._changed.set()
