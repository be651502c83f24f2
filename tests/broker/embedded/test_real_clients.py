"""MQTT clients that others have written, against a whole gateway with its real gate.

mqtt.js is looked for where `.ci/run` installs it: `npm install --prefix ~/.cache/gateway-tests
mqtt@5`.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import pytest
from amqtt.client import MQTTClient
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from real_gateway import Home, running

from tests.programs import NODE_MODULES, package, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WAIT = 20
needs_mosquitto = program("mosquitto_sub")
needs_mqtt_js = package("mqtt")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """A gateway of its own."""
    async with running(tmp_path) as home:
        yield home


class Paho:
    """A paho-mqtt client whose callbacks can be awaited."""

    def __init__(
        self, home: Home, name: str, version: MQTTProtocolVersion, *, clean: bool = True
    ) -> None:
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = (
            {} if version == MQTTProtocolVersion.MQTTv5 else {"clean_session": clean}
        )
        self.events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.messages: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=version, **options)
        self.client.username_pw_set("token", home.token)
        self._home = home
        self._clean = clean

        def tell(queue: asyncio.Queue[Any], item: Any) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, item)

        self.client.on_connect = lambda c, u, flags, reason, p: tell(
            self.events, ("connect", flags.session_present)
        )
        self.client.on_subscribe = lambda c, u, mid, reasons, p: tell(
            self.events, ("subscribe", reasons)
        )
        self.client.on_unsubscribe = lambda c, u, mid, reasons, p: tell(
            self.events, ("unsubscribe", reasons)
        )
        self.client.on_publish = lambda c, u, mid, reason, p: tell(self.events, ("publish", mid))
        self.client.on_disconnect = lambda c, u, flags, reason, p: tell(
            self.events, ("disconnect", reason)
        )
        self.client.on_message = lambda c, u, message: tell(self.messages, message)

    async def happens(self, what: str) -> Any:
        """Wait for a callback."""
        async with asyncio.timeout(WAIT):
            while True:
                name, value = await self.events.get()
                if name == what:
                    return value

    async def connect(self) -> bool:
        """Connect, and tell whether a session was there."""
        options: dict[str, Any] = {}
        if self.client.protocol == MQTTProtocolVersion.MQTTv5:
            options = {"clean_start": self._clean, "properties": Properties(PacketTypes.CONNECT)}
            options["properties"].SessionExpiryInterval = 0 if self._clean else 100
        await asyncio.to_thread(self.client.connect, "127.0.0.1", self._home.port, 30, **options)
        self.client.loop_start()
        return bool(await self.happens("connect"))

    async def get(self, count: int) -> list[paho.MQTTMessage]:
        """Return the next messages."""
        async with asyncio.timeout(WAIT):
            return [await self.messages.get() for _ in range(count)]

    async def leave(self) -> None:
        """Disconnect and stop paho's thread."""
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)


@pytest.fixture(
    params=[MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5], ids=["3.1.1", "5"]
)
def version(request: pytest.FixtureRequest) -> MQTTProtocolVersion:
    """MQTT 3.1.1 and 5, as paho calls them."""
    return request.param


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_paho_sends_and_receives(home, version, qos):
    """Two hundred messages come back once each and in order, and an empty one takes the retained
    one away.
    """
    client = Paho(home, "paho", version)
    await client.connect()
    client.client.subscribe("plain/#", qos)
    await client.happens("subscribe")
    for number in range(200):
        client.client.publish("plain/x", str(number), qos, retain=number == 199)
    assert [int(message.payload) for message in await client.get(200)] == list(range(200))
    client.client.publish("plain/x", b"", qos, retain=True)
    assert (await client.get(1))[0].payload == b""
    client.client.unsubscribe("plain/#")
    await client.happens("unsubscribe")
    await client.leave()


async def test_paho_finds_its_session(home, version):
    """What was sent meanwhile waits for it."""
    client, other = Paho(home, "stays", version, clean=False), Paho(home, "other", version)
    assert not await client.connect()
    client.client.subscribe("plain/+", 2)
    await client.happens("subscribe")
    await client.leave()
    await other.connect()
    for number in range(20):
        other.client.publish("plain/x", str(number), 1 + number % 2)
        await other.happens("publish")
    back = Paho(
        home, "stays", version, clean=False
    )  # paho leaks its wake-up sockets when a client starts again
    assert await back.connect()
    found = await back.get(20)
    for qos in (1, 2):  # paho hands QoS 2 on at its PUBREL, so order holds for each QoS (4.6)
        assert [int(one.payload) for one in found if one.qos == qos] == list(range(qos - 1, 20, 2))
    await back.leave()
    await other.leave()


async def test_paho_is_lost(home, version):
    """Its will is published when its socket goes."""
    watch, lost = Paho(home, "watch", version), Paho(home, "lost", version)
    await watch.connect()
    watch.client.subscribe("wills/#", 1)
    await watch.happens("subscribe")
    lost.client.will_set("wills/lost", b"gone", 1)
    await lost.connect()
    lost.client.socket().shutdown(2)
    (message,) = await watch.get(1)
    assert (message.topic, message.payload, message.qos) == ("wills/lost", b"gone", 1)
    await lost.leave()
    await watch.leave()


async def test_paho_speaks_mqtt_5(home):
    """Properties, topic aliases and subscription identifiers pass through paho's own codec."""
    client = Paho(home, "five", MQTTProtocolVersion.MQTTv5)
    await client.connect()
    asked = Properties(PacketTypes.SUBSCRIBE)
    asked.SubscriptionIdentifier = 42
    client.client.subscribe("plain/#", 1, properties=asked)
    await client.happens("subscribe")
    sent = Properties(PacketTypes.PUBLISH)
    sent.UserProperty = [("a", "1"), ("b", "2")]
    sent.ContentType, sent.ResponseTopic, sent.CorrelationData = (
        "text/plain",
        "plain/answer",
        b"\0\1",
    )
    sent.MessageExpiryInterval, sent.TopicAlias = 60, 1
    client.client.publish("plain/x", b"one", 1, properties=sent)
    (message,) = await client.get(1)
    got = message.properties
    assert got.UserProperty == [("a", "1"), ("b", "2")]
    assert (got.ContentType, got.ResponseTopic, got.CorrelationData) == (
        "text/plain",
        "plain/answer",
        b"\0\1",
    )
    assert (got.SubscriptionIdentifier, got.MessageExpiryInterval <= 60) == ([42], True)
    await client.leave()


async def test_paho_with_a_wrong_token(home, version):
    """It is told why it is not let in."""
    client = Paho(home, "wrong", version)
    client.client.username_pw_set("token", "wrong")
    refused: asyncio.Queue[Any] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    client.client.on_connect = lambda c, u, f, reason, p: loop.call_soon_threadsafe(
        refused.put_nowait, reason
    )
    client.client.connect_async("127.0.0.1", home.port)
    client.client.loop_start()
    async with asyncio.timeout(WAIT):
        assert (await refused.get()).is_failure
    await client.leave()


async def test_amqtt_over_tcp_and_websocket(home):
    """amqtt's client subscribes, publishes with each QoS and receives, on both entrances."""
    at = f"token:{home.token}@127.0.0.1:"
    for url in (f"mqtt://{at}{home.port}/", f"ws://{at}{home.gateway.ports['http']}/mqtt"):
        client = MQTTClient(client_id="amqtt", config={"auto_reconnect": False})
        await client.connect(url)
        await client.subscribe([("plain/#", 2)])
        for qos in (0, 1, 2):
            await client.publish(f"plain/{qos}", b"x", qos)
        found = [await client.deliver_message(WAIT) for _ in range(3)]
        assert [message.topic for message in found if message] == ["plain/0", "plain/1", "plain/2"]
        await client.disconnect()


async def _run(*line: str, text: bytes | None = None) -> tuple[int, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *line,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(text), WAIT)
    assert process.returncode is not None
    return process.returncode, output, errors


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["mqttv31", "mqttv311", "5"])
@pytest.mark.parametrize("qos", ["0", "1", "2"])
async def test_mosquitto(home, protocol, qos):
    """mosquitto_pub's retained message comes out of mosquitto_sub, and a wrong key is refused."""
    key = await home.add("kitchen", grants=("plain/#",))
    to = ["-h", "127.0.0.1", "-p", str(home.port), "-u", "kitchen", "-V", protocol, "-q", qos]
    sent = await _run("mosquitto_pub", *to, "-P", key, "-t", "plain/a", "-r", "-m", "hello")
    assert sent[0] == 0, sent
    found = await _run(
        "mosquitto_sub", *to, "-P", key, "-t", "plain/+", "-C", "1", "-F", "%t %p %r %q"
    )
    assert found[:2] == (0, f"plain/a hello 1 {qos}\n".encode())
    refused = await _run("mosquitto_pub", *to, "-P", "wrong", "-t", "plain/a", "-m", "x")
    assert refused[0] != 0


_SCRIPT = """
const mqtt = require("mqtt");
const [url, protocolVersion, username, password] = process.argv.slice(1);
const options = {
  protocolVersion: +protocolVersion, username, password, clean: true, reconnectPeriod: 0,
};
const client = mqtt.connect(url, options);
const found = [];
client.on("error", (error) => { console.error(String(error)); process.exit(3); });
client.on("message", (topic, payload, packet) => {
  const user = packet.properties?.userProperties?.a ?? null;
  found.push({topic, payload: payload.toString(), qos: packet.qos, user});
  if (found.length === 4) client.end(false, {}, () => console.log(JSON.stringify(found)));
});
client.on("connect", () => client.subscribe("plain/#", {qos: 2}, async (error, granted) => {
  if (error || granted[0].qos !== 2) process.exit(4);
  const properties = options.protocolVersion === 5 ? {userProperties: {a: "b"}} : undefined;
  for (const qos of [0, 1, 2]) await client.publishAsync("plain/" + qos, "x", {qos, properties});
  await client.publishAsync("plain/big", "y".repeat(200000), {qos: 1});
}));
"""


@needs_mqtt_js
@pytest.mark.parametrize("protocol", ["4", "5"])
@pytest.mark.parametrize("scheme", ["mqtt", "ws"])
async def test_mqtt_js(home, protocol, scheme):
    """mqtt.js subscribes, publishes with each QoS and receives, over TCP and through /mqtt."""
    url = (
        f"mqtt://127.0.0.1:{home.port}"
        if scheme == "mqtt"
        else f"ws://127.0.0.1:{home.gateway.ports['http']}/mqtt"
    )
    line = [
        "env",
        f"NODE_PATH={NODE_MODULES}",
        "node",
        "-e",
        _SCRIPT,
        "--",
        url,
        protocol,
        "token",
        home.token,
    ]
    code, output, errors = await _run(*line)
    assert code == 0, errors
    user = "b" if protocol == "5" else None
    small = [
        {"topic": f"plain/{qos}", "payload": "x", "qos": qos, "user": user} for qos in (0, 1, 2)
    ]
    assert json.loads(output) == [
        *small,
        {"topic": "plain/big", "payload": "y" * 200_000, "qos": 1, "user": None},
    ]


@needs_mqtt_js
async def test_mqtt_js_with_a_wrong_token(home):
    """It is told that it may not come in."""
    url = f"ws://127.0.0.1:{home.gateway.ports['http']}/mqtt"
    code, _, errors = await _run(
        "env", f"NODE_PATH={NODE_MODULES}", "node", "-e", _SCRIPT, "--", url, "5", "token", "wrong"
    )
    assert code == 3
    assert b"refused" in errors
