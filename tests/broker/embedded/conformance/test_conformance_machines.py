"""Client machines against the server through bytes, over connections that break anywhere (4.3, 4.4,
4.6).

A publisher and a subscriber keep their half of a session as the standard says. Their connections
are cut after any byte, again and again; nothing may be lost, nothing with QoS 2 may come twice, and
each QoS keeps its order.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING

import pytest
from wire_client import PUBACK, PUBCOMP, PUBREC, PUBREL, Wire, answer, publish

from gateway.broker.embedded.codec.packets import Packet, Puback, Pubcomp, Publish, Pubrec, Pubrel

if TYPE_CHECKING:
    from conftest import Server

MESSAGES = 60
IN_FLIGHT = 4


class Machine:
    """A client whose state outlives its connections; each connection carries only so many bytes
    each way.
    """

    def __init__(self, server: Server, version: int, name: str, chance: random.Random) -> None:
        self.version = version
        self.cuts = 0
        self._server = server
        self._name = name
        self._chance = chance
        self._left = 0

    def begin(self) -> bytes:
        """Return what a new connection starts with."""
        return b""

    def handle(self, packet: Packet) -> bytes:
        """Return the answer to a packet."""
        raise AssertionError(packet)

    def finished(self) -> bool:
        """Tell whether there is nothing more to do."""
        raise AssertionError

    async def run(self) -> None:
        """Connect until it is finished."""
        while not self.finished():
            wire = await self._server.join(self.version, self._name, keep=True)
            assert wire.connack.session_present == (self.cuts > 0)
            self._left = self._chance.randrange(10, 200) if self.cuts < 25 else 1 << 20
            await self._talk(wire)
            self.cuts += 1

    async def _talk(self, wire: Wire) -> None:
        if not await self._say(wire, self.begin()):
            return
        while not self.finished():
            packet = await wire.read()
            if packet is None or self._chance.randrange(40) < (
                self.cuts < 25
            ):  # read, and lost with the connection
                break
            if not await self._say(wire, self.handle(packet)):
                return
        await wire.drain()
        wire.abort() if not self.finished() else await wire.so_far()

    async def _say(self, wire: Wire, data: bytes) -> bool:
        """Send what the connection still carries; tell whether that was all."""
        carried, self._left = data[: self._left], self._left - len(data)
        wire.send(carried)
        await wire.drain()
        if self._left >= 0:
            return True
        wire.abort()
        return False


class Publisher(Machine):
    """Sends messages with QoS 1 and 2 in turn, a few in flight, and keeps what is
    unacknowledged.
    """

    def __init__(self, server: Server, version: int, chance: random.Random) -> None:
        super().__init__(server, version, "publisher", chance)
        self._waiting = deque(range(MESSAGES))
        self._flight: dict[
            int, tuple[int, bool]
        ] = {}  # packet id: number, and whether it is released

    def _packet(self, packet_id: int, *, dup: bool) -> bytes:
        number, released = self._flight[packet_id]
        if released:
            return answer(PUBREL, packet_id)
        return publish(
            self.version, f"t/{number}", b"%d" % number, 1 + number % 2, packet_id, dup=dup
        )

    def _more(self) -> bytes:
        out = b""
        while self._waiting and len(self._flight) < IN_FLIGHT:
            packet_id = min(set(range(1, IN_FLIGHT + 1)) - self._flight.keys())
            self._flight[packet_id] = (self._waiting.popleft(), False)
            out += self._packet(packet_id, dup=False)
        return out

    def begin(self) -> bytes:
        return (
            b"".join(self._packet(packet_id, dup=True) for packet_id in self._flight) + self._more()
        )

    def handle(self, packet: Packet) -> bytes:
        assert isinstance(packet, Puback | Pubrec | Pubcomp)
        if isinstance(packet, Pubrec):
            self._flight[packet.packet_id] = (self._flight[packet.packet_id][0], True)
            return answer(PUBREL, packet.packet_id)
        del self._flight[packet.packet_id]
        return self._more()

    def finished(self) -> bool:
        return not self._waiting and not self._flight


class Subscriber(Machine):
    """Takes messages, each with QoS 2 once by its packet id."""

    def __init__(self, server: Server, version: int, chance: random.Random) -> None:
        super().__init__(server, version, "subscriber", chance)
        self.got: dict[int, list[int]] = {1: [], 2: []}
        self.publisher: Publisher | None = None
        self._received: set[int] = set()

    def handle(self, packet: Packet) -> bytes:
        assert isinstance(packet, Publish | Pubrel)
        if isinstance(packet, Pubrel):
            self._received.discard(packet.packet_id)
            return answer(PUBCOMP, packet.packet_id)
        if packet.qos == 1:
            self.got[1].append(int(packet.payload))
            return answer(PUBACK, packet.packet_id)
        if packet.packet_id not in self._received:
            self._received.add(packet.packet_id)
            self.got[2].append(int(packet.payload))
        return answer(PUBREC, packet.packet_id)

    def finished(self) -> bool:
        return len({*self.got[1], *self.got[2]}) == MESSAGES and not self._received


@pytest.mark.parametrize("seed", range(6))
async def test_mqtt_4_3_3_10_machines_that_lose_their_connections(server, version, seed):
    """[MQTT-4.3.3-10] [MQTT-4.3.3-6] [MQTT-4.4.0-1] [MQTT-4.6.0-5], in 3.1.1 [MQTT-4.3.3-1]
    [MQTT-4.3.3-2] [MQTT-4.4.0-1] [MQTT-4.6.0-6]: QoS 1 at least once, QoS 2 exactly once, in order.
    """
    chance = random.Random(seed * 10 + version)
    subscriber, publisher = Subscriber(server, version, chance), Publisher(server, version, chance)
    first = await server.join(version, "subscriber", keep=True)
    assert await first.subscribe("t/#", options=2) == (2,)
    subscriber.cuts = 1
    async with asyncio.timeout(30):
        await asyncio.gather(subscriber.run(), publisher.run())
    assert subscriber.got[2] == list(range(1, MESSAGES, 2))
    assert list(dict.fromkeys(subscriber.got[1])) == list(range(0, MESSAGES, 2))
    assert publisher.cuts + subscriber.cuts > 5
