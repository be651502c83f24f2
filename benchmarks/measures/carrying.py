"""MQTT to MQTT: one publisher, one subscriber, QoS 0; beside amqtt alone and Mosquitto, where that
is installed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import packets
from benchmarks.figures import Figure
from benchmarks.listeners import Subscriber
from benchmarks.loads import Rate, publishers, rate, sized
from benchmarks.servers import MOSQUITTO, MOSQUITTO_PASSWD, Amqtt, Gateway, Mosquitto
from benchmarks.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.figures import Extent
    from benchmarks.servers import Broker

CONNECTIONS = 10


def mqtt(extent: Extent) -> Iterator[Figure]:
    """Messages a second from one MQTT client to another, QoS 0, as fast as they are taken."""
    what = "1 publisher to 1 subscriber, QoS 0"
    ours = _through(Gateway(count=1), extent, packets.VALUE)
    yield Figure(
        "mqtt", "embedded", f"{what}, stored", ours.a_second, "messages/s", 80_000, note=ours.note
    )
    carried = _through(Gateway(count=1), extent, packets.CARRIED)
    yield Figure(
        "mqtt", "embedded", f"{what}, no frame", carried.a_second, "messages/s", note=carried.note
    )
    theirs = _through(Gateway(count=1, engine="amqtt"), extent, packets.VALUE)
    yield Figure(
        "mqtt", "amqtt", f"{what}, stored", theirs.a_second, "messages/s", note=theirs.note
    )
    bare = _through(Amqtt(), extent._replace(trial=extent.trial // 10), packets.VALUE)
    yield Figure("mqtt", "amqtt alone", what, bare.a_second, "messages/s", note=bare.note)
    flooded = _through(
        Amqtt(count=CONNECTIONS), extent._replace(trial=extent.trial // 10), packets.VALUE
    )
    what_flooded = f"{CONNECTIONS} publishers to 1 subscriber, QoS 0"
    yield Figure(
        "mqtt", "amqtt alone", what_flooded, flooded.a_second, "messages/s", note=flooded.note
    )
    yield Figure(
        "mqtt", "both", "embedded, stored, to amqtt alone", ours.a_second / bare.a_second, "times"
    )
    if MOSQUITTO and MOSQUITTO_PASSWD:
        mosquitto = _through(Mosquitto(), extent, packets.VALUE)
        yield Figure(
            "mqtt", "mosquitto", what, mosquitto.a_second, "messages/s", note=mosquitto.note
        )
        yield Figure(
            "mqtt",
            "both",
            "embedded, stored, to Mosquitto",
            ours.a_second / mosquitto.a_second,
            "times",
        )


def _through(server: Broker, extent: Extent, kind: packets.Kind) -> Rate:
    topic = kind.topic.format("+")
    with (
        server,
        publishers(server) as senders,
        Worker(Subscriber, server.port, server.listener, topic) as subscriber,
    ):
        return sized(extent, partial(_load, server, senders, subscriber, kind))


def _load(
    server: Broker, senders: Worker, subscriber: Worker, kind: packets.Kind, messages: int
) -> Rate:
    each = max(1, messages // len(server.accounts))
    messages = each * len(server.accounts)
    first, size = senders.call("prepare", each, kind)
    before = server.cpu()
    subscriber.start("count", messages, size, first)
    senders.start("flood")
    sent, received = senders.result(), subscriber.result()
    found = rate(server, before, sent._replace(messages=max(1, received.amount)), received)
    lost = messages - received.amount
    return found._replace(fault=found.fault or f"{lost} of {messages} dropped") if lost else found
