"""Real programs of others as devices: nothing in `gateway.toml`, only address, user and key."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.conftest import house
from tests.programs import program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.end_to_end.conftest import House

pytestmark = pytest.mark.interop

RATE = 250_000  # samples a second
WAIT = 60.0  # s


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """Run a gateway with the defaults."""
    async with house(tmp_path) as running:
        yield running


async def child_of(home: House, hub: str, wanted: str) -> dict[str, Any]:
    """Wait for a device below a hub."""
    async with asyncio.timeout(WAIT):
        while True:
            for device in (await home.get("/devices"))["devices"]:
                if device["parent"] == hub and device["id"] == wanted and device["last_value"]:
                    return device
            await asyncio.sleep(0.2)


@program("rtl_433")
async def test_rtl_433_hears_a_weather_station(home: House) -> None:
    """Debian's rtl_433, with a receiver that is made up: its sensor is a child with units."""
    key = await home.add("radio")
    with _receiver() as port:
        command = ["rtl_433", "-c", "0", "-d", f"rtl_tcp:127.0.0.1:{port}", "-R", "19", "-F"]
        broker = f"mqtt://127.0.0.1:{home.gateway.ports['mqtt']},user=radio,pass={key}"
        running = subprocess.Popen(
            [*command, broker], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            station = await child_of(home, "radio", "Nexus-TH-2-42")
        finally:
            running.terminate()
            running.wait(10)
    channels = station["about"]["channels"]
    assert channels["temperature_C"] == {"unit": "°C", "kind": "temperature"}
    assert channels["humidity"] == {"unit": "%", "kind": "humidity"}
    latest = await home.get("/devices/Nexus-TH-2-42/latest")
    assert isinstance(latest["temperature_C"]["value"], float)
    assert (await home.get("/devices/radio"))["convention"] == "rtl_433"


@contextmanager
def _receiver() -> Iterator[int]:
    """A radio receiver's server, rtl_tcp, that hears a Nexus-TH every second."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(WAIT)
    over = threading.Event()

    def serve() -> None:
        try:
            client, _ = server.accept()
            with client:
                client.sendall(b"RTL0" + struct.pack(">II", 5, 29))
                burst = _burst()
                while not over.is_set():
                    client.sendall(_silence(700_000))
                    time.sleep(0.7)
                    client.sendall(burst)
                    time.sleep(len(burst) / 2 / RATE)
        except OSError:
            return  # the program has ended

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        over.set()
        server.close()
        thread.join(10)


def _signal(us: int) -> bytes:
    return bytes([227, 128]) * (us * RATE // 1_000_000)


def _silence(us: int) -> bytes:
    return bytes([127, 128, 128, 127]) * (us * RATE // 1_000_000 // 2)


def _burst() -> bytes:
    bits = f"{0x2A90CDF53:036b}"
    pulses = (_signal(500) + _silence(2000 if bit == "1" else 1000) for bit in bits)
    return (b"".join(pulses) + _signal(500) + _silence(4000)) * 12


async def test_a_device_that_announces_itself_to_home_assistant(home: House) -> None:
    """ha-mqtt-discoverable: a sensor with its unit, and a switch that is switched over HTTP."""
    discoverable = pytest.importorskip("ha_mqtt_discoverable")
    sensors = pytest.importorskip("ha_mqtt_discoverable.sensors")
    key = await home.add("station")
    mqtt = discoverable.Settings.MQTT(
        host="127.0.0.1", port=home.gateway.ports["mqtt"], username="station", password=key
    )
    device = discoverable.DeviceInfo(name="Station", identifiers="station_1", model="Demo")
    switched: list[str] = []

    def run() -> tuple[Any, Any]:
        temperature = sensors.Sensor(
            discoverable.Settings(
                mqtt=mqtt,
                entity=sensors.SensorInfo(
                    name="Temperature",
                    unique_id="temperature_1",
                    device=device,
                    device_class="temperature",
                    unit_of_measurement="°C",
                ),
            )
        )
        temperature.set_state(21.5)

        def obey(_client: Any, _data: Any, message: Any) -> None:
            switched.append(message.payload.decode())
            switch.on() if switched[-1] == "ON" else switch.off()

        switch = sensors.Switch(
            discoverable.Settings(
                mqtt=mqtt,
                entity=sensors.SwitchInfo(name="Pump", unique_id="pump_1", device=device),
            ),
            obey,
        )
        switch.off()
        return temperature, switch

    loop = asyncio.get_running_loop()
    entities = await loop.run_in_executor(None, run)
    try:
        found = await described(home, "station", 2)
        assert (found["about"]["name"], found["convention"]) == ("Station", "home-assistant")
        units = [each.get("unit") for each in found["about"]["channels"].values()]
        assert "°C" in units
        [command] = found["about"]["commands"]
        url = f"{home.url}/api/v1/devices/station/commands/{command}?wait=20"
        async with home.http.post(url, json=True) as response:
            assert response.status == 200, await response.text()
            assert (await response.json())["reply"] is True
        assert switched == ["ON"]
        latest = await home.get("/devices/station/latest")
        assert 21.5 in [frame["value"] for frame in latest.values()]
    finally:
        for entity in entities:
            entity.mqtt_client.loop_stop()
            entity.mqtt_client.disconnect()


async def described(home: House, device: str, channels: int) -> dict[str, Any]:
    """Wait until a device is described with so many channels."""
    async with asyncio.timeout(WAIT):
        while True:
            found = await home.get(f"/devices/{device}")
            if len(found["about"].get("channels", {})) >= channels:
                return found
            await asyncio.sleep(0.1)
