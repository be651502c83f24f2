"""A whole gateway on free ports of the loopback interface, in this process, and clients that speak
to it for real.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import paho.mqtt.client as paho
import pytest

from gateway.access import accounts, devices, tokens
from gateway.config.load import build
from gateway.daemon import Gateway, started
from gateway.store.audit import By

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

BY = By("test", "", 1)
WAIT = 60.0


@dataclass
class House:
    """A running gateway, a token that may do all, and what was connected to it."""

    gateway: Gateway
    token: str
    http: aiohttp.ClientSession
    protocol: int = paho.MQTTv5
    keys: dict[str, str] = field(default_factory=dict)
    clients: list[paho.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.ports['http']}"

    async def add(self, device: str, **more: Any) -> str:
        """Make a device; return its key."""
        issued = await self.gateway.access.registry.apply(devices.create, BY, id=device, **more)
        self.keys[device] = issued.secret
        return issued.secret

    async def get(self, path: str, **query: Any) -> Any:
        """Return what the API answers."""
        async with self.http.get(f"{self.url}/api/v1{path}", params=query) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    @asynccontextmanager
    async def listen(self, *filters: str, **options: Any) -> AsyncIterator[Listening]:
        """Open a WebSocket and subscribe to the filters."""
        async with self.http.ws_connect(f"{self.url}/api/v1/ws") as socket:
            listening = Listening(socket)
            assert (await listening.next())["type"] == "hello"
            for number, text in enumerate(filters):
                await socket.send_json(
                    {"type": "subscribe", "id": number, "filter": text, **options}
                )
                assert (await listening.next())["type"] == "ack"
            yield listening

    async def device(
        self, name: str, *, subscribe: str | None = None, **options: Any
    ) -> MqttDevice:
        """Connect a device over MQTT with paho."""
        options.setdefault("protocol", self.protocol)
        client = MqttDevice(name, self.keys[name], self.gateway.ports["mqtt"], **options)
        self.clients.append(client.client)
        await client.connect()
        if subscribe is not None:
            await client.subscribe(subscribe)
        return client


class Listening:
    """A WebSocket that was opened: `next` gives the next message, `frame` the next frame that a
    test asks for.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(WAIT):
            return await self.socket.receive_json()

    async def frame(
        self, wanted: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> dict[str, Any]:
        while True:
            message = await self.next()
            if "seq" in message and "device" in message and wanted(message):
                return message


class MqttDevice:
    """A paho client with its callbacks as awaitables; paho runs on a thread of its own."""

    def __init__(
        self,
        name: str,
        key: str,
        port: int,
        *,
        protocol: int = paho.MQTTv5,
        client_id: str = "",
        **will: Any,
    ):
        self.loop = asyncio.get_running_loop()
        self.name = name
        self.messages: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue()
        self.port = port
        self._events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=client_id or f"{name}-client",
            protocol=protocol,
        )
        self.client.username_pw_set(name, key)
        if will:
            self.client.will_set(**will)
        self.client.on_connect = lambda c, u, f, reason, p: self._tell("connect", reason)
        self.client.on_subscribe = lambda c, u, mid, reasons, p: self._tell("subscribe", reasons)
        self.client.on_publish = lambda c, u, mid, reason, p: self._tell(f"publish {mid}", reason)
        self.client.on_message = lambda c, u, message: self._put(self.messages, message)

    def _tell(self, what: str, value: Any) -> None:
        self._put(self._events, (what, value))

    def _put(self, queue: asyncio.Queue[Any], value: Any) -> None:
        self.loop.call_soon_threadsafe(queue.put_nowait, value)

    async def _happens(self, what: str) -> Any:
        async with asyncio.timeout(WAIT):
            while True:
                happened, value = await self._events.get()
                if happened == what:
                    return value

    async def connect(self) -> None:
        self.client.connect("127.0.0.1", self.port, keepalive=30)
        self.client.loop_start()
        reason = await self._happens("connect")
        assert not reason.is_failure, reason

    async def subscribe(self, topic_filter: str, qos: int = 1) -> None:
        self.client.subscribe(topic_filter, qos)
        assert not (await self._happens("subscribe"))[0].is_failure

    async def publish(self, topic: str, payload: str | bytes, **options: Any) -> None:
        """Publish with QoS 1 and wait for the PUBACK."""
        info = self.client.publish(topic, payload, qos=1, **options)
        await self._happens(f"publish {info.mid}")

    async def message(self) -> paho.MQTTMessage:
        async with asyncio.timeout(WAIT):
            return await self.messages.get()


@asynccontextmanager
async def running(directory: Path, **tables: Any) -> AsyncIterator[Gateway]:
    """Run a gateway in this process on free ports; `tables` are those of gateway.toml."""
    listen = {"host": "127.0.0.1", "port": 0}
    store = {"path": str(directory / "gateway.db")}
    settings = {"mqtt": listen, "http": listen, "store": store, **tables}
    async with started(build(settings, {}, directory / "gateway.toml")) as gateway:
        yield gateway


@asynccontextmanager
async def house(directory: Path, **tables: Any) -> AsyncIterator[House]:
    """Run a gateway and make an admin with a token."""
    async with running(directory, **tables) as gateway:
        user = await gateway.access.registry.apply(
            accounts.create, BY, email="admin@example.com", password=None, role="admin"
        )
        token = await gateway.access.registry.apply(tokens.create, BY, user=user.id, scope="admin")
        headers = {"Authorization": f"Bearer {token.secret}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            amqtt = tables.get("broker", {}).get("engine") == "amqtt"
            here = House(gateway, token.secret, session, paho.MQTTv311 if amqtt else paho.MQTTv5)
            try:
                yield here
            finally:
                for client in here.clients:
                    client.disconnect()
                    client.loop_stop()


@pytest.fixture(params=["embedded", "amqtt"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """A house with a kitchen, once for each engine that listens itself."""
    async with house(tmp_path, broker={"engine": request.param}) as here:
        await here.add("kitchen")
        yield here
