"""Clients that others have written."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
import pytest
from amqtt.client import MQTTClient
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.programs import program

if TYPE_CHECKING:
    from .conftest import Bench


@pytest.mark.parametrize(
    "version",
    [MQTTProtocolVersion.MQTTv31, MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5],
)
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_paho(bench: Bench, version: MQTTProtocolVersion, qos: int) -> None:
    """paho-mqtt sends itself five hundred messages, each once and in order."""
    client = paho.Client(CallbackAPIVersion.VERSION2, "paho", protocol=version)
    client.username_pw_set("d", "secret")
    subscribed, done, received = threading.Event(), threading.Event(), []

    def on_message(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        received.append(int(message.payload))
        if len(received) == 500:
            done.set()

    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = on_message

    def run() -> None:
        client.connect("127.0.0.1", bench.broker.ports["mqtt"])
        client.loop_start()
        client.subscribe("t/#", qos)
        assert subscribed.wait(10)
        for number in range(500):
            client.publish("t/x", str(number), qos)
        assert done.wait(20)
        client.disconnect()
        client.loop_stop()

    await asyncio.to_thread(run)
    assert received == list(range(500))
    await bench.until(lambda: bench.departures() == ["goodbye"])


async def test_amqtt(bench: Bench) -> None:
    """amqtt's client subscribes, publishes with each QoS and receives."""
    client = MQTTClient(client_id="amqtt", config={"auto_reconnect": False})
    await client.connect(f"mqtt://d:secret@127.0.0.1:{bench.broker.ports['mqtt']}/")
    await client.subscribe([("t/#", 2)])
    for qos in (0, 1, 2):
        await client.publish(f"t/{qos}", b"x", qos)
    topics = [
        message.topic for message in [await client.deliver_message(10) for _ in range(3)] if message
    ]
    assert topics == ["t/0", "t/1", "t/2"]
    await client.disconnect()


@program("mosquitto_sub")
@pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "5"])
async def test_mosquitto(bench: Bench, version: str) -> None:
    """mosquitto_pub's messages come out of mosquitto_sub."""
    common = [
        "-h",
        "127.0.0.1",
        "-p",
        str(bench.broker.ports["mqtt"]),
        "-u",
        "d",
        "-P",
        "x",
        "-V",
        version,
        "-q",
        "2",
    ]
    subscriber = await asyncio.create_subprocess_exec(
        "mosquitto_sub", *common, "-t", "t/+", "-C", "3", "-v", stdout=asyncio.subprocess.PIPE
    )
    await bench.until(lambda: bench.count("subscriptions") == 1)
    publisher = await asyncio.create_subprocess_exec(
        "mosquitto_pub", *common, "-t", "t/1", "-l", stdin=asyncio.subprocess.PIPE
    )
    await publisher.communicate(b"a\nb\nc\n")
    output, _ = await asyncio.wait_for(subscriber.communicate(), 10)
    assert output == b"t/1 a\nt/1 b\nt/1 c\n"
