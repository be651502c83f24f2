"""Subscriptions and their options, retained messages and shared subscriptions, over real
sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.broker import port
from gateway.broker.embedded.codec.packets import (
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
)
from gateway.broker.embedded.core.account import Account
from gateway.broker.embedded.core.facts import Unretained
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.core.tree import tree_size
from gateway.broker.port import Message, Room

if TYPE_CHECKING:
    from .conftest import Bench, Client


@pytest.fixture
def limits() -> Limits:
    """Small bounds."""
    return Limits(subscriptions=3, retained=15)


async def received(client: Client) -> list[Publish]:
    """Return every message that the client has been sent up to now."""
    found = []
    packet = await client.ask(Pingreq())
    while isinstance(packet, Publish):
        found.append(packet)
        if packet.qos == 1:
            client.write(Puback(packet.packet_id))
        packet = await client.read()
    assert isinstance(packet, Pingresp)
    return found


@pytest.mark.parametrize(("version", "code"), [(4, 0x80), (5, 0x87)])
async def test_a_refused_subscription_is_told(bench: Bench, version: int, code: int) -> None:
    """Of several filters each has its own code, in order."""
    client = await bench.connect("c", version)
    assert await bench.subscribe(client, "a", "forbidden/#", "b", qos=1) == (1, code, 1)
    assert bench.count("subscriptions") == 2


async def test_more_than_the_bound_is_refused(bench: Bench) -> None:
    """A subscription beyond the bound is refused; one that replaces another is not beyond it."""
    client = await bench.connect("c", 5)
    assert await bench.subscribe(client, "a", "b", "c", "d", "a") == (0, 0, 0, 0x97, 0)


async def test_a_listener_may_have_room_for_more(bench: Bench) -> None:
    """Home Assistant subscribes to every topic by name."""
    bench.gate.rooms["device:d"] = Room(subscriptions=5)
    client = await bench.connect("c", 5)
    codes = await bench.subscribe(client, "a", "b", "c", "d", "e", "f")
    assert codes == (0, 0, 0, 0, 0, 0x97)


async def test_too_many_levels_are_refused(bench: Bench) -> None:
    """A filter of thousands of levels would be a tree of its own."""
    client = await bench.connect("c", 5)
    assert await bench.subscribe(client, "/" * 1000) == (0x83,)


async def test_the_smaller_qos_is_delivered(bench: Bench) -> None:
    """A copy has the smaller of the publisher's and the subscription's QoS."""
    client = await bench.connect("c")
    await bench.subscribe(client, "zero", qos=0)
    await bench.subscribe(client, "one", qos=1)
    for topic in ("zero", "one"):
        for qos in (0, 1):
            bench.broker.publish(Message(topic, b"", qos))
    assert [(packet.topic, packet.qos) for packet in await received(client)] == [
        ("zero", 0),
        ("zero", 0),
        ("one", 0),
        ("one", 1),
    ]


async def test_overlapping_subscriptions_make_one_copy(bench: Bench) -> None:
    """[MQTT-3.3.4-2] [MQTT-3.3.4-3] One copy, with the greatest QoS and every identifier."""
    client = await bench.connect("c", 5)
    await bench.subscribe(client, "a/#", qos=0, properties=Properties(subscription_identifier=(7,)))
    await bench.subscribe(client, "a/+", qos=1, properties=Properties(subscription_identifier=(8,)))
    bench.broker.publish(Message("a/b", b"", 2))
    (packet,) = await received(client)
    assert packet.qos == 1
    assert sorted(packet.properties.subscription_identifier) == [7, 8]


async def test_no_local(bench: Bench) -> None:
    """[MQTT-3.8.3-3] A client does not get its own messages where it asked not to."""
    client = await bench.connect("c", 5)
    await bench.subscribe(client, "mine", no_local=True)
    await bench.subscribe(client, "all")
    assert await client.ask(Publish("mine", b""), Publish("all", b"", 1, packet_id=1)) == Publish(
        "all", b""
    )
    assert await client.read() == Puback(1)
    bench.broker.publish(Message("mine", b"other"))
    assert [(packet.topic, packet.payload) for packet in await received(client)] == [
        ("mine", b"other")
    ]


async def test_retain_as_published(bench: Bench) -> None:
    """[MQTT-3.3.1-12] [MQTT-3.3.1-13] The flag of a live message goes only to who asked for it."""
    client = await bench.connect("c", 5)
    await bench.subscribe(client, "kept", retain_as_published=True)
    await bench.subscribe(client, "cleared")
    for topic in ("kept", "cleared"):
        bench.broker.publish(Message(topic, b"x", 0, True))
    assert [(packet.topic, packet.retain) for packet in await received(client)] == [
        ("kept", True),
        ("cleared", False),
    ]


@pytest.mark.parametrize(("handling", "first", "again"), [(0, 1, 1), (1, 1, 0), (2, 0, 0)])
async def test_retain_handling(bench: Bench, handling: int, first: int, again: int) -> None:
    """[MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] Retained messages come as the subscription
    asked.
    """
    bench.broker.publish(Message("t", b"kept", 0, True))
    client = await bench.connect("c", 5)
    for count in (first, again):
        await bench.subscribe(client, "t", retain_handling=handling)
        packets = await received(client)
        assert [(packet.payload, packet.retain) for packet in packets] == [(b"kept", True)] * count


async def test_an_empty_payload_takes_it_away(bench: Bench) -> None:
    """[MQTT-3.3.1-6] A retained message with an empty payload is delivered and kept by nobody."""
    bench.broker.publish(Message("t", b"kept", 0, True))
    bench.broker.publish(Message("t", b"", 0, True))
    client = await bench.connect("c")
    await bench.subscribe(client, "t")
    assert await received(client) == []


async def test_an_expired_retained_message_is_gone(bench: Bench) -> None:
    """A retained message with an expiry ends when it has passed, and says until then how long it
    has.
    """
    client = await bench.connect("c", 5)
    client.write(Publish("t", b"x", 0, True, properties=Properties(message_expiry_interval=10)))
    await received(client)
    bench.clock += 4
    await bench.subscribe(client, "t")
    (packet,) = await received(client)
    assert packet.properties.message_expiry_interval == 6
    bench.clock += 6
    await bench.subscribe(client, "t")
    assert await received(client) == []
    assert Unretained("t") in bench.gate.journal + list(bench.broker.machine.shared.journal.take())


async def test_retained_topics_are_bounded(bench: Bench) -> None:
    """Beyond the bound a new topic is not retained, and counted; a known one is replaced."""
    already = bench.count("retained")
    for number in range(20):
        bench.broker.publish(Message(f"t/{number}", b"1", 0, True))
    bench.broker.publish(Message("t/0", b"2", 0, True))
    assert bench.count("retained") == 15
    assert bench.count("messages_dropped") == 20 - (15 - already)
    client = await bench.connect("c")
    await bench.subscribe(client, "t/0")
    assert [packet.payload for packet in await received(client)] == [b"2"]


async def test_filters_are_bounded_in_all(bench: Bench) -> None:
    """A few long filters are as much as many short ones; one that is held may be asked for
    again.
    """
    bench.broker.machine.shared.limits = Limits(subscription_size=2 * tree_size("") + 100)
    client = await bench.connect("c", 5)
    assert await bench.subscribe(client, "a" * 60, "b" * 41, "c" * 40, "a" * 60) == (0, 0x97, 0, 0)
    client.write(Unsubscribe(1, ("a" * 60,)))
    assert isinstance(await client.read(), Unsuback)
    assert await bench.subscribe(client, "b" * 41) == (0,)


async def test_levels_of_filters_count(bench: Bench) -> None:
    """Each level is memory of its own: deep filters are fewer."""
    bench.broker.machine.shared.limits = Limits()
    client = await bench.connect("c", 5)
    deep = [f"{number}" + "/a" * 123 for number in range(100)]
    codes = await bench.subscribe(client, *deep)
    assert 40 < codes.count(0) < 60
    assert bench.broker.machine.shared.filters.total <= Limits().subscription_size


async def test_a_user_pays_for_the_filters_of_all_sessions(bench: Bench) -> None:
    """And gets the room back when they end."""
    shared = bench.broker.machine.shared
    shared.filters = Account(3 * tree_size("a"), 1 << 30)
    bench.gate.owners |= {"bob": 1, "bob2": 1, "ann": 2}
    bob, bob2 = await bench.connect("1", 5, "bob"), await bench.connect("2", 5, "bob2")
    ann = await bench.connect("3", 5, "ann")
    assert await bench.subscribe(bob, "a", "b") == (0, 0)
    assert await bench.subscribe(bob2, "a", "b") == (0, 0x97)
    assert await bench.subscribe(ann, "a", "b") == (0, 0)
    await bob.close()
    await bench.until(lambda: bench.departures())
    assert await bench.subscribe(bob2, "b", "c") == (0, 0)


def kept(bench: Bench, topic: str, size: int) -> bool:
    """Publish a retained message, and tell whether it was kept."""
    bench.broker.publish(Message(topic, b"x" * size, 0, True))
    found = bench.broker.machine.router.retained_on(topic)
    return found is not None and len(found.payload) == size


async def test_retained_bytes_are_bounded(bench: Bench) -> None:
    """They count whatever they are in; where the new message has no room, the old one is not shown
    in its place.
    """
    router = bench.broker.machine.router
    router._account = Account(2 * tree_size("a/1") + 2_000, 1 << 30)
    assert kept(bench, "a/1", 500)
    assert kept(bench, "a/2", 500)
    assert not kept(bench, "a/3", 1_500)
    assert kept(bench, "a/1", 1_400)
    assert not kept(bench, "a/1", 1_600)
    assert router.retained_on("a/1") is None
    bench.broker.publish(Message("a/2", b"", 0, True))
    wide = port.Properties(user=(("k", "v" * 3_000),))
    bench.broker.publish(Message("a/4", b"1", 0, True, properties=wide))
    assert router.retained_on("a/4") is None
    assert kept(bench, "a/5", 1_000)


async def test_nobody_takes_the_room_of_anothers_retained_messages(bench: Bench) -> None:
    """Each has a share, and a short last word is retained in place of the one before in any
    case.
    """
    bench.broker.machine.shared.limits = Limits()
    router = bench.broker.machine.router
    router._account = Account(10_000, 1 << 30)
    assert kept(bench, "bob/status", 2)
    assert [kept(bench, f"bob/{number}", 1_000) for number in range(6)][-1] is False
    assert kept(bench, "bob/status", 7)
    assert kept(bench, "ann/1", 1_000)


async def test_deep_retained_topics_are_few(bench: Bench) -> None:
    """The memory of their levels counts."""
    router = bench.broker.machine.router
    before = router._account.total
    assert kept(bench, "/a" * 190, 1)
    assert router._account.total - before > 40_000


async def test_wildcards_see_only_what_they_may(bench: Bench) -> None:
    """A permitted wildcard brings neither live nor retained messages of a topic that is not."""
    bench.gate.forbidden.discard("forbidden")
    bench.broker.publish(Message("forbidden/kept", b"x", 0, True))
    bench.gate.forbidden.add("forbidden")
    client = await bench.connect("c")
    await bench.subscribe(client, "#")
    bench.broker.publish(Message("forbidden/live", b"x"))
    bench.broker.publish(Message("fine", b"x"))
    assert [packet.topic for packet in await received(client)] == ["fine"]


async def test_unsubscribe(bench: Bench) -> None:
    """[MQTT-3.10.4-2] Nothing more comes, and a filter that was not there is named so."""
    client = await bench.connect("c", 5)
    await bench.subscribe(client, "a")
    assert await client.ask(Unsubscribe(5, ("a", "b"))) == Unsuback(5, (0, 0x11))
    bench.broker.publish(Message("a", b""))
    assert await received(client) == []
    assert bench.count("subscriptions") == 0


async def test_shared_members_take_turns(bench: Bench) -> None:
    """[MQTT-4.8.2-4] Each message goes to one member of the group, and to every group."""
    members = [await bench.connect(f"m{number}", 5) for number in range(2)]
    other = await bench.connect("other", 5)
    for member in members:
        await bench.subscribe(member, "$share/g/t/#")
    await bench.subscribe(other, "$share/h/t/#")
    for number in range(10):
        bench.broker.publish(Message(f"t/{number % 2}", b"%d" % number))
    counts = [len(await received(client)) for client in (*members, other)]
    assert sum(counts[:2]) == 10
    assert min(counts) >= 1
    assert counts[2] == 10


async def test_shared_subscriptions_pass_over_the_absent(bench: Bench) -> None:
    """A member whose client is away gets nothing while another is there."""
    away = await bench.connect("away", clean_start=False)
    here = await bench.connect("here")
    for client in (away, here):
        await bench.subscribe(client, "$share/g/t", qos=1)
    away.write(Disconnect())
    await away.rest()
    for _ in range(4):
        bench.broker.publish(Message("t", b"", 1))
    assert len(await received(here)) == 4


async def test_the_gate_is_told_when_a_subscription_is_active(bench: Bench) -> None:
    """What the gate sends when it hears of a subscription comes after the SUBACK."""
    client = await bench.connect("c")
    seen: list[str | None] = []
    plain = bench.gate.subscribed

    def subscribed(connection, topic_filter: str) -> None:  # type: ignore[no-untyped-def]
        plain(connection, topic_filter)
        seen.append(connection.send(Message("cmd/led", b"1", 1), lambda: None))

    bench.gate.subscribed = subscribed  # type: ignore[method-assign]
    await bench.subscribe(client, "cmd/#", qos=1)  # reads the SUBACK first
    assert seen == ["acknowledged"]
    assert [packet.payload for packet in await received(client)] == [b"1"]


async def test_the_gate_sends_nothing_before_it_is_told(bench: Bench) -> None:
    """While a subscription is being stored, a message of the gate's own does not overtake those
    that wait for it.
    """
    client = await bench.connect("c", clean_start=False)
    (connection,) = bench.broker.connections()
    bench.gate.hold = True
    client.write(Subscribe(1, (Subscription("cmd/#", 1),)))
    await bench.until(lambda: bench.count("subscriptions"))
    assert not connection.send(Message("cmd/led", b"early", 1), lambda: None)
    bench.gate.store()
    assert connection.send(Message("cmd/led", b"in time", 1), lambda: None)
    assert isinstance(await client.read(), Suback)
    assert [packet.payload for packet in await received(client)] == [b"in time"]


async def test_many_retained_messages_come_at_the_clients_pace(bench: Bench) -> None:
    """More retained messages than a queue or a buffer holds all arrive, none dropped."""
    core = bench.broker.machine
    core.shared.limits = Limits(queue=5, write_buffer=1000, retained=10_000)
    for number in range(2_000):
        bench.broker.publish(Message(f"t/{number}", b"x" * 500, number % 2, True))
    client = await bench.connect("c")
    client.write(Subscribe(1, (Subscription("t/#", 1),)))
    topics = set()
    while len(topics) < 2_000:
        packet = await client.read()
        if isinstance(packet, Publish):
            assert packet.retain
            topics.add(packet.topic)
            if packet.qos:
                client.write(Puback(packet.packet_id))
    assert bench.count("messages_dropped") == 0
