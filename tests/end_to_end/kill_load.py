"""Load that outlasts `kill -9`: clients that keep what was not acknowledged, and what must hold
afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import paho.mqtt.client as paho
from paho.mqtt.enums import MessageState
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.end_to_end.reading import frames

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from tests.end_to_end.daemon_process import DaemonProcess

OUTSTANDING = 50  # messages that a publisher has on the way at most
PUBLISHERS = {
    "q1v4": (1, paho.MQTTv311),
    "q1v5": (1, paho.MQTTv5),
    "q2v4": (2, paho.MQTTv311),
    "q2v5": (2, paho.MQTTv5),
}


class LastingClient(paho.Client):
    """A paho client that stays with PUBREL.

    At the second attempt in vain to reconnect, paho forgets that a message of QoS 2 was released
    already, and publishes it again, which no broker can know for what it is [MQTT-4.3.3-7].
    """

    def _messages_reconnect_reset_out(self) -> None:
        released = [
            m
            for m in list(self._out_messages.values())
            if m.state == MessageState.MQTT_MS_RESEND_PUBREL
        ]
        super()._messages_reconnect_reset_out()
        for message in released:
            message.state = MessageState.MQTT_MS_RESEND_PUBREL


def lasting_client(user: str, password: str, port: int, protocol: int) -> paho.Client:
    """Return a client whose session outlasts its connections, and that reconnects at once."""
    five = protocol == paho.MQTTv5
    client = LastingClient(
        paho.CallbackAPIVersion.VERSION2,
        client_id=f"{user}-lasting",
        protocol=protocol,
        clean_session=None if five else False,
    )
    client.username_pw_set(user, password)
    client.reconnect_delay_set(0.05, 0.2)
    lasts: dict[str, Any] = {}
    if five:
        lasts = {"clean_start": False, "properties": Properties(PacketTypes.CONNECT)}
        lasts["properties"].SessionExpiryInterval = 3_600
    client.connect_async("127.0.0.1", port, 30, **lasts)
    return client


@contextlib.contextmanager
def looping(*clients: paho.Client) -> Iterator[None]:
    """Run clients on their threads, and end them."""
    for client in clients:
        client.loop_start()
    try:
        yield
    finally:
        for client in clients:
            client.disconnect()
            client.loop_stop()


async def until(
    condition: Callable[[], object], tell: Callable[[], object] = tuple, seconds: float = 30
) -> None:
    """Wait for what other threads and processes do; fail with what `tell` says."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(tell()) from None


class Publisher:
    """Publishes 0, 1, 2, ... to a channel of its own; `acknowledged` grows by PUBACK and PUBCOMP.

    `received` is what a subscriber got. It is waited for: what is more than the broker's queues
    hold would be dropped.
    """

    def __init__(self, name: str, key: str, port: int) -> None:
        self.name = name
        self.sent = 0
        self.acknowledged = 0
        self.received: list[int] = []
        self._qos, protocol = PUBLISHERS[name]
        self.client = lasting_client(name, key, port, protocol)
        self.client.on_publish = self._published

    def _published(self, *_: Any) -> None:
        self.acknowledged += 1

    def __repr__(self) -> str:
        return (
            f"{self.name}: {self.sent} sent, {self.acknowledged} acknowledged, "
            f"{len(set(self.received))} received"
        )

    async def run(self, *, wait_for_subscriber: bool = True) -> None:
        """Publish until cancelled."""
        while True:
            arrived = self.received[-1] + 1 if self.received else 0
            done = min(self.acknowledged, arrived) if wait_for_subscriber else self.acknowledged
            while self.sent - done < OUTSTANDING:
                self.client.publish(
                    f"devices/{self.name}/telemetry/n", str(self.sent), qos=self._qos
                )
                self.sent += 1
            await asyncio.sleep(0.002)


async def kill_under_load(gateway: DaemonProcess, cycles: int, chance: random.Random) -> None:
    """Kill and restart under QoS 1 and 2 load; then every message is stored, and none of QoS 2
    twice.
    """
    port = gateway.ports["mqtt"]
    publishers = [Publisher(name, await gateway.add(name), port) for name in PUBLISHERS]
    by_topic = {f"devices/{p.name}/telemetry/n": p for p in publishers}
    subscriber = lasting_client("token", gateway.token, port, paho.MQTTv5)
    subscriber.on_connect = lambda *_: subscriber.subscribe("devices/+/telemetry/n", 2)
    subscriber.on_message = lambda _c, _u, m: by_topic[m.topic].received.append(int(m.payload))
    with looping(subscriber, *(publisher.client for publisher in publishers)):
        await until(subscriber.is_connected)
        running = [asyncio.create_task(publisher.run()) for publisher in publishers]
        for _ in range(cycles):
            goals = [(p, p.acknowledged + chance.randrange(20, 200)) for p in publishers]
            await until(
                lambda goals=goals: all(p.acknowledged >= goal for p, goal in goals),
                publishers.copy,
            )
            gateway.kill()
            await gateway.restart()
        for task in running:
            task.cancel()
        await until(lambda: all(p.acknowledged == p.sent for p in publishers), publishers.copy)
        await until(
            lambda: all(set(p.received) == set(range(p.sent)) for p in publishers), publishers.copy
        )
    async with aiohttp.ClientSession(headers=gateway.headers) as http:
        stored = await frames(http, gateway.url, filter="+/n")
    for publisher in publishers:
        values = [frame["value"] for frame in stored if frame["device"] == publisher.name]
        for what, numbers in (("history", values), ("subscriber", publisher.received)):
            # In what order is not for us: paho sends what is new before it repeats the old.
            assert set(numbers) == set(range(publisher.sent)), (
                f"{publisher.name} in {what}: missing"
            )
            if publisher.name.startswith("q2"):
                assert len(numbers) == publisher.sent, f"{publisher.name} in {what}: twice"


class Fickle:
    """A device that cuts its connection at random, often with a command in hand that it has not
    acknowledged.
    """

    def __init__(self, name: str, key: str, port: int, chance: random.Random) -> None:
        self.received: list[int] = []
        self.acknowledged: set[int] = set()
        self._name = name
        self._chance = chance
        self.steady = False
        self.client = lasting_client(name, key, port, paho.MQTTv311)
        self.client.manual_ack_set(True)
        self.client.on_connect = lambda *_: self.client.subscribe(f"devices/{name}/commands/#", 1)
        self.client.on_message = self._take

    def _take(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        number = int(message.payload)
        self.received.append(number)
        luck = 1.0 if self.steady else self._chance.random()
        if luck < 0.05:
            self._cut()
            return
        self.acknowledged.add(number)
        self.client.ack(message.mid, message.qos)
        if luck < 0.1:
            self._cut()

    def _cut(self) -> None:
        connection = self.client.socket()
        if connection is not None:
            with contextlib.suppress(OSError):  # the gateway may be gone already
                connection.shutdown(socket.SHUT_RDWR)


async def command_a_fickle_device(
    gateway: DaemonProcess, count: int, kills: int, chance: random.Random
) -> None:
    """Send commands while device and gateway come and go: each is delivered, in order, with a true
    state.
    """
    device = Fickle("kitchen", await gateway.add("kitchen"), gateway.ports["mqtt"], chance)
    killed_at = set(chance.sample(range(count // 10, count), kills))
    ids: list[str] = []
    async with aiohttp.ClientSession(headers=gateway.headers) as http:
        with looping(device.client):
            for number in range(count):
                if number in killed_at:
                    gateway.kill()
                    await gateway.restart()
                    await _true_states(http, gateway, ids, device)
                ids.append(await _command(http, gateway, number))
            device.steady = True
            await until(lambda: device.acknowledged == set(range(count)), seconds=60)
            async with asyncio.timeout(30):
                while set(await _states(http, gateway, ids)) != {"delivered"}:
                    await asyncio.sleep(0.1)
        assert len(set(ids)) == count
    assert list(dict.fromkeys(device.received)) == list(range(count))


async def _command(http: aiohttp.ClientSession, gateway: DaemonProcess, number: int) -> str:
    url = f"{gateway.url}/api/v1/devices/kitchen/commands/led"
    async with asyncio.timeout(30):
        while True:
            async with http.post(
                url, json=number, headers={"Idempotency-Key": f"key-{number}"}
            ) as response:
                if response.status == 202:
                    return str((await response.json())["id"])
                assert response.status == 429, (
                    await response.text()
                )  # the device's queue is full for now
            await asyncio.sleep(0.05)


async def _states(http: aiohttp.ClientSession, gateway: DaemonProcess, ids: list[str]) -> list[str]:
    states = []
    for command in ids:
        async with http.get(f"{gateway.url}/api/v1/commands/{command}") as response:
            assert response.status == 200, await response.text()
            states.append((await response.json())["state"])
    return states


async def _true_states(
    http: aiohttp.ClientSession, gateway: DaemonProcess, ids: list[str], device: Fickle
) -> None:
    states = await _states(http, gateway, ids)
    delivered = {number for number, state in enumerate(states) if state == "delivered"}
    assert delivered <= device.acknowledged
    assert set(states) <= {"queued", "sent", "delivered"}
