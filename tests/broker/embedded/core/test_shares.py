"""4.8.2: what a member of a shared subscription leaves when its session ends goes to another
member.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.broker.embedded.codec.packets import (
    Disconnect,
    Properties,
    Puback,
    Publish,
    Pubrec,
    Pubrel,
    Unsubscribe,
)
from gateway.broker.embedded.core.facts import Queued
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.core.wheel import TICKS
from gateway.broker.port import Message
from gateway.broker.port import Properties as Sent

if TYPE_CHECKING:
    from .conftest import Bench, Client

PING = b"\xc0\0"
KEPT = Properties(session_expiry_interval=100)
SHARE = "$share/g/t/#"


@pytest.fixture
def limits() -> Limits:
    """Small bounds."""
    return Limits(in_flight=3, queue=5)


async def member(
    bench: Bench, name: str, *, qos: int = 1, kept: bool = False, **properties: int
) -> Client:
    """Return a client that holds the shared subscription."""
    expiry = {"session_expiry_interval": 100} if kept else {}
    client = await bench.connect(
        name, 5, clean_start=not kept, properties=Properties(**expiry, **properties)
    )
    await bench.subscribe(client, SHARE, qos=qos)
    return client


async def received(client: Client, *, acknowledge: bool = False) -> list[Publish]:
    """Return the messages that have come so far; those that an acknowledgement calls for count
    too.
    """
    found: list[Publish] = []
    client.write(PING, PING)
    pings = 2
    while pings:
        packet = await client.read()
        if not isinstance(packet, Publish):
            assert packet is not None
            pings -= type(packet).__name__ == "Pingresp"
            continue
        found.append(packet)
        if acknowledge:
            client.write(Puback(packet.packet_id), PING)
            pings += 1
    return found


def publish(bench: Bench, *payloads: str, qos: int = 1, topic: str = "t/x") -> None:
    """Publish as the gateway."""
    for payload in payloads:
        bench.broker.publish(Message(topic, payload.encode(), qos))


def texts(packets: list[Publish]) -> list[str]:
    """Return what messages carry."""
    return [packet.payload.decode() for packet in packets]


def turn(bench: Bench, seconds: int) -> None:
    """Let time pass for every deadline."""
    wheel = bench.broker.machine.wheel
    bench.clock += seconds
    wheel.turn(wheel.now + seconds * TICKS)
    bench.broker.machine.shared.flush()


async def leave(bench: Bench, client: Client, packet: Disconnect | None = None) -> None:
    """Say goodbye and wait until it is heard."""
    client.write(packet or Disconnect())
    await client.rest()


async def end(bench: Bench, client: Client, how: str) -> None:
    """End a member's session; its client is `one`."""
    if how == "lost":
        client.writer.transport.abort()
    elif how == "expiry 0":
        await leave(bench, client, Disconnect(0, Properties(session_expiry_interval=0)))
    elif how == "clean start":
        await bench.connect("one", 5, clean_start=True)
    else:
        await leave(bench, client)
        await bench.until(bench.departures)
        if how == "expired":
            turn(bench, 101)
        else:
            bench.broker.purge("device:d", lambda topic: False)
    await bench.until(bench.departures)


@pytest.mark.parametrize(
    ("how", "kept"),
    [
        ("lost", False),
        ("expiry 0", True),
        ("clean start", True),
        ("expired", True),
        ("purged", True),
    ],
)
async def test_mqtt_4_8_2_what_was_not_acknowledged_goes_on(
    bench: Bench, how: str, kept: bool
) -> None:
    """4.8.2: QoS 1 in flight and queued goes to another, in order, as new to it; what was
    acknowledged does not.
    """
    one = await member(bench, "one", kept=kept)
    publish(bench, "0", "1", "2", "3", "4", "5")
    first = await received(one)
    assert texts(first) == ["0", "1", "2"]
    one.write(Puback(first[0].packet_id))
    assert texts(await received(one)) == ["3"]
    other = await bench.connect("other", 5, "another")
    await bench.subscribe(other, SHARE, qos=1)
    await end(bench, one, how)
    found = await received(other, acknowledge=True)
    assert texts(found) == ["1", "2", "3", "4", "5"]
    assert not any(packet.dup for packet in found)


async def test_mqtt_4_8_2_what_only_one_session_gets_ends_with_it(bench: Bench) -> None:
    """Messages of a plain subscription are no other member's."""
    one = await member(bench, "one")
    await bench.subscribe(one, "p", qos=1)
    other = await member(bench, "other")
    publish(bench, "plain", topic="p")
    assert texts(await received(one)) == ["plain"]
    await end(bench, one, "lost")
    assert await received(other) == []


async def test_mqtt_4_8_2_5_qos_2_in_delivery_goes_to_nobody_else(bench: Bench) -> None:
    """[MQTT-4.8.2-5] What was sent stays with its session; what only waited goes on, and takes its
    course.
    """
    one = await member(bench, "one", qos=2, kept=True, receive_maximum=2)
    publish(bench, "released", "sent", "waiting", qos=2)
    first = await received(one)
    assert texts(first) == ["released", "sent"]
    assert await one.ask(Pubrec(first[0].packet_id)) == Pubrel(first[0].packet_id)
    other = await member(bench, "other", qos=2)
    await end(bench, one, "expiry 0")
    found = await received(other)
    assert texts(found) == ["waiting"]
    assert await other.ask(Pubrec(found[0].packet_id)) == Pubrel(found[0].packet_id)


async def test_mqtt_4_8_2_5_nor_what_waits_to_be_sent_again(bench: Bench) -> None:
    """[MQTT-4.8.2-5] What was sent on an earlier connection counts as sent, though its window is
    smaller now.
    """
    one = await member(bench, "one", qos=2, kept=True)
    publish(bench, "0", "1", qos=2)
    assert texts(await received(one)) == ["0", "1"]
    await leave(bench, one)
    again = Properties(session_expiry_interval=100, receive_maximum=1)
    one = await bench.connect("one", 5, clean_start=False, properties=again)
    assert texts(await received(one)) == ["0"]
    other = await member(bench, "other", qos=2)
    await end(bench, one, "expiry 0")
    assert await received(other) == []


async def test_mqtt_4_8_2_6_what_was_refused_goes_to_nobody_else(bench: Bench) -> None:
    """[MQTT-4.8.2-6] A PUBACK with an error ends the message."""
    one = await member(bench, "one")
    publish(bench, "bad")
    (packet,) = await received(one)
    other = await member(bench, "other")
    one.write(Puback(packet.packet_id, 0x80))
    await received(one)
    await end(bench, one, "lost")
    assert await received(other) == []


async def test_connected_members_come_first_and_take_turns(bench: Bench) -> None:
    """Who is away gets nothing while others are there; these get about the same number."""
    one = await member(bench, "one")
    publish(bench, "0", "1", "2", "3")
    await received(one)
    await leave(bench, await member(bench, "away", kept=True))
    here = [await member(bench, f"here{number}") for number in range(2)]
    await bench.until(lambda: bench.departures() == ["goodbye"])
    one.writer.transport.abort()
    await bench.until(lambda: len(bench.departures()) == 2)
    assert [len(await received(client)) for client in here] == [2, 2]
    away = await bench.connect("away", 5, clean_start=False, properties=KEPT)
    assert await received(away) == []


async def test_without_a_connected_member_it_waits_for_one_that_is_away(bench: Bench) -> None:
    """A session that takes QoS 1 gets it, and not one that takes QoS 0 alone."""
    one = await member(bench, "one")
    publish(bench, "0", "1")
    await received(one)
    for name, qos in (("zero", 0), ("away", 1)):
        await leave(bench, await member(bench, name, qos=qos, kept=True))
    await bench.until(lambda: len(bench.departures()) == 2)
    one.writer.transport.abort()
    await bench.until(lambda: len(bench.departures()) == 3)
    away = await bench.connect("away", 5, clean_start=False, properties=KEPT)
    assert texts(await received(away)) == ["0", "1"]


async def test_without_another_member_it_is_gone(bench: Bench) -> None:
    """Nothing of it stays, and a member that comes later gets none of it."""
    one = await member(bench, "one")
    publish(bench, "0")
    await received(one)
    await end(bench, one, "lost")
    assert bench.count("sessions") == 0
    assert await received(await member(bench, "late")) == []


async def test_each_share_is_its_own(bench: Bench) -> None:
    """A member of another group, of the same filter, gets none of it."""
    one = await member(bench, "one")
    publish(bench, "0")
    await received(one)
    other = await bench.connect("other")
    await bench.subscribe(other, "$share/h/t/#", "$share/g/t/x", qos=1)
    await end(bench, one, "lost")
    assert await received(other) == []


async def test_who_has_unsubscribed_meanwhile_still_leaves_it(bench: Bench) -> None:
    """The message came through the share, whatever its session holds at the end."""
    one = await member(bench, "one")
    publish(bench, "0")
    await received(one)
    other = await member(bench, "other")
    await one.ask(Unsubscribe(5, (SHARE,)))
    await end(bench, one, "lost")
    assert texts(await received(other)) == ["0"]


async def test_what_has_expired_is_left_out(bench: Bench) -> None:
    """And counted; the rest goes on with the time that it has left."""
    one = await member(bench, "one")
    for payload, seconds in ((b"old", 10), (b"new", 100)):
        bench.broker.publish(Message("t/x", payload, 1, properties=Sent(message_expiry=seconds)))
    await received(one)
    other = await member(bench, "other")
    bench.clock += 11
    await end(bench, one, "lost")
    (packet,) = await received(other)
    assert (packet.payload, packet.properties.message_expiry_interval) == (b"new", 89)
    assert bench.count("messages_expired") == 1


async def test_only_a_permitted_member_gets_it(bench: Bench) -> None:
    """The gate is asked for the very topic, as for any message."""
    one = await member(bench, "one")
    publish(bench, "0")
    await received(one)
    others = {name: await bench.connect(name, 5, name) for name in ("barred", "fine")}
    for client in others.values():
        await bench.subscribe(client, SHARE, qos=1)
    bench.gate.receiving = lambda identity, topic: identity.key != "device:barred"  # type: ignore[method-assign]
    await end(bench, one, "lost")
    assert {name: texts(await received(client)) for name, client in others.items()} == {
        "barred": [],
        "fine": ["0"],
    }


async def test_the_lesser_qos_and_the_identifiers_are_the_new_members(bench: Bench) -> None:
    """[MQTT-3.8.4-8] [MQTT-3.3.4-3] It is sent as the new member has subscribed."""
    one = await member(bench, "one", qos=2, receive_maximum=1)
    publish(bench, "a", "b", qos=1)
    assert texts(await received(one)) == ["a"]
    other = await bench.connect("other", 5)
    await bench.subscribe(other, SHARE, qos=0, properties=Properties(subscription_identifier=(7,)))
    await end(bench, one, "lost")
    found = await received(other)
    assert texts(found) == ["a", "b"]
    assert {(packet.qos, packet.properties.subscription_identifier) for packet in found} == {
        (0, (7,))
    }


async def test_the_new_members_queue_is_bounded(bench: Bench) -> None:
    """The oldest goes and is counted, as in any queue."""
    one = await member(bench, "one")
    publish(bench, *"abcdefgh")
    await received(one)
    other = await member(bench, "other", receive_maximum=1)
    await end(bench, one, "lost")
    assert texts(await received(other, acknowledge=True)) == ["a", "d", "e", "f", "g", "h"]
    assert bench.count("messages_dropped") == 2


@pytest.mark.parametrize("kept", [False, True])
async def test_a_member_that_ends_before_its_message_is_stored(bench: Bench, kept: bool) -> None:
    """What was on its way to the member then goes to another, once."""
    one = await member(bench, "one", kept=kept)
    sender = await bench.connect("sender", 5)
    bench.gate.hold = True
    sender.write(Publish("t/x", b"0", 1, packet_id=1))
    await bench.until(lambda: bench.gate.messages)
    bench.gate.hold = False
    other = await member(bench, "other")
    bench.gate.hold = True
    await end(bench, one, "expiry 0" if kept else "lost")
    while bench.gate.waiting:
        bench.gate.store()
    assert await sender.read() == Puback(1)
    assert texts(await received(other)) == ["0"]


async def test_nothing_stays_of_what_has_come(bench: Bench) -> None:
    """A delivery that waited for its commit is remembered no longer than that."""
    one = await member(bench, "one", kept=True)
    bench.gate.hold = True
    publish(bench, "0")
    session = next(iter(bench.broker.machine.sessions))
    assert session.exchange is not None
    assert len(session.exchange.coming) == 1
    bench.gate.store()
    assert session.exchange.coming == {}
    assert texts(await received(one)) == ["0"]


async def test_the_end_and_what_it_leaves_are_one_transaction(bench: Bench) -> None:
    """The rows of the new session and the end of the old one reach the gate in one journal."""
    one = await member(bench, "one", kept=True)
    publish(bench, "0", "1")
    await received(one)
    other = await member(bench, "other", kept=True)
    journals: list[list[str]] = []
    plain = bench.gate.receive

    def receive(messages, done, journal=()):  # type: ignore[no-untyped-def]
        journals.append([type(fact).__name__ for fact in journal])
        plain(messages, done, journal)

    bench.gate.receive = receive  # type: ignore[method-assign]
    await end(bench, one, "expiry 0")
    assert [names for names in journals if "SessionEnded" in names] == [
        ["SessionEnded", "Queued", "Queued"]
    ]
    assert texts(await received(other)) == ["0", "1"]


async def test_a_stop_hands_nothing_to_those_who_end_too(bench: Bench) -> None:
    """When the broker stops, sessions that end with it get nothing of each other; one that lasts
    gets all.
    """
    kept = await member(bench, "kept", kept=True)
    await leave(bench, kept)
    ending = [await member(bench, f"m{number}") for number in range(2)]
    publish(bench, "0", "1")
    before = [await received(client) for client in ending]
    assert sorted(texts(before[0]) + texts(before[1])) == ["0", "1"]
    await bench.broker.stop()
    assert [await client.rest() for client in ending] == [[Disconnect(0x8B)]] * 2
    queued = [one for one in bench.gate.journal if isinstance(one, Queued)]
    assert sorted(delivery.outgoing.payload for delivery in queued) == [b"0", b"1"]


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
async def test_a_worker_that_dies_loses_nothing(bench: Bench, version: MQTTProtocolVersion) -> None:
    """Two workers of paho-mqtt share jobs; one dies with ten of them in its hands, and the other
    gets all.
    """
    bench.broker.machine.shared.limits = Limits()
    jobs = [b"%d" % number for number in range(10)]
    first, second = Worker("first", version), Worker("second", version)
    try:
        await asyncio.to_thread(first.join, bench.broker.ports["mqtt"])
        for job in jobs:
            bench.broker.publish(Message("jobs/build", job, 1))
        await asyncio.to_thread(first.wait, 10)
        await asyncio.to_thread(second.join, bench.broker.ports["mqtt"])
        first.die()
        await asyncio.to_thread(second.wait, 10)
        assert (first.jobs, second.jobs) == (jobs, jobs)
    finally:
        await asyncio.to_thread(second.close)


class Worker:
    """A client that takes jobs from `$share/workers/jobs/#` and acknowledges none."""

    def __init__(self, name: str, version: MQTTProtocolVersion) -> None:
        self._paho = paho.Client(
            CallbackAPIVersion.VERSION2, name, protocol=version, manual_ack=True
        )
        self._paho.username_pw_set("d", "x")
        self._paho.on_message = self._take
        self._paho.on_subscribe = lambda *_: self._subscribed.set()
        self._subscribed = threading.Event()
        self._came = threading.Condition()
        self.jobs: list[bytes] = []

    def _take(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        with self._came:
            self.jobs.append(message.payload)
            self._came.notify()

    def join(self, port: int) -> None:
        """Connect and subscribe."""
        self._paho.connect("127.0.0.1", port)
        self._paho.loop_start()
        self._paho.subscribe("$share/workers/jobs/#", 1)
        assert self._subscribed.wait(10)

    def wait(self, count: int) -> None:
        """Wait until it has so many jobs."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.jobs) >= count, 10)

    def die(self) -> None:
        """Be gone from one moment to the next: the socket closes without DISCONNECT, and nobody
        comes back.
        """
        self._paho.loop_stop()
        socket = self._paho.socket()
        assert socket is not None
        socket.close()

    def close(self) -> None:
        """Say goodbye."""
        self._paho.disconnect()
        self._paho.loop_stop()
