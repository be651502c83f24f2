"""Commands, presence, handlers and rules over real sockets, with real MQTT devices."""

from __future__ import annotations

import asyncio
import json

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.end_to_end.conftest import house

COMMANDS = "devices/kitchen/commands/#"

ECHO = """
from gateway.handlers import Device, DeviceType

class EchoClient(DeviceType):
    type = "echo"

    def on_connect(self, device: Device):
        print("New Ping Client Connected! ID: " + device.id)

    def on_message(self, message: str, device: Device):
        print("Message from Client with ID '" + device.id + "': " + message)
        return message

    def on_disconnect(self, device: Device):
        print("Echo Client Disconnected! ID: " + device.id)
"""


async def order(
    home, name: str, value: object, device: str = "kitchen", **query: object
) -> dict[str, object]:
    """Send a command over HTTP; return what the API answers."""
    url = f"{home.url}/api/v1/devices/{device}/commands/{name}"
    async with home.http.post(url, json=value, params=query) as response:
        assert response.status == 202, await response.text()
        return await response.json()


async def test_delivered_is_the_device_s_own_acknowledgement(home):
    """Without the PUBACK a command is only sent, and comes again when the device returns."""
    command = await order(home, "led", 1)
    assert command["state"] == "queued"
    async with home.listen("kitchen/#") as listening:
        device = await home.device("kitchen")
        device.client.manual_ack_set(True)
        await device.subscribe(COMMANDS)
        assert (await device.message()).payload == b"1"
        assert (await listening.frame(lambda f: f["type"] == "command"))["state"] == "sent"
        device.client.loop_stop()
        device.client._sock_close()  # the network goes, without a word
        assert (
            await listening.frame(lambda f: f["type"] == "presence" and f["value"] == "offline")
        )["reason"] == "lost"
        assert (await home.get(f"/commands/{command['id']}"))["state"] == "sent"
        again = await home.device("kitchen", subscribe=COMMANDS)
        assert (await again.message()).payload == b"1"
        assert (await listening.frame(lambda f: f["type"] == "command"))["state"] == "delivered"


async def test_what_waited_comes_in_order(home):
    """A hundred commands for a device that is away are there when it returns, in order."""
    for number in range(100):
        await order(home, "led", number)
    device = await home.device("kitchen", subscribe=COMMANDS)
    assert [int((await device.message()).payload) for _ in range(100)] == list(range(100))


@pytest.fixture
async def pair(tmp_path):
    """A gateway with two devices of one owner."""
    async with house(tmp_path) as made:
        await made.add("kitchen")
        await made.add("hall")
        yield made


async def test_from_device_to_device_and_back(pair):
    """The sender is recorded, the reply comes back on the response topic with the correlation of
    the request.
    """
    sender = await pair.device("hall", subscribe="devices/hall/answers")
    target = await pair.device("kitchen", subscribe=COMMANDS)
    asked = Properties(PacketTypes.PUBLISH)
    asked.ResponseTopic, asked.CorrelationData = "devices/hall/answers", b"\x07"
    await sender.publish("devices/kitchen/commands/led", "5", properties=asked)
    command = await target.message()
    assert command.payload == b"5"
    answer = Properties(PacketTypes.PUBLISH)
    answer.CorrelationData = command.properties.CorrelationData
    await target.publish(command.properties.ResponseTopic, '"done"', properties=answer)
    reply = await sender.message()
    assert (reply.payload, reply.properties.CorrelationData) == (b'"done"', b"\x07")
    stored = await pair.gateway.core.commands.get(command.properties.CorrelationData.decode())
    assert (stored.sender, stored.state) == ("device:hall", "replied")


def connect_packet(client: str, key: str, keep_alive: int, will_topic: str) -> bytes:
    """Return a CONNECT of MQTT 3.1.1 with a will of QoS 1 (section 3.1)."""
    fields = (client, will_topic, "1", client, key)
    payload = b"".join(len(text).to_bytes(2, "big") + text.encode() for text in fields)
    body = b"\x00\x04MQTT\x04\xce" + keep_alive.to_bytes(2, "big") + payload
    assert len(body) < 128
    return b"\x10" + bytes([len(body)]) + body


async def test_a_frozen_device_is_offline_in_time(pair):
    """A device that falls silent with its socket open has its will published, and is offline
    soon.
    """
    async with pair.listen("kitchen/#") as listening:
        reader, writer = await asyncio.open_connection("127.0.0.1", pair.gateway.ports["mqtt"])
        writer.write(
            connect_packet("kitchen", pair.keys["kitchen"], 1, "devices/kitchen/telemetry/farewell")
        )
        assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
        online, will, offline = [await listening.frame() for _ in range(3)]
        writer.close()
    assert (online["value"], will["channel"], offline["value"]) == ("online", "farewell", "offline")
    assert (offline["reason"], offline["session"]) == ("keep_alive", online["session"])
    assert 1_000 <= offline["ts"] - online["ts"] <= 5_000  # 1.5 s, and a busy machine


async def test_a_takeover_stays_online(pair):
    """A second connection with the same client id ends the first, and the device ends up online."""
    async with pair.listen("kitchen/#") as listening:
        await pair.device("kitchen")
        first = await listening.frame()
        second = await pair.device("kitchen")
        latest = await listening.frame(lambda f: f["value"] == "online")
        await second.publish("devices/kitchen/telemetry/x", "1")
        rest = [await listening.frame()]
        while rest[-1]["channel"] != "x":
            rest.append(await listening.frame())
    assert latest["session"] > first["session"]
    assert all(frame["value"] != "offline" for frame in rest)
    assert pair.gateway.core.presence.is_online("kitchen")


async def test_the_quickstart_of_iotio(tmp_path, capfd):
    """Connect, message, reply, disconnect, with a real MQTT device and our handlers."""
    (tmp_path / "echo_quickstart.py").write_text(ECHO)
    async with house(tmp_path, handlers={"modules": ["echo_quickstart"]}) as here:
        await here.add("kitchen", type="echo")
        device = await here.device("kitchen", subscribe=COMMANDS)
        await device.publish("devices/kitchen/telemetry/message", "hi")
        message = await device.message()
        assert (message.topic, json.loads(message.payload)) == (
            "devices/kitchen/commands/message",
            "hi",
        )
        async with here.listen("kitchen/status") as listening:
            device.client.disconnect()
            await listening.frame(lambda f: f["value"] == "offline")
        async with asyncio.timeout(10):
            while here.gateway.reactions.handlers._lanes:
                await asyncio.sleep(0.001)
    assert capfd.readouterr().out.splitlines() == [
        "New Ping Client Connected! ID: kitchen",
        "Message from Client with ID 'kitchen': hi",
        "Echo Client Disconnected! ID: kitchen",
    ]


async def test_a_rule_commands_another_device(tmp_path):
    """Above the bound, the fan in the hall is switched on."""
    rule = {
        "name": "hot",
        "filter": "+/temperature",
        "above": 30,
        "command": {"name": "fan", "device": "hall", "value": 1},
    }
    async with house(tmp_path, rules=[rule]) as here:
        await here.add("kitchen")
        await here.add("hall")
        fan = await here.device("hall", subscribe="devices/hall/commands/#", protocol=paho.MQTTv311)
        device = await here.device("kitchen")
        await device.publish("devices/kitchen/telemetry", '{"temperature": 30.5}')
        message = await fan.message()
        assert (message.topic, message.payload) == ("devices/hall/commands/fan", b"1")


async def test_a_removed_device_leaves_nothing(pair):
    """Its connection is cut, and its presence is told no more."""
    device = await pair.device("kitchen")
    async with pair.http.delete(f"{pair.url}/api/v1/devices/kitchen") as response:
        assert response.status in {200, 204}
    async with asyncio.timeout(10):
        while device.client.is_connected() or pair.gateway.core.presence.is_online("kitchen"):
            await asyncio.sleep(0.01)
    assert list(pair.gateway.core.catalog.of_device("kitchen")) == []
