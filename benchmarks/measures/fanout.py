"""Frames out to many listeners of everything, counted in bytes that arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import packets
from benchmarks.figures import Figure
from benchmarks.listeners import Listeners
from benchmarks.loads import Rate, publishers, rate, sized
from benchmarks.servers import Gateway
from benchmarks.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.figures import Extent

CONNECTIONS = 10
TARGETS = {50: 2_000_000, 500: 4_000_000}


def fanout(extent: Extent) -> Iterator[Figure]:
    """Frames a second that leave for 1, 50 and 500 listeners, while devices send as fast as they
    may.
    """
    for count in extent.listeners:
        out = _to_listeners(count, extent)
        note = (
            out.fault
            or f"{out.a_second:,.0f} messages/s in, {out.cost / count:.2f} µs of processor a frame"
        )
        what = f"to {count} listener{'s' if count > 1 else ''} of everything"
        yield Figure(
            "fanout",
            "embedded",
            what,
            out.a_second * count,
            "frames/s",
            TARGETS.get(count),
            note=note,
        )


def _to_listeners(count: int, extent: Extent) -> Rate:
    with Gateway(count=CONNECTIONS) as server, publishers(server) as senders:

        def load(messages: int) -> Rate:
            each = max(1, messages // CONNECTIONS)
            senders.call("prepare", each, packets.VALUE)
            with Worker(Listeners, server.http_port, server.token, "+/t", count) as listeners:
                seq = listeners.call("newest")
                expected = packets.framed_length(
                    server.accounts[0].name, seq + 1, each * CONNECTIONS
                )
                before = server.cpu()
                listeners.start("count", expected)
                senders.start("flood")
                sent, received = senders.result(), listeners.result()
                return rate(server, before, sent, received)

        return sized(extent._replace(trial=max(10, extent.trial // count)), load)
