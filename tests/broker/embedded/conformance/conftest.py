"""A server, clients of raw bytes, and time that tests let pass.

Each test runs twice: against the machine without a socket, and against a server on a port of its
own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from machine_wire import MachineWire
from wire_client import Wire, connect, props

from gateway.broker.embedded.codec.packets import Connack
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.core.wheel import TICKS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Server:
    """A broker behind the bench of the engine's own tests; `sockets`: it is reached over TCP."""

    def __init__(self, bench: Any, *, sockets: bool = True) -> None:
        self.bench = bench
        self.sockets = sockets
        self.gate = bench.gate
        self.wires: list[Wire] = []

    async def dial(self, version: int) -> Wire:
        """Return a connection before its CONNECT."""
        if self.sockets:
            wire = await Wire.dial(self.bench.broker.ports["mqtt"], version)
        else:
            wire = MachineWire(self.bench.broker.machine, version)
        self.wires.append(wire)
        return wire

    async def join(
        self, version: int, client_id: str = "c", *, keep: bool = False, **more: Any
    ) -> Wire:
        """Return a connection that is let in; with `keep` its session outlives it, and is taken up
        again.
        """
        wire = await self.dial(version)
        if keep:
            more.setdefault("clean", False)
            more.setdefault("properties", props(version, session_expiry_interval=1000))
        wire.send(connect(version, client_id, **more))
        wire.connack = await wire.get(Connack)
        assert wire.connack.reason_code == 0
        return wire

    async def left(self, count: int = 1) -> None:
        """Wait until the server has seen this many connections end."""
        await self.bench.until(lambda: len(self.bench.departures()) >= count)

    def after(self, seconds: float) -> None:
        """Let time pass for every deadline of the broker."""
        core = self.bench.broker.machine
        self.bench.clock += seconds
        core.wheel.turn(core.wheel.now + int(seconds * TICKS))
        self.bench.broker.machine.commit_journal()
        core.shared.flush()


@pytest.fixture
def limits() -> Limits:
    """Bounds that tests can reach."""
    return Limits(receive_maximum=4, topic_aliases=4, packet_size=100_000, session_expiry=100_000)


@pytest.fixture(params=["machine", "socket"])
async def server(
    request: pytest.FixtureRequest, new_bench: Any, limits: Limits, gate: Any
) -> AsyncIterator[Server]:
    """A broker whose gate stores at once."""
    bench = new_bench(gate, limits)
    server = Server(bench, sockets=request.param == "socket")
    if server.sockets:
        await bench.broker.start()
    yield server
    for wire in server.wires:
        await wire.close()
    await bench.close()


@pytest.fixture(params=[4, 5])
def version(request: pytest.FixtureRequest) -> int:
    """MQTT 3.1.1 and MQTT 5."""
    return request.param
