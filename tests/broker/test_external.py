"""The external engine as a client of a real cluster: the amqtt engine (3.1.1), and Mosquitto (5) if
there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from fake_gate import PATIENCE, FakeGate, FakeIdentity
from mqtt_peers import Peer

from gateway.broker.amqtt_engine import AmqttEngine
from gateway.broker.external import ExternalEngine
from gateway.broker.port import Message, Properties
from gateway.errors import Forbidden
from tests.programs import program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FILTERS = ("devices/#", "tele/+/SENSOR")


class Cluster:
    """An MQTT broker that the gateway did not start; `gate` sees what the cluster sees."""

    def __init__(self, port: int = 0, **options: Any) -> None:
        self.gate = FakeGate()
        self.engine = AmqttEngine(self.gate, host="127.0.0.1", port=port, tls_port=0, **options)

    async def __aenter__(self) -> Cluster:
        await self.engine.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.stop()

    @property
    def port(self) -> int:
        return self.engine.ports["mqtt"]


@pytest.fixture
async def gate() -> FakeGate:
    """Return the gate of the gateway."""
    return FakeGate()


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Run a cluster that speaks MQTT 3.1.1 only."""
    async with Cluster() as cluster:
        yield cluster


def engine_for(gate: FakeGate, url: str, **options: Any) -> ExternalEngine:
    """Return an engine that signs in as the gateway."""
    return ExternalEngine(
        gate,
        url=url,
        filters=FILTERS,
        identity=FakeIdentity("cluster"),
        **{"username": "gateway", "password": "key-gateway", **options},
    )


@contextlib.asynccontextmanager
async def running(
    gate: FakeGate, cluster: Cluster, **options: Any
) -> AsyncIterator[ExternalEngine]:
    """Run an engine that has subscribed at the cluster."""
    before = cluster.gate.events.count(("subscribed", "device-gateway", FILTERS[-1]))
    engine = engine_for(gate, f"mqtt://127.0.0.1:{cluster.port}", **options)
    await engine.start()
    try:
        await cluster.gate.until(
            lambda: (
                cluster.gate.events.count(("subscribed", "device-gateway", FILTERS[-1])) > before
            )
        )
        yield engine
    finally:
        await engine.stop()


async def test_messages_of_the_filters_come_in_with_the_clusters_identity(
    gate: FakeGate, cluster: Cluster
) -> None:
    """What devices publish at the cluster reaches the gate in order, asked for once a topic as the
    given identity.
    """
    async with running(gate, cluster), Peer(cluster.port, "kitchen") as kitchen:
        await kitchen.publish("elsewhere", b"no", 1)
        await kitchen.publish("devices/kitchen/telemetry", b"1", 1)
        await kitchen.publish("devices/kitchen/telemetry", b"2", 1)
        await kitchen.publish("tele/kitchen/SENSOR", b"3")
        await gate.until(lambda: len(gate.messages) == 3)
    assert gate.payloads == [b"1", b"2", b"3"]
    assert gate.asked == [
        ("cluster", "devices/kitchen/telemetry"),
        ("cluster", "tele/kitchen/SENSOR"),
    ]
    assert all(message.target and message.origin is None for message in gate.messages)


async def test_a_will_at_the_cluster_is_a_message_like_any_other(
    gate: FakeGate, cluster: Cluster
) -> None:
    """A device that is lost at the cluster is known by its will; presence events of its own the
    engine has none.
    """
    async with running(gate, cluster):
        device = Peer(cluster.port, "d", will=("devices/d/status", b"offline", 1))
        await device.connect()
        next(each for each in cluster.engine.connections() if each.client_id == "d").close(
            Forbidden("lost")
        )
        await gate.until(lambda: gate.payloads == [b"offline"])
        await device.leave()
    assert gate.events == []


async def test_nothing_is_acknowledged_before_done(gate: FakeGate, cluster: Cluster) -> None:
    """A message that the gate was not done with comes again to the gateway that is started next;
    others do not.
    """
    async with Peer(cluster.port, "p") as publisher:
        async with running(gate, cluster):
            await publisher.publish("devices/p/telemetry", b"stored", 1)
            await gate.until(lambda: gate.payloads == [b"stored"])
            gate.hold = True
            await publisher.publish("devices/p/telemetry", b"lost with the process", 1)
            await gate.until(lambda: len(gate.messages) == 2)
        gate.hold = False
        async with running(gate, cluster):
            await gate.until(lambda: len(gate.messages) == 3)
            assert gate.payloads[2] == b"lost with the process"


async def test_what_comes_while_the_gateway_is_down_is_not_lost(
    gate: FakeGate, cluster: Cluster
) -> None:
    """The cluster keeps QoS 1 messages for the gateway's session."""
    async with running(gate, cluster):
        pass
    async with Peer(cluster.port, "p") as publisher:
        for number in range(50):
            await publisher.publish("devices/p/telemetry", str(number), 1)
    async with running(gate, cluster):
        await gate.until(lambda: len(gate.messages) == 50)
    assert gate.payloads == [str(number).encode() for number in range(50)]


async def test_it_connects_again_when_the_cluster_comes_back(gate: FakeGate) -> None:
    """The engine starts without the cluster, finds it when it comes, and again after it was
    away.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    engine = engine_for(gate, f"mqtt://127.0.0.1:{port}")
    await engine.start()
    engine.publish(Message("devices/a/commands/led", b"lost: QoS 0"))
    assert engine.statistics()["messages_dropped"] == 1
    for payload in (b"first", b"second"):
        async with Cluster(port) as cluster:
            await cluster.gate.event("subscribed", "device-gateway", FILTERS[-1])
            async with Peer(port, "p") as publisher:
                await publisher.publish("devices/p/telemetry", payload, 1)
            await gate.until(lambda payload=payload: gate.payloads[-1:] == [payload])
    await engine.stop()
    assert engine.statistics()["connects"] == 2


async def test_publish_reaches_the_clusters_clients(gate: FakeGate, cluster: Cluster) -> None:
    """`publish` carries topic, payload, QoS and retain; nobody counts as connected here."""
    async with running(gate, cluster) as engine, Peer(cluster.port, "a") as a:
        await a.subscribe("devices/a/commands/#", 1)
        engine.publish(Message("devices/a/commands/led", b"1", 1, True))
        message = await a.message()
        assert (message.payload, message.qos) == (b"1", 1)
        assert tuple(engine.connections()) == ()
        assert engine.ports == {}
        await cluster.gate.until(lambda: bool(cluster.gate.messages))
        assert cluster.gate.messages[0].retain


async def test_what_does_not_fit_the_queue_is_dropped_and_counted(gate: FakeGate) -> None:
    """While the cluster is away QoS 1 waits, up to the bound; what is on top is dropped."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    engine = engine_for(gate, f"mqtt://127.0.0.1:{port}", queue=3)
    await engine.start()
    for number in range(5):
        engine.publish(Message("devices/a/commands/led", str(number).encode(), 1))
    assert engine.statistics()["messages_dropped"] == 2
    async with Cluster(port) as cluster:
        await cluster.gate.until(lambda: len(cluster.gate.messages) == 3)
        assert cluster.gate.payloads == [b"0", b"1", b"2"]
        await engine.stop()


async def test_while_paused_what_has_arrived_waits(gate: FakeGate, cluster: Cluster) -> None:
    """After `pause` nothing reaches the gate, and the cluster has no PUBACK; `resume` takes all."""
    async with running(gate, cluster) as engine, Peer(cluster.port, "p") as publisher:
        engine.pause()
        for number in range(100):
            await publisher.publish("devices/p/telemetry", str(number), 1)
        assert gate.messages == []
        engine.resume()
        await gate.until(lambda: len(gate.messages) == 100)
    assert gate.payloads == [str(number).encode() for number in range(100)]


async def test_a_flood_while_paused_is_bounded_and_complete(
    gate: FakeGate, cluster: Cluster
) -> None:
    """More than the engine holds: the rest waits at the cluster or in the socket, and comes after
    `resume` in order.
    """
    async with running(gate, cluster) as engine:
        engine.pause()
        for number in range(3000):
            cluster.engine.publish(Message("devices/p/telemetry", str(number).encode()))
        async with Peer(cluster.port, "p") as publisher:
            await publisher.publish("devices/p/telemetry", b"last", 1)
        async with asyncio.timeout(PATIENCE):
            while engine.statistics()["messages_waiting"] < 1000:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # for more, if it were read
        assert engine.statistics()["messages_waiting"] == 1000
        engine.resume()
        await gate.until(lambda: gate.payloads[-1:] == [b"last"])
    assert gate.payloads == [*(str(number).encode() for number in range(3000)), b"last"]


async def test_a_gate_that_raises_leaves_the_message_unacknowledged(
    gate: FakeGate, cluster: Cluster
) -> None:
    """What the gate did not take comes again at the next connection."""
    async with Peer(cluster.port, "p") as publisher:
        async with running(gate, cluster) as engine:
            gate.failing = True
            await publisher.publish("devices/p/telemetry", b"x", 1)
            async with asyncio.timeout(PATIENCE):
                while not engine.statistics()["messages_failed"]:
                    await asyncio.sleep(0.01)
        gate.failing = False
        async with running(gate, cluster):
            await gate.until(lambda: gate.payloads == [b"x"])


async def test_unpermitted_topics_are_dropped_and_acknowledged(
    gate: FakeGate, cluster: Cluster
) -> None:
    """A topic that the gate makes nothing of is not kept at the cluster for ever; `forget` asks
    again.
    """
    gate.may_publish = lambda key, topic: topic != "devices/p/other"
    async with running(gate, cluster) as engine, Peer(cluster.port, "p") as publisher:
        await publisher.publish("devices/p/other", b"no", 1)
        await publisher.publish("devices/p/telemetry", b"yes", 1)
        await gate.until(lambda: gate.payloads == [b"yes"])
        assert engine.statistics()["messages_refused"] == 1
        gate.may_publish = lambda key, topic: True
        engine.forget()
        await publisher.publish("devices/p/other", b"now", 1)
        await gate.until(lambda: gate.payloads == [b"yes", b"now"])


async def test_tls_checks_the_clusters_certificate(gate: FakeGate) -> None:
    """`mqtts://` connects with the given context."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with Cluster(tls=server) as cluster:
        engine = engine_for(gate, f"mqtts://localhost:{cluster.engine.ports['mqtts']}", tls=client)
        await engine.start()
        await cluster.gate.event("subscribed", "device-gateway", FILTERS[-1])
        await engine.stop()


@program("mosquitto")
async def test_mqtt_5_where_the_cluster_speaks_it(gate: FakeGate, tmp_path: Path) -> None:
    """Properties travel both ways, and the gateway does not hear itself."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    mosquitto = await asyncio.create_subprocess_exec(
        "mosquitto", "-c", str(config), stderr=asyncio.subprocess.DEVNULL
    )
    first, second = engine_for(gate, f"mqtt://127.0.0.1:{port}"), FakeGate()
    other = engine_for(second, f"mqtt://127.0.0.1:{port}", client_id="other-gateway")
    try:
        await first.start()
        await other.start()
        properties = Properties(
            1, 60, "application/json", "reply/here", b"\x00\x01", (("a", "b"), ("a", "c"))
        )
        async with asyncio.timeout(PATIENCE):
            while not second.messages:  # until both have subscribed
                first.publish(Message("devices/a/telemetry", b"1", 1, False, None, properties))
                await asyncio.sleep(0.2)
        assert second.messages[0].properties == properties
        other.publish(Message("devices/a/telemetry", b"back", 1))
        await gate.until(lambda: b"back" in gate.payloads)
        assert set(gate.payloads) == {b"back"}
    finally:
        await first.stop()
        await other.stop()
        mosquitto.terminate()
        await mosquitto.wait()
