"""Wills: when they are sent, when they wait, and when not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.broker.embedded.codec.packets import (
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Publish,
    Will,
)
from gateway.broker.embedded.core.wheel import TICKS
from gateway.errors import Forbidden

if TYPE_CHECKING:
    from .conftest import Bench

WILL = Will("w", b"gone", 1, True)
LATE = Will("w", b"gone", properties=Properties(will_delay_interval=10, content_type="x"))
KEPT = Properties(session_expiry_interval=100)


def turn(bench: Bench, seconds: float) -> None:
    """Let time pass on the wheel."""
    wheel = bench.broker.machine.wheel
    wheel.turn(wheel.now + int(seconds * TICKS))


def wills(bench: Bench) -> int:
    """Return how many wills the gate was given."""
    return sum(message.payload == b"gone" for message in bench.gate.messages)


async def test_a_lost_connection_sends_its_will(bench: Bench) -> None:
    """[MQTT-3.1.2-8] [MQTT-3.1.2-17] The will goes the way of every message, before the gate hears
    of the end.
    """
    subscriber = await bench.connect("s")
    await bench.subscribe(subscriber, "w")
    client = await bench.connect("c", will=WILL)
    seen: list[int] = []
    plain = bench.gate.disconnected

    def disconnected(connection, reason) -> None:  # type: ignore[no-untyped-def]
        seen.append(wills(bench))
        plain(connection, reason)

    bench.gate.disconnected = disconnected  # type: ignore[method-assign]
    await client.close()
    packet = await subscriber.read()
    assert isinstance(packet, Publish)
    assert packet.payload == b"gone"
    await bench.until(lambda: seen)
    assert seen == [1]
    message = bench.gate.messages[0]
    assert (message.qos, message.retain) == (1, True)
    assert message.origin is not None
    assert message.origin.client_id == "c"


async def test_a_goodbye_takes_it_back(bench: Bench) -> None:
    """[MQTT-3.14.4-3] DISCONNECT removes the will."""
    client = await bench.connect("c", will=WILL)
    client.write(Disconnect())
    await client.rest()
    await bench.until(lambda: bench.departures())
    assert wills(bench) == 0


async def test_a_goodbye_with_will(bench: Bench) -> None:
    """Reason code 0x04 asks for the will."""
    client = await bench.connect("c", 5, will=WILL)
    client.write(Disconnect(4))
    await client.rest()
    await bench.until(lambda: wills(bench) == 1)


@pytest.mark.parametrize("how", ["keep_alive", "protocol", "taken_over", "cut_off", "stopped"])
async def test_every_other_end_sends_it(bench: Bench, how: str) -> None:
    """Whatever ends the connection but the client's DISCONNECT."""
    client = await bench.connect("c", 5, will=WILL, keep_alive=10)
    (connection,) = bench.broker.connections()
    if how == "keep_alive":
        turn(bench, 20)
    elif how == "protocol":
        client.write(b"\xff\0")
    elif how == "taken_over":
        await bench.connect("c", 5)
    elif how == "cut_off":
        connection.close(Forbidden("gone"))
    else:
        await bench.broker.stop()
    await bench.until(lambda: bench.departures())
    assert wills(bench) == 1
    assert bench.departures()[0] == ("cut_off" if how == "protocol" else how)


async def test_a_delayed_will_waits(bench: Bench) -> None:
    """[MQTT-3.1.3-9] It is sent after its delay and not before, with its properties but the
    delay.
    """
    client = await bench.connect("c", 5, will=LATE, properties=KEPT)
    await client.close()
    await bench.until(lambda: bench.departures())
    turn(bench, 10)
    assert wills(bench) == 0
    turn(bench, 1)
    assert wills(bench) == 1
    properties = bench.gate.messages[0].properties
    assert properties is not None
    assert properties.content_type == "x"


async def test_back_in_time_no_will(bench: Bench) -> None:
    """A client that is back before the delay has passed has never been away."""
    client = await bench.connect("c", 5, will=LATE, properties=KEPT)
    await client.close()
    await bench.until(lambda: bench.departures())
    client = await bench.connect("c", 5, clean_start=False, properties=KEPT)
    turn(bench, 60)
    assert wills(bench) == 0
    assert isinstance(await client.ask(Pingreq()), Pingresp)


async def test_the_end_of_the_session_ends_the_delay(bench: Bench) -> None:
    """3.1.3.2.2: a clean start sends the will of the session that it ends; so does an expiry before
    the delay.
    """
    for properties in (KEPT, Properties(session_expiry_interval=3)):
        before = wills(bench)
        client = await bench.connect("c", 5, will=LATE, properties=properties)
        await client.close()
        await bench.until(lambda: bench.count("connections") == 0)
        if properties is KEPT:
            client = await bench.connect("c", 5, clean_start=True)
            await client.close()
        else:
            turn(bench, 5)
        assert wills(bench) == before + 1


async def test_a_permission_that_has_gone_stops_it(bench: Bench) -> None:
    """A will is not sent where the client may no longer publish."""
    client = await bench.connect("c", will=WILL)
    bench.gate.forbidden.add("w")
    await client.close()
    await bench.until(lambda: bench.departures())
    assert wills(bench) == 0
    assert bench.count("messages_refused") == 1
