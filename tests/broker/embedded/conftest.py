"""A broker on a port of its own, a gate that remembers what it was asked, and clients of raw
bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import uvloop

from gateway.broker import port
from gateway.broker.embedded.codec.decode import Sender
from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import (
    EMPTY,
    Connack,
    Connect,
    Packet,
    Suback,
    Subscribe,
    Subscription,
)
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.engine import EmbeddedBroker
from gateway.errors import Unauthenticated
from tests.packet_stream import Decoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from gateway.broker.embedded.core.durable import State
    from gateway.store.facts import Fact


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    """Run the tests of the engine on both loops."""
    if item.path.name == "test_engine.py":
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return None


@dataclass
class Someone:
    """An identity, and the user that it acts for."""

    key: str
    owner: int | None = None


@dataclass
class FakeGate:
    """Lets everyone in but `nobody`, and everything pass but `forbidden/#`; `hold` keeps what is
    received unstored.
    """

    hold: bool = False
    messages: list[port.Message] = field(default_factory=list)
    journal: list[Fact] = field(default_factory=list)
    waiting: list[port.Done] = field(default_factory=list)
    calls: list[tuple[object, ...]] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=lambda: {"forbidden"})
    delay: float = 0.0
    target: port.Target = field(default_factory=lambda: port.Target(records=False))
    rooms: dict[str, port.Room] = field(default_factory=dict)
    owners: dict[str, int] = field(default_factory=dict)  # by user name
    gone: set[str] = field(default_factory=lambda: {"gone"})  # user names
    unseen: set[tuple[str, str]] = field(default_factory=set)  # user names and first levels

    def sign_in(self, credentials: port.Credentials) -> port.Identity:
        if credentials.username == "nobody":
            raise Unauthenticated(delay=self.delay)
        return self.someone(str(credentials.username))

    def introduced(
        self, identity: port.Identity, client_id: str, will: tuple[str, bytes] | None
    ) -> None:
        self.calls += [("introduced", identity.key, will)] if will else []

    def room(self, identity: port.Identity) -> port.Room:
        return self.rooms.get(identity.key, port.Room())

    def someone(self, name: str) -> Someone:
        """Return who has this name."""
        return Someone(f"device:{name}", self.owners.get(name))

    def known(self, key: str) -> port.Identity | None:
        name = key.removeprefix("device:")
        return None if name in self.gone else self.someone(name)

    def publishing(self, identity: port.Identity, topic: str) -> port.Target | None:
        return None if topic.split("/")[0] in self.forbidden else self.target

    def subscribing(self, identity: port.Identity, topic_filter: str) -> bool:
        return topic_filter.split("/")[0] not in self.forbidden

    def receiving(self, identity: port.Identity, topic: str) -> bool:
        first, name = topic.split("/")[0], identity.key.removeprefix("device:")
        return first not in self.forbidden and (name, first) not in self.unseen

    def payer(self, topic: str) -> str | int:
        return topic.split("/")[0]

    def receive(
        self,
        messages: Sequence[port.Message],
        done: port.Done,
        journal: Sequence[Fact] = (),
    ) -> None:
        self.messages += messages
        self.journal += journal
        if self.hold:
            self.waiting.append(done)
        else:
            done()

    def store(self) -> None:
        """Let everything that is held be stored."""
        waiting, self.waiting = self.waiting, []
        for done in waiting:
            done()

    def connected(self, connection: port.Connection) -> None:
        self.calls.append(("connected", connection))

    def subscribed(self, connection: port.Connection, topic_filter: str) -> None:
        self.calls.append(("subscribed", connection, topic_filter))

    def disconnected(self, connection: port.Connection, reason: port.Departure) -> None:
        self.calls.append(("disconnected", connection, reason))


class Client:
    """A client of packets over a real socket."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.version = version
        self._decoder = Decoder(1 << 28, sender=Sender.SERVER, version=version)
        self._packets: list[Packet] = []

    def write(self, *packets: Packet | bytes) -> None:
        """Send packets in one write."""
        self.writer.write(
            b"".join(
                packet if isinstance(packet, bytes) else encode(packet, self.version)
                for packet in packets
            )
        )

    async def read(self) -> Packet | None:
        """Return the next packet, None at the end of the stream."""
        while not self._packets:
            try:
                data = await asyncio.wait_for(self.reader.read(65536), 10)
            except ConnectionError:
                return None
            if not data:
                return None
            self._packets += self._decoder.feed(data)
        return self._packets.pop(0)

    async def ask(self, *packets: Packet | bytes) -> Packet | None:
        """Send packets and return the first answer."""
        self.write(*packets)
        return await self.read()

    async def rest(self) -> list[Packet]:
        """Return all packets up to the end of the stream."""
        found = []
        while (packet := await self.read()) is not None:
            found.append(packet)
        return found

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Bench:
    """A running broker with its gate, and the clients of one test."""

    def __init__(
        self,
        gate: FakeGate,
        limits: Limits,
        state: State | None = None,
    ) -> None:
        self.gate = gate
        self.clock = 1_000_000.0
        self.broker = EmbeddedBroker(
            gate,
            host="127.0.0.1",
            port=0,
            limits=limits,
            clock=lambda: self.clock,
        )
        if state is not None:
            self.broker.restore(state)
        self.clients: list[Client] = []

    async def dial(self, version: int = 4) -> Client:
        """Return a client before its CONNECT."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.broker.ports["mqtt"])
        client = Client(reader, writer, version)
        self.clients.append(client)
        return client

    async def connect(
        self, client_id: str = "c", version: int = 4, username: str = "d", **fields: object
    ) -> Client:
        """Return a client that is let in."""
        client, answer = await self.try_connect(client_id, version, username, **fields)
        assert answer.reason_code == 0
        return client

    async def try_connect(
        self, client_id: str = "c", version: int = 4, username: str = "d", **fields: object
    ) -> tuple[Client, Connack]:
        """Return a client and the answer to its CONNECT."""
        client = await self.dial(version)
        packet = Connect(client_id, version, username=username, **fields)  # type: ignore[arg-type]
        answer = await client.ask(packet)
        assert isinstance(answer, Connack)
        return client, answer

    async def subscribe(
        self, client: Client, *topic_filters: str, qos: int = 0, **options: object
    ) -> tuple[int, ...]:
        """Subscribe and return the codes of the SUBACK."""
        properties = options.pop("properties", EMPTY)
        asked = tuple(Subscription(topic_filter, qos, **options) for topic_filter in topic_filters)  # type: ignore[arg-type]
        answer = await client.ask(Subscribe(99, asked, properties))  # type: ignore[arg-type]
        assert isinstance(answer, Suback)
        return answer.reason_codes

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.002)

    def count(self, name: str) -> int:
        """Return one of the broker's counters."""
        return self.broker.statistics()[name]

    def departures(self) -> list[str]:
        """Return why connections ended, in order."""
        return [str(call[2]) for call in self.gate.calls if call[0] == "disconnected"]

    async def close(self) -> None:
        for client in self.clients:
            await client.close()
        await self.broker.stop()


@pytest.fixture
def gate() -> FakeGate:
    """A gate that stores at once."""
    return FakeGate()


@pytest.fixture
def limits() -> Limits:
    """The usual bounds; a test module may have its own."""
    return Limits()


@pytest_asyncio.fixture
async def bench(gate: FakeGate, limits: Limits) -> AsyncIterator[Bench]:
    """A running broker."""
    bench = Bench(gate, limits)
    await bench.broker.start()
    yield bench
    await bench.close()


@pytest.fixture(scope="session")
def new_bench() -> Callable[..., Bench]:
    """Make brokers that need no socket."""
    return lambda gate=None, limits=None, *rest: Bench(
        gate or FakeGate(), limits or Limits(), *rest
    )
