"""A removed device's id, taken again by somebody else: the new device and its owner find nothing of
the old one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mqtt_wire import Wire
from people import people

from gateway.access import devices
from gateway.stores import open_direct, open_store
from tests.end_to_end.conftest import BY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from people import People

ROUTE = {"topic": "tele/{device}/SENSOR", "retain": True}
BROKEN = b'{"ts": "no time", "values": {}}'


@pytest.fixture(params=["embedded", "amqtt"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[People]:
    """Everybody's house, once for each engine; ann's kitchen has retained messages and a rejected
    one.
    """
    async with people(tmp_path, broker={"engine": request.param}, routes=[ROUTE]) as everybody:
        async with await _wire(everybody) as wire:
            assert await wire.sign_in("kitchen", everybody.home.keys["kitchen"], "board") == 0
            for topic in (
                "devices/kitchen/telemetry/secret",
                "devices/kitchen/note",
                "tele/kitchen/SENSOR",
            ):
                await wire.publish(topic, b"1", retain=True)
            await wire.publish("devices/kitchen/telemetry", BROKEN)
        yield everybody


async def _wire(here: People) -> Wire:
    return await Wire.tcp(here.home.gateway.ports["mqtt"], version=4)  # both engines speak it


async def _taken_by_bob(here: People) -> str:
    await here.apply(devices.remove, "kitchen")
    return await here.home.add("kitchen", owner=here.users["bob"])


async def test_no_retained_message_is_left(here):
    """Neither the new device nor its owner is sent what the old one had retained, on its own topics
    or on a route's.
    """
    key = await _taken_by_bob(here)
    for who, secret, topic_filters in (
        ("kitchen", key, ["devices/kitchen/#", "tele/kitchen/SENSOR"]),
        ("token", here.shown["stranger"].secret, ["#"]),
    ):
        async with await _wire(here) as wire:
            assert await wire.sign_in(who, secret, "other") == 0
            for topic_filter in topic_filters:
                assert await wire.subscribe(topic_filter) < 0x80
            await wire.ping()
            assert [message.topic for message in wire.messages if "kitchen" in message.topic] == []


async def test_what_was_rejected_is_not_the_new_owners(here):
    """The old owner's rejected messages are shown to admins alone from now on."""
    headers = {name: here.shown[name].headers for name in ("read", "stranger", "admin")}

    async def rejected(name: str) -> list[str]:
        async with here.bare.get(
            f"{here.home.url}/api/v1/rejected", headers=headers[name]
        ) as answer:
            return [each["topic"] for each in (await answer.json())["rejected"]]

    assert await rejected("read") == ["devices/kitchen/telemetry"]
    await _taken_by_bob(here)
    assert await rejected("stranger") == []
    assert await rejected("admin") == ["devices/kitchen/telemetry"]


@pytest.mark.parametrize("engine", ["embedded", "amqtt"])
async def test_what_was_queued_is_not_delivered(tmp_path, engine):
    """A session that waits for the old device, and what is queued in it, is not taken up by the new
    one.
    """
    async with people(tmp_path, broker={"engine": engine}) as here:
        async with await _wire(here) as wire:
            assert (
                await wire.sign_in("kitchen", here.home.keys["kitchen"], "board", clean_start=False)
                == 0
            )
            assert await wire.subscribe("devices/kitchen/note", qos=1) == 1
        while here.home.gateway.mqtt.broker.statistics()["connections"]:
            await asyncio.sleep(0.01)
        async with await _wire(here) as wire:
            assert await wire.sign_in("token", here.shown["write"].secret, "ann") == 0
            assert await wire.publish("devices/kitchen/note", b"secret") == 0
        key = await _taken_by_bob(here)
        async with await _wire(here) as wire:
            assert await wire.sign_in("kitchen", key, "board", clean_start=False) == 0
            await wire.ping()
            assert wire.messages == []


async def test_nothing_is_left_where_no_gateway_ran(tmp_path):
    """What the command line removes while the gateway is stopped takes its retained messages with
    it.
    """
    async with people(tmp_path) as here, await _wire(here) as wire:
        assert await wire.sign_in("kitchen", here.home.keys["kitchen"], "board") == 0
        assert await wire.publish("devices/kitchen/note", b"secret", retain=True) == 0
    with open_direct(tmp_path / "gateway.db") as store, store.transaction() as tables:
        devices.remove(tables, BY, "kitchen")
    store = await open_store(tmp_path / "gateway.db")
    state = await store.broker_state()
    await store.close()
    assert [one.topic for one in state.retained if one.topic.startswith("devices/kitchen")] == []
