"""Commands over WebSocket, HTTP and MQTT, to devices that acknowledge, do not, come late, or are
somebody else's.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import aiohttp
import paho.mqtt.client as paho
import pytest

from gateway.access import accounts
from gateway.broker.embedded.codec.packets import Properties, Publish
from gateway.commands import commands as core
from gateway.commands import queues
from tests.end_to_end.conftest import BY, WAIT, House, MqttDevice, house
from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.wire_device import WireDevice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.daemon_process import DaemonProcess

COMMANDS = "devices/kitchen/commands/#"


async def post(
    home: House,
    name: str,
    value: object,
    *,
    key: str | None = None,
    device: str = "kitchen",
    **query: object,
) -> tuple[int, dict[str, Any]]:
    """Send a command over HTTP; return status and answer."""
    url = f"{home.url}/api/v1/devices/{device}/commands/{name}"
    headers = {} if key is None else {"Idempotency-Key": key}
    async with home.http.post(url, json=value, params=query, headers=headers) as response:
        return response.status, await response.json()


async def until(home: House, command: str, state: str) -> dict[str, Any]:
    """Return a command once it is in a state."""
    async with asyncio.timeout(WAIT):
        while (found := await home.get(f"/commands/{command}"))["state"] != state:
            await asyncio.sleep(0.01)
    return found


async def acknowledged(device: MqttDevice) -> None:
    """Return when the gateway has read all that the device sent so far."""
    await device.publish("devices/kitchen/telemetry/sync", "1")


async def test_a_whole_life_over_websocket(home):
    """The ack names the command, a frame tells each state in order, the reply comes with the
    request's id.
    """
    device = await home.device("kitchen", subscribe=COMMANDS)
    async with home.listen("kitchen/relay/0", snapshot=False) as listening:
        asked = {
            "type": "command",
            "id": "b",
            "device": "kitchen",
            "name": "relay/0",
            "value": {"on": [1]},
            "wait": 10,
        }
        await listening.socket.send_json(asked)
        message = await device.message()
        assert (message.topic, json.loads(message.payload)) == (
            "devices/kitchen/commands/relay/0",
            {"on": [1]},
        )
        await device.publish("devices/kitchen/replies/relay/0", '"done"')
        told = [await listening.next() for _ in range(7)]
    (ack,) = [one for one in told if one["type"] == "ack"]
    (answer,) = [one for one in told if one["type"] == "reply" and "seq" not in one]
    frames = [one for one in told if "seq" in one]
    assert answer == {"type": "reply", "id": "b", "value": "done"}
    assert [one["seq"] for one in frames] == sorted(one["seq"] for one in frames)
    changes = [one for one in frames if one["type"] == "command"]
    assert [one["state"] for one in changes] == ["queued", "sent", "delivered", "replied"]
    assert {one["id"] for one in frames} == {ack["command"]}
    assert list(changes[0]) == ["type", "seq", "device", "channel", "ts", "value", "id", "state"]
    (reply,) = [one for one in frames if one["type"] == "reply"]
    assert (reply["value"], reply["channel"]) == ("done", "relay/0")


async def test_a_wait_over_http(home):
    """200 with the reply; or 504 with the id, under which a later reply is found."""
    device = await home.device("kitchen", subscribe=COMMANDS)
    asking = asyncio.create_task(post(home, "led", 1, wait=10))
    await device.message()
    await device.publish("devices/kitchen/replies/led", "[1, 2]")
    status, answer = await asking
    assert (status, answer["state"], answer["reply"]) == (200, "replied", [1, 2])
    status, problem = await post(home, "led", 2, wait=0.1)
    assert (status, problem["status"], problem["code"]) == (504, 504, "timeout")
    await device.message()
    await device.publish("devices/kitchen/replies/led", "null")
    assert (await until(home, problem["id"], "replied"))["reply"] is None


async def test_a_key_sends_once(home):
    """The same key and command again is the same command, sent once; with another value it is a
    conflict.
    """
    device = await home.device("kitchen", subscribe=COMMANDS)
    answers = await asyncio.gather(*(post(home, "led", 1, key="k") for _ in range(5)))
    assert len({answer["id"] for _, answer in answers}) == 1
    assert (await post(home, "led", 2, key="k"))[0] == 409
    await post(home, "end", None)
    assert [(await device.message()).topic.rsplit("/")[-1] for _ in range(2)] == ["led", "end"]


async def test_past_its_time_it_is_not_sent(home, monkeypatch):
    """A device that comes after the ttl gets what still counts, and the state is true."""
    monkeypatch.setattr(core, "SWEEP", 60.0)  # no sweep comes to help
    _, short = await post(home, "led", 1, ttl=0.05)
    _, long = await post(home, "led", 2)
    await asyncio.sleep(0.06)
    device = await home.device("kitchen", subscribe=COMMANDS)
    assert (await device.message()).payload == b"2"
    assert (await until(home, short["id"], "expired"))["value"] == 1
    await until(home, long["id"], "delivered")


async def test_a_full_queue_is_a_clear_error(home, monkeypatch):
    """429 over HTTP, `too_many` over WebSocket, the rejected list over MQTT; with room again it
    goes on.
    """
    monkeypatch.setattr(queues, "MAX_OPEN", 3)
    assert [(await post(home, "led", number))[0] for number in range(4)] == [202, 202, 202, 429]
    async with home.listen() as listening:
        await listening.socket.send_json(
            {"type": "command", "id": 1, "device": "kitchen", "name": "led"}
        )
        error = await listening.next()
    assert (error["type"], error["id"], error["code"]) == ("error", 1, "too_many")
    await home.add("hall")
    sender = await home.device("hall")
    await sender.publish("devices/kitchen/commands/led", "1")
    (rejected,) = (await home.get("/rejected"))["rejected"]
    assert "queue is full" in rejected["reason"]
    device = await home.device("kitchen", subscribe=COMMANDS)
    assert [(await device.message()).payload for _ in range(3)] == [b"0", b"1", b"2"]
    await acknowledged(device)
    assert (await post(home, "led", 4))[0] == 202
    assert (await device.message()).payload == b"4"


async def test_a_subscription_with_qos_0_acknowledges_nothing(home):
    """What nobody acknowledges is never called delivered, holds up nothing, comes once, and may be
    answered.
    """
    device = await home.device("kitchen")
    await device.subscribe(COMMANDS, qos=0)
    ids = [(await post(home, "led", number))[1]["id"] for number in range(40)]
    assert [int((await device.message()).payload) for _ in range(40)] == list(range(40))
    await device.publish("devices/kitchen/replies/led", '"first"')
    assert (await until(home, ids[0], "replied"))["reply"] == "first"
    assert {(await home.get(f"/commands/{one}"))["state"] for one in ids[1:]} == {"sent"}
    again = await home.device("kitchen", subscribe=COMMANDS, client_id="another")
    await post(home, "end", None)
    assert (await again.message()).topic.endswith("/end")


async def test_a_kept_session_need_not_subscribe_again(home):
    """What waited for a device with a persistent session comes without a new SUBSCRIBE."""
    port, key = home.gateway.ports["mqtt"], home.keys["kitchen"]
    first = await WireDevice.connect(port, "kitchen", key, clean_start=False)
    await first.subscribe(COMMANDS)
    first.goodbye()
    for number in range(30):
        await post(home, "led", number)
    again = await WireDevice.connect(port, "kitchen", key, clean_start=False)
    for number in range(30):
        command = await again.command()
        assert command.payload == str(number).encode()
        again.acknowledge(command)
    again.goodbye()


async def test_who_never_acknowledges_gets_a_few_and_no_more(home):
    """Sixteen are under way and sent, the rest is queued; another connection begins again with the
    oldest.
    """
    port, key = home.gateway.ports["mqtt"], home.keys["kitchen"]
    ids = [(await post(home, "led", number))[1]["id"] for number in range(20)]
    silent = await WireDevice.connect(port, "kitchen", key)
    await silent.subscribe(COMMANDS)
    for _ in range(16):
        await silent.command()
    for one in ids[:16]:
        await until(home, one, "sent")
    assert {(await home.get(f"/commands/{one}"))["state"] for one in ids[16:]} == {"queued"}
    silent.cut()
    eager = await WireDevice.connect(port, "kitchen", key)
    await eager.subscribe(COMMANDS)
    for number in range(20):
        command = await eager.command()
        assert command.payload == str(number).encode()
        eager.acknowledge(command)
    for one in ids:
        await until(home, one, "delivered")
    eager.goodbye()


@pytest.fixture
async def street(tmp_path) -> AsyncIterator[House]:
    """A gateway with two devices of one owner and one of another."""
    async with house(tmp_path) as made:
        mine, other = [
            (
                await made.gateway.access.registry.apply(
                    accounts.create, BY, email=f"{name}@example.com", password=None
                )
            ).id
            for name in ("me", "you")
        ]
        for device, owner in (("kitchen", mine), ("hall", mine), ("shop", other)):
            await made.add(device, owner=owner)
        yield made


@pytest.mark.parametrize("engine", ["embedded", "amqtt"])
async def test_a_device_of_3_1_1_hears_the_reply(tmp_path, engine):
    """Without a response topic the reply comes on the sender's own topics, and each gets its
    message once.
    """
    async with house(tmp_path, broker={"engine": engine}) as home:
        for device in ("kitchen", "hall"):
            await home.add(device)
        target = await home.device("kitchen", subscribe=COMMANDS, protocol=paho.MQTTv311)
        sender = await home.device(
            "hall", subscribe="devices/hall/replies/#", protocol=paho.MQTTv311
        )
        async with home.listen("kitchen/led", snapshot=False) as listening:
            await sender.publish("devices/kitchen/commands/led", "5", retain=True)
            assert (await target.message()).payload == b"5"
            queued = await listening.frame()
            assert (await home.gateway.core.commands.get(queued["id"])).sender == "device:hall"
            await target.publish("devices/kitchen/replies/led", "6")
            reply = await listening.frame(lambda frame: frame["type"] == "reply")
        assert (reply["id"], reply["value"]) == (queued["id"], 6)
        message = await sender.message()
        assert (message.topic, message.payload) == ("devices/hall/replies/led", b"6")
        again = await home.device(
            "kitchen", subscribe=COMMANDS, protocol=paho.MQTTv311, client_id="again"
        )
        await post(home, "end", None)
        assert (await again.message()).topic.endswith(
            "/end"
        )  # a command is not kept for those who subscribe later
        assert target.messages.empty()
        await home.gateway.access.journal.flush()
        commanded = [
            one for one in (await home.get("/audit"))["audit"] if one["action"] == "command"
        ]
        assert [(one["actor"], one["object"]) for one in commanded] == [
            ("token:1", "device:kitchen"),
            ("device:hall", "device:kitchen"),
        ]


async def publish_refused(device: MqttDevice, topic: str) -> int:
    """Publish with QoS 1; return the reason code of the PUBACK."""
    info = device.client.publish(topic, "1", qos=1)
    return (await device._happens(f"publish {info.mid}")).value


async def test_another_owner_s_device_is_out_of_reach(street):
    """PUBACK 0x87 over MQTT 5, nothing reaches the device, and only the audit tells of it."""
    target = await street.device("kitchen", subscribe=COMMANDS)
    stranger = await street.device("shop")
    assert await publish_refused(stranger, "devices/kitchen/commands/led") == 0x87
    old = await street.device("shop", protocol=paho.MQTTv311, client_id="old")
    await old.publish("devices/kitchen/commands/led", "1")
    await post(street, "end", None)
    assert (await target.message()).topic.endswith("/end")
    frames = (await street.get("/frames", filter="kitchen/led", after=0))["frames"]
    assert frames == []
    await street.gateway.access.journal.flush()
    (refused,) = [
        one for one in (await street.get("/audit"))["audit"] if one["action"] == "publish refused"
    ]
    assert (refused["actor"], refused["object"], refused["detail"]) == (
        "device:shop",
        "devices/kitchen/commands/led",
        {"count": 2},
    )


async def test_devices_may_be_kept_from_each_other(tmp_path):
    """With `device_to_device = "none"` not even the owner's other devices are reached."""
    async with house(tmp_path, access={"device_to_device": "none"}) as home:
        await home.add("kitchen")
        await home.add("hall")
        sender = await home.device("hall")
        assert await publish_refused(sender, "devices/kitchen/commands/led") == 0x87
        assert (await home.get("/frames", filter="kitchen/#", after=0))["frames"] == []


async def test_a_refused_command_fails(street):
    """A PUBACK with an error is no delivery, and holds up nothing: twenty of them, and the next one
    comes.
    """
    device = await WireDevice.connect(
        street.gateway.ports["mqtt"], "kitchen", street.keys["kitchen"], version=5
    )
    await device.subscribe(COMMANDS)
    for _ in range(20):
        _, sent = await post(street, "led", 1)
        device.acknowledge(await device.command(), 0x83)
        assert "0x83" in (await until(street, sent["id"], "failed"))["error"]
    _, sent = await post(street, "led", 2)
    device.acknowledge(await device.command())
    await until(street, sent["id"], "delivered")
    device.goodbye()


async def test_a_command_too_large_for_its_device_fails(street):
    """It can never be sent, and says so; what comes after it goes out."""
    properties = Properties(maximum_packet_size=300)
    port, key = street.gateway.ports["mqtt"], street.keys["kitchen"]
    device = await WireDevice.connect(port, "kitchen", key, version=5, properties=properties)
    await device.subscribe(COMMANDS)
    _, large = await post(street, "led", "x" * 400)
    _, small = await post(street, "led", "y")
    command = await device.command()
    assert command.payload == b'"y"'
    device.acknowledge(command)
    assert "it takes packets of 300 bytes" in (await until(street, large["id"], "failed"))["error"]
    await until(street, small["id"], "delivered")
    device.goodbye()


class Away:
    """Commands for the kitchen of a gateway in a process of its own, by their names or numbers."""

    def __init__(self, gateway: DaemonProcess, session: aiohttp.ClientSession) -> None:
        self.ids: dict[str, str] = {}
        self._api = f"{gateway.url}/api/v1"
        self._session = session

    async def send(self, name: str, **query: object) -> None:
        """Send one, again until the gateway has taken it; the key makes it one command."""
        path = f"{self._api}/devices/kitchen/commands/{name}"
        while name not in self.ids:
            try:
                headers = {"Idempotency-Key": name}
                async with self._session.post(
                    path, json=name, params=query, headers=headers
                ) as response:
                    self.ids[name] = (await response.json())["id"]
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)

    async def states(self) -> dict[str, str]:
        found = {}
        for name, command in self.ids.items():
            async with self._session.get(f"{self._api}/commands/{command}") as response:
                found[name] = (await response.json())["state"]
        return found

    async def settle(self, wanted: dict[str, str]) -> None:
        async with asyncio.timeout(2 * WAIT):
            while await self.states() != wanted:
                await asyncio.sleep(0.05)


async def test_kill_9_with_commands_in_every_state(tmp_path):
    """After kill -9 each is what it was; what was not acknowledged comes again, in order, and
    nothing else.
    """
    async with (
        daemon(tmp_path) as gateway,
        aiohttp.ClientSession(headers=gateway.headers) as session,
    ):
        key = await gateway.add("kitchen")
        away = Away(gateway, session)
        device = await WireDevice.connect(gateway.ports["mqtt"], "kitchen", key)
        await away.send("late", ttl=0.01)
        await away.settle({"late": "expired"})
        await device.subscribe(COMMANDS)
        for name in ("answered", "taken"):
            await away.send(name)
            device.acknowledge(await device.command())
        device.write(Publish("devices/kitchen/replies/answered", b"1"))
        known = {"late": "expired", "answered": "replied", "taken": "delivered"}
        names = [f"more{number}" for number in range(18)]
        for name in names:
            await away.send(name)
        waiting = {name: "sent" if number < 16 else "queued" for number, name in enumerate(names)}
        await away.settle({**known, **waiting})
        gateway.kill()
        device.cut()
        await gateway.restart()
        assert await away.states() == {**known, **waiting}
        device = await WireDevice.connect(gateway.ports["mqtt"], "kitchen", key)
        await device.subscribe(COMMANDS)
        for name in names:
            command = await device.command()
            assert command.payload == f'"{name}"'.encode()
            device.acknowledge(command)
        device.write(Publish("devices/kitchen/replies/taken", b"2"))
        await away.settle({**known, "taken": "replied", **dict.fromkeys(names, "delivered")})
        device.goodbye()


async def come_and_go(port: int, key: str, taken: list[str], acknowledged: set[str]) -> None:
    """Be a device that connects, takes some commands, and leaves, now and then without
    acknowledging the last.
    """
    chance = random.Random(11)
    while True:
        try:
            device = await WireDevice.connect(port, "kitchen", key)
        except (OSError, EOFError):
            await asyncio.sleep(0.05)
            continue
        try:
            await device.subscribe(COMMANDS)
            for _ in range(chance.randrange(1, 60)):
                command = await device.command()
                taken.append(command.payload.decode().strip('"'))
                if chance.random() < 0.03:
                    break
                device.acknowledge(command)
                acknowledged.add(taken[-1])
        except (OSError, EOFError):
            pass
        finally:
            device.cut()


async def test_a_device_that_comes_and_goes_while_the_gateway_is_killed(tmp_path):
    """Each of 300 commands is delivered at least once and in order; none is called so that was not
    acknowledged.
    """
    taken: list[str] = []
    acknowledged: set[str] = set()
    names = [f"n{number}" for number in range(300)]
    async with (
        daemon(tmp_path) as gateway,
        aiohttp.ClientSession(headers=gateway.headers) as session,
    ):
        away = Away(gateway, session)
        key = await gateway.add("kitchen")
        device = asyncio.create_task(come_and_go(gateway.ports["mqtt"], key, taken, acknowledged))
        for name in names:
            await away.send(name)
            if name in {"n70", "n190"}:
                gateway.kill()
                called = {
                    one
                    for one, state in (await _stored_states(gateway)).items()
                    if state == "delivered"
                }
                assert called <= acknowledged
                await gateway.restart()
        await away.settle(dict.fromkeys(names, "delivered"))
        device.cancel()
        await asyncio.wait([device])
    assert list(dict.fromkeys(taken)) == names


async def _stored_states(gateway: DaemonProcess) -> dict[str, str]:
    """Read what a killed gateway has stored."""
    await gateway.ended()
    with closing(sqlite3.connect(gateway.database)) as db:
        return dict(db.execute("SELECT name, state FROM commands"))
