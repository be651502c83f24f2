"""The order of what waits to be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import Puback, Publish, Suback, Subscribe, Subscription

if TYPE_CHECKING:
    from gateway.broker.port import Connection

    from .conftest import Bench


async def test_what_need_not_wait_does_not_overtake(bench: Bench) -> None:
    """A message that is stored at once stays behind one of the same sender that is not stored
    yet.
    """
    subscriber = await bench.connect("s")
    await bench.subscribe(subscriber, "t")
    client = await bench.connect("p")
    bench.gate.hold = True
    client.write(Publish("t", b"first"))
    await bench.until(lambda: bench.gate.waiting)
    bench.gate.hold = False
    client.write(Publish("t", b"second"))
    await bench.until(lambda: len(bench.gate.messages) == 2)
    bench.gate.store()
    received = [await subscriber.read() for _ in range(2)]
    assert [packet.payload for packet in received if isinstance(packet, Publish)] == [
        b"first",
        b"second",
    ]


async def test_senders_do_not_wait_for_each_other(bench: Bench) -> None:
    """Another sender's message passes one that is not stored yet."""
    subscriber = await bench.connect("s")
    await bench.subscribe(subscriber, "t")
    slow, quick = await bench.connect("slow"), await bench.connect("quick")
    bench.gate.hold = True
    slow.write(Publish("t", b"slow"))
    await bench.until(lambda: bench.gate.waiting)
    bench.gate.hold = False
    quick.write(Publish("t", b"quick"))
    first = await subscriber.read()
    bench.gate.store()
    second = await subscriber.read()
    assert [getattr(packet, "payload", None) for packet in (first, second)] == [b"quick", b"slow"]


async def test_an_error_in_the_gate_does_not_stop_the_line(bench: Bench) -> None:
    """When a step of one batch fails, those behind it are still delivered and acknowledged."""
    client = await bench.connect("c", clean_start=False)
    bench.gate.hold = True
    client.write(Subscribe(1, (Subscription("t"),)))
    await bench.until(lambda: len(bench.gate.waiting) == 1)
    client.write(Publish("x", b"", 1, packet_id=1))
    await bench.until(lambda: len(bench.gate.waiting) == 2)

    def fail(connection: object, topic_filter: str) -> None:
        raise RuntimeError(topic_filter)

    bench.gate.subscribed = fail  # type: ignore[method-assign]
    first, second = bench.gate.waiting
    second()
    with pytest.raises(RuntimeError):
        first()
    bench.gate.waiting.clear()
    bench.broker.machine.shared.flush()
    assert [await client.read(), await client.read()] == [Suback(1, (0,)), Puback(1)]


async def test_what_comes_while_one_finishes_is_not_lost(bench: Bench) -> None:
    """A batch that begins while another of its line is finishing waits for its own turn."""
    client = await bench.connect("c", clean_start=False)
    plain = bench.gate.subscribed

    def subscribed(connection: Connection, topic_filter: str) -> None:
        plain(connection, topic_filter)
        bench.gate.hold = True
        connection.wire.data_received(encode(Publish("x", b"", 1, packet_id=1), 4))  # type: ignore[attr-defined]

    bench.gate.subscribed = subscribed  # type: ignore[method-assign]
    assert await client.ask(Subscribe(1, (Subscription("t"),))) == Suback(1, (0,))
    bench.gate.hold = False
    client.write(Publish("y", b"", 1, packet_id=2))
    await bench.until(lambda: len(bench.gate.messages) == 2)
    bench.gate.store()
    assert [await client.read(), await client.read()] == [Puback(1), Puback(2)]
