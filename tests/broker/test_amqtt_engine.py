"""The amqtt engine over real sockets: each fault of amqtt 0.12 by its number, and the rules of the
Broker port.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from fake_gate import PATIENCE, FakeGate
from mqtt_peers import Peer, Raw, connect_packet, packet, publish_packet, text

from gateway.bridges.mqtt.websocket import MqttOverWebSocket
from gateway.broker.amqtt_engine import AmqttEngine
from gateway.broker.port import Message
from gateway.errors import Forbidden
from gateway.seats import Seats

Running = Callable[..., AbstractAsyncContextManager[AmqttEngine]]


@pytest.fixture
async def gate() -> FakeGate:
    """Return a gate that records."""
    return FakeGate()


@contextlib.asynccontextmanager
async def running(gate: FakeGate, **options: Any) -> AsyncIterator[AmqttEngine]:
    """Run an engine on free ports."""
    engine = AmqttEngine(gate, host="127.0.0.1", port=0, tls_port=0, **options)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@pytest.fixture
async def engine(gate: FakeGate) -> AsyncIterator[AmqttEngine]:
    """Return a running engine with the limits it has by default."""
    async with running(gate) as engine:
        yield engine


@pytest.fixture
def port(engine: AmqttEngine) -> int:
    """Return the port of the running engine."""
    return engine.ports["mqtt"]


# The faults


async def test_fault_1_keep_alive_ends_a_silent_client_and_sends_its_will(
    gate: FakeGate, port: int
) -> None:
    """A client that is silent for 1.5 times its keep-alive is disconnected, and its will is
    published first.
    """
    head = text("MQTT") + bytes((4, 0xC6)) + (1).to_bytes(2, "big")
    body = head + text("k") + text("devices/k/status") + text("offline") + text("k") + text("key-k")
    async with await Raw.open(port) as silent:
        began = asyncio.get_running_loop().time()
        silent.send(packet(0x10, body))
        assert await silent.read(4) == b"\x20\x02\x00\x00"
        assert await silent.end() == b""
        assert asyncio.get_running_loop().time() - began >= 1.5
    await gate.event("disconnected", "k", "keep_alive")
    assert [(message.topic, message.payload) for message in gate.messages] == [
        ("devices/k/status", b"offline")
    ]


async def test_fault_1_pings_keep_a_client_connected(gate: FakeGate, port: int) -> None:
    """A PINGREQ is answered and counts as a sign of life: a pinging client outlives a silent one of
    the same age.
    """
    async with (
        await Raw.signed_in(port, "p", keep_alive=1) as pinging,
        await Raw.signed_in(port, "s", keep_alive=1),
    ):
        for _ in range(2):
            await asyncio.sleep(0.8)
            pinging.send(b"\xc0\x00")
            assert await pinging.read(2) == b"\xd0\x00"
        await gate.event("disconnected", "s", "keep_alive")
        assert ("disconnected", "p", "keep_alive") not in gate.events


@pytest.mark.parametrize("clean", [True, False])
async def test_fault_2_a_wrong_password_touches_no_session(
    gate: FakeGate, port: int, clean: bool
) -> None:
    """A CONNECT with a wrong password and another's client id leaves that client connected, with
    its subscription.
    """
    async with Peer(port, "kitchen", clean=False) as kitchen:
        await kitchen.subscribe("to/kitchen", 1)
        async with await Raw.open(port) as thief:
            thief.send(connect_packet("kitchen", "guessed", "kitchen", clean=clean))
            assert await thief.end() == b"\x20\x02\x00\x04"
        async with Peer(port, "hall") as hall:
            await hall.publish("to/kitchen", b"still here", 1)
        assert (await kitchen.message()).payload == b"still here"
    assert not [
        event for event in gate.events if event[0] == "disconnected" and event[2] == "taken_over"
    ]


async def test_fault_2_another_principal_with_the_same_client_id_has_its_own_session(
    gate: FakeGate, port: int
) -> None:
    """Who signs in as somebody else gets another session, whatever client id it offers."""
    async with (
        Peer(port, "kitchen", "same", clean=False) as kitchen,
        Peer(port, "hall", "same", clean=False) as hall,
    ):
        assert await kitchen.subscribe("t") == [0]
        await hall.publish("t", b"1")
        assert (await kitchen.message()).payload == b"1"
        assert hall.messages.empty()


async def test_fault_3_retained_messages_go_only_to_whom_they_match(
    gate: FakeGate, port: int
) -> None:
    """A client that connects gets no retained message that only another's filter matches; a
    subscriber gets its own.
    """
    async with Peer(port, "a") as a, Peer(port, "b", clean=False) as b:
        await a.subscribe("private/#")
        await a.publish("private/x", b"secret", 1, retain=True)
        assert (await a.message()).payload == b"secret"
        await b.subscribe("public/#")
        await b.leave()
        async with Peer(port, "b", clean=False) as again, Peer(port, "c") as c:
            await again.publish("public/y", b"marker", 1, retain=True)
            assert (await again.message()).payload == b"marker"
            await c.subscribe("public/#")
            found = await c.message()
            assert (found.payload, found.retain) == (b"marker", True)
            assert again.messages.empty()
            assert c.messages.empty()


async def test_fault_3_retained_messages_are_kept_from_whom_may_not_see_them(
    gate: FakeGate, port: int
) -> None:
    """A wildcard subscription gets only those retained messages that the gate lets its holder
    receive.
    """
    gate.may_receive = lambda key, topic: topic != "t/secret"
    async with Peer(port, "a") as a:
        await a.publish("t/secret", b"no", 1, retain=True)
        await a.publish("t/open", b"yes", 1, retain=True)
        await a.subscribe("t/#")
        assert (await a.message()).topic == "t/open"
        await a.publish("t/last", b"")
        assert (await a.message()).topic == "t/last"


async def test_fault_4_qos_1_in_flight_survives_a_disconnect_in_order(
    gate: FakeGate, port: int
) -> None:
    """What a persistent session had not acknowledged comes again with DUP, then what was sent while
    it was away.
    """
    async with await Raw.signed_in(port, "s", clean=False) as subscriber:
        subscriber.send(packet(0x82, b"\x00\x01" + text("t") + b"\x01"))
        assert await subscriber.read(5) == b"\x90\x03\x00\x01\x01"
        async with Peer(port, "p") as publisher:
            await publisher.publish("t", b"1", 1)
            first = publish_packet("t", b"1", 1, 1)
            assert await subscriber.read(len(first)) == first
            subscriber.close()
            await gate.event("disconnected", "s", "lost")
            await publisher.publish("t", b"2", 1)
    async with await Raw.open(port) as again:
        again.send(connect_packet("s", "key-s", "s", clean=False))
        expected = (
            b"\x20\x02\x01\x00"
            + publish_packet("t", b"1", 1, 1, dup=True)
            + publish_packet("t", b"2", 1, 2)
        )
        assert await again.read(len(expected)) == expected


@pytest.mark.parametrize(
    ("published", "subscribed", "seen"), [(0, 1, 0), (1, 0, 0), (1, 1, 1), (2, 1, 1), (0, 2, 0)]
)
async def test_fault_5_delivery_uses_the_smaller_qos(
    gate: FakeGate, port: int, published: int, subscribed: int, seen: int
) -> None:
    """A message arrives at the smaller of its own QoS and the subscription's."""
    async with Peer(port, "a") as a:
        assert await a.subscribe("t", subscribed) == [min(subscribed, 1)]
        await a.publish("t", b"x", published)
        assert (await a.message()).qos == seen


async def test_fault_6_a_persistent_session_waits_for_its_client(gate: FakeGate, port: int) -> None:
    """A persistent session keeps its subscription and QoS 1 messages, longer than amqtt's monitor
    takes to come by.
    """
    async with Peer(port, "s", clean=False) as subscriber:
        await subscriber.subscribe("t", 1)
    await gate.event("disconnected", "s", "goodbye")
    await asyncio.sleep(1.2)  # the monitor runs every second
    async with Peer(port, "p") as publisher:
        await publisher.publish("t", b"while away", 1)
    again = Peer(port, "s", clean=False)
    flags, _ = await again.connect()
    assert flags.session_present
    assert (await again.message()).payload == b"while away"
    await gate.until(lambda: gate.events.count(("subscribed", "s", "t")) == 2)
    await again.leave()


async def test_fault_6_a_persistent_session_after_a_clean_one_is_persistent(
    gate: FakeGate, port: int
) -> None:
    """The clean session that ended a moment ago does not make its successor clean."""
    async with Peer(port, "s"):
        pass
    async with Peer(port, "s", clean=False) as persistent:
        await persistent.subscribe("t", 1)
    await gate.until(lambda: gate.events.count(("disconnected", "s", "goodbye")) == 2)
    again = Peer(port, "s", clean=False)
    flags, _ = await again.connect()
    assert flags.session_present
    await again.leave()
    fresh = Peer(port, "s")
    flags, _ = await fresh.connect()
    assert not flags.session_present
    await fresh.leave()


async def test_fault_7_a_first_packet_that_does_not_come_ends_the_socket(gate: FakeGate) -> None:
    """A socket that sends no CONNECT, or dribbles it, is closed after `connect_timeout`."""
    async with (
        running(gate, connect_timeout=0.2) as engine,
        await Raw.open(engine.ports["mqtt"]) as silent,
    ):
        silent.send(b"\x10\x20\x00")
        assert await silent.end() == b""
    assert gate.credentials == []


async def test_fault_7_a_packet_above_the_limit_ends_the_connection(gate: FakeGate) -> None:
    """A packet is refused when its header announces more than the limit, without waiting for the
    rest.
    """
    async with running(gate, packet_size=1000) as engine:
        async with await Raw.signed_in(engine.ports["mqtt"], "big") as big:
            big.send(publish_packet("t", bytes(900)))
            await gate.until(lambda: len(gate.messages) == 1)
            big.send(b"\x30\xe9\x07")  # announces 1001 bytes
            assert await big.end() == b""
        await gate.event("disconnected", "big", "cut_off")


async def test_fault_7_connections_are_bounded(gate: FakeGate) -> None:
    """One socket too many is closed unread; there is room again when another leaves."""
    async with running(gate, seats=Seats(1)) as engine:
        port = engine.ports["mqtt"]
        async with await Raw.signed_in(port, "first") as first:
            async with await Raw.open(port) as second:
                assert await second.end() == b""
            first.send(b"\xe0\x00")
            assert await first.end() == b""
        await gate.event("disconnected", "first", "goodbye")
        async with await Raw.signed_in(port, "third"):
            assert engine.statistics()["connections_refused"] == 1


async def test_fault_7_a_subscriber_that_does_not_acknowledge_is_bounded(gate: FakeGate) -> None:
    """At most `window` messages are in flight and `queue` wait; the rest is dropped and counted."""
    async with (
        running(gate, window=2, queue=3) as engine,
        await Raw.signed_in(engine.ports["mqtt"], "slow") as slow,
    ):
        slow.send(packet(0x82, b"\x00\x01" + text("t") + b"\x01"))
        assert await slow.read(5) == b"\x90\x03\x00\x01\x01"
        for number in range(10):
            engine.publish(Message("t", bytes((number,)), 1))
        assert engine.statistics()["messages_dropped"] == 5
        for number in range(5):
            expected = publish_packet("t", bytes((number,)), 1, number + 1)
            assert await slow.read(len(expected)) == expected
            slow.send(packet(0x40, (number + 1).to_bytes(2, "big")))


async def test_fault_7_a_subscriber_that_does_not_read_is_bounded(gate: FakeGate) -> None:
    """QoS 0 for a client that reads nothing is dropped once its buffer is full, and the others get
    everything.
    """
    async with (
        running(gate, write_buffer=100_000) as engine,
        await Raw.signed_in(engine.ports["mqtt"], "stuck") as stuck,
        Peer(engine.ports["mqtt"], "ok") as ok,
    ):
        stuck.send(packet(0x82, b"\x00\x01" + text("big") + b"\x00"))
        await gate.event("subscribed", "stuck", "big")
        for _ in range(1000):
            engine.publish(Message("big", bytes(50_000)))
        assert engine.statistics()["messages_dropped"] > 0
        await ok.subscribe("small")
        engine.publish(Message("small", b"fine"))
        assert (await ok.message()).payload == b"fine"


@pytest.mark.parametrize(
    "wrong",
    [
        publish_packet(b"a\xff", b"x"),
        publish_packet("a\x00", b"x"),
        publish_packet("a/+", b"x"),
        publish_packet("", b"x"),
        publish_packet("t", b"x", 1, 0),
        packet(0x36, text("t") + b"\x00\x01x"),
        packet(0x30, b"\x00\x09t"),
        packet(0x80, b"\x00\x01" + text("t") + b"\x00"),
        packet(0x82, b"\x00\x01" + text("t") + b"\x03"),
        packet(0x82, b"\x00\x01" + text("t")),
        packet(0x82, b"\x00\x01" + text(b"\xc3\x28") + b"\x00"),
        packet(0x20, b"\x00\x00"),
        packet(0x50, b"\x00\x01"),
        packet(0xC0, b"\x00"),
        b"\xc0\x80\x80\x80\x80\x01",
        b"\x00\x00",
        b"\xf0\x00",
        connect_packet("x", "key-x", "x"),
    ],
)
async def test_fault_7_what_breaks_the_protocol_ends_that_connection(
    gate: FakeGate, port: int, wrong: bytes
) -> None:
    """A malformed packet closes the connection that sent it; what came before it is kept, another
    client stays.
    """
    async with Peer(port, "other") as other, await Raw.signed_in(port, "x") as peer:
        peer.send(publish_packet("t", b"before"), wrong, publish_packet("t", b"after"))
        assert await peer.end() == b""
        await gate.event("disconnected", "x", "cut_off")
        assert gate.payloads == [b"before"]
        await other.publish("t", b"still here", 1)


@pytest.mark.parametrize("qos", [0, 1])
async def test_fault_8_publishing_to_a_dollar_topic_costs_nothing(
    gate: FakeGate, port: int, qos: int
) -> None:
    """A publication to $SYS goes nowhere, and the session and its socket go on."""
    async with Peer(port, "a") as a:
        await a.subscribe("$SYS/#")
        await a.publish("$SYS/broker/x", b"fake", qos)
        await a.subscribe("t")
        await a.publish("t", b"next", qos)
        assert (await a.message()).payload == b"next"
    assert gate.payloads == [b"next"]


async def test_fault_8_no_socket_is_left(gate: FakeGate, engine: AmqttEngine, port: int) -> None:
    """After DISCONNECT the socket is closed and nothing of the connection is left."""
    async with await Raw.signed_in(port, "a") as a:
        a.send(publish_packet("$SYS/x", b"fake"), b"\xe0\x00")
        assert await a.end() == b""
    await gate.event("disconnected", "a", "goodbye")
    assert engine.statistics()["connections"] == 0
    assert engine.statistics()["sessions"] == 0


async def test_fault_8_all_in_one_segment_leaves_no_socket(
    gate: FakeGate, engine: AmqttEngine, port: int
) -> None:
    """A client that connects, publishes and leaves with one write is served in full, and gone."""
    async with await Raw.open(port) as brief:
        brief.send(connect_packet("b", "key-b", "b"), publish_packet("t", b"x", 1, 3), b"\xe0\x00")
        brief.writer.write_eof()
        assert await brief.end() == b"\x20\x02\x00\x00\x40\x02\x00\x03"
    await gate.event("disconnected", "b", "goodbye")
    assert gate.payloads == [b"x"]
    assert engine.statistics()["sessions"] == 0


async def test_fault_9_wills_pass_the_tap_in_order(gate: FakeGate, port: int) -> None:
    """A will is received after what its client published and before the gate is told that it left,
    then delivered.
    """
    async with Peer(port, "watcher") as watcher:
        await watcher.subscribe("devices/+/status", 1)
        dying = Peer(port, "d", will=("devices/d/status", b"offline", 1, True))
        await dying.connect()
        await dying.publish("t", b"alive", 1)
        gate.connections[-1].close(Forbidden("removed"))
        await gate.event("disconnected", "d", "cut_off")
        assert gate.payloads == [b"alive", b"offline"]
        assert (await watcher.message()).payload == b"offline"
        await dying.leave()
        async with Peer(port, "late") as late:
            await late.subscribe("devices/d/status")
            assert (await late.message()).retain


async def test_fault_9_a_goodbye_sends_no_will(gate: FakeGate, port: int) -> None:
    """DISCONNECT discards the will."""
    async with Peer(port, "d", will=("devices/d/status", b"offline", 1, True)):
        pass
    await gate.event("disconnected", "d", "goodbye")
    assert gate.messages == []


async def test_fault_9_a_tap_that_raises_loses_nothing(gate: FakeGate, port: int) -> None:
    """A message that the gate did not take is neither acknowledged nor delivered, and comes when it
    is sent again.
    """
    async with Peer(port, "watcher") as watcher:
        await watcher.subscribe("t", 1)
        gate.failing = True
        async with await Raw.signed_in(port, "p", clean=False) as publisher:
            publisher.send(publish_packet("t", b"x", 1, 7))
            assert await publisher.end() == b""
        await gate.event("disconnected", "p", "cut_off")
        gate.failing = False
        async with await Raw.signed_in(port, "p", clean=False) as publisher:
            publisher.send(publish_packet("t", b"x", 1, 7, dup=True))
            assert await publisher.read(4) == b"\x40\x02\x00\x07"
        assert (await watcher.message()).payload == b"x"
        assert watcher.messages.empty()


async def test_fault_9_the_gateways_own_messages_reach_subscribers_and_are_retained(
    gate: FakeGate, engine: AmqttEngine, port: int
) -> None:
    """`publish` delivers and retains, and does not come back through the gate."""
    async with Peer(port, "a") as a:
        await a.subscribe("t", 1)
        engine.publish(Message("t", b"from the gateway", 1, True))
        assert (await a.message()).payload == b"from the gateway"
        await a.subscribe("t", 1)
        assert (await a.message()).retain
        engine.publish(Message("t", b"", 0, True))
        await a.message()
        assert engine.statistics()["retained"] == 0
    assert gate.messages == []


async def test_fault_10_mqtt_5_is_told_that_only_3_1_1_is_spoken(gate: FakeGate, port: int) -> None:
    """A version 5 CONNECT is answered with return code 1 and closed."""
    async with await Raw.open(port) as modern:
        modern.send(packet(0x10, text("MQTT") + b"\x05\x02\x00\x3c\x00" + text("x")))
        assert await modern.end() == b"\x20\x02\x00\x01"
    assert gate.credentials == []


# The port


async def test_nothing_is_acknowledged_or_delivered_before_done(gate: FakeGate, port: int) -> None:
    """PUBACK and delivery wait for the gate's `done`; both come when it runs."""
    gate.hold = True
    async with Peer(port, "watcher") as watcher, await Raw.signed_in(port, "p") as publisher:
        await watcher.subscribe("t", 1)
        publisher.send(
            publish_packet("t", b"1", 1, 1), publish_packet("t", b"2", 1, 2), b"\xc0\x00"
        )
        assert (
            await publisher.read(2) == b"\xd0\x00"
        )  # the ping overtakes: nothing was acknowledged
        assert gate.payloads == [b"1", b"2"]
        assert watcher.messages.empty()
        for done in gate.held:
            done()
        assert await publisher.read(8) == b"\x40\x02\x00\x01\x40\x02\x00\x02"
        assert [(await watcher.message()).payload for _ in range(2)] == [b"1", b"2"]


async def test_pubacks_keep_the_order_of_the_publications(gate: FakeGate, port: int) -> None:
    """What goes nowhere is not answered before what came earlier and still has to be stored."""
    gate.hold = True
    gate.may_publish = lambda key, topic: topic != "no"
    async with await Raw.signed_in(port, "p") as publisher:
        publisher.send(publish_packet("t", b"1", 1, 1), b"\xc0\x00")
        assert await publisher.read(2) == b"\xd0\x00"
        publisher.send(publish_packet("no", b"2", 1, 2), b"\xc0\x00")
        assert await publisher.read(2) == b"\xd0\x00"
        gate.held[0]()
        assert await publisher.read(8) == b"\x40\x02\x00\x01\x40\x02\x00\x02"


async def test_qos_2_is_received_once_however_often_it_is_sent(gate: FakeGate, port: int) -> None:
    """A QoS 2 publication that comes again before its PUBREL is not received again, over a lost
    connection too.
    """
    async with await Raw.signed_in(port, "p", clean=False) as publisher:
        publisher.send(publish_packet("t", b"x", 2, 5))
        assert await publisher.read(4) == b"\x50\x02\x00\x05"
        publisher.send(publish_packet("t", b"x", 2, 5, dup=True))
        assert await publisher.read(4) == b"\x50\x02\x00\x05"
    await gate.event("disconnected", "p", "lost")
    async with await Raw.signed_in(port, "p", clean=False) as publisher:
        publisher.send(publish_packet("t", b"x", 2, 5, dup=True))
        assert await publisher.read(4) == b"\x50\x02\x00\x05"
        publisher.send(b"\x62\x02\x00\x05")
        assert await publisher.read(4) == b"\x70\x02\x00\x05"
        assert gate.payloads == [b"x"]
        publisher.send(publish_packet("t", b"y", 2, 5))
        assert await publisher.read(4) == b"\x50\x02\x00\x05"
    assert gate.payloads == [b"x", b"y"]


async def test_while_paused_no_socket_is_read(
    gate: FakeGate, engine: AmqttEngine, port: int
) -> None:
    """After `pause` what a client sends stays in the sockets; the sender is slowed, and `resume`
    takes it all.
    """
    size, count = 50_000, 400
    async with await Raw.signed_in(port, "p") as publisher:
        engine.pause()
        publisher.send(*[publish_packet("t", bytes(size))] * count)
        with pytest.raises(TimeoutError):  # 20 MB do not fit the sockets' buffers
            await asyncio.wait_for(publisher.writer.drain(), 0.5)
        assert gate.messages == []
        async with await Raw.open(port) as late:
            late.send(connect_packet("late", "key-late", "late"))
            await asyncio.sleep(0.1)
            assert [offered.client_id for offered in gate.credentials] == ["p"]
            engine.resume()
            assert await late.read(4) == b"\x20\x02\x00\x00"
        await gate.until(lambda: len(gate.messages) == count)


async def test_an_unpermitted_publication_is_answered_and_goes_nowhere(
    gate: FakeGate, engine: AmqttEngine, port: int
) -> None:
    """The gate refuses a topic: no message, no closed connection (3.1.1 has no other way), and it
    is counted.
    """
    gate.may_publish = lambda key, topic: topic.startswith(
        f"devices/{key.removeprefix('device:')}/"
    )
    async with Peer(port, "a") as a:
        await a.publish("devices/b/telemetry", b"no", 1)
        await a.publish("devices/a/telemetry", b"yes", 1)
        await a.publish("devices/a/telemetry", b"yes", 1)
    assert gate.payloads == [b"yes", b"yes"]
    assert gate.asked.count(("device:a", "devices/a/telemetry")) == 1
    assert engine.statistics()["messages_refused"] == 1


async def test_subscriptions_are_permitted_one_by_one_and_ended_by_forget(
    gate: FakeGate, engine: AmqttEngine, port: int
) -> None:
    """A refused or malformed filter gets 0x80 in its place; `forget` asks again and ends what is
    refused now.
    """
    gate.may_subscribe = lambda key, topic_filter: topic_filter != "no"
    async with await Raw.signed_in(port, "a") as a:
        filters = [
            text(name) + b"\x01" for name in ("yes", "no", "a/#/b", "", "$share/g/yes", "also")
        ]
        a.send(packet(0x82, b"\x00\x09" + b"".join(filters)))
        assert await a.read(10) == b"\x90\x08\x00\x09\x01\x80\x80\x80\x80\x01"
        gate.may_subscribe = lambda key, topic_filter: topic_filter != "yes"
        engine.forget()
        engine.publish(Message("yes", b"1"))
        engine.publish(Message("also", b"2"))
        expected = publish_packet("also", b"2")
        assert await a.read(len(expected)) == expected


async def test_forget_makes_the_engine_ask_again(
    gate: FakeGate, engine: AmqttEngine, port: int
) -> None:
    """What the gate said of publishing and receiving holds until `forget`."""
    async with Peer(port, "a") as a:
        await a.subscribe("#")
        await a.publish("t", b"1", 1)
        await a.message()
        gate.may_publish = gate.may_receive = lambda key, topic: topic != "t"
        engine.forget()
        await a.publish("t", b"2", 1)
        engine.publish(Message("t", b"3"))
        await a.publish("u", b"4", 1)
        assert (await a.message()).payload == b"4"
    assert gate.payloads == [b"1", b"4"]


async def test_a_second_connection_takes_over_the_first(
    gate: FakeGate, engine: AmqttEngine, port: int
) -> None:
    """The same client again: the first ends as taken over before the second is announced, its
    session goes on.
    """
    async with await Raw.signed_in(port, "a", clean=False) as first:
        first.send(packet(0x82, b"\x00\x01" + text("t") + b"\x01"))
        await gate.event("subscribed", "a", "t")
        async with Peer(port, "a", clean=False) as second:
            assert await first.end() == b"\x90\x03\x00\x01\x01"
            engine.publish(Message("t", b"x", 1))
            assert (await second.message()).payload == b"x"
    names = [event[0] for event in gate.events]
    assert names[:4] == ["connected", "subscribed", "disconnected", "connected"]
    assert gate.events[2] == ("disconnected", "a", "taken_over")


async def test_send_reaches_one_connection_and_tells_of_its_puback(
    gate: FakeGate, engine: AmqttEngine, port: int
) -> None:
    """`send` goes to that connection alone, says no without a subscription, and runs `delivered` at
    the PUBACK.
    """
    async with Peer(port, "a", manual_ack=True) as a, Peer(port, "b") as b:
        await a.subscribe("devices/+/commands/#", 1)
        await b.subscribe("devices/+/commands/#", 1)
        delivered = asyncio.Event()
        (connection,) = [each for each in engine.connections() if each.client_id == "a"]
        assert not connection.send(Message("other", b"x", 1), delivered.set)
        assert connection.send(Message("devices/a/commands/led", b"1", 1), delivered.set)
        message = await a.message()
        assert not delivered.is_set()
        a.client.ack(message.mid, message.qos)
        await asyncio.wait_for(delivered.wait(), PATIENCE)
        assert b.messages.empty()
        assert (connection.address, connection.identity.key) == ("127.0.0.1", "device:a")


async def test_what_send_did_not_deliver_is_not_kept(
    gate: FakeGate, engine: AmqttEngine, port: int
) -> None:
    """A connection that ends before its PUBACK: `delivered` never runs, and the session sends
    nothing again.
    """
    async with await Raw.signed_in(port, "a", clean=False) as a:
        a.send(packet(0x82, b"\x00\x01" + text("t") + b"\x01"))
        await gate.event("subscribed", "a", "t")
        (connection,) = engine.connections()
        assert connection.send(Message("t", b"command", 1), lambda: pytest.fail("delivered"))
    await gate.event("disconnected", "a", "lost")
    assert not connection.send(Message("t", b"command", 1), lambda: pytest.fail("delivered"))
    async with await Raw.signed_in(port, "a", clean=False) as again:
        engine.publish(Message("t", b"next", 1))
        expected = publish_packet("t", b"next", 1, 2)
        assert await again.read(len(expected)) == expected


async def test_a_route_decides_what_is_retained(
    gate: FakeGate, engine: AmqttEngine, port: int
) -> None:
    """A target's `retain` stands above the message's flag."""
    gate.retain = True
    async with Peer(port, "a") as a:
        await a.publish("t", b"x", 1)
    assert gate.messages[0].retain
    assert engine.statistics()["retained"] == 1


async def test_tls_is_a_second_port_and_its_certificate_names_the_client(gate: FakeGate) -> None:
    """Both listeners are reported; over TLS the common name of the client's certificate is part of
    its credentials.
    """
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context()
    authority.configure_trust(client)
    authority.issue_cert("kitchen.example", common_name="kitchen").configure_cert(client)
    async with running(gate, tls=server) as engine:
        assert set(engine.ports) == {"mqtt", "mqtts"}
        async with Peer(engine.ports["mqtts"], "kitchen", tls=client) as peer:
            await peer.publish("t", b"x", 1)
    assert gate.credentials[0].certificate == "kitchen"
    assert gate.payloads == [b"x"]


async def test_mqtt_over_websocket_is_one_more_transport(
    gate: FakeGate, engine: AmqttEngine, aiohttp_server: Any
) -> None:
    """What `accept` returns serves a client whose bytes come in WebSocket messages."""
    application = web.Application()
    over = MqttOverWebSocket(
        accept=engine.accept,
        same_origin=lambda request: True,
        max_size=10_000,
    )
    application.router.add_get("/mqtt", over.handle)
    server = await aiohttp_server(application)
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(server.make_url("/mqtt"), protocols=("mqtt",)) as socket:
            await socket.send_bytes(
                connect_packet("page", "key-page", "page") + publish_packet("t", b"x", 1, 9)
            )
            received = b""
            while len(received) < 8:
                received += await socket.receive_bytes(timeout=PATIENCE)
            assert received == b"\x20\x02\x00\x00\x40\x02\x00\x09"
        await gate.event("disconnected", "page", "lost")
    assert gate.payloads == [b"x"]


async def test_stop_ends_every_client_and_sends_its_will(gate: FakeGate) -> None:
    """`stop` closes the sockets, signed in or not; only a client's own DISCONNECT discards its will
    [MQTT-3.1.2-8].
    """
    async with running(gate) as engine:
        peer = Peer(engine.ports["mqtt"], "a", will=("devices/a/status", b"offline", 1, True))
        await peer.connect()
        stranger = await Raw.open(engine.ports["mqtt"])
    assert gate.events[-1] == ("disconnected", "a", "stopped")
    assert gate.payloads == [b"offline"]
    assert await stranger.end() == b""
    stranger.close()
    await peer.leave()


async def test_a_port_in_use_is_an_oserror(gate: FakeGate, engine: AmqttEngine) -> None:
    """A port that is taken stops the start, and nothing stays open."""
    second = AmqttEngine(gate, host="127.0.0.1", port=engine.ports["mqtt"])
    with pytest.raises(OSError, match="in use"):
        await second.start()
    assert second.ports == {}
