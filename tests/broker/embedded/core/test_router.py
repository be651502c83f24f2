"""Rights are those of the moment of delivery, for the absent too; nobody swallows what belongs to
others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.codec.packets import Pingreq, Pingresp, Properties, Publish
from gateway.broker.embedded.core.facts import Queued, Settled
from gateway.broker.port import Message

if TYPE_CHECKING:
    from .conftest import Bench, Client

KEPT = Properties(session_expiry_interval=100)


async def leave(bench: Bench, client: Client) -> None:
    """Close a client, and wait until the broker knows."""
    gone = len(bench.departures())
    await client.close()
    await bench.until(lambda: len(bench.departures()) > gone)


async def absent(bench: Bench, name: str, text: str, qos: int = 1) -> None:
    """Leave a session with one subscription."""
    client = await bench.connect(name, 5, name, clean_start=False, properties=KEPT)
    assert await bench.subscribe(client, text, qos=qos) == (qos,)
    await leave(bench, client)


async def waiting(bench: Bench, name: str) -> list[Publish]:
    """Come back, and return what has waited."""
    client = await bench.connect(name, 5, name, clean_start=False, properties=KEPT)
    found = []
    client.write(Pingreq(), Pingreq())
    for _ in range(2):
        while not isinstance(packet := await client.read(), Pingresp):
            assert isinstance(packet, Publish)
            found.append(packet)
    return found


async def test_nothing_is_queued_for_an_absent_session_that_may_not_see_it(bench: Bench) -> None:
    """Neither kept nor counted: the next packet id says nothing of what others send."""
    bench.gate.unseen.add(("bob", "ann"))
    await absent(bench, "bob", "#")
    for number in range(5):
        bench.broker.publish(Message("ann/door", b"%d" % number, 1))
    assert not [fact for fact in bench.gate.journal if isinstance(fact, Queued)]
    bench.broker.publish(Message("bob/door", b"mine", 1))
    bench.gate.unseen.clear()
    found = await waiting(bench, "bob")
    assert [(one.payload, one.packet_id) for one in found] == [(b"mine", 1)]


async def test_an_absent_session_is_asked_for_by_name_too(bench: Bench) -> None:
    """A filter without wildcards that was permitted once is not permitted for ever."""
    await absent(bench, "bob", "ann/door")
    bench.gate.forbidden.add("ann")
    bench.broker.forget()
    bench.broker.publish(Message("ann/door", b"", 1))
    bench.gate.forbidden.discard("ann")
    assert await waiting(bench, "bob") == []


async def test_whoever_is_gone_collects_nothing(bench: Bench) -> None:
    """The session of a revoked token gets nothing more, and ends when the broker is told."""
    await absent(bench, "bob", "#")
    bench.gate.gone.add("bob")
    bench.broker.forget()
    bench.broker.publish(Message("t", b"", 1))
    assert not [fact for fact in bench.gate.journal if isinstance(fact, Queued)]
    bench.broker.purge({"device:bob"})
    assert bench.count("sessions") == 0


async def test_nothing_of_a_device_that_is_gone_waits_for_anybody(bench: Bench) -> None:
    """A later device of its id, which may be another's, does not release what was sent before."""
    await absent(bench, "bob", "#")
    for topic in ("a1/door", "a2/door"):
        bench.broker.publish(Message(topic, b"code", 1))
    bench.broker.purge({"device:a1"}, lambda topic: topic.startswith("a1/"))
    assert [one.topic for one in await waiting(bench, "bob")] == ["a2/door"]
    assert len([fact for fact in bench.gate.journal if isinstance(fact, Settled)]) == 1


async def test_nothing_of_a_device_that_is_gone_waits_for_a_window(bench: Bench) -> None:
    """It is taken from a connected session, too; what is in flight cannot be."""
    client = await bench.connect("c", 5, properties=Properties(receive_maximum=1))
    await bench.subscribe(client, "#", qos=1)
    for payload in (b"1", b"2"):
        bench.broker.publish(Message("a1/door", payload, 1))
    bench.broker.publish(Message("a2/door", b"3", 1))
    bench.broker.purge(set(), lambda topic: topic.startswith("a1/"))
    (session,) = bench.broker.machine.clients
    assert session.exchange is not None
    assert [one.outgoing.payload for one in session.exchange.queue] == [b"3"]


async def test_what_waits_behind_a_window_ends_with_the_right(bench: Bench) -> None:
    """A connected client gets nothing more of what it may not see any more."""
    client = await bench.connect("bob", 5, "bob", properties=Properties(receive_maximum=1))
    await bench.subscribe(client, "#", qos=1)
    for topic in ("a/1", "a/2", "b/1"):
        bench.broker.publish(Message(topic, b"", 1))
    bench.gate.unseen.add(("bob", "a"))
    bench.broker.forget()
    (session,) = bench.broker.machine.clients
    assert session.exchange is not None
    assert [one.outgoing.topic for one in session.exchange.queue] == [b"b/1"]


async def test_a_shared_subscription_is_its_owners(bench: Bench) -> None:
    """Another user's sessions with the same text take nothing from it, and get their own."""
    bench.gate.owners |= {"worker": 1, "thief": 2, "thief2": 2}
    for name in ("worker", "thief", "thief2"):
        await absent(bench, name, "$share/workers/#")
    for number in range(6):
        bench.broker.publish(Message("t", b"%d" % number, 1))
    assert [one.payload for one in await waiting(bench, "worker")] == [b"%d" % n for n in range(6)]
    assert len(await waiting(bench, "thief")) == len(await waiting(bench, "thief2")) == 3


async def test_other_owners_do_not_turn_the_share(bench: Bench) -> None:
    """The turns of one owner's members are theirs alone."""
    bench.gate.owners |= {"w1": 1, "w2": 1, "thief": 2}
    for name in ("w1", "w2", "thief"):
        await absent(bench, name, "$share/workers/#")
    for number in range(4):
        bench.broker.publish(Message("t", b"%d" % number, 1))
    assert len(await waiting(bench, "w1")) == len(await waiting(bench, "w2")) == 2


async def test_what_a_member_leaves_goes_to_its_owners_others(bench: Bench) -> None:
    """A session that ends leaves nothing to another user's session of the same text."""
    bench.gate.owners |= {"w1": 1, "w2": 1, "thief": 2}
    await absent(bench, "w1", "$share/workers/#")
    for number in range(4):
        bench.broker.publish(Message("t", b"%d" % number, 1))
    await absent(bench, "thief", "$share/workers/#")
    await absent(bench, "w2", "$share/workers/#")
    bench.broker.purge({"device:w1"})
    assert len(await waiting(bench, "thief")) == 0
    assert len(await waiting(bench, "w2")) == 4


async def test_absent_members_that_may_not_see_it_are_passed_over(bench: Bench) -> None:
    """A message goes to a member that may have it, not to one that loses it when it is back."""
    bench.gate.unseen.add(("blind", "t"))
    for name in ("blind", "worker"):
        await absent(bench, name, "$share/workers/#")
    for number in range(4):
        bench.broker.publish(Message("t", b"%d" % number, 1))
    assert len(await waiting(bench, "worker")) == 4


async def test_the_gate_is_asked_once_a_session_and_topic(bench: Bench) -> None:
    """However many filters of a session match: each question costs time of all others."""
    client = await bench.connect("c")
    await bench.subscribe(client, "#", "+", "t/#", "+/#")
    asked: list[str] = []
    plain = bench.gate.receiving
    bench.gate.receiving = lambda identity, topic: asked.append(topic) or plain(identity, topic)  # type: ignore[func-returns-value, method-assign]
    bench.broker.publish(Message("t", b""))
    assert asked == ["t"]
