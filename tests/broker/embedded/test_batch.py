"""The order of what waits to be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.packets import Publish

if TYPE_CHECKING:
    from .conftest import Bench


async def test_what_need_not_wait_does_not_overtake(bench: Bench) -> None:
    """A message that is stored at once stays behind one of the same sender that is not stored yet."""
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
    assert [packet.payload for packet in received if isinstance(packet, Publish)] == [b"first", b"second"]


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
