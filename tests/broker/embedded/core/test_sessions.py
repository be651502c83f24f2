"""Sessions over several connections: resumed, taken over, expired, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.broker.embedded.codec.packets import (
    Disconnect,
    Properties,
    Puback,
    Publish,
    Pubrec,
    Pubrel,
)
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.core.wheel import TICKS
from gateway.broker.port import Message

if TYPE_CHECKING:
    from .conftest import Bench, Client

KEPT = Properties(session_expiry_interval=100)


@pytest.fixture
def limits() -> Limits:
    """Small bounds."""
    return Limits(sessions=3, queue=5)


async def leave(client: Client, packet: Disconnect | None = None) -> None:
    """Say goodbye and wait until it is heard."""
    client.write(packet or Disconnect())
    await client.rest()


def turn(bench: Bench, seconds: float) -> None:
    """Let time pass on the wheel."""
    wheel = bench.broker.machine.wheel
    wheel.turn(wheel.now + int(seconds * TICKS))


@pytest.mark.parametrize("version", [3, 4, 5])
async def test_a_session_is_resumed(bench: Bench, version: int) -> None:
    """Subscriptions and messages of the time away are there; 3.1 has no flag to say so."""
    fields = {"clean_start": False, "properties": KEPT if version == 5 else Properties()}
    client = await bench.connect("c", version, **fields)
    await bench.subscribe(client, "t", qos=1)
    await leave(client)
    for qos in (0, 1):
        bench.broker.publish(Message("t", b"%d" % qos, qos))
    client, answer = await bench.try_connect("c", version, **fields)
    assert answer.session_present == (version > 3)
    packet = await client.read()
    assert isinstance(packet, Publish)
    assert (packet.payload, packet.dup) == (b"1", False)


async def test_a_clean_start_begins_anew(bench: Bench) -> None:
    """[MQTT-3.1.2-4] The old session is gone, with its subscriptions and messages."""
    client = await bench.connect("c", clean_start=False)
    await bench.subscribe(client, "t", qos=1)
    await leave(client)
    bench.broker.publish(Message("t", b"", 1))
    _, answer = await bench.try_connect("c", clean_start=True)
    assert not answer.session_present
    assert bench.count("subscriptions") == 0


async def test_what_was_in_flight_is_repeated(bench: Bench) -> None:
    """[MQTT-4.4.0-1] With DUP, its packet id and in order; a released one repeats only its
    PUBREL.
    """
    client = await bench.connect("c", clean_start=False)
    await bench.subscribe(client, "t", qos=2)
    for qos in (1, 2, 2):
        bench.broker.publish(Message("t", b"%d" % qos, qos))
    packets = [await client.read() for _ in range(3)]
    ids = [packet.packet_id for packet in packets if isinstance(packet, Publish)]
    assert await client.ask(Pubrec(ids[2])) == Pubrel(ids[2])
    await client.close()
    await bench.until(lambda: bench.departures())
    client = await bench.connect("c", clean_start=False)
    assert await client.read() == Pubrel(ids[2])
    again = [await client.read() for _ in range(2)]
    assert [(packet.packet_id, packet.dup) for packet in again if isinstance(packet, Publish)] == [
        (ids[0], True),
        (ids[1], True),
    ]


async def test_a_session_without_expiry_ends_with_its_connection(bench: Bench) -> None:
    """MQTT 5 without an expiry interval, and a clean session of 3.1.1, leave nothing."""
    for version in (4, 5):
        client = await bench.connect("c", version, clean_start=True)
        await bench.subscribe(client, "t", qos=1)
        await leave(client)
    await bench.until(lambda: bench.count("sessions") == 0)
    assert bench.count("subscriptions") == 0
    assert bench.gate.journal == []


async def test_a_session_expires(bench: Bench) -> None:
    """After its expiry interval nobody finds it, and it holds nothing."""
    client = await bench.connect("c", 5, properties=KEPT)
    await bench.subscribe(client, "t", qos=1)
    await leave(client)
    await bench.until(lambda: bench.departures())
    turn(bench, 99)
    assert bench.count("sessions") == 1
    turn(bench, 2)
    assert bench.count("sessions") == 0
    assert bench.count("subscriptions") == 0


async def test_disconnect_may_change_the_expiry(bench: Bench) -> None:
    """3.14.2.2.2: to 0 ends the session at once; from 0 to anything is an error."""
    client = await bench.connect("c", 5, properties=KEPT)
    await leave(client, Disconnect(0, Properties(session_expiry_interval=0)))
    await bench.until(lambda: bench.count("sessions") == 0)
    client = await bench.connect("c", 5)
    client.write(Disconnect(0, Properties(session_expiry_interval=5)))
    assert await client.rest() == [Disconnect(0x82)]


@pytest.mark.parametrize(("version", "last"), [(4, []), (5, [Disconnect(0x8E)])])
async def test_takeover(bench: Bench, version: int, last: list[Disconnect]) -> None:
    """[MQTT-3.1.4-3] The old connection is told in MQTT 5, and the session goes on; the gate
    learns of the new one first.
    """
    first = await bench.connect(
        "c", version, clean_start=False, properties=KEPT if version == 5 else Properties()
    )
    await bench.subscribe(first, "t", qos=1)
    second, answer = await bench.try_connect("c", version, clean_start=False)
    assert answer.session_present
    assert await first.rest() == last
    assert bench.departures() == ["taken_over"]
    kinds = [str(call[0]) for call in bench.gate.calls]
    assert kinds == ["connected", "subscribed", "connected", "disconnected", "subscribed"]
    bench.broker.publish(Message("t", b"", 1))
    assert isinstance(await second.read(), Publish)


async def test_another_identity_has_another_session(bench: Bench) -> None:
    """The same client id under another user name is another client."""
    first = await bench.connect("c", username="a", clean_start=False)
    await bench.subscribe(first, "t")
    second, answer = await bench.try_connect("c", username="b", clean_start=False)
    assert not answer.session_present
    bench.broker.publish(Message("t", b""))
    assert isinstance(await first.read(), Publish)
    await second.close()


async def test_absent_sessions_are_bounded(bench: Bench) -> None:
    """One identity keeps three sessions without a connection; the one that left first ends."""
    for number in range(5):
        client = await bench.connect(f"c{number}", clean_start=False)
        await leave(client)
        await bench.until(lambda count=number + 1: len(bench.departures()) == count)
    assert bench.count("sessions") == 3
    _, answer = await bench.try_connect("c1", clean_start=False)
    assert not answer.session_present


async def test_the_queue_of_the_absent_is_bounded(bench: Bench) -> None:
    """The oldest messages are dropped and counted; the newest come, in order."""
    client = await bench.connect("c", clean_start=False)
    await bench.subscribe(client, "t", qos=1)
    await leave(client)
    for number in range(8):
        bench.broker.publish(Message("t", b"%d" % number, 1))
    assert bench.count("messages_dropped") == 3
    client = await bench.connect("c", clean_start=False)
    packets = [await client.read() for _ in range(5)]
    assert [packet.payload for packet in packets if isinstance(packet, Publish)] == [
        b"3",
        b"4",
        b"5",
        b"6",
        b"7",
    ]


async def test_a_qos_2_id_is_kept_across_connections(bench: Bench) -> None:
    """A message repeated on the next connection is known, and its PUBREL ends it."""
    client = await bench.connect("c", clean_start=False)
    await client.ask(Publish("t", b"1", 2, packet_id=5))
    await client.close()
    await bench.until(lambda: bench.departures())
    client = await bench.connect("c", clean_start=False)
    assert await client.ask(Publish("t", b"1", 2, dup=True, packet_id=5)) == Pubrec(5)
    assert len(bench.gate.messages) == 1


async def test_an_acknowledged_message_does_not_come_again(bench: Bench) -> None:
    """After PUBACK a reconnect brings nothing."""
    client = await bench.connect("c", clean_start=False)
    await bench.subscribe(client, "t", qos=1)
    bench.broker.publish(Message("t", b"1", 1))
    packet = await client.read()
    assert isinstance(packet, Publish)
    client.write(Puback(packet.packet_id))
    await leave(client)
    client = await bench.connect("c", clean_start=False)
    bench.broker.publish(Message("t", b"2", 1))
    packet = await client.read()
    assert isinstance(packet, Publish)
    assert packet.payload == b"2"
