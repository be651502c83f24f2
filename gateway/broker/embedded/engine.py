"""The embedded engine: the port's `Broker` over the parts of this package."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Final

from gateway.broker.embedded.connection import Connection, Connections
from gateway.broker.embedded.core.broker import Broker
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.core.shared import Shared
from gateway.broker.embedded.core.wheel import TICKS
from gateway.broker.embedded.listener import Listener
from gateway.broker.embedded.status import Status
from gateway.rates import Rates
from gateway.seats import Seats

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Iterable

    from gateway.broker import port
    from gateway.broker.embedded.core.durable import State

_FAREWELL: Final = 1.0  # seconds that a stop waits for clients to take their last packets


class EmbeddedBroker:
    """The broker. `restore` comes before `start`; a TLS listener has its own port and context.

    The daemon renews certificates through the context. `clock` gives seconds since 1970;
    `seats` are those that all entrances share.
    """

    def __init__(
        self,
        gate: port.Gate,
        *,
        host: str,
        port: int,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        tls_port: int = 8883,
        clock: Callable[[], float] = time.time,
        seats: Seats | None = None,
        rates: Rates | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._tls_port = tls_port
        limits = limits or Limits()
        shared = Shared(gate, limits, clock, _new_id, self._wake)
        rates = rates or Rates(limits.messages_per_second, time.monotonic)
        self.machine = Broker(shared, _tick(), rates, seats or Seats(limits.connections))
        self.open = Connections(self.machine)
        self._status = Status(self.machine)
        self._listeners: list[Listener] = []
        self._quiet = False  # for good: nothing is read any more
        self._sweep: asyncio.TimerHandle | None = None

    def restore(self, state: State) -> None:
        """Take up the stored sessions and retained messages, once, before `start`."""
        self.machine.restore(state)

    async def start(self) -> None:
        self.machine.wheel.turn(_tick())
        try:
            self._listeners.append(await Listener.open(self.accept, self._host, self._port))
            if self._tls is not None:
                self._listeners.append(
                    await Listener.open(self.accept, self._host, self._tls_port, self._tls)
                )
        except OSError:
            self._close_listeners()
            raise
        self._turn()

    def quiet(self) -> None:
        self._close_listeners()
        self._quiet = self.machine.paused = True

    async def stop(self) -> None:
        self._close_listeners()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self.machine.stop()
        for connection in list(self.open.strangers):
            connection.client.stop()
        self.machine.commit_journal()
        await self._see_off()

    async def _see_off(self) -> None:
        """Let the transports send what they were given, but wait for nobody who does not read."""
        open_ = self.open
        open_.closed.clear()
        if not open_.closing:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(open_.closed.wait(), _FAREWELL)
        for connection in list(open_.closing):
            connection.abort()
        await asyncio.sleep(0)

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()

    def accept(self) -> asyncio.Protocol:
        """Return the protocol of a new connection, for a transport that another listener has made.

        A transport needs the methods of `connection.Transport`, and calls what an asyncio transport
        calls.
        """
        return Connection(self.open)

    @property
    def ports(self) -> dict[str, int]:
        return {listener.name: listener.port for listener in self._listeners}

    def publish(self, message: port.Message) -> None:
        self.machine.publish(message)

    def connections(self) -> Iterable[port.Connection]:
        return [client for client in self.machine.clients.values() if client.open]

    def forget(self) -> None:
        self.machine.forget()

    def purge(self, keys: Collection[str], owns: Callable[[str], bool] | None = None) -> None:
        self.machine.purge(keys, owns)

    def pause(self) -> None:
        self.machine.paused = True

    def resume(self) -> None:
        if not self._quiet:
            self.machine.paused = False
            self.open.proceed()

    def statistics(self) -> dict[str, int]:
        return self.machine.statistics()

    def _turn(self) -> None:
        """The one periodic sweep. The next is scheduled first: no error ends it."""
        self._sweep = asyncio.get_running_loop().call_later(1 / TICKS, self._turn)
        self._status.turn()
        self.machine.turn(_tick())

    def _wake(self) -> None:
        asyncio.get_running_loop().call_soon(self.machine.go_on)


def _tick() -> int:
    return int(time.monotonic() * TICKS)


def _new_id() -> str:
    return uuid.uuid4().hex
