"""Simulated devices: they publish over real MQTT with the device library, and answer commands."""

from __future__ import annotations

import asyncio
import math
import random
import time
from typing import TYPE_CHECKING, Any

from gateway.device import Device

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Readings = dict[str, Any]


class SimulatedRoom:
    """Temperature, humidity and a fan that cools."""

    commands = ("fan",)

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._warmth = chance.uniform(19, 23)
        self._fan = 0

    def read(self, now: float) -> Readings:
        target = 21 + 3 * math.sin(now / 60) - 4 * self._fan
        self._warmth += (target - self._warmth) * 0.1 + self._chance.gauss(0, 0.05)
        humidity = 45 + 8 * math.cos(now / 90) + self._chance.gauss(0, 0.4)
        return {
            "temperature": round(self._warmth, 2),
            "humidity": round(humidity, 1),
            "fan": self._fan,
        }

    def obey(self, name: str, value: Any) -> Any:
        self._fan = 1 if value in {True, "on"} else 0
        return self._fan


class SimulatedGarden:
    """Soil moisture and light, and a pump that waters."""

    commands = ("pump",)

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._moisture = chance.uniform(40, 60)

    def read(self, now: float) -> Readings:
        self._moisture = max(5.0, self._moisture - abs(self._chance.gauss(0, 0.15)))
        light = max(0.0, 600 + 400 * math.sin(now / 120) + self._chance.gauss(0, 20))
        return {"soil/moisture": round(self._moisture, 1), "light": round(light)}

    def obey(self, name: str, value: Any) -> Any:
        self._moisture = min(80.0, self._moisture + 20)
        return round(self._moisture, 1)


class SimulatedDoor:
    """A door that opens and closes, and a battery that runs down."""

    commands = ("lock",)

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._open = False
        self._battery = 100.0

    def read(self, now: float) -> Readings:
        if self._chance.random() < 0.1:
            self._open = not self._open
        self._battery = max(0.0, self._battery - 0.01)
        return {"open": self._open, "battery": round(self._battery, 2)}

    def obey(self, name: str, value: Any) -> Any:
        self._open = False
        return "locked"


KINDS: Mapping[str, Callable[[random.Random], SimulatedRoom | SimulatedGarden | SimulatedDoor]] = {
    "room": SimulatedRoom,
    "garden": SimulatedGarden,
    "door": SimulatedDoor,
}


async def simulate(
    device: str, key: str, kind: str, *, port: int, every: float, host: str = "127.0.0.1"
) -> None:
    """Publish a device's readings every `every` seconds until cancelled."""
    thing = KINDS[kind](random.Random(device))  # noqa: S311 - the weather is no secret
    client = Device(device, key, host, port=port)
    for name in thing.commands:
        client.on(name)(lambda value, name=name: thing.obey(name, value))
    await asyncio.to_thread(client.start)
    try:
        while True:
            client.send(thing.read(time.time()))
            await asyncio.sleep(every)
    finally:
        await asyncio.to_thread(client.stop)
