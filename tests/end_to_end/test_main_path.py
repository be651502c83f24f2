"""MQTT in, stored, JSON frames out, values back: over real sockets, with real clients."""

from __future__ import annotations

import asyncio
import json
import subprocess

from tests.programs import program


async def test_a_reading_is_the_same_frame_everywhere(home):
    """One publish gives a frame on WebSocket, SSE, /frames, /latest and /history, all with the same
    seq.
    """
    async with (
        home.listen("kitchen/temperature") as listening,
        home.http.get(f"{home.url}/api/v1/stream?filter=kitchen/temperature") as stream,
    ):
        device = await home.device("kitchen")
        await device.publish("devices/kitchen/telemetry", '{"temperature":21.4}')
        frame = await listening.frame()
        event = await _event(stream)
    assert frame == {
        **frame,
        "type": "telemetry",
        "device": "kitchen",
        "channel": "temperature",
        "value": 21.4,
    }
    assert list(frame) == ["type", "seq", "device", "channel", "ts", "value"]
    epoch = home.gateway.core.hub.epoch
    assert event == {"id": f"{epoch}-{frame['seq']}", "event": "telemetry", "data": frame}
    assert (await home.get("/frames", filter="kitchen/temperature", after=0))["frames"] == [frame]
    assert (await home.get("/devices/kitchen/latest"))["temperature"] == frame
    assert (await home.get("/history", device="kitchen", channel="temperature"))["frames"] == [
        frame
    ]


async def _event(stream) -> dict[str, object]:
    """Read the next event that is not a comment."""
    fields: dict[str, object] = {}
    async with asyncio.timeout(10):
        async for line in stream.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name in {"id", "event", "data"}:
                fields[name] = json.loads(value) if name == "data" else value
            elif not line.strip() and "data" in fields:
                return fields
    raise AssertionError("the stream ended")


@program("mosquitto_pub")
async def test_mosquitto_pub(home):
    """The line of the README works."""
    async with home.listen("kitchen/temperature") as listening:
        line = [
            "mosquitto_pub",
            "-p",
            str(home.gateway.ports["mqtt"]),
            "-t",
            "devices/kitchen/telemetry",
        ]
        line += [
            "-m",
            '{"temperature":21.4}',
            "-u",
            "kitchen",
            "-P",
            home.keys["kitchen"],
            "-q",
            "1",
        ]
        await asyncio.to_thread(subprocess.run, line, check=True, timeout=10)
        assert (await listening.frame())["value"] == 21.4


async def test_a_command_and_its_reply(home):
    """A command over HTTP reaches the device, and its reply answers the wait."""
    device = await home.device("kitchen", subscribe="devices/kitchen/commands/#")

    async def answer() -> None:
        message = await device.message()
        assert message.topic == "devices/kitchen/commands/led"
        assert json.loads(message.payload) == {"on": True}
        device.client.publish("devices/kitchen/replies/led", '"done"', qos=1)

    answering = asyncio.create_task(answer())
    async with home.http.post(
        f"{home.url}/api/v1/devices/kitchen/commands/led?wait=5", json={"on": True}
    ) as response:
        assert response.status == 200, await response.text()
        assert (await response.json())["reply"] == "done"
    await answering


async def test_a_command_over_websocket(home):
    """A listener sends a command and waits for the reply on the same connection."""
    device = await home.device("kitchen", subscribe="devices/kitchen/commands/#")
    async with home.listen() as listening:
        await listening.socket.send_json(
            {
                "type": "command",
                "id": "b",
                "device": "kitchen",
                "name": "led",
                "value": 1,
                "wait": 5,
            }
        )
        acknowledged = await listening.next()
        assert acknowledged["type"] == "ack"
        message = await device.message()
        assert message.payload == b"1"
        device.client.publish("devices/kitchen/replies/led", "2", qos=1)
        assert await listening.next() == {"type": "reply", "id": "b", "value": 2}
    command = await home.get(f"/commands/{acknowledged['command']}")
    assert (command["state"], command["reply"]) == ("replied", 2)
