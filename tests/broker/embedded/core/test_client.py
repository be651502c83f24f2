"""One connection as a machine: how it is taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.codec.packets import Connect, Disconnect, Properties, Puback, Publish

if TYPE_CHECKING:
    from .conftest import Bench

KEPT = Properties(session_expiry_interval=100)


def told(bench: Bench) -> list[str]:
    """Return what the gate was told of connections, in order."""
    return [
        call[0] if call[0] == "connected" else str(call[2])
        for call in bench.gate.calls
        if call[0] != "subscribed"
    ]


async def test_a_takeover_is_no_outage(bench: Bench) -> None:
    """The gate learns of the new connection first: at no moment the client is away."""
    old = await bench.connect("c", 5)
    await bench.connect("c", 5)
    assert await old.rest() == [Disconnect(0x8E)]
    assert told(bench) == ["connected", "connected", "taken_over"]
    connections = [call[1] for call in bench.gate.calls]
    assert connections[2] is connections[0]
    assert connections[1] is not connections[0]


async def test_a_takeover_that_is_not_stored_yet_is_taken_over(bench: Bench) -> None:
    """Whoever comes last replaces the one that the gate knows; the one between it never knew."""
    await bench.connect("c", 5, properties=KEPT)
    bench.gate.hold = True
    between = await bench.dial(5)
    between.write(Connect("c", 5, False, username="d", properties=KEPT))
    await bench.until(lambda: bench.gate.waiting)
    last = await bench.dial(5)
    last.write(Connect("c", 5, False, username="d", properties=KEPT))
    assert await between.rest() == []
    bench.gate.hold = False
    bench.gate.store()
    assert await last.read() is not None
    assert told(bench) == ["connected", "connected", "taken_over"]


async def test_a_takeover_that_goes_unseen_is_told(bench: Bench) -> None:
    """The new connection is lost before it is let in: then the client is away."""
    await bench.connect("c", 5, properties=KEPT)
    bench.gate.hold = True
    new = await bench.dial(5)
    new.write(Connect("c", 5, False, username="d", properties=KEPT))
    await bench.until(lambda: bench.gate.waiting)
    await new.close()
    await bench.until(lambda: bench.departures())
    bench.gate.store()
    assert told(bench) == ["connected", "taken_over"]


async def test_who_is_quiet_acknowledges_what_it_has_taken_in(bench: Bench) -> None:
    """Before a stop nothing more is read, and what was read is acknowledged before the goodbye."""
    client = await bench.connect("c", 5)
    bench.gate.hold = True
    client.write(Publish("t", b"", 1, packet_id=1))
    await bench.until(lambda: bench.gate.waiting)
    bench.broker.quiet()
    client.write(Publish("t", b"", 1, packet_id=2))
    bench.broker.resume()
    bench.gate.store()
    assert await client.read() == Puback(1)
    await bench.broker.stop()
    assert await client.rest() == [Disconnect(0x8B)]
    assert len(bench.gate.messages) == 1
