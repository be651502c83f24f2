"""The embedded engine: the port's `Broker` over the parts of this package."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.broker.embedded.connection import Connection
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.core.pending import Batch, Line
from gateway.broker.embedded.core.sessions import StoredIdentity
from gateway.broker.embedded.core.shared import Core
from gateway.broker.embedded.core.subscribing import drop_refused
from gateway.broker.embedded.core.wheel import TICKS
from gateway.broker.embedded.core.wills import take_up_will
from gateway.broker.embedded.listener import Listener
from gateway.broker.embedded.status import Status
from gateway.seats import Seats

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from gateway.broker import port
    from gateway.broker.embedded.core.durable import SessionStore, State

_FAREWELL: Final = 1.0  # seconds that a stop waits for clients to take their last packets


class EmbeddedBroker:
    """The broker. `restore` comes before `start`; a TLS listener has its own port and context.

    The daemon renews certificates through the context. `clock` gives seconds since 1970;
    `seats` are those that all entrances share.
    """

    def __init__(
        self,
        gate: port.Gate,
        store: SessionStore,
        *,
        host: str,
        port: int,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        tls_port: int = 8883,
        clock: Callable[[], float] = time.time,
        seats: Seats | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._tls_port = tls_port
        limits = limits or Limits()
        seats = seats or Seats(limits.connections)
        self._core = Core(gate, store, limits, clock, _tick(), seats)
        self._line = Line()
        self._status = Status(self._core, self.publish, self.statistics)
        self._listeners: list[Listener] = []
        self._sweep: asyncio.TimerHandle | None = None

    def restore(self, state: State) -> None:
        """Take up the stored sessions and retained messages, once, before `start`."""
        core = self._core
        for message in state.retained:
            core.router.retain(message)
        core.sessions.restore(state.sessions)
        for stored in state.sessions:
            session = core.sessions.find(StoredIdentity(stored.key), stored.client_id)
            if session is not None and stored.will is not None:
                take_up_will(core, session, stored.will)

    async def start(self) -> None:
        self._core.wheel.turn(_tick())
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

    async def stop(self) -> None:
        self._close_listeners()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        core = self._core
        core.sessions.disown(session for session in core.sessions if not session.expiry)
        for connection in (*core.connections, *core.strangers):
            connection.stop()
        self._commit_journal()
        await self._see_off()

    async def _see_off(self) -> None:
        """Let the transports send what they were given, but wait for nobody who does not read."""
        core = self._core
        core.closed.clear()
        if not core.closing:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(core.closed.wait(), _FAREWELL)
        for connection in list(core.closing):
            connection.abort()
        await asyncio.sleep(0)

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()

    def accept(self) -> asyncio.Protocol:
        """Return the protocol of a new connection, for a transport that another listener has made.

        A transport needs `write`, `close`, `abort`, `pause_reading`, `resume_reading`,
        `get_write_buffer_size` and `get_extra_info`, and calls what an asyncio transport calls.
        """
        return Connection(self._core)

    @property
    def ports(self) -> dict[str, int]:
        return {listener.name: listener.port for listener in self._listeners}

    def publish(self, message: port.Message) -> None:
        core = self._core
        publication = core.router.publication(None, message.topic.encode(), message.target)
        core.router.refresh(publication, None)
        if publication.silent and not message.retain:
            return
        batch = Batch(core, self._line, None)
        batch.route(publication, message)
        batch.commit()

    def connections(self) -> Iterable[port.Connection]:
        return [connection for connection in self._core.connections if connection.open]

    def forget(self) -> None:
        core = self._core
        core.router.generation += 1
        for connection in core.connections:
            if connection.open:
                connection.forget()
                drop_refused(core, connection.session)
        self._commit_journal()

    def purge(self, key: str, owns: Callable[[str], bool]) -> None:
        core = self._core
        for topic in [topic for topic in core.router.retained_topics() if owns(topic)]:
            core.router.unretain(topic)
            core.journal.write(core.store.unretained(topic))
        core.sessions.purge(key)
        self._commit_journal()

    def pause(self) -> None:
        self._core.paused = True

    def resume(self) -> None:
        core = self._core
        core.paused = False
        stalled, core.stalled = core.stalled, set()
        for connection in stalled:
            connection.proceed()

    def statistics(self) -> dict[str, int]:
        core = self._core
        counts: dict[str, Any] = msgspec.structs.asdict(core.counters)
        return counts | {
            "connections": len(core.connections),
            "sessions": len(core.sessions),
            "subscriptions": core.router.subscriptions,
            "retained": core.router.retained,
        }

    def _turn(self) -> None:
        """The one periodic sweep."""
        self._core.wheel.turn(_tick())
        self._core.rates.sweep()
        self._status.turn()
        self._commit_journal()
        self._core.flush()
        self._sweep = asyncio.get_running_loop().call_later(1 / TICKS, self._turn)

    def _commit_journal(self) -> None:
        if self._core.journal:
            Batch(self._core, self._line, None).commit()


def _tick() -> int:
    return int(time.monotonic() * TICKS)
