"""What survives a crash: the journal goes into a real database, and another broker starts from
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from gateway.broker.embedded.codec.packets import (
    Disconnect,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Will,
)
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.core.wheel import TICKS
from gateway.broker.port import Message
from gateway.store.sqlite import batch
from gateway.store.sqlite.broker_state import load
from gateway.store.sqlite.database import open_sync, transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from gateway.broker import port
    from gateway.store.facts import Fact

    from .conftest import Bench, Client, FakeGate

    NewBench = Callable[..., Bench]


class Machine:
    """A broker over a database that can be killed: what is not committed by then is lost."""

    def __init__(
        self, new_bench: NewBench, gate_type: type[FakeGate], db: sqlite3.Connection
    ) -> None:
        self._new_bench = new_bench
        self._gate_type = gate_type
        self._db = db
        self.bench: Bench
        self._old: list[Bench] = []

    async def start(self) -> None:
        """Start from what the database holds."""
        gate = self._gate_type()
        commit, plain = self._commit, gate.receive

        def receive(
            messages: Sequence[port.Message],
            done: port.Done,
            journal: Sequence[Fact] = (),
        ) -> None:
            def stored() -> None:
                commit(journal)
                done()

            plain(messages, stored)

        gate.receive = receive  # type: ignore[method-assign]
        self.bench = self._new_bench(gate, None, load(self._db))
        await self.bench.broker.start()

    def _commit(self, journal: Sequence[Fact]) -> None:
        with transaction(self._db):
            batch.append(self._db, 1, [], journal)

    async def kill(self) -> None:
        """Kill the broker, and start another: nothing that the old one still does reaches the
        database.
        """
        old = self.bench
        old.gate.receive = lambda messages, done, journal=(): None  # type: ignore[method-assign]
        self._old.append(old)
        await self.start()

    async def close(self) -> None:
        """End all brokers."""
        for bench in (*self._old, self.bench):
            await bench.close()


@pytest_asyncio.fixture
async def machine(new_bench: NewBench, gate: FakeGate, tmp_path: Path) -> AsyncIterator[Machine]:
    """A broker over a database."""
    db = open_sync(tmp_path / "gateway.db")
    machine = Machine(new_bench, type(gate), db)
    await machine.start()
    yield machine
    await machine.close()
    db.close()


async def come(machine: Machine, present: bool = True) -> Client:
    """Connect the client whose session is kept."""
    client, answer = await machine.bench.try_connect("c", clean_start=False)
    assert answer.session_present == present
    return client


async def message(client: Client) -> Publish:
    """Return the next packet, a message."""
    packet = await client.read()
    assert isinstance(packet, Publish)
    return packet


async def test_subscriptions_survive(machine: Machine) -> None:
    """After a crash the session is there and its subscriptions get messages, shared ones too."""
    client = await come(machine, present=False)
    await machine.bench.subscribe(client, "a/+", "$share/g/b", qos=1)
    await machine.kill()
    client = await come(machine)
    for topic in ("a/1", "b"):
        machine.bench.broker.publish(Message(topic, b"", 1))
    assert [(await message(client)).topic for _ in range(2)] == ["a/1", "b"]


async def test_a_restored_session_is_that_of_whoever_has_its_key_now(machine: Machine) -> None:
    """The gate is asked about the principal as it is now, and not at all where there is none."""
    client = await come(machine, present=False)
    await machine.bench.subscribe(client, "a/#", qos=1)
    for gone, asked in (({"d"}, []), (set(), ["device:d"])):
        await machine.kill()
        met: list[str] = []
        gate = machine.bench.gate
        gate.gone = gone
        gate.receiving = lambda identity, topic: met.append(identity.key) or True  # type: ignore[method-assign, func-returns-value]  # noqa: B023
        machine.bench.broker.publish(Message("a/b", b"", 1))
        machine.bench.broker.forget()
        assert met == asked


async def test_an_unsubscribed_filter_stays_gone(machine: Machine) -> None:
    """What was unsubscribed before the crash does not come back."""
    client = await come(machine, present=False)
    await machine.bench.subscribe(client, "a", "b")
    client.write(b"\xa2\x05\0\x01\0\x01a")
    await client.read()
    await machine.kill()
    assert machine.bench.count("subscriptions") == 1


async def test_an_acknowledged_message_survives(machine: Machine) -> None:
    """A PUBACK means that a subscriber who is away gets the message after a crash, properties and
    all.
    """
    client = await come(machine, present=False)
    await machine.bench.subscribe(client, "t", qos=1)
    await client.close()
    sender = await machine.bench.connect("sender", 5)
    properties = Properties(content_type="x", correlation_data=b"\xff", user_property=(("a", "b"),))
    assert await sender.ask(Publish("t", b"kept", 1, packet_id=1, properties=properties)) == Puback(
        1
    )
    await machine.kill()
    client, _ = await machine.bench.try_connect("c", 5, clean_start=False)
    packet = await message(client)
    assert (packet.payload, packet.properties) == (b"kept", properties)


async def test_in_flight_messages_keep_their_ids(machine: Machine) -> None:
    """[MQTT-4.4.0-1] What was sent and not acknowledged comes again with DUP and its id,
    acknowledged ones do not.
    """
    client = await come(machine, present=False)
    await machine.bench.subscribe(client, "t", qos=1)
    for number in range(3):
        machine.bench.broker.publish(Message("t", b"%d" % number, 1))
    packets = [await message(client) for _ in range(3)]
    client.write(Puback(packets[0].packet_id))
    await client.ask(b"\xc0\0")
    machine.bench.broker.machine.commit_journal()
    await machine.kill()
    client = await come(machine)
    again = [await message(client) for _ in range(2)]
    assert [(packet.payload, packet.packet_id, packet.dup) for packet in again] == [
        (packet.payload, packet.packet_id, True) for packet in packets[1:]
    ]
    machine.bench.broker.publish(Message("t", b"new", 1))
    assert (await message(client)).packet_id not in {packet.packet_id for packet in packets[1:]}


async def worker(machine: Machine, name: str) -> Client:
    """Connect a member of a shared subscription whose session is kept."""
    kept = Properties(session_expiry_interval=100)
    client, answer = await machine.bench.try_connect(name, 5, clean_start=False, properties=kept)
    if not answer.session_present:
        await machine.bench.subscribe(client, "$share/g/t", qos=2)
    return client


async def give_up(machine: Machine, client: Client) -> None:
    """End the session of a member."""
    client.write(Disconnect(0, Properties(session_expiry_interval=0)))
    await client.rest()


def owners(machine: Machine) -> list[tuple[bytes, str]]:
    """Return the messages in the database, each with the client whose session has it."""
    return sorted(
        (delivery.outgoing.payload, session.client_id)
        for session in load(machine._db).sessions
        for delivery in session.deliveries
    )


async def test_what_a_member_leaves_survives(machine: Machine) -> None:
    """4.8.2: after a crash the member that it went to still has it, in order and with DUP, as it
    may have been sent.
    """
    one = await worker(machine, "one")
    for number in range(3):
        machine.bench.broker.publish(Message("t", b"%d" % number, 1))
    assert [(await message(one)).payload for _ in range(3)] == [b"0", b"1", b"2"]
    await worker(machine, "two")
    await give_up(machine, one)
    assert owners(machine) == [(b"0", "two"), (b"1", "two"), (b"2", "two")]
    await machine.kill()
    two = await worker(machine, "two")
    assert [(await message(two)).payload for _ in range(3)] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_a_member_leaves_is_with_one_session_at_every_moment(
    machine: Machine, restarted: bool
) -> None:
    """4.8.2: whichever commit is the last before a crash, each message is in one session."""
    one = await worker(machine, "one")
    machine.bench.broker.publish(Message("t", b"sent", 1))
    await message(one)
    if restarted:
        await machine.kill()
        one = await worker(machine, "one")
        await message(one)
    two = await worker(machine, "two")
    two.write(Disconnect())
    await two.rest()
    machine.bench.gate.hold = True
    machine.bench.broker.publish(Message("t", b"coming", 1))
    await give_up(machine, one)
    seen = [owners(machine)]
    while machine.bench.gate.waiting:
        machine.bench.gate.waiting.pop(0)()
        seen.append(owners(machine))
    before, after = [(b"sent", "one")], [(b"coming", "two"), (b"sent", "two")]
    assert [one for number, one in enumerate(seen) if not number or one != seen[number - 1]] == [
        before,
        [(b"coming", "one"), *before],
        after,
    ]


async def test_a_restart_does_not_forget_that_qos_2_was_sent(machine: Machine) -> None:
    """[MQTT-4.8.2-5] Nobody else gets it when the session expires after a crash; what is QoS 1 goes
    on.
    """
    one = await worker(machine, "one")
    for qos in (1, 2):
        machine.bench.broker.publish(Message("t", b"%d" % qos, qos))
        await message(one)
    await machine.kill()
    two = await worker(machine, "two")
    pass_time(machine, 101)
    machine.bench.broker.machine.shared.flush()
    assert (await message(two)).payload == b"1"
    assert owners(machine) == [(b"1", "two")]


async def test_sessions_that_are_too_many_at_a_start_leave_to_the_others(
    machine: Machine, new_bench: NewBench
) -> None:
    """The first to end at a restart finds the members that stay, though they are read after it."""
    one = await worker(machine, "one")
    machine.bench.broker.publish(Message("t", b"0", 1))
    await message(one)
    await worker(machine, "two")
    state = load(machine._db)
    assert [stored.client_id for stored in state.sessions] == ["one", "two"]
    bench = new_bench(None, Limits(sessions=1), state)
    (session,) = bench.broker.machine.sessions
    assert (session.client_id, len(session.exchange.queue)) == ("two", 1)


async def test_exactly_once_inbound(machine: Machine) -> None:
    """A QoS 2 message whose PUBREC the client never saw is known after the crash and not handed on
    again.
    """
    client = await come(machine, present=False)
    assert await client.ask(Publish("t", b"1", 2, packet_id=7)) == Pubrec(7)
    await machine.kill()
    client = await come(machine)
    assert await client.ask(Publish("t", b"1", 2, dup=True, packet_id=7)) == Pubrec(7)
    assert machine.bench.gate.messages == []
    assert await client.ask(Pubrel(7)) == Pubcomp(7)
    await machine.kill()
    client = await come(machine)
    assert await client.ask(Pubrel(7)) == Pubcomp(7)
    assert await client.ask(Publish("t", b"2", 2, packet_id=7)) == Pubrec(7)
    assert [found.payload for found in machine.bench.gate.messages] == [b"2"]


async def test_pubcomp_waits_until_the_id_is_free(machine: Machine) -> None:
    """A client that has PUBCOMP may use the id again, whatever happens; so PUBCOMP comes after the
    commit.
    """
    client = await come(machine, present=False)
    await client.ask(Publish("t", b"1", 2, packet_id=7))
    machine.bench.gate.hold = True
    client.write(Pubrel(7))
    assert await client.ask(b"\xc0\0") is not None  # the PINGRESP is first
    await machine.kill()
    client = await come(machine)
    assert await client.ask(Pubrel(7)) == Pubcomp(7)


@pytest.mark.parametrize("stored", [False, True])
async def test_exactly_once_outbound(machine: Machine, stored: bool) -> None:
    """PUBREL is sent only once PUBREC is stored, so a crash repeats either a PUBLISH before it or
    the PUBREL.
    """
    client = await come(machine, present=False)
    await machine.bench.subscribe(client, "t", qos=2)
    machine.bench.broker.publish(Message("t", b"1", 2))
    packet = await message(client)
    machine.bench.gate.hold = not stored
    client.write(Pubrec(packet.packet_id))
    if stored:
        assert await client.read() == Pubrel(packet.packet_id)
    else:
        await machine.bench.until(lambda: machine.bench.gate.waiting)
    await machine.kill()
    client = await come(machine)
    again = await client.read()
    if stored:
        assert again == Pubrel(packet.packet_id)
    else:
        assert again == Publish("t", b"1", 2, dup=True, packet_id=packet.packet_id)


async def test_retained_messages_survive(machine: Machine) -> None:
    """What was retained is there after a crash, what was taken away is not."""
    for topic, payload in (("a", b"1"), ("b", b"2"), ("a", b"3"), ("b", b"")):
        machine.bench.broker.publish(Message(topic, payload, 1, True))
    await machine.kill()
    client = await machine.bench.connect("other")
    await machine.bench.subscribe(client, "+", qos=1)
    packet = await message(client)
    assert (packet.topic, packet.payload, packet.retain) == ("a", b"3", True)
    assert machine.bench.count("retained") == 13


async def test_an_ended_session_leaves_no_rows(machine: Machine) -> None:
    """A clean start takes every row of the old session out of the database."""
    client = await come(machine, present=False)
    await machine.bench.subscribe(client, "t", qos=2)
    machine.bench.broker.publish(Message("t", b"1", 2))
    await message(client)
    await client.ask(Publish("x", b"", 2, packet_id=3))
    await machine.bench.connect("c", clean_start=True)
    db = machine._db
    for table in ("sessions", "subscriptions", "deliveries", "received"):
        assert db.execute(f"SELECT count(*) FROM broker_{table}").fetchone() == (0,)


async def test_expiry_goes_on_while_the_gateway_is_down(machine: Machine) -> None:
    """A session that should have ended meanwhile ends soon after the start; another goes on."""
    for name, seconds in (("short", 5), ("long", 1_000)):
        properties = Properties(session_expiry_interval=seconds)
        client = await machine.bench.connect(name, 5, properties=properties)
        await client.close()
    await machine.bench.until(lambda: len(machine.bench.departures()) == 2)
    machine.bench.broker.machine.commit_journal()
    set_back = machine._db.execute("UPDATE broker_sessions SET left_at = left_at - 100")
    assert set_back.rowcount == 2
    await machine.kill()
    await machine.bench.until(lambda: machine.bench.count("sessions") == 1)
    machine.bench.broker.machine.commit_journal()
    kept = machine._db.execute("SELECT client_id FROM broker_sessions").fetchall()
    assert kept == [("long",)]


async def left_a_will(machine: Machine, *, delay: int, **more: Any) -> None:
    """Connect a client with a will on `w`, whose session is kept, and cut its line."""
    will = Will("w", b"gone", 1, True, Properties(will_delay_interval=delay, content_type="x"))
    client = await machine.bench.connect(
        "c", 5, will=will, properties=Properties(session_expiry_interval=100), **more
    )
    client.writer.transport.abort()
    await machine.bench.until(machine.bench.departures)


def pass_time(machine: Machine, seconds: int) -> list[tuple[str, bytes, int, bool]]:
    """Let time pass for the broker; return the messages that the gate was given."""
    bench = machine.bench
    bench.clock += seconds
    wheel = bench.broker.machine.wheel
    wheel.turn(wheel.now + seconds * TICKS)
    return [(one.topic, one.payload, one.qos, one.retain) for one in bench.gate.messages]


async def test_a_will_that_waits_survives(machine: Machine) -> None:
    """4.1: it belongs to the session's state, and is published once when its delay has passed."""
    await left_a_will(machine, delay=10)
    await machine.kill()
    assert pass_time(machine, 8) == []
    assert pass_time(machine, 3) == [("w", b"gone", 1, True)]
    assert machine.bench.gate.messages[0].properties.content_type == "x"
    await machine.kill()
    assert pass_time(machine, 50) == []


async def test_the_will_of_who_was_connected_to_the_end(machine: Machine) -> None:
    """[MQTT-3.1.2-8] The crash has ended its connection: the will is due, unless the client is back
    in time.
    """
    for delay, expected in ((0, 1), (10, 0)):
        will = Will("w", b"gone", properties=Properties(will_delay_interval=delay))
        kept = Properties(session_expiry_interval=100)
        await machine.bench.connect("c", 5, clean_start=True, will=will, properties=kept)
        await machine.kill()
        assert len(pass_time(machine, 1)) == expected
        await machine.bench.connect("c", 5, clean_start=False, properties=kept)
        assert len(pass_time(machine, 20)) == expected


async def test_a_will_that_was_taken_back_stays_so(machine: Machine) -> None:
    """[MQTT-3.1.2-10] After DISCONNECT, after a CONNECT without one, and where nobody has that key
    any more.
    """
    kept = Properties(session_expiry_interval=100)
    client = await machine.bench.connect("c", 5, will=Will("w", b"gone"), properties=kept)
    client.write(Disconnect())
    await client.rest()
    machine.bench.broker.forget()  # commits what has gathered
    await left_a_will(machine, delay=10, username="again")
    await machine.bench.connect("c", 5, username="again", clean_start=False, properties=kept)
    await left_a_will(machine, delay=10, username="gone")
    await machine.kill()
    assert pass_time(machine, 50) == []
