"""Messages in: QoS 0 to one WebSocket listener, and QoS 1 with the PUBACK after the commit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import packets
from benchmarks.figures import Figure
from benchmarks.listeners import Listener
from benchmarks.loads import Rate, into_listener, publishers, rate, sized
from benchmarks.servers import Gateway
from benchmarks.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.figures import Extent

CONNECTIONS = 10
IN_FLIGHT = 20


def qos0(extent: Extent) -> Iterator[Figure]:
    """QoS 0 from 10 connections to one WebSocket listener, with either engine."""
    what = f"{CONNECTIONS} connections to 1 listener"
    ours = _to_one_listener("embedded", extent, packets.VALUE)
    yield Figure("qos0", "embedded", what, ours.a_second, "messages/s", 120_000, note=ours.note)
    theirs = _to_one_listener("amqtt", extent, packets.VALUE)
    yield Figure("qos0", "amqtt", what, theirs.a_second, "messages/s", note=theirs.note)
    objects = _to_one_listener("embedded", extent, packets.OBJECT)
    yield Figure(
        "qos0",
        "embedded",
        "the same, JSON objects",
        objects.a_second,
        "messages/s",
        note=objects.note,
    )


def _to_one_listener(engine: str, extent: Extent, kind: packets.Kind) -> Rate:
    with (
        Gateway(engine=engine, count=CONNECTIONS) as server,
        publishers(server) as senders,
        Worker(Listener, server.http_port, server.token, "+/t") as listener,
    ):
        return sized(
            extent, partial(into_listener, server, senders, listener, CONNECTIONS, kind=kind)
        )


def qos1(extent: Extent) -> Iterator[Figure]:
    """QoS 1 from 10 connections with 20 in flight each."""
    what = f"{CONNECTIONS} connections, {IN_FLIGHT} in flight, PUBACK after the commit"
    for engine, target in (("embedded", 60_000), ("amqtt", None)):
        with Gateway(engine=engine, count=CONNECTIONS) as server, publishers(server) as senders:
            found = sized(extent, partial(_acknowledged, server, senders))
        yield Figure("qos1", engine, what, found.a_second, "messages/s", target, note=found.note)


def _acknowledged(server: Gateway, senders: Worker, messages: int) -> Rate:
    senders.call("prepare", max(IN_FLIGHT, messages // CONNECTIONS), packets.VALUE, True)
    before = server.cpu()
    return rate(server, before, senders.call("window", IN_FLIGHT))
