"""Gadgets of other makers on a running gateway: nothing but address, user name and key."""

from __future__ import annotations

import asyncio
import json

import paho.mqtt.client as paho
import pytest

TASMOTA = {
    "dn": "Kitchen",
    "fn": ["Lamp"],
    "mac": "DC4F221A2B3C",
    "md": "Sonoff Basic",
    "ofln": "Offline",
    "onln": "Online",
    "state": ["OFF", "ON", "TOGGLE", "HOLD"],
    "sw": "15.0.1",
    "t": "kitchen_plug",
    "ft": "%prefix%/%topic%/",
    "tp": ["cmnd", "stat", "tele"],
    "rl": [1, 0],
    "lt_st": 0,
}
ZIGBEE = [
    {"ieee_address": "0x1", "type": "Coordinator", "friendly_name": "Coordinator"},
    {
        "ieee_address": "0xa1",
        "type": "Router",
        "friendly_name": "Living room/plug",
        "definition": {
            "model": "ZNCZ02LM",
            "vendor": "Xiaomi",
            "exposes": [
                {
                    "type": "binary",
                    "name": "state",
                    "property": "state",
                    "access": 7,
                    "value_on": "ON",
                    "value_off": "OFF",
                },
                {"type": "numeric", "name": "power", "property": "power", "unit": "W", "access": 1},
            ],
        },
    },
]


async def until_about(home, device: str, channel: str = "", **wanted) -> dict:
    """Wait until a device is described like that, with the channel if one is named."""
    async with asyncio.timeout(20):
        while True:
            for each in (await home.get("/devices"))["devices"]:
                about = each["about"]
                known = not channel or channel in about.get("channels", {})
                if each["id"] == device and wanted.items() <= about.items() and known:
                    return each
            await asyncio.sleep(0.05)


async def test_a_tasmota_plug(home):
    """Its will is on its own topic; it appears with name, unit and a switch that answers."""
    will = {"topic": "tele/kitchen_plug/LWT", "payload": "Offline", "retain": True, "qos": 1}
    plug = await home.device("kitchen", client_id="DVES_1A2B3C", **will)
    await plug.publish("tele/kitchen_plug/LWT", "Online", retain=True)
    await plug.subscribe("cmnd/kitchen_plug/#", 0)
    await plug.subscribe("cmnd/tasmotas/#", 0)
    await plug.subscribe("cmnd/DVES_1A2B3C_fb/#", 0)
    await plug.publish("tasmota/discovery/DC4F221A2B3C/config", json.dumps(TASMOTA), retain=True)
    sensor = {"Time": "2026-01-02T10:13:52", "ENERGY": {"Power": 12, "Voltage": 230}}
    sensors = json.dumps({"sn": sensor})
    await plug.publish("tasmota/discovery/DC4F221A2B3C/sensors", sensors, retain=True)
    await plug.publish("tele/kitchen_plug/SENSOR", json.dumps(sensor))
    found = await until_about(home, "kitchen", "ENERGY/Power", name="Kitchen", model="Sonoff Basic")
    assert found["convention"] == "tasmota"
    latest = await home.get("/devices/kitchen/latest")
    assert latest["ENERGY/Power"]["value"] == 12
    about = await home.get("/devices/kitchen/about")
    assert about["channels"]["ENERGY/Power"] == {"unit": "W", "kind": "power"}

    async def obey() -> None:
        while (message := await plug.message()).topic != "cmnd/kitchen_plug/POWER":
            assert message.topic.startswith("cmnd/kitchen_plug/STAT")
        assert message.payload == b"ON"
        await plug.publish("stat/kitchen_plug/RESULT", '{"POWER":"ON"}')

    obeying = asyncio.create_task(obey())
    url = f"{home.url}/api/v1/devices/kitchen/commands/POWER?wait=10"
    async with home.http.post(url, json=True) as response:
        assert response.status == 200, await response.text()
        assert (await response.json())["reply"] is True
    await obeying
    assert (await home.get("/devices/kitchen/latest"))["POWER"]["value"] is True


async def test_zigbee2mqtt_and_its_children(home):
    """Children come with names and units; a set by HTTP is answered by their new state."""
    will = {"topic": "zigbee2mqtt/bridge/state", "payload": '{"state":"offline"}', "qos": 1}
    hub = await home.device("kitchen", **will)
    await hub.publish("zigbee2mqtt/bridge/state", '{"state":"online"}', retain=True)
    await hub.subscribe("zigbee2mqtt/#", 0)
    await hub.publish("zigbee2mqtt/bridge/devices", json.dumps(ZIGBEE), retain=True)
    child = await until_about(home, "0xa1", name="Living room/plug")
    assert (child["parent"], child["about"]["channels"]["power"]["unit"]) == ("kitchen", "W")
    await hub.publish("zigbee2mqtt/Living room/plug", '{"state":"OFF","power":3}')
    latest = await home.get("/devices/0xa1/latest")
    assert {name: frame["value"] for name, frame in latest.items()} == {
        "status": "online",
        "state": False,
        "power": 3,
    }

    async def obey() -> None:
        while (message := await hub.message()).topic != "zigbee2mqtt/Living room/plug/set":
            pass
        assert json.loads(message.payload) == {"state": "ON"}
        await hub.publish("zigbee2mqtt/Living room/plug", '{"state":"ON","power":5}')

    obeying = asyncio.create_task(obey())
    url = f"{home.url}/api/v1/devices/0xa1/commands/state?wait=10"
    async with home.http.post(url, json=True) as response:
        assert response.status == 200, await response.text()
        assert (await response.json())["reply"] is True
    await obeying


async def test_a_device_announces_itself(home):
    """`about` is kept, shown, and edited by its owner."""
    device = await home.device("kitchen")
    said = {"name": "Kitchen", "channels": {"temperature": {"unit": "C"}}}
    await device.publish("devices/kitchen/about", json.dumps(said), retain=True)
    found = await until_about(home, "kitchen", name="Kitchen")
    assert found["about"]["channels"]["temperature"]["unit"] == "°C"
    await device.publish("devices/kitchen/about", "{broken")
    assert "not JSON" in (await home.get("/rejected"))["rejected"][0]["reason"]


@pytest.mark.parametrize("topic", ["tele/kitchen_plug/LWT", "somewhere/else"])
async def test_two_devices_cannot_have_one_root(home, topic):
    """The second gets no topics, nor does one whose will is on a topic of nobody's."""
    await home.add("bedroom")
    first = {"topic": "tele/kitchen_plug/LWT", "payload": "Offline"}
    await home.device("kitchen", client_id="one", **first)
    second = {"client_id": "two", "topic": topic, "payload": "Offline"}
    if home.protocol == paho.MQTTv5:  # the embedded engine refuses it at CONNECT
        with pytest.raises(AssertionError, match="Not authorized"):
            await home.device("bedroom", **second)
        return
    client = await home.device("bedroom", **second)
    client.client.publish("tele/kitchen_plug/SENSOR", '{"a":1}', 0)
    await client.publish("devices/bedroom/telemetry/b", "1")
    assert set(await home.get("/devices/bedroom/latest")) == {"status", "b"}


async def test_a_device_of_our_own_topics_speaks_no_convention(home):
    """Its will lies on `devices/kitchen/status`, which looks like that of ESPHome."""
    will = {"topic": "devices/kitchen/status", "payload": "offline", "retain": True}
    device = await home.device("kitchen", subscribe="devices/kitchen/commands/#", **will)
    await device.publish("devices/kitchen/telemetry/t", "1")
    found = await home.get("/devices/kitchen")
    assert (found["convention"], found["about"]) == ("", {})
