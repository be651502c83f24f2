"""Who is let in, on what terms, and what a refusal leaves behind: nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gateway.broker.embedded.codec.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Publish,
    Will,
)
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.port import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Bench

    NewBench = Callable[[], Bench]


@pytest.fixture
def limits() -> Limits:
    """Small bounds."""
    return Limits(connections=3, strangers=5, connect_seconds=1, keep_alive=60, session_expiry=1000)


@pytest.mark.parametrize(("version", "code"), [(3, 4), (4, 4), (5, 0x86)])
async def test_a_wrong_sign_in_is_refused(bench: Bench, version: int, code: int) -> None:
    """The refusal has the code of its version, and the connection ends."""
    client, answer = await bench.try_connect(version=version, username="nobody")
    assert answer.reason_code == code
    assert await client.read() is None
    assert bench.gate.calls == []


async def test_a_wrong_sign_in_takes_over_nothing(bench: Bench) -> None:
    """With another's client id, a refused CONNECT neither ends that connection nor touches its
    session.
    """
    client = await bench.connect("same", clean_start=False)
    await bench.subscribe(client, "a")
    await bench.try_connect("same", username="nobody", clean_start=True)
    await bench.try_connect("same", username="other", clean_start=True)
    bench.broker.publish(_message("a"))
    assert isinstance(await client.read(), Publish)
    assert bench.departures() == []


async def test_a_refusal_is_held_back_by_its_delay(bench: Bench) -> None:
    """The answer to a wrong sign-in comes only after the delay; nobody else waits for it."""
    bench.gate.delay = 0.2
    refused = asyncio.ensure_future(bench.try_connect(username="nobody"))
    await bench.until(lambda: bench.broker.open.strangers)
    await bench.connect("quick")
    assert not refused.done()
    _, answer = await refused
    assert answer.reason_code == 4


async def test_enhanced_authentication_is_refused(bench: Bench) -> None:
    """An authentication method that is not offered is answered with 0x8C."""
    properties = Properties(authentication_method="SCRAM-SHA-1", authentication_data=b"x")
    _, answer = await bench.try_connect(version=5, properties=properties)
    assert answer.reason_code == 0x8C


async def test_one_connection_too_many_is_refused_at_once(bench: Bench) -> None:
    """At the bound a client gets a code, and a place that becomes free is had by the next."""
    clients = [await bench.connect(f"c{number}") for number in range(3)]
    _, answer = await bench.try_connect("late")
    assert answer.reason_code == 3
    _, answer = await bench.try_connect("late", version=5)
    assert answer.reason_code == 0x89
    clients[0].write(Disconnect())
    await clients[0].rest()
    await bench.connect("late")


async def test_who_takes_over_needs_no_place_of_its_own(bench: Bench) -> None:
    """At the bound a client whose dead connection still has a place comes back to it; nobody else
    does.
    """
    for number in range(3):
        client = await bench.connect(f"c{number}", 5)
    await bench.connect("c2", 5)
    assert await client.rest() == [Disconnect(0x8E)]
    assert bench.count("connections") == 3
    for client_id, username in (("c2", "other"), ("", "d"), ("c3", "d")):
        _, answer = await bench.try_connect(client_id, 5, username)
        assert answer.reason_code == 0x89
    assert bench.count("connections") == 3
    assert bench.departures() == ["taken_over"]


async def test_a_session_without_a_connection_has_no_place(bench: Bench) -> None:
    """Who has only left a session behind waits for a place like anyone else."""
    kept = await bench.connect("kept", clean_start=False)
    kept.write(Disconnect())
    await kept.rest()
    for number in range(3):
        await bench.connect(f"c{number}")
    _, answer = await bench.try_connect("kept", clean_start=False)
    assert answer.reason_code == 3


async def test_a_wrong_sign_in_is_no_less_wrong_without_a_place(bench: Bench) -> None:
    """A stranger hears of the sign-in, with its delay, and takes no place with another's client
    id.
    """
    for number in range(3):
        await bench.connect(f"c{number}")
    _, answer = await bench.try_connect("c0", username="nobody")
    assert answer.reason_code == 4
    assert bench.departures() == []


async def test_the_oldest_stranger_makes_room(bench: Bench) -> None:
    """Whoever comes last is let in: those who only hold places give them up."""
    strangers = []
    for count in range(1, 7):
        strangers.append(await bench.dial())
        await bench.until(lambda: len(bench.broker.open.strangers) == min(count, 5))  # noqa: B023
    assert await strangers[0].read() is None
    assert (await strangers[-1].ask(Connect("late"))).reason_code == 0  # type: ignore[union-attr]


async def test_one_principal_has_not_all_places(bench: Bench) -> None:
    """Beyond its own bound it is refused, while others come in and it may take over its own."""
    bench.broker.machine.shared.limits = Limits(connections_each=1)
    await bench.connect("1", 5, "greedy")
    _, answer = await bench.try_connect("2", 5, "greedy")
    assert answer.reason_code == 0x89
    await bench.connect("1", 5, "greedy")
    await bench.connect("1", 5, "other")


async def test_a_connect_has_a_time_limit(bench: Bench) -> None:
    """Who sends half a CONNECT and waits is closed."""
    client = await bench.dial()
    client.write(b"\x10\x20\0\4MQTT")
    assert await client.read() is None


async def test_a_client_id_is_assigned(bench: Bench) -> None:
    """MQTT 5 is told the id that it got; each is another."""
    answers = [(await bench.try_connect("", 5))[1] for _ in range(2)]
    ids = {answer.properties.assigned_client_identifier for answer in answers}
    assert len(ids) == 2
    assert None not in ids
    assert {connection.client_id for connection in bench.broker.connections()} == ids


@pytest.mark.parametrize(("version", "clean", "code"), [(3, True, 2), (4, False, 2), (4, True, 0)])
async def test_no_client_id_before_mqtt_5(
    bench: Bench, version: int, clean: bool, code: int
) -> None:
    """3.1 wants one, 3.1.1 wants one for a session that is kept."""
    _, answer = await bench.try_connect("", version, clean_start=clean)
    assert answer.reason_code == code


async def test_terms_are_told(bench: Bench) -> None:
    """CONNACK says the bounds, and what differs from what was asked."""
    asked = Properties(session_expiry_interval=5000)
    _, answer = await bench.try_connect(version=5, keep_alive=0, properties=asked)
    told = answer.properties
    assert (told.session_expiry_interval, told.server_keep_alive) == (1000, 60)
    assert (told.maximum_packet_size, told.receive_maximum, told.topic_alias_maximum) == (
        256 * 1024,
        1024,
        32,
    )


async def test_a_will_on_a_forbidden_topic_is_refused(bench: Bench) -> None:
    """The will is checked at CONNECT, not when it is too late to say so."""
    _, answer = await bench.try_connect(version=5, will=Will("forbidden/x", b""))
    assert answer.reason_code == 0x87


@pytest.mark.parametrize(
    ("level", "answer"), [(6, b"\x20\x03\x00\x84\x00"), (2, b"\x20\x02\x00\x01")]
)
async def test_unknown_versions_are_told(bench: Bench, level: int, answer: bytes) -> None:
    """A level that is not spoken here gets the code for that [MQTT-3.1.2-2]."""
    client = await bench.dial()
    client.write(b"\x10\x0d\0\4MQTT" + bytes((level, 2, 0, 0)) + b"\0\1c")
    assert await client.reader.read() == answer


async def test_a_second_connect_is_an_error(bench: Bench) -> None:
    """[MQTT-3.1.0-2] The connection ends, with a code in MQTT 5."""
    client = await bench.connect("c", 5)
    assert await client.ask(Connect("c", 5, username="d")) == Disconnect(0x82)
    assert await client.read() is None


async def test_packets_behind_connect_wait_for_its_answer(bench: Bench) -> None:
    """A client may send before it has CONNACK; all is handled, in order, once it is stored that it
    is let in.
    """
    bench.gate.hold = True
    client = await bench.dial()
    client.write(Connect("c", clean_start=False, username="d"), Pingreq())
    await bench.until(lambda: bench.gate.waiting)
    client.write(Pingreq())
    bench.gate.store()
    assert [type(await client.read()) for _ in range(3)] == [Connack, Pingresp, Pingresp]


async def test_lost_before_it_is_let_in(bench: Bench) -> None:
    """A client that goes while its session is stored is never announced and can come again."""
    bench.gate.hold = True
    client = await bench.dial()
    client.write(Connect("c", clean_start=False, username="d"))
    await bench.until(lambda: bench.gate.waiting)
    await client.close()
    await bench.until(lambda: bench.count("connections") == 0)
    bench.gate.store()
    assert bench.gate.calls == []
    bench.gate.hold = False
    _, answer = await bench.try_connect("c", clean_start=False)
    assert answer.session_present


def _message(topic: str) -> Message:
    return Message(topic, b"x")
