"""Simulated devices: plausible values, and they obey."""

import random

import pytest

from gateway.simulation import KINDS, SimulatedDoor, SimulatedGarden, SimulatedRoom
from gateway.topics import check_channel


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_readings_have_channels_and_are_the_seed_s(kind: str) -> None:
    """Each name is a channel, and the same seed gives the same values."""
    first, second = (KINDS[kind](random.Random("sim-1")) for _ in range(2))
    assert [first.read(now) for now in range(50)] == [second.read(now) for now in range(50)]
    assert [check_channel(name) for name in first.read(0)]


def test_the_fan_cools() -> None:
    """A room whose fan runs becomes colder than the same room without."""
    warm, cool = SimulatedRoom(random.Random(1)), SimulatedRoom(random.Random(1))
    assert cool.obey("fan", "on") == 1
    for now in range(100):
        readings = warm.read(now), cool.read(now)
    assert readings[0]["temperature"] - readings[1]["temperature"] > 3
    assert (readings[0]["fan"], readings[1]["fan"]) == (0, 1)


def test_the_pump_waters_up_to_a_bound() -> None:
    """More water than the soil holds is not measured."""
    garden = SimulatedGarden(random.Random(1))
    assert [garden.obey("pump", 1) for _ in range(4)][-1] == 80.0


def test_a_locked_door_is_closed() -> None:
    """It says so, and its battery only runs down."""
    door = SimulatedDoor(random.Random(1))
    while not door.read(0)["open"]:
        pass
    before = door.read(0)["battery"]
    assert door.obey("lock", None) == "locked"
    assert door._open is False
    assert door.read(0)["battery"] < before
