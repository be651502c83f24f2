"""The port's side of the engine: start and stop, flow, commands, permissions, counters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

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
)
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.core.wheel import TICKS
from gateway.broker.port import Message
from gateway.errors import Forbidden

if TYPE_CHECKING:
    from .conftest import Bench


@pytest.fixture
def limits() -> Limits:
    """Small bounds."""
    return Limits(queue=5, in_flight=3)


@pytest.mark.parametrize("version", [3, 4, 5])
async def test_carries_a_message(bench: Bench, version: int) -> None:
    """A message goes from publisher to subscriber and to the gate, and is acknowledged."""
    subscriber = await bench.connect("s", version)
    assert isinstance(await subscriber.ask(Subscribe(1, (Subscription("a/+", 1),))), Suback)
    publisher = await bench.connect("p", version)
    assert await publisher.ask(Publish("a/b", b"one", 1, packet_id=7)) == Puback(7)
    received = await subscriber.read()
    assert isinstance(received, Publish)
    assert (received.topic, received.payload, received.qos, received.packet_id) == (
        "a/b",
        b"one",
        1,
        1,
    )
    assert [message.topic for message in bench.gate.messages] == ["a/b"]
    assert isinstance(await publisher.ask(Pingreq()), Pingresp)


async def test_reads_nothing_while_paused(bench: Bench) -> None:
    """While the intake is full a flood stays in the sockets; afterwards all of it comes, in
    order.
    """
    client = await bench.connect("c")
    bench.broker.pause()
    total = 40_000
    for number in range(total):
        client.write(Publish("t", b"%0100d" % number))
    drained = asyncio.ensure_future(client.writer.drain())
    (connection,) = bench.broker.connections()
    await bench.until(lambda: connection.wire.still)  # type: ignore[attr-defined]
    await asyncio.sleep(0.1)
    assert not drained.done()
    assert bench.gate.messages == []
    assert connection.wire.waiting_bytes < 1_000_000  # type: ignore[attr-defined]
    bench.broker.resume()
    await drained
    assert isinstance(await client.ask(Pingreq()), Pingresp)
    assert [int(message.payload) for message in bench.gate.messages] == list(range(total))


async def test_resuming_may_pause_again(bench: Bench) -> None:
    """The gate may say stop in the middle of what it is given after a resume."""
    client = await bench.connect("c")
    bench.broker.pause()
    client.write(Publish("t", b"1", 1, packet_id=1))
    (connection,) = bench.broker.connections()
    await bench.until(lambda: connection.wire.still)  # type: ignore[attr-defined]
    plain = bench.gate.receive

    def receive(*arguments) -> None:  # type: ignore[no-untyped-def]
        plain(*arguments)
        bench.broker.pause()

    bench.gate.receive = receive  # type: ignore[method-assign]
    bench.broker.resume()
    assert await client.read() == Puback(1)
    client.write(Publish("t", b"2", 1, packet_id=2))
    await bench.until(lambda: connection.wire in bench.broker.open.stalled)
    bench.gate.receive = plain  # type: ignore[method-assign]
    bench.broker.resume()
    assert await client.read() == Puback(2)


@pytest.mark.parametrize("version", [4, 5])
async def test_stopping_tells_every_client(bench: Bench, version: int) -> None:
    """A client of MQTT 5 gets 0x8B, every gate call has its counterpart, and the port is free."""
    client = await bench.connect("c", version)
    stranger = await bench.dial()
    await bench.until(lambda: bench.broker.open.strangers)
    await bench.broker.stop()
    assert await client.rest() == ([Disconnect(0x8B)] if version == 5 else [])
    assert await stranger.rest() == []
    assert bench.departures() == ["stopped"]
    with pytest.raises(ConnectionRefusedError):
        await bench.dial()


async def test_who_goes_on_sending_is_told_why_it_is_cut_off(bench: Bench) -> None:
    """The DISCONNECT of a protocol error is not lost to a client that has more to send before it
    reads (3.14).
    """
    client = await bench.connect("c", 5)
    transport: Any = client.reader._transport  # type: ignore[attr-defined]
    transport.pause_reading()
    client.writer.write(b"\0\0")
    await client.writer.drain()
    await bench.until(lambda: not list(bench.broker.connections()))
    for _ in range(3):
        client.writer.write(b"\0" * 100_000)
        await client.writer.drain()
        await asyncio.sleep(0.01)
    transport.resume_reading()
    assert await client.rest() == [Disconnect(0x81)]
    client.writer.close()
    await bench.until(lambda: not bench.broker.open.closing)


async def test_stopping_waits_for_nobody_who_does_not_read(bench: Bench) -> None:
    """A client that takes nothing is let go, and no transport outlives the broker."""
    client = await bench.connect("c")
    await bench.subscribe(client, "t")
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(20_000):
        bench.broker.publish(Message("t", b"x" * 1000))
    assert bench.count("messages_dropped")
    await bench.broker.stop()
    await bench.until(lambda: not bench.broker.open.closing)


async def test_a_command_goes_to_one_connection(bench: Bench) -> None:
    """It is sent where a subscription matches, runs `delivered` at PUBACK, and is known to no one
    else.
    """
    device, other = await bench.connect("device"), await bench.connect("other")
    for client in (device, other):
        await bench.subscribe(client, "cmd/#", qos=1)
    connection = next(found for found in bench.broker.connections() if found.client_id == "device")
    delivered = asyncio.Event()
    assert not connection.send(Message("elsewhere", b"", 1), delivered.set)
    assert connection.send(Message("cmd/led", b"1", 1), delivered.set)
    packet = await device.read()
    assert isinstance(packet, Publish)
    assert (packet.topic, packet.payload, packet.qos, packet.retain) == ("cmd/led", b"1", 1, False)
    assert not delivered.is_set()
    device.write(Puback(packet.packet_id))
    await asyncio.wait_for(delivered.wait(), 10)
    assert isinstance(await other.ask(Pingreq()), Pingresp)


async def test_a_command_where_qos_0_was_asked(bench: Bench) -> None:
    """Without a PUBACK to come, nothing is delivered: the sender is told that nobody will tell."""
    client = await bench.connect("c")
    await bench.subscribe(client, "cmd", qos=0)
    (connection,) = bench.broker.connections()
    assert (
        connection.send(Message("cmd", b"1", 1), lambda: pytest.fail("delivered"))
        == "unacknowledged"
    )
    assert await client.read() == Publish("cmd", b"1")
    assert isinstance(await client.ask(Pingreq()), Pingresp)


async def test_commands_wait_for_the_window_within_a_bound(bench: Bench) -> None:
    """More than the window wait, more than the queue are refused, and none outlives the
    connection.
    """
    client = await bench.connect("c", clean_start=False)
    await bench.subscribe(client, "cmd", qos=1)
    (connection,) = bench.broker.connections()
    ran: list[int] = []
    sent = [connection.send(Message("cmd", b"", 1), lambda: ran.append(1)) for _ in range(10)]
    assert sent == ["acknowledged"] * 8 + [None] * 2
    await client.close()
    await bench.until(lambda: bench.departures())
    client = await bench.connect("c", clean_start=False)
    assert isinstance(await client.ask(Pingreq()), Pingresp)
    assert ran == []


async def test_a_refused_command_is_not_delivered(bench: Bench) -> None:
    """A PUBACK with an error is the end of it, but no delivery."""
    client = await bench.connect("c", 5)
    await bench.subscribe(client, "cmd", qos=1)
    (connection,) = bench.broker.connections()
    refusals: list[str] = []
    connection.send(Message("cmd", b"", 1), lambda: pytest.fail("delivered"), refusals.append)
    packet = await client.read()
    assert isinstance(packet, Publish)
    await client.ask(Puback(packet.packet_id, 0x83), Pingreq())
    assert refusals == ["the device answers 0x83"]


async def test_cutting_off(bench: Bench) -> None:
    """The client is told the error's reason, and the gate that it was cut off."""
    client = await bench.connect("c", 5)
    (connection,) = bench.broker.connections()
    connection.close(Forbidden("no more"))
    connection.close(Forbidden("twice"))
    assert await client.rest() == [Disconnect(0x87)]
    assert bench.departures() == ["cut_off"]
    assert not connection.send(Message("t", b"", 1), lambda: None)


async def test_changed_permissions_hold_at_once(bench: Bench) -> None:
    """After `forget` a topic is asked for again, and a subscription that is refused now is gone."""
    subscriber, publisher = await bench.connect("s", 5), await bench.connect("p", 5)
    await bench.subscribe(subscriber, "later/#", "#")
    await publisher.ask(Publish("later/a", b"1", 1, packet_id=1))
    assert isinstance(await subscriber.read(), Publish)
    bench.gate.forbidden.add("later")
    bench.broker.forget()
    assert await publisher.ask(Publish("later/a", b"2", 1, packet_id=2)) == Puback(2, 0x87)
    bench.broker.publish(Message("later/a", b"3"))
    assert isinstance(await subscriber.ask(Pingreq()), Pingresp)
    assert bench.count("subscriptions") == 1


async def test_permissions_changed_meanwhile_hold_for_the_absent(bench: Bench) -> None:
    """A client that comes back gets neither the subscriptions nor the waiting messages that it may
    not have now.
    """
    client = await bench.connect("c", clean_start=False)
    await bench.subscribe(client, "later/#", "#", "fine", qos=1)
    await client.close()
    await bench.until(lambda: bench.departures())
    for topic in ("later/a", "other", "fine"):
        bench.broker.publish(Message(topic, b"", 1))
    bench.gate.forbidden |= {"later", "fine"}
    bench.gate.subscribing = lambda identity, topic_filter: topic_filter != "later/#"  # type: ignore[method-assign]
    client = await bench.connect("c", clean_start=False)
    topics = [getattr(await client.read(), "topic", None) for _ in range(2)]
    assert topics == ["other", "fine"]
    assert isinstance(await client.ask(Pingreq()), Pingresp)
    assert bench.count("subscriptions") == 2


async def test_not_being_read_is_no_silence(bench: Bench) -> None:
    """While the intake is full a client's pings are not read, and it is not ended for that."""
    client = await bench.connect("c", keep_alive=10)
    bench.broker.pause()
    client.write(Pingreq())
    (connection,) = bench.broker.connections()
    await bench.until(lambda: connection.wire.still)  # type: ignore[attr-defined]
    wheel = bench.broker.machine.wheel
    for _ in range(5):
        wheel.turn(wheel.now + 20 * TICKS)
    bench.broker.resume()
    assert isinstance(await client.read(), Pingresp)


async def test_sys_topics_are_the_brokers(bench: Bench) -> None:
    """No client may publish there, whatever the gate says."""
    client = await bench.connect("c", 5)
    assert await client.ask(Publish("$SYS/broker/uptime", b"x", 1, packet_id=1)) == Puback(1, 0x87)


async def test_silence_ends_a_connection_at_one_and_a_half_keep_alives(bench: Bench) -> None:
    """[MQTT-3.1.2-22] Not before, and with 0x8D; keep-alive 0 is never ended."""
    client, patient = await bench.connect("c", 5, keep_alive=10), await bench.connect("patient", 5)
    wheel = bench.broker.machine.wheel
    wheel.turn(wheel.now + 15 * TICKS)
    await client.ask(Pingreq())
    wheel.turn(wheel.now + 15 * TICKS)
    assert isinstance(await client.ask(Pingreq()), Pingresp)
    wheel.turn(wheel.now + 15 * TICKS + 3)
    assert await client.rest() == [Disconnect(0x8D)]
    assert bench.departures() == ["keep_alive"]
    wheel.turn(wheel.now + 100_000)
    assert isinstance(await patient.ask(Pingreq()), Pingresp)


async def test_the_sweep_runs_by_itself(bench: Bench) -> None:
    """A silent client with a keep-alive of one second is ended without anybody's doing."""
    client = await bench.connect("c", 5, keep_alive=1)
    assert await client.rest() == [Disconnect(0x8D)]


async def test_statistics_name_what_happened(bench: Bench) -> None:
    """Counters and gauges are whole numbers by name."""
    client = await bench.connect("c", 5, properties=Properties(session_expiry_interval=5))
    await bench.subscribe(client, "t")
    client.write(Publish("t", b"x"))
    await client.read()
    counts = bench.broker.statistics()
    assert {
        name: counts[name] for name in ("connections", "sessions", "subscriptions", "connects")
    } == {
        "connections": 1,
        "sessions": 1,
        "subscriptions": 1,
        "connects": 1,
    }
    assert (counts["messages_received"], counts["messages_sent"]) == (1, 1)
    assert all(type(count) is int for count in counts.values())


async def test_sys_topics_tell_the_counters(bench: Bench) -> None:
    """Who may subscribe gets every counter at once; a wildcard in the first level does not
    [MQTT-4.7.2-1].
    """
    client = await bench.connect("c")
    client.write(Subscribe(1, (Subscription("#"),)), Subscribe(2, (Subscription("$SYS/#"),)))
    values = {}
    while len(values) < 12:
        packet = await client.read()
        if isinstance(packet, Publish):
            values[packet.topic] = packet.payload
    assert values["$SYS/broker/clients/connected"] == b"0"
    assert values["$SYS/broker/uptime"] == b"0 seconds"
    assert all(topic.startswith("$SYS/broker/") for topic in values)
